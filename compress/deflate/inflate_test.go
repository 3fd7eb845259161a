package deflate_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"imagetools/compress/deflate"
)

// pieces decodes with room for a few bytes of output and of input at a time.
func pieces(stream []byte, in, room, limit int) (out []byte, consumed int, err error) {
	var dec deflate.Decoder
	given := 0
	for len(out) <= limit {
		given = min(len(stream), max(given, consumed)+in)
		out = slices.Grow(out, room)
		var n int
		out, n, err = dec.Append(out[:len(out):len(out)+room], stream[consumed:given])
		consumed += n
		if err == io.EOF {
			return out, consumed, nil
		}
		if err == io.ErrUnexpectedEOF && given < len(stream) || err == io.ErrShortBuffer {
			continue
		}
		return out, consumed, err
	}
	return out, consumed, errLimit
}

var errLimit = errors.New("more output than the test takes")

// read decodes by a Reader. What it leaves in its input counts as not consumed.
func read(r io.Reader, size, limit int) (out []byte, consumed int, err error) {
	src := bufio.NewReaderSize(r, 4096)
	out, err = io.ReadAll(io.LimitReader(deflate.NewReader(src), int64(limit)+1))
	if err == nil && len(out) > limit {
		return out, 0, errLimit
	}
	rest, restErr := io.ReadAll(src)
	return out, size - len(rest), errors.Join(err, restErr)
}

// inflate decodes in every way, which must come to the same.
func inflate(t testing.TB, stream []byte, limit int) (out []byte, consumed int, err error) {
	t.Helper()
	var dec deflate.Decoder
	out = make([]byte, limit)
	n, consumed, err := dec.Inflate(out, stream)
	out = out[:n]
	if err == io.ErrShortBuffer {
		err = errLimit
	}
	same := func(name string, got []byte, n int, gotErr error) {
		t.Helper()
		switch {
		case err == errLimit && gotErr == errLimit:
		case err == errLimit && len(got) <= limit || fmt.Sprint(gotErr) != fmt.Sprint(err):
			t.Errorf("%s: %d bytes, %v; Inflate: %d bytes, %v", name, len(got), gotErr, len(out), err)
		case err != errLimit && !bytes.Equal(got, out):
			t.Errorf("%s: %d other bytes than Inflate, of %d", name, len(got), len(out))
		case err == nil && n != consumed:
			t.Errorf("%s: %d bytes of input consumed; Inflate: %d", name, n, consumed)
		}
	}
	got, n, gotErr := pieces(stream, 1000, 300, limit)
	same("pieces of 1000 bytes", got, n, gotErr)
	got, n, gotErr = read(bytes.NewReader(stream), len(stream), limit)
	same("Reader", got, n, gotErr)
	if len(stream) < 5000 {
		got, n, gotErr = pieces(stream, 1, 258, limit)
		same("single bytes", got, n, gotErr)
		got, n, gotErr = read(iotest.OneByteReader(bytes.NewReader(stream)), len(stream), limit)
		same("Reader of single bytes", got, n, gotErr)
	}
	return out, consumed, err
}

// compareWithStandard decodes as the standard library does: both accept the stream, with the same
// output and of the same length, or both refuse it.
func compareWithStandard(t testing.TB, stream []byte, limit int) {
	t.Helper()
	rest := bytes.NewReader(stream)
	want, wantErr := io.ReadAll(io.LimitReader(flate.NewReader(rest), int64(limit)+1))
	if len(want) > limit {
		t.Skip("too much output")
	}
	got, consumed, err := inflate(t, stream, limit)
	switch {
	case (err == nil) != (wantErr == nil):
		t.Errorf("%d bytes, %v; compress/flate: %d bytes, %v", len(got), err, len(want), wantErr)
	case err != nil:
	case !bytes.Equal(got, want):
		t.Errorf("%d bytes differ from the %d of compress/flate", len(got), len(want))
	case consumed != len(stream)-rest.Len():
		t.Errorf("%d bytes consumed; compress/flate: %d", consumed, len(stream)-rest.Len())
	}
}

