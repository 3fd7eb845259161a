package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"imagetools/internal/cli"
	"imagetools/internal/plain"
	"imagetools/zfs/nvlist"
	"imagetools/zfs/stream"
)

type dumpOptions struct {
	Types   []string
	Objects string
	Records string
	Payload bool
	Summary bool
	JSON    bool
}

func newStreamDumpCommand(env *cli.Env) *cobra.Command {
	var opts dumpOptions
	cmd := &cobra.Command{
		Use:   "dump [flags] [IMAGE|-]",
		Short: "Print the records of a stream",
		Long: `Dump prints a line for each record of a stream: its number, its offset in the uncompressed
stream, its type, its fields and the length of its payload. All checksums are verified. What
comes before the first fault is printed, then the error with its record and offset.

--type, --object and --record select records, all of them together. --payload adds the payloads:
the list of names and values of BEGIN, hex of all others. --summary prints numbers of records and
bytes of payload by type instead.

With --json there is one object a line, whose keys are only ever added to: record, offset, type,
type_number, payload_length and the fields; object_offset is the place in the object. What has a
name has its number beside it, as object_type and object_type_number. Guids are strings of
decimal digits, as zfs get prints them; checksums and keys are strings of hex digits. Numbers
over 2^53, which jq and JavaScript would round, are strings of decimal digits too: the length of
a FREE to the end of its object, and guids in the list of BEGIN.

` + inputArgument + `

Exit status: 0 done, 1 failed or damaged, 2 usage, 130 interrupted.`,
		Example: `  imagetools stream dump --summary output/web-1.0.json
  zfs send zones/web@final | imagetools stream dump --type OBJECT,FREE --object 8-20
  imagetools stream dump --json web.zfs.gz | jq 'select(.type == "WRITE") | .object_offset'`,
		Args: optionalImage(),
		RunE: func(c *cobra.Command, args []string) error {
			in := "-"
			if len(args) > 0 {
				in = args[0]
			}
			return runDump(c.Context(), env, in, opts)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&opts.Types, "type", nil, "types of records, such as WRITE,OBJECT")
	f.StringVar(&opts.Objects, "object", "", "numbers of objects, such as 1,8-20 or 30-")
	f.StringVar(&opts.Records, "record", "", "numbers of records, such as 0,100-")
	f.BoolVar(&opts.Payload, "payload", false, "print payloads too")
	f.BoolVar(&opts.Summary, "summary", false, "print counts instead of records")
	f.BoolVar(&opts.JSON, "json", false, "print JSON")
	return cmd
}

func runDump(ctx context.Context, env *cli.Env, arg string, opts dumpOptions) error {
	sel, err := newRecordSelection(opts)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(env.Text(), 64<<10)
	var p recordPrinter
	switch {
	case opts.Summary:
		p = &summaryPrinter{out: out, json: opts.JSON}
	case opts.JSON:
		p = &jsonPrinter{out: out, payloads: opts.Payload}
	default:
		p = &textPrinter{out: out, payloads: opts.Payload}
	}
	return interruptible(ctx, func() error {
		in, err := openImage(ctx, env, arg)
		if err != nil {
			return err
		}
		defer in.Close()
		br := bufio.NewReaderSize(in, 256<<10)
		r := stream.NewReader(br)
		err = dumpRecords(r, sel, p)
		if err == nil {
			err = nothingBehind(br)
		}
		if err != nil {
			err = in.fail(err)
		}
		return cmp.Or(p.end(r.Position()), out.Flush(), err)
	})
}

func dumpRecords(r *stream.Reader, sel *recordSelection, p recordPrinter) error {
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		payload, err := r.Payload()
		if err != nil {
			return err
		}
		if sel.match(r.Record(), rec) {
			if err := p.record(r, rec, payload); err != nil {
				return err
			}
		}
	}
}

func nothingBehind(r io.ByteReader) error {
	switch _, err := r.ReadByte(); err {
	case io.EOF:
		return nil
	case nil:
		return errors.New("more follows behind the end of the stream")
	default:
		return err
	}
}

// recordSelection is which records are printed.
type recordSelection struct {
	types   []string     // empty for all
	objects numberRanges // nil for all
	records numberRanges
}

