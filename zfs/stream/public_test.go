package stream_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"imagetools/zfs/internal/streamtest"
	"imagetools/zfs/stream"
)

type counts map[string]int

// publicStreams are what the public streams hold, counted once by hand with the reference.
var publicStreams = map[string]struct {
	big    bool
	counts counts
}{
	"rsend-dedup": {counts: counts{"BEGIN": 3, "END": 4, "FREE": 37, "FREEOBJECTS": 7, "OBJECT": 27, "WRITE": 23, "WRITE_BYREF": 51}},
	"rsend-dedup_encrypted_zvol": {counts: counts{"BEGIN": 4, "END": 5, "FREE": 26, "FREEOBJECTS": 3, "OBJECT": 6,
		"OBJECT_RANGE": 3, "WRITE": 97, "WRITE_BYREF": 676}},
	"zstream-big-endian-all-drr-types-base-NATIVE":    {true, base},
	"zstream-big-endian-all-drr-types-base-XDR":       {true, base},
	"zstream-little-endian-all-drr-types-base-NATIVE": {false, base},
	"zstream-little-endian-all-drr-types-base-XDR":    {false, base},
	"zstream-big-endian-all-drr-types-incr-NATIVE":    {true, incremental(6, 2, 22)},
	"zstream-big-endian-all-drr-types-incr-XDR":       {true, incremental(6, 2, 22)},
	"zstream-little-endian-all-drr-types-incr-NATIVE": {false, incremental(8, 3, 24)},
	"zstream-little-endian-all-drr-types-incr-XDR":    {false, incremental(10, 3, 22)},
	"zstream-big-endian-long-payloads":                {true, long},
	"zstream-little-endian-long-payloads":             {false, long},
	"zstream-decompress-crypt": {false, counts{"BEGIN": 1, "END": 1, "FREE": 14, "FREEOBJECTS": 2, "OBJECT": 9,
		"OBJECT_RANGE": 2, "WRITE": 10}},
	"zstream-decompress": {false, counts{"BEGIN": 1, "END": 1, "FREE": 14, "FREEOBJECTS": 3, "OBJECT": 9, "WRITE": 8,
		"WRITE_EMBEDDED": 3}},
	malformed: {},
}

// malformed has a WRITE of 256 bytes, less than a block can have.
const malformed = "zstream-undersized-write-lsize"

var (
	base = counts{"BEGIN": 1, "END": 1, "FREE": 16, "FREEOBJECTS": 3, "OBJECT": 11, "REDACT": 1, "SPILL": 3, "WRITE": 8,
		"WRITE_EMBEDDED": 3}
	long = counts{"BEGIN": 1, "END": 1, "FREE": 14, "FREEOBJECTS": 3, "OBJECT": 9, "WRITE": 11}
)

func incremental(freeObjects, ranges, writes int) counts {
	return counts{"BEGIN": 3, "END": 4, "FREE": 43, "FREEOBJECTS": freeObjects, "OBJECT": 33, "OBJECT_RANGE": ranges,
		"SPILL": 7, "WRITE": writes, "WRITE_EMBEDDED": 4}
}

// Every record of every public stream is read, with all its checksums.
func TestPublicStreams(t *testing.T) {
	names := streamtest.Names(t)
	if len(names) != len(publicStreams) {
		t.Errorf("%d public streams, the table has %d", len(names), len(publicStreams))
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, ok := publicStreams[name]
			if !ok {
				t.Fatal("not in the table")
			}
			data := streamtest.Read(t, name)
			if name == malformed {
				_, err := readAll(bytes.NewReader(data), nil)
				var fault *stream.FormatError
				if !errors.As(err, &fault) || !strings.HasPrefix(fault.What, "WRITE object=") ||
					!strings.Contains(err.Error(), "block of 256 bytes") {
					t.Fatalf("error %v, want one about a WRITE of 256 bytes", err)
				}
				return
			}
			got := counts{}
			r, err := readAll(bytes.NewReader(data), func(r *stream.Reader, rec stream.Record, payload []byte) error {
				got[rec.Type().String()]++
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.counts, got); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			if big := r.Order() == binary.BigEndian; big != want.big {
				t.Errorf("byte order %v", r.Order())
			}
			if r.Position() != int64(len(data)) {
				t.Errorf("read to byte %d of %d", r.Position(), len(data))
			}
		})
	}
}