// words returns text of a small vocabulary with stretches of noise, zeros and far repetitions.
func words(n int) []byte {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	b := make([]byte, 0, n+1<<16)
	for len(b) < n {
		switch r.IntN(40) {
		case 0:
			b = append(b, random(r.IntN(3000), r.Uint64())...)
		case 1:
			b = append(b, make([]byte, r.IntN(3000))...)
		case 2, 3:
			back := min(len(b), 32768-r.IntN(10))
			b = append(b, b[len(b)-back:][:min(back, r.IntN(2000))]...)
		default:
			for range r.IntN(100) {
				b = fmt.Appendf(b, "%x ", r.IntN(1<<r.IntN(20)))
			}
		}
	}
	return b[:n]
}

func standard(t testing.TB, data []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestInflate(t *testing.T) {
	t.Parallel()
	inputs := [][]byte{nil, {7}, []byte("hello hello hello"), make([]byte, 100_000), random(70_000, 1), skewed()[:100_000]}
	for _, n := range []int{100, 3000, 32768, 330_000} {
		inputs = append(inputs, words(n))
	}
	var enc deflate.Encoder
	for _, data := range inputs {
		streams := map[string][]byte{"own": encode(t, &enc, data)}
		for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
			streams[fmt.Sprintf("level %d", level)] = standard(t, data, level)
		}
		for name, stream := range streams {
			// What follows must stay.
			got, consumed, err := inflate(t, append(slices.Clone(stream), "trailer!"...), len(data))
			if err != nil || !bytes.Equal(got, data) || consumed != len(stream) {
				t.Errorf("%s: %d bytes from %d, %v; want %d from %d", name, len(got), consumed, err, len(data), len(stream))
			}
		}
	}
}

// A bitString makes streams by hand.
type bitString struct {
	b []byte
	n int // bits
}

// add appends n bits, the lowest first.
func (s *bitString) add(v, n int) *bitString {
	for i := range n {
		if s.n%8 == 0 {
			s.b = append(s.b, 0)
		}
		s.b[s.n/8] |= byte(v>>i&1) << (s.n % 8)
		s.n++
	}
	return s
}

// code appends n bits, the highest first, as Huffman codes are.
func (s *bitString) code(v, n int) *bitString {
	return s.add(int(bits.Reverse32(uint32(v))>>(32-n)), n)
}

func (s *bitString) stored(last int, data []byte) *bitString {
	s.add(last, 3)
	s.add(0, -s.n&7).add(len(data), 16).add(^len(data), 16)
	for _, c := range data {
		s.add(int(c), 8)
	}
	return s
}

// fixed appends a symbol in the code of fixed blocks (RFC 1951, section 3.2.6).
func (s *bitString) fixed(symbols ...int) *bitString {
	for _, v := range symbols {
		switch {
		case v < 144:
			s.code(0x30+v, 8)
		case v < 256:
			s.code(0x190+v-144, 9)
		case v < 280:
			s.code(v-256, 7)
		default:
			s.code(0xc0+v-280, 8)
		}
	}
	return s
}

// match appends a match in the code of fixed blocks. It looks for the symbols in the slow way.
func (s *bitString) match(length, distance int) *bitString {
	symbol, base := 257, 3
	extra := func(symbol int) int {
		if symbol < 265 {
			return 0
		}
		return (symbol - 261) / 4
	}
	for base+1<<extra(symbol) <= length {
		base += 1 << extra(symbol)
		symbol++
	}
	if length == 258 {
		s.fixed(285)
	} else {
		s.fixed(symbol).add(length-base, extra(symbol))
	}
	symbol, base = 0, 1
	extra = func(symbol int) int { return max(0, symbol/2-1) }
	for base+1<<extra(symbol) <= distance {
		base += 1 << extra(symbol)
		symbol++
	}
	return s.code(symbol, 5).add(distance-base, extra(symbol))
}