// numberRanges are pairs of a first and a last number.
type numberRanges [][2]uint64

func newRecordSelection(opts dumpOptions) (*recordSelection, error) {
	s := &recordSelection{}
	var known []string
	for t := stream.TypeBegin; t <= stream.TypeRedact; t++ {
		known = append(known, t.String())
	}
	for _, t := range opts.Types {
		t = strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(t)), "DRR_")
		if !slices.Contains(known, t) {
			return nil, cli.Hint(cli.Usagef("--type %q: no type of records", t), "types are "+strings.Join(known, ", "))
		}
		s.types = append(s.types, t)
	}
	var err error
	if s.objects, err = parseRanges("--object", opts.Objects); err != nil {
		return nil, err
	}
	s.records, err = parseRanges("--record", opts.Records)
	return s, err
}

func parseRanges(flag, text string) (numberRanges, error) {
	if text == "" {
		return nil, nil
	}
	var out numberRanges
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		first, err := strconv.ParseUint(from, 0, 64)
		last := first
		if err == nil && isRange {
			if last = math.MaxUint64; to != "" {
				last, err = strconv.ParseUint(to, 0, 64)
			}
		}
		if err != nil || last < first {
			return nil, cli.Usagef("%s %q: want numbers and ranges, such as 1,8-20,30-", flag, part)
		}
		out = append(out, [2]uint64{first, last})
	}
	return out, nil
}

// touch tells whether one of the ranges has a number from first to last.
func (r numberRanges) touch(first, last uint64) bool {
	return r == nil || slices.ContainsFunc(r, func(x [2]uint64) bool { return first <= x[1] && x[0] <= last })
}

func (s *recordSelection) match(number int64, rec stream.Record) bool {
	if s.types != nil && !slices.Contains(s.types, rec.Type().String()) || !s.records.touch(uint64(number), uint64(number)) {
		return false
	}
	if s.objects == nil {
		return true
	}
	first, count := objectsOf(rec)
	return count > 0 && s.objects.touch(first, first+min(count-1, math.MaxUint64-first))
}

// objectsOf are the objects that a record is about.
func objectsOf(rec stream.Record) (first, count uint64) {
	switch rec := rec.(type) {
	case *stream.Object:
		return rec.Object, 1
	case *stream.FreeObjects:
		return rec.First, rec.Count
	case *stream.Write:
		return rec.Object, 1
	case *stream.Free:
		return rec.Object, 1
	case *stream.WriteByref:
		return rec.Object, 1
	case *stream.Spill:
		return rec.Object, 1
	case *stream.WriteEmbedded:
		return rec.Object, 1
	case *stream.ObjectRange:
		return rec.First, rec.Slots
	case *stream.Redact:
		return rec.Object, 1
	}
	return 0, 0
}

// recordPrinter prints the records of a stream in one of the forms.
type recordPrinter interface {
	record(r *stream.Reader, rec stream.Record, payload []byte) error
	// end is called after the last record, or the last before a fault.
	end(bytesRead int64) error
}

// textPrinter prints a line for each record, with payloads indented below it.
type textPrinter struct {
	out      *bufio.Writer
	payloads bool
}

func (p *textPrinter) record(r *stream.Reader, rec stream.Record, payload []byte) error {
	fmt.Fprintf(p.out, "%d %#x %v", r.Record(), r.Offset(), rec.Type())
	for _, f := range fieldsOf(rec) {
		if f.boring {
			continue
		}
		fmt.Fprintf(p.out, " %s=%s", f.key, f.text)
	}
	if len(payload) > 0 {
		fmt.Fprintf(p.out, " payload=%d", len(payload))
	}
	p.out.WriteByte('\n')
	if !p.payloads || len(payload) == 0 {
		return p.flushed()
	}
	if rec.Type() == stream.TypeBegin {
		list, err := nvlist.Decode(payload)
		if err == nil {
			writeList(p.out, list, 1)
			return p.flushed()
		}
		fmt.Fprintf(p.out, "    %v; its bytes are\n", err)
	}
	writeHex(p.out, payload)
	return p.flushed()
}