// Readers that give little at a time, or the last bytes with io.EOF, make no difference.
func TestReaderOfReaders(t *testing.T) {
	t.Parallel()
	data := sample(t)
	want, err := dump(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"one byte": iotest.OneByteReader, "half": iotest.HalfReader, "data with EOF": iotest.DataErrReader,
	} {
		got, err := dump(wrap(bytes.NewReader(data)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	broken := errors.New("broken")
	_, err = dump(io.MultiReader(bytes.NewReader(data[:1000]), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the reader", err)
	}
	if _, err = dump(iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader(data)))); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("error %v, want that of the reader", err)
	}
}

// A stream written again record by record, in its byte order, has the same bytes. One place
// is not ours to fill in the same way: zfs(8) makes the END of a compound header in userland
// and leaves its trailing checksum zero, as senders before 2015 did everywhere.
func TestRewrite(t *testing.T) {
	for _, name := range streamtest.Names(t) {
		if name == malformed {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := streamtest.Read(t, name)
			rewritten := bytes.NewBuffer(make([]byte, 0, len(data)))
			order := binary.ByteOrder(binary.LittleEndian)
			if publicStreams[name].big {
				order = binary.BigEndian
			}
			w := stream.NewWriterOrder(rewritten, order)
			pkg, ends := false, 0
			_, err := readAll(bytes.NewReader(data), func(r *stream.Reader, rec stream.Record, payload []byte) error {
				switch rec := rec.(type) {
				case *stream.Begin:
					pkg = pkg || rec.HeaderType == stream.Compound
				case *stream.End:
					at := int(r.Offset())
					if ends++; pkg && ends == 1 {
						if sum := data[at+280 : at+stream.HeaderSize]; !bytes.Equal(sum, make([]byte, 32)) {
							t.Errorf("the END of the compound header has a checksum, %x", sum)
						}
						if err := w.WriteRecord(rec, payload); err != nil {
							return err
						}
						clear(rewritten.Bytes()[at+280 : at+stream.HeaderSize])
						return nil
					}
					if rec.Sum == (stream.Checksum{}) {
						return w.WriteTerminator()
					}
				}
				return w.WriteRecord(rec, payload)
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := rewritten.Bytes(); !bytes.Equal(got, data) {
				t.Errorf("%d bytes differ from the %d read, first at %d", len(got), len(data), firstDifference(got, data))
			}
		})
	}
}

// A stream of the other byte order says the same: written little-endian and read again, all
// records are equal.
func TestRewriteBigEndian(t *testing.T) {
	data := streamtest.Read(t, "zstream-big-endian-all-drr-types-base-XDR")
	var want, got []stream.Record
	var out bytes.Buffer
	w := stream.NewWriter(&out)
	_, err := readAll(bytes.NewReader(data), func(_ *stream.Reader, rec stream.Record, payload []byte) error {
		err := w.WriteRecord(rec, payload) // changes the sum of END
		want = append(want, rec)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = readAll(&out, func(_ *stream.Reader, rec stream.Record, _ []byte) error {
		got = append(got, rec)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// readAll reads a stream to its end and gives each record with its payload to fn.
func readAll(in io.Reader, fn func(*stream.Reader, stream.Record, []byte) error) (*stream.Reader, error) {
	r := stream.NewReader(in)
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return r, nil
		}
		if err != nil {
			return r, err
		}
		payload, err := r.Payload()
		if err != nil {
			return r, err
		}
		if fn != nil {
			if err := fn(r, rec, payload); err != nil {
				return r, err
			}
		}
	}
}