// dynamic begins a block with codes of the given lengths; these are written in 4 bits each.
func (s *bitString) dynamic(last int, litLens, dists []int) *bitString {
	s.add(last|2<<1, 3).add(len(litLens)-257, 5).add(len(dists)-1, 5).add(19-4, 4)
	for _, symbol := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15} {
		if symbol < 16 {
			s.add(4, 3)
		} else {
			s.add(0, 3)
		}
	}
	for _, n := range append(slices.Clone(litLens), dists...) {
		s.code(n, 4)
	}
	return s
}

// lengths is a list of code lengths, given as symbol, length, symbol, length.
func lengths(n int, of ...int) []int {
	list := make([]int, n)
	for i := 0; i < len(of); i += 2 {
		list[of[i]] = of[i+1]
	}
	return list
}

// deepLengths are those of codes of 1, 2, 3 and so on up to 15 bits, for the given symbols.
func deepLengths(n int, symbols [16]int) []int {
	list := make([]int, n)
	for i, symbol := range symbols {
		list[symbol] = min(i+1, 15)
	}
	return list
}

func TestInflateByHand(t *testing.T) {
	t.Parallel()
	noise := random(65535, 1)
	end := 256
	deep := deepLengths(286, [16]int{97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 256, 285})
	deepDist := deepLengths(30, [16]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 28, 29})
	longest := new(bitString).dynamic(1, deep, deepDist).code(0, 1).code(2, 2).code(6, 3).code(1<<14-2, 14)
	longestWant := []byte("abcn")
	match258 := func(distance int) {
		for range 258 {
			longestWant = append(longestWant, longestWant[len(longestWant)-distance])
		}
	}
	for len(longestWant) < 32768 {
		longest.code(1<<15-1, 15).code(2, 2) // the second distance code is 10
		match258(2)
	}
	longest.code(1<<15-1, 15).code(1<<15-1, 15).add(8191, 13)
	match258(24577 + 8191)
	longest.code(1<<15-1, 15).code(1<<15-2, 15).add(0, 13)
	match258(16385)
	longest.code(1<<15-2, 15)
	var empties bitString
	for range 1000 {
		empties.add(1<<1, 3).fixed(end)
		empties.stored(0, nil)
	}
	tests := []struct {
		name   string
		stream *bitString
		want   []byte
	}{
		{"stored, empty", new(bitString).stored(1, nil), nil},
		{"stored", new(bitString).stored(0, noise).stored(1, noise[:1]), append(slices.Clone(noise), noise[0])},
		{"stored in the middle of a byte", new(bitString).add(2, 3).fixed(97, end).stored(0, noise[:3]).add(3, 3).fixed(98, end),
			slices.Concat([]byte("a"), noise[:3], []byte("b"))},
		{"fixed, empty", new(bitString).add(3, 3).fixed(end), nil},
		{"fixed, all lengths of codes", new(bitString).add(3, 3).fixed(0, 143, 144, 255, 0, end), []byte{0, 143, 144, 255, 0}},
		{"empty blocks", empties.add(3, 3).fixed(97, end), []byte("a")},
		{"length 258 in its two forms", new(bitString).add(3, 3).fixed(97).match(258, 1).fixed(284).add(31, 5).code(0, 5).fixed(end),
			bytes.Repeat([]byte("a"), 1+2*258)},
		{"the largest distance", new(bitString).stored(0, noise[:32768]).add(3, 3).match(258, 32768).match(3, 32768).fixed(end),
			slices.Concat(noise[:32768], noise[:261])},
		{"codes of 15 bits", longest, longestWant},
		{"a single distance code", new(bitString).dynamic(1, lengths(258, 97, 1, end, 2, 257, 2), []int{1}).
			code(0, 1).code(3, 2).code(0, 1).code(2, 2), []byte("aaaa")},
		{"a single distance code, not the first", new(bitString).dynamic(1, lengths(258, 97, 1, end, 2, 257, 2), lengths(4, 3, 1)).
			code(0, 1).code(0, 1).code(0, 1).code(0, 1).code(3, 2).code(0, 1).code(2, 2), []byte("aaaaaaa")},
		{"no distance code", new(bitString).dynamic(1, lengths(257, 97, 1, end, 1), []int{0}).
			code(0, 1).code(0, 1).code(1, 1), []byte("aa")},
		{"an end and no more", new(bitString).dynamic(1, lengths(257, end, 1), []int{0}).code(0, 1), nil},
	}
	for _, test := range tests {
		got, consumed, err := inflate(t, test.stream.b, len(test.want))
		if err != nil || !bytes.Equal(got, test.want) || consumed != len(test.stream.b) {
			t.Errorf("%s: %d bytes from %d, %v; want %d from %d", test.name,
				len(got), consumed, err, len(test.want), len(test.stream.b))
		}
		compareWithStandard(t, test.stream.b, len(test.want))
	}
}

