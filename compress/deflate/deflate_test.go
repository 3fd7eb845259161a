package deflate_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"imagetools/compress/deflate"
)

// encode checks that the standard library reads what it returns, and that nothing follows.
func encode(t testing.TB, enc *deflate.Encoder, data []byte) []byte {
	t.Helper()
	in := new(deflate.Input)
	if n := in.Fill(data); n != len(data) {
		t.Fatalf("Fill takes %d of %d bytes", n, len(data))
	}
	out := enc.Append(nil, in)
	rest := bytes.NewReader(out)
	got, err := io.ReadAll(flate.NewReader(rest))
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d bytes of output decode to %d bytes, %v; want %d", len(out), len(got), err, len(data))
	}
	if rest.Len() != 0 {
		t.Fatalf("%d bytes follow the stream", rest.Len())
	}
	return out
}

func random(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// skewed returns bytes whose frequencies fall like the Fibonacci numbers, which makes Huffman
// codes longer than the format allows.
func skewed() []byte {
	var b []byte
	for symbol, n, next := 0, 1, 1; len(b) < 3<<20; symbol, n, next = symbol+1, next, n+next {
		b = append(b, bytes.Repeat([]byte{byte(symbol)}, n)...)
	}
	r := rand.New(rand.NewPCG(7, 0))
	r.Shuffle(len(b), func(i, j int) { b[i], b[j] = b[j], b[i] })
	return b
}

func TestDecodes(t *testing.T) {
	t.Parallel()
	var enc deflate.Encoder
	for n := range 40 {
		encode(t, &enc, []byte(strings.Repeat("abc", 20))[:n])
		encode(t, &enc, make([]byte, n))
		encode(t, &enc, random(n, 1))
	}
	for _, n := range []int{255, 256, 257, 258, 259, 1023, 1024, 1025, 32767, 32768, 32769, 65535, 65536, 1 << 20, 1<<20 + 1} {
		encode(t, &enc, make([]byte, n))
		encode(t, &enc, random(n, 2))
		encode(t, &enc, bytes.Repeat(random(n/3+1, 3), 4)[:n])
	}
	encode(t, &enc, skewed())
	encode(t, &enc, make([]byte, deflate.MaxInput))
	encode(t, &enc, random(deflate.MaxInput, 4))
}

// TestMatchesAtAllDistances places each pair of equal strings so that only one distance fits.
func TestMatchesAtAllDistances(t *testing.T) {
	t.Parallel()
	var enc deflate.Encoder
	for shift := range 16 {
		for _, distance := range []int{1<<shift - 1, 1 << shift, 1<<shift + 1} {
			data := random(distance+300, uint64(distance))
			copy(data[distance:], data[:300])
			encode(t, &enc, data)
		}
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	var enc deflate.Encoder
	tests := []struct {
		name string
		data []byte
		max  int
	}{
		{"empty", nil, 2},
		{"random", random(1<<20, 5), 1<<20 + 100},
		{"zeros", make([]byte, deflate.MaxInput), 4200},
		// 65 of 256 values: just above 6 bits.
		{"no matches", bytes.Map(func(r rune) rune { return r % 64 }, bytes.ToValidUTF8(random(1<<20, 6), nil)), 1 << 20},
		{"window", bytes.Repeat(random(32768, 7), 10), 32768 + 5000},
		{"beyond the window", bytes.Repeat(random(32769, 7), 10), 32769*10 + 100},
	}
	for _, test := range tests {
		if out := encode(t, &enc, test.data); len(out) > test.max {
			t.Errorf("%s: %d bytes, want no more than %d", test.name, len(out), test.max)
		}
	}
}

// TestReuse is about tables that still hold the previous input.
func TestReuse(t *testing.T) {
	t.Parallel()
	var used deflate.Encoder
	in := new(deflate.Input)
	for _, data := range [][]byte{random(100_000, 8), bytes.Repeat(random(999, 8), 100), make([]byte, 5000), random(10, 8)} {
		in.Reset()
		in.Fill(data)
		if got, want := used.Append(nil, in), encode(t, new(deflate.Encoder), data); !bytes.Equal(got, want) {
			t.Errorf("%d bytes: a used encoder gives other bytes than a new one", len(data))
		}
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	in := new(deflate.Input)
	in.Fill([]byte("some text, some text"))
	got := new(deflate.Encoder).Append([]byte("before"), in)
	want := append([]byte("before"), new(deflate.Encoder).Append(nil, in)...)
	if !bytes.Equal(got, want) {
		t.Errorf("Append = %x, want %x", got, want)
	}
}

// TestNoAllocations is not parallel: it counts them.
func TestNoAllocations(t *testing.T) {
	var enc deflate.Encoder
	in := new(deflate.Input)
	in.Fill(bytes.Repeat(random(5000, 9), 50))
	out := enc.Append(nil, in)
	if n := testing.AllocsPerRun(3, func() { out = enc.Append(out[:0], in) }); n != 0 {
		t.Errorf("%v allocations for each input", n)
	}
}

func FuzzDeflate(f *testing.F) {
	f.Add([]byte(nil), uint16(0))
	f.Add([]byte("a rose is a rose is a rose"), uint16(1))
	f.Add(random(300, 1), uint16(130))
	f.Add(bytes.Repeat([]byte{0, 0, 0, 1}, 500), uint16(3))
	var enc deflate.Encoder
	in := new(deflate.Input)
	f.Fuzz(func(t *testing.T, data []byte, repeat uint16) {
		// Repetition far apart reaches the limits of window and segments.
		all := bytes.Repeat(data, 1+int(repeat)%(1+200_000/(len(data)+1)))
		if len(all) > deflate.MaxInput {
			t.Skip("too large")
		}
		in.Reset()
		in.Fill(all)
		out := enc.Append(nil, in)
		rest := bytes.NewReader(out)
		got, err := io.ReadAll(flate.NewReader(rest))
		if err != nil || !bytes.Equal(got, all) || rest.Len() != 0 {
			t.Fatalf("%d bytes, %v, %d left; want %d", len(got), err, rest.Len(), len(all))
		}
	})
}

func ExampleEncoder() {
	var enc deflate.Encoder
	in := new(deflate.Input)
	in.Fill([]byte(strings.Repeat("hello ", 1000)))
	out := enc.Append(nil, in)
	text, err := io.ReadAll(flate.NewReader(bytes.NewReader(out)))
	fmt.Println(len(out), len(text), err)
	// Output: 34 6000 <nil>
}
