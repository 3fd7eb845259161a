package compress_test

import (
	"bytes"
	stdgzip "compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"testing"

	kgzip "github.com/klauspost/compress/gzip"

	"imagetools/compress"
	"imagetools/compress/deflate"
)

const member = deflate.MaxInput

var formats = []compress.Format{compress.None, compress.Gzip, compress.XZ, compress.Bzip2}

// A sample is data of one kind in a given size.
type sample struct {
	name string
	data []byte
}

func zeros(n int) []byte { return make([]byte, n) }

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// text returns words in an order that compresses about as well as English.
func text(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	words := make([]string, 2000)
	for i := range words {
		w := make([]byte, 2+r.IntN(8))
		for j := range w {
			w[j] = 'a' + byte(r.IntN(26)*r.IntN(26)/26)
		}
		words[i] = string(w)
	}
	b := make([]byte, 0, n+16)
	for len(b) < n {
		b = append(b, words[r.IntN(1+r.IntN(len(words)))]...)
		b = append(b, " \n"[r.IntN(12)/11])
	}
	return b[:n]
}

// periodic repeats random bytes.
func periodic(n, period int) []byte {
	b := random(period)
	for len(b) < n {
		b = append(b, b[:min(len(b), n-len(b))]...)
	}
	return b[:n]
}

// mixed changes its kind every few KiB, so that blocks of all types occur.
func mixed(n int) []byte {
	b := make([]byte, 0, n+1<<16)
	kinds := [][]byte{text(1 << 16), random(1 << 16), zeros(1 << 16), periodic(1<<16, 3), periodic(1<<16, 32768)}
	r := rand.New(rand.NewPCG(3, 4))
	for len(b) < n {
		kind := kinds[r.IntN(len(kinds))]
		at := r.IntN(len(kind))
		b = append(b, kind[at:at+r.IntN(len(kind)-at)]...)
	}
	return b[:n]
}

func samples() []sample {
	return []sample{
		{"empty", nil},
		{"one byte", []byte{7}},
		{"short text", text(100)},
		{"member-1", text(member - 1)},
		{"member", text(member)},
		{"member+1", text(member + 1)},
		{"three members", mixed(3*member + 12345)},
		{"random", random(member + 5000)},
		{"zeros", zeros(2*member + 1)},
		{"period 1000", periodic(member+99, 1000)},
		{"period 32768", periodic(200_000, 32768)},
		{"period 32769", periodic(200_000, 32769)},
	}
}

// pack compresses data, written in pieces of random sizes if r is given.
func pack(t testing.TB, format compress.Format, workers int, data []byte, r *rand.Rand) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := compress.NewWriter(&out, format, compress.Options{Workers: workers})
	if err != nil {
		t.Fatal(err)
	}
	for rest := data; len(rest) > 0; {
		n := len(rest)
		if r != nil {
			n = min(n, r.IntN(1<<(1+r.IntN(23))))
		}
		if m, err := w.Write(rest[:n]); m != n || err != nil {
			t.Fatalf("Write of %d bytes = %d, %v", n, m, err)
		}
		rest = rest[n:]
	}
	for range 2 {
		if err := w.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	return out.Bytes()
}

func unpack(data []byte, workers int) ([]byte, compress.Format, error) {
	r, format, err := compress.NewReader(bytes.NewReader(data), compress.Options{Workers: workers})
	if err != nil {
		return nil, format, err
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	return got, format, err
}

// tooSlow leaves out most of the large samples for the formats that take a second per 10 MB; their
// blocks are larger than that, see TestSameBytes.
func tooSlow(format compress.Format, s sample) bool {
	return (format == compress.XZ || format == compress.Bzip2) && len(s.data) > 1<<20 && s.name != "random"
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, format := range formats {
		for _, s := range samples() {
			if tooSlow(format, s) {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s", format, s.name), func(t *testing.T) {
				packed := pack(t, format, 2, s.data, nil)
				got, found, err := unpack(packed, 2)
				if err != nil || found != format || !bytes.Equal(got, s.data) {
					t.Fatalf("read %d bytes as %s, %v; want %d as %s", len(got), found, err, len(s.data), format)
				}
				program(t, format, packed, s.data)
			})
		}
	}
}

// program lets the standard program decode.
func program(t *testing.T, format compress.Format, packed, want []byte) {
	if format == compress.None {
		return
	}
	path, err := exec.LookPath(format.String())
	if err != nil {
		t.Skipf("the program %s is missing", format)
	}
	cmd := exec.CommandContext(t.Context(), path, "-dc")
	cmd.Stdin = bytes.NewReader(packed)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	got, err := cmd.Output()
	if err != nil || stderr.Len() > 0 || !bytes.Equal(got, want) {
		t.Errorf("%s -dc: %d bytes, %v, %s; want %d", path, len(got), err, &stderr, len(want))
	}
}

func TestGzipByOtherReaders(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		packed := pack(t, compress.Gzip, 2, s.data, nil)
		std, err := stdgzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if got, err := io.ReadAll(std); err != nil || !bytes.Equal(got, s.data) {
			t.Errorf("%s: standard library: %d bytes, %v; want %d", s.name, len(got), err, len(s.data))
		}
		k, err := kgzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if got, err := io.ReadAll(k); err != nil || !bytes.Equal(got, s.data) {
			t.Errorf("%s: klauspost: %d bytes, %v; want %d", s.name, len(got), err, len(s.data))
		}
	}
}

// TestSameBytes is the promise that output depends on the input alone.
func TestSameBytes(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	for format, size := range map[compress.Format]int{
		compress.Gzip:  5*member + 777,
		compress.XZ:    9 << 20,
		compress.Bzip2: 9 << 20,
	} {
		data := mixed(size)
		want := pack(t, format, 1, data, nil)
		if got, _, err := unpack(want, 2); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: read %d bytes, %v; want %d", format, len(got), err, size)
		}
		program(t, format, want, data)
		for _, workers := range []int{2, 4} {
			if got := pack(t, format, workers, data, r); !bytes.Equal(got, want) {
				t.Errorf("%s: other bytes with %d workers", format, workers)
			}
		}
	}
}