// TestInflateMatches has matches of all lengths at all small distances, in the middle of the output
// and at its end, where there is no room to write beyond.
func TestInflateMatches(t *testing.T) {
	t.Parallel()
	start := random(40, 1)
	for distance := 1; distance <= 40; distance++ {
		s := new(bitString).stored(0, start).add(3, 3)
		want := slices.Clone(start)
		for length := 3; length <= 258; length++ {
			s.match(length, distance).fixed(length & 255)
			for range length {
				want = append(want, want[len(want)-distance])
			}
			want = append(want, byte(length))
		}
		got, _, err := inflate(t, s.fixed(256).b, len(want))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("distance %d: %d bytes, %v; want %d", distance, len(got), err, len(want))
		}
		for length := 3; length <= 258; length++ {
			s := new(bitString).stored(0, start).add(3, 3).match(length, distance).fixed(256)
			want := slices.Clone(start)
			for range length {
				want = append(want, want[len(want)-distance])
			}
			got := make([]byte, len(want))
			if n, _, err := new(deflate.Decoder).Inflate(got, s.b); err != nil || n != len(want) || !bytes.Equal(got, want) {
				t.Errorf("distance %d, length %d at the end: %d bytes, %v; want %d", distance, length, n, err, len(want))
			}
		}
	}
}