// flushed is the error of the writer.
func (p *textPrinter) flushed() error {
	_, err := p.out.Write(nil)
	return err
}

func (p *textPrinter) end(int64) error { return nil }

// writeHex prints bytes 16 to a line; lines like the one before are one "*".
func writeHex(w io.Writer, data []byte) {
	for at := 0; at < len(data); at += 16 {
		line := data[at:min(at+16, len(data))]
		if at > 0 && at+16 < len(data) && bytes.Equal(line, data[at-16:at]) {
			if at == 16 || !bytes.Equal(line, data[at-32:at-16]) {
				io.WriteString(w, "    *\n")
			}
			continue
		}
		text := []byte(hex.Dump(line))
		fmt.Fprintf(w, "    %08x%s", at, text[8:])
	}
}

// writeList prints a list of names and values, a line for each.
func writeList(w io.Writer, list nvlist.List, depth int) {
	indent := strings.Repeat("    ", depth)
	for _, pair := range list {
		fmt.Fprintf(w, "%s%s %v", indent, plainOrQuoted(pair.Name), nvlist.TypeOf(pair.Value))
		switch v := pair.Value.(type) {
		case nvlist.List:
			io.WriteString(w, "\n")
			writeList(w, v, depth+1)
			continue
		case nvlist.Lists:
			io.WriteString(w, "\n")
			for i, l := range v {
				fmt.Fprintf(w, "%s    [%d]\n", indent, i)
				writeList(w, l, depth+2)
			}
			continue
		case nvlist.Number:
			fmt.Fprintf(w, " %s", numberText(v.Kind, v.Bits))
		case nvlist.Numbers:
			for _, n := range v.Bits {
				fmt.Fprintf(w, " %s", numberText(v.Kind, n))
			}
		case nvlist.String:
			fmt.Fprintf(w, " %s", strconv.Quote(string(v)))
		case nvlist.Strings:
			for _, s := range v {
				fmt.Fprintf(w, " %s", strconv.Quote(s))
			}
		case nvlist.Bytes:
			fmt.Fprintf(w, " %x", []byte(v))
		}
		io.WriteString(w, "\n")
	}
}

func numberText(t nvlist.Type, bits uint64) string {
	name := t.String()
	if strings.HasPrefix(name, "INT") || name == "HRTIME" {
		return strconv.FormatInt(int64(bits), 10)
	}
	if strings.HasPrefix(name, "BOOLEAN") {
		return strconv.FormatBool(bits != 0)
	}
	return strconv.FormatUint(bits, 10)
}

func plainOrQuoted(s string) string {
	if q := strconv.Quote(s); len(q) != len(s)+2 || s == "" || strings.ContainsAny(s, " =") {
		return q
	}
	return s
}

// jsonPrinter prints an object for each record on a line.
type jsonPrinter struct {
	out      *bufio.Writer
	payloads bool
	line     []byte
}

func (p *jsonPrinter) record(r *stream.Reader, rec stream.Record, payload []byte) error {
	p.line = append(p.line[:0], '{')
	p.add("record", r.Record())
	p.add("offset", r.Offset())
	p.add("type", rec.Type().String())
	p.add("type_number", rec.Type())
	p.add("payload_length", len(payload))
	for _, f := range fieldsOf(rec) {
		key := f.key
		if key == "offset" { // in the object; "offset" is that of the record
			key = "object_offset"
		}
		p.add(key, f.value)
		if f.number != nil {
			p.add(key+"_number", f.number)
		}
	}
	if p.payloads && len(payload) > 0 {
		if rec.Type() == stream.TypeBegin {
			if list, err := nvlist.Decode(payload); err != nil {
				p.add("nvlist_error", err.Error())
			} else {
				p.add("nvlist", jsonList(list))
			}
		}
		p.add("payload", hex.EncodeToString(payload))
	}
	_, err := p.out.Write(append(p.line, "}\n"...))
	return err
}

func (p *jsonPrinter) end(int64) error { return nil }