func TestInflateRefuses(t *testing.T) {
	t.Parallel()
	end := 256
	ab := lengths(257, 97, 1, end, 1)
	full := lengths(286, 97, 1, end, 2, 257, 2)
	tests := []struct {
		name   string
		stream *bitString
		offset int64
		want   string
	}{
		{"block type", new(bitString).add(7, 3), 0, "block type"},
		{"second block type", new(bitString).stored(0, []byte("abc")).add(7, 3), 8, "block type"},
		{"stored length", new(bitString).add(1, 8).add(5, 16).add(5, 16), 5, "complement"},
		{"no output to copy", new(bitString).add(3, 3).match(3, 1), 1, "before the start"},
		{"too far back", new(bitString).stored(0, make([]byte, 32767)).add(3, 3).match(3, 32768).add(0, 200), 32775, "before the start"},
		{"length symbol 286", new(bitString).add(3, 3).fixed(97, 286).add(0, 200), 1, "invalid code"},
		{"length symbol 287", new(bitString).add(3, 3).fixed(97, 287).add(0, 200), 1, "invalid code"},
		{"distance symbol 30", new(bitString).add(3, 3).fixed(97, 257).code(30, 5).add(0, 200), 2, "invalid code"},
		{"distance symbol 31", new(bitString).add(3, 3).fixed(97, 257).code(31, 5).add(0, 200), 2, "invalid code"},
		{"287 length symbols", new(bitString).dynamic(1, make([]int, 287), ab[:1]), 2, "symbols than there are"},
		{"31 distance symbols", new(bitString).dynamic(1, ab, make([]int, 31)), 2, "symbols than there are"},
		{"oversubscribed", new(bitString).dynamic(1, lengths(257, 97, 1, 98, 1, end, 1), []int{0}), -1, "more codes"},
		{"oversubscribed distances", new(bitString).dynamic(1, full, []int{1, 1, 1}), -1, "more codes"},
		{"incomplete", new(bitString).dynamic(1, lengths(257, 97, 1, end, 2), []int{0}), -1, "incomplete"},
		{"incomplete distances", new(bitString).dynamic(1, full, []int{2, 2, 2}), -1, "incomplete"},
		{"a single distance code of 2 bits", new(bitString).dynamic(1, full, []int{2}), -1, "incomplete"},
		{"no end", new(bitString).dynamic(1, lengths(257, 97, 1, 98, 1), []int{0}), -1, "without an end"},
		{"incomplete header code", new(bitString).add(5, 3).add(0, 14).add(1|2<<3, 12), 3, "incomplete"},
		{"repeats nothing", new(bitString).add(5, 3).add(0, 14).add(1|1<<3, 12).code(0, 1), 3, "without the first"},
		{"repeats too often", new(bitString).add(5, 3).add(0, 14).add(1<<6|1<<9, 12).code(1, 1).add(127, 7).code(1, 1).add(127, 7), 5, "beyond the last"},
		{"unused code of a single one", new(bitString).dynamic(1, full, []int{1}).code(0, 1).code(3, 2).code(1, 1).add(0, 200), -1, "invalid code"},
		{"distance without a code", new(bitString).dynamic(1, full, []int{0}).code(0, 1).code(3, 2).add(0, 200), -1, "invalid code"},
		{"unused code, no end", new(bitString).dynamic(1, lengths(257, end, 1), []int{0}).code(1, 1).add(0, 200), -1, "invalid code"},
	}
	for _, test := range tests {
		_, _, err := inflate(t, test.stream.b, 70_000)
		e, ok := errors.AsType[*deflate.CorruptError](err)
		if !ok || !strings.Contains(err.Error(), test.want) || test.offset >= 0 && e.Offset != test.offset {
			t.Errorf("%s: %v; want %q at byte %d", test.name, err, test.want, test.offset)
		}
		compareWithStandard(t, test.stream.b, 70_000)
	}
}

func TestInflateCut(t *testing.T) {
	t.Parallel()
	data := words(20_000)
	for _, stream := range [][]byte{standard(t, data, 9), standard(t, data, 0), standard(t, data[:30], 9)} {
		for n := range stream {
			if n > 1000 && n < len(stream)-100 && n%97 != 0 {
				continue
			}
			got, _, err := inflate(t, stream[:n], len(data))
			if err != io.ErrUnexpectedEOF || !bytes.HasPrefix(data, got) {
				t.Fatalf("%d of %d bytes: %d bytes of output, %v; want %v", n, len(stream), len(got), err, io.ErrUnexpectedEOF)
			}
		}
	}
}

func TestInflateShortBuffer(t *testing.T) {
	t.Parallel()
	data := words(3000)
	stream := standard(t, data, 9)
	var dec deflate.Decoder
	for size := range data {
		out := make([]byte, size)
		n, _, err := dec.Inflate(out, stream)
		if err != io.ErrShortBuffer || !bytes.Equal(out[:n], data[:n]) || n < size-258 {
			t.Fatalf("room for %d bytes: %d, %v; want %v", size, n, err, io.ErrShortBuffer)
		}
	}
}

// TestInflateCorrupt changes bits at random.
func TestInflateCorrupt(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	var enc deflate.Encoder
	for _, data := range [][]byte{words(300), words(5000), words(60_000), make([]byte, 5000)} {
		for _, stream := range [][]byte{standard(t, data, 9), standard(t, data, 1), standard(t, data, 0), encode(t, &enc, data)} {
			for range 100 {
				bad := slices.Clone(stream)
				for range 1 + r.IntN(3) {
					at := r.IntN(len(bad))
					if r.IntN(2) == 0 {
						at = r.IntN(min(len(bad), 100)) // where the codes are
					}
					bad[at] ^= 1 << r.IntN(8)
				}
				compareWithStandard(t, bad, 1<<18)
			}
		}
	}
}

// TestInflateReuse is about what a stream before may leave behind.
func TestInflateReuse(t *testing.T) {
	t.Parallel()
	data := words(5000)
	var dec deflate.Decoder
	out := make([]byte, len(data))
	good := standard(t, data, 9)
	for _, before := range [][]byte{good, good[:len(good)/2], good[:3], {7}, new(bitString).add(3, 3).fixed(97, 256).b,
		new(bitString).stored(1, make([]byte, 10_000)).b, new(bitString).dynamic(1, lengths(257, 256, 1), []int{0}).b} {
		_, _, _ = dec.Inflate(out, before)
		if n, _, err := dec.Inflate(out, good); err != nil || !bytes.Equal(out[:n], data) {
			t.Errorf("after %d bytes: %d bytes, %v; want %d", len(before), n, err, len(data))
		}
	}
}

func TestDecoderKeepsError(t *testing.T) {
	t.Parallel()
	for _, stream := range [][]byte{{7}, {3, 0}} {
		var dec deflate.Decoder
		_, _, err := dec.Append(nil, stream)
		out, n, again := dec.Append(make([]byte, 5, 10), stream)
		if err == nil || again != err || n != 0 || len(out) != 5 {
			t.Errorf("Append after %v: %d bytes from %d, %v", err, len(out), n, again)
		}
	}
}

func TestInflateReader(t *testing.T) {
	t.Parallel()
	data := words(700_000)
	stream := standard(t, data, 6)
	r := deflate.NewReader(bufio.NewReader(iotest.HalfReader(bytes.NewReader(stream))))
	if err := iotest.TestReader(r, data); err != nil {
		t.Error(err)
	}
	errBroken := errors.New("broken")
	for _, n := range []int{0, 1, len(stream) / 2, len(stream) - 1} {
		src := io.MultiReader(bytes.NewReader(stream[:n]), iotest.ErrReader(errBroken))
		got, err := io.ReadAll(deflate.NewReader(bufio.NewReader(src)))
		if err != errBroken || !bytes.HasPrefix(data, got) {
			t.Errorf("input broken after %d bytes: %d bytes, %v; want %v", n, len(got), err, errBroken)
		}
	}
}

// TestInflateNoAllocations is not parallel: it counts them.
func TestInflateNoAllocations(t *testing.T) {
	data := words(100_000)
	stream := standard(t, data, 9)
	out := make([]byte, len(data))
	var dec deflate.Decoder
	if n := testing.AllocsPerRun(3, func() { _, _, _ = dec.Inflate(out, stream) }); n != 0 {
		t.Errorf("%v allocations for each stream", n)
	}
}

func FuzzInflate(f *testing.F) {
	var enc deflate.Encoder
	data := words(3000)
	for _, level := range []int{-2, 0, 1, 9} {
		f.Add(standard(f, data, level))
		f.Add(standard(f, data[:50], level))
	}
	f.Add(encode(f, &enc, data))
	f.Add(new(bitString).dynamic(1, lengths(258, 97, 1, 256, 2, 257, 2), []int{1}).code(0, 1).code(3, 2).code(0, 1).code(2, 2).b)
	f.Add(new(bitString).stored(0, data[:20]).add(3, 3).match(258, 20).match(10, 3).fixed(256).b)
	f.Fuzz(func(t *testing.T, stream []byte) {
		compareWithStandard(t, stream, 1<<20)
	})
}

func BenchmarkInflate(b *testing.B) {
	data := words(4 << 20)
	stream := standard(b, data, 9)
	out := make([]byte, len(data))
	var dec deflate.Decoder
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, _, err := dec.Inflate(out, stream); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleDecoder_Inflate() {
	var enc deflate.Encoder
	in := new(deflate.Input)
	in.Fill([]byte(strings.Repeat("hello ", 1000)))
	stream := enc.Append(nil, in)

	var dec deflate.Decoder
	out := make([]byte, in.Len())
	n, consumed, err := dec.Inflate(out, append(stream, "what follows"...))
	fmt.Println(n, consumed, err)
	// Output: 6000 34 <nil>
}