func (p *jsonPrinter) add(key string, value any) {
	if len(p.line) > 1 {
		p.line = append(p.line, ',')
	}
	p.line = strconv.AppendQuote(p.line, key)
	p.line = append(p.line, ':')
	switch v := value.(type) {
	case uint64:
		p.line = append(p.line, safeNumber(v)...)
	case int64:
		p.line = strconv.AppendInt(p.line, v, 10)
	default:
		p.line = append(p.line, compactJSON(v)...)
	}
}

// maxSafe is the largest number up to which JavaScript and jq tell all integers apart.
const maxSafe = 1 << 53

// safeNumber is a number in JSON, or a string with its digits.
func safeNumber(v uint64) []byte {
	if v > maxSafe {
		return strconv.AppendQuote(nil, strconv.FormatUint(v, 10))
	}
	return strconv.AppendUint(nil, v, 10)
}

// compactJSON is v in JSON. It is given numbers, booleans and strings, and lists of them.
func compactJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(plain.JSONWriter(&b))
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("imagetools: internal error: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// jsonList is a list as JSON: an array of pairs, since a list may have a name twice.
type jsonList nvlist.List

type jsonPair struct {
	Name  text   `json:"name"`
	Type  string `json:"type"`
	Value any    `json:"value"`
}

func (l jsonList) MarshalJSON() ([]byte, error) {
	pairs := make([]jsonPair, len(l))
	for i, pair := range l {
		pairs[i] = jsonPair{text(pair.Name), nvlist.TypeOf(pair.Value).String(), jsonValue(pair.Value)}
	}
	return compactJSON(pairs), nil
}

func jsonValue(v nvlist.Value) any {
	switch v := v.(type) {
	case nvlist.List:
		return jsonList(v)
	case nvlist.Lists:
		out := make([]jsonList, len(v))
		for i, l := range v {
			out[i] = jsonList(l)
		}
		return out
	case nvlist.Number:
		return jsonNumber(v.Kind, v.Bits)
	case nvlist.Numbers:
		out := make([]any, len(v.Bits))
		for i, n := range v.Bits {
			out[i] = jsonNumber(v.Kind, n)
		}
		return out
	case nvlist.String:
		return text(v)
	case nvlist.Strings:
		out := make([]text, len(v))
		for i, s := range v {
			out[i] = text(s)
		}
		return out
	case nvlist.Bytes:
		return hex.EncodeToString(v)
	}
	return true // a BOOLEAN says by being there
}

// jsonNumber is a number or a boolean; a string where a number would be rounded.
func jsonNumber(t nvlist.Type, bits uint64) any {
	digits := numberText(t, bits)
	if n, err := strconv.ParseInt(digits, 10, 64); err != nil && digits != "true" && digits != "false" || n > maxSafe || n < -maxSafe {
		return digits
	}
	return json.RawMessage(digits)
}

// summaryPrinter counts records.
type summaryPrinter struct {
	out    *bufio.Writer
	json   bool
	counts [stream.TypeRedact + 1]typeCount
}

type typeCount struct {
	Records int64 `json:"records"`
	Payload int64 `json:"payload_bytes"`
}

func (p *summaryPrinter) record(_ *stream.Reader, rec stream.Record, payload []byte) error {
	c := &p.counts[rec.Type()]
	c.Records++
	c.Payload += int64(len(payload))
	return nil
}

func (p *summaryPrinter) end(bytesRead int64) error {
	var total typeCount
	types := map[string]typeCount{}
	for t, c := range p.counts {
		types[stream.Type(t).String()] = c
		total.Records += c.Records
		total.Payload += c.Payload
	}
	if p.json {
		return printJSON(p.out, struct {
			Types       map[string]typeCount `json:"types"`
			Total       typeCount            `json:"total"`
			StreamBytes int64                `json:"stream_bytes"`
		}{types, total, bytesRead})
	}
	fmt.Fprintf(p.out, "%-16s %12s %16s\n", "type", "records", "payload bytes")
	for t, c := range p.counts {
		fmt.Fprintf(p.out, "%-16s %12d %16d\n", stream.Type(t), c.Records, c.Payload)
	}
	_, err := fmt.Fprintf(p.out, "%-16s %12d %16d\nread %d bytes of the stream\n", "total", total.Records, total.Payload, bytesRead)
	return err
}
