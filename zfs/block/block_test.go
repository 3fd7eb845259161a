package block_test

import (
	"bytes"
	stdzlib "compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/s2"

	"imagetools/zfs/block"
)

// formats are the compressions that make blocks smaller.
var formats = []block.Compression{block.On, block.LZJB, block.Gzip1, block.Gzip2, block.Gzip3, block.Gzip4, block.Gzip5,
	block.Gzip6, block.Gzip7, block.Gzip8, block.Gzip9, block.ZLE, block.LZ4, block.Zstd}

// decode returns what becomes of src, and fails if the decoder writes behind the logical size.
func decode(t testing.TB, c block.Compression, size int, src []byte) ([]byte, error) {
	t.Helper()
	const behind = "not to be touched by any decoder"
	dst := bytes.Repeat([]byte{0xdb}, size)
	dst = append(dst, behind...)
	err := block.Decompress(dst[:size], c, src)
	if string(dst[size:]) != behind {
		t.Fatalf("%s wrote behind %d bytes", c, size)
	}
	var fault *block.FormatError
	if errors.As(err, &fault) {
		if !errors.Is(err, block.ErrCorrupt) || fault.Compression != c || fault.Offset < -1 || fault.Offset > len(src) {
			t.Fatalf("%s: fault %#v in %d bytes", c, fault, len(src))
		}
	} else if err != nil && !errors.Is(err, block.ErrUnsupported) {
		t.Fatalf("%s: unexpected kind of error: %v", c, err)
	}
	return dst[:size], err
}

// vectors are blocks written by hand: hexadecimal, with blanks, and "text" in quotes.
var vectors = []struct {
	name string
	c    block.Compression
	src  string
	want string // or the start of the fault, after "!", for a block of 512 bytes
}{
	{"plain", block.None, `"abc"`, "abc"},
	{"plain padded", block.Off, `"abc" 00 00`, "abc"},
	{"plain short", block.Off, `"abc"`, "!at byte 3: corrupt block: ends after 3 of 512 bytes"},

	{"match", block.LZ4, `0000000c 35 "abc" 0300 50 "xyzzy"`, "abcabcabcabcxyzzy"},
	{"padded", block.LZ4, `0000000c 35 "abc" 0300 50 "xyzzy" ffffff`, "abcabcabcabcxyzzy"},
	{"15 literals", block.LZ4, `00000011 f000 "abcdefghijklmno"`, "abcdefghijklmno"},
	{"long match", block.LZ4, `0000000c 1f 00 0100 ff14 50 0000000000`, strings.Repeat("\x00", 300)},
	{"match of 19", block.LZ4, `0000000b 1f "a" 0100 00 50 "bcdef"`, strings.Repeat("a", 20) + "bcdef"},
	{"far match", block.LZ4, `00000012 97 "abcdefghi" 0900 50 "jklmn"`, "abcdefghiabcdefghiabjklmn"},
	{"no length", block.LZ4, `000000`, "!at byte 3: corrupt block: unexpected end"},
	{"length too large", block.LZ4, `00000004 00 00 00`, "!at byte 0: corrupt block: length 4, 3 bytes follow"},
	{"largest length", block.LZ4, `ffffffff 00`, "!at byte 0: corrupt block: length 4294967295, 1 bytes follow"},
	{"empty", block.LZ4, `00000000`, "!at byte 4: corrupt block: unexpected end"},
	{"ends early", block.LZ4, `00000004 30 "abc"`, "!at byte 8: corrupt block: ends after 3 of 512 bytes"},
	{"ends in literals", block.LZ4, `00000003 30 "ab" "c"`, "!at byte 7: corrupt block: unexpected end"},
	{"ends in length", block.LZ4, `00000003 f0 ffff`, "!at byte 7: corrupt block: unexpected end"},
	{"length without end", block.LZ4, `00000012 f0 ` + strings.Repeat("ff", 17), "!at byte 22: corrupt block: unexpected end"},
	{"ends in distance", block.LZ4, `00000003 10 "a" 01`, "!at byte 7: corrupt block: unexpected end"},
	{"ends in match length", block.LZ4, `00000004 1f "a" 0100`, "!at byte 8: corrupt block: more than 512 bytes"},
	{"ends with a match", block.LZ4, `00000004 10 "a" 0100`, "!at byte 8: corrupt block: unexpected end"},
	{"distance 0", block.LZ4, `00000004 10 "a" 0000`, "!at byte 6: corrupt block: distance 0 behind 1 bytes"},
	{"distance 2", block.LZ4, `00000004 10 "a" 0200`, "!at byte 6: corrupt block: distance 2 behind 1 bytes"},
	{"match too long", block.LZ4, `00000007 1f "a" 0100 ffff00`, "!at byte 11: corrupt block: more than 512 bytes"},

	{"match", block.LZJB, `08 "abc" 1803`, "abcabcabcabc"},
	{"on", block.On, `08 "abc" 1803`, "abcabcabcabc"},
	{"longest match", block.LZJB, `02 "a" fc01`, strings.Repeat("a", 67)},
	{"match beyond the end", block.LZJB, `02 "a" fc01`, "aaaaa"},
	{"nine literals", block.LZJB, `00 "abcdefgh" 00 "i"`, "abcdefghi"},
	{"eight literals of nine", block.LZJB, `00 "abcdefgh" 00 "i"`, "abcdefgh"},
	{"last item", block.LZJB, `80 "abcdefg" 0007 00 "h"`, "abcdefgabch"},
	{"farthest match", block.LZJB, strings.Repeat(`00 "abcdefgh"`, 127) + ` 80 "1234567" 03ff`,
		strings.Repeat("abcdefgh", 127) + "1234567abc"},
	{"nothing", block.LZJB, ``, "!at byte 0: corrupt block: ends after 0 of 512 bytes"},
	{"ends early", block.LZJB, `00 "abc"`, "!at byte 4: corrupt block: ends after 3 of 512 bytes"},
	{"ends in a match", block.LZJB, `02 "a" fc`, "!at byte 2: corrupt block: ends after 1 of 512 bytes"},
	{"distance 0", block.LZJB, `02 "a" fc00`, "!at byte 2: corrupt block: distance 0 behind 1 bytes"},
	{"distance 2", block.LZJB, `02 "a" fc02`, "!at byte 2: corrupt block: distance 2 behind 1 bytes"},

	{"both runs", block.ZLE, `02 "abc" 42`, "abc\x00\x00\x00"},
	{"longest zeros", block.ZLE, `ff 00 "a"`, strings.Repeat("\x00", 192) + "a"},
	{"longest literals", block.ZLE, `3f "` + strings.Repeat("b", 64) + `" 40`, strings.Repeat("b", 64) + "\x00"},
	{"nothing", block.ZLE, ``, "!at byte 0: corrupt block: ends after 0 of 512 bytes"},
	{"ends early", block.ZLE, `ff`, "!at byte 1: corrupt block: ends after 192 of 512 bytes"},
	{"ends in literals", block.ZLE, `03 "abc"`, "!at byte 4: corrupt block: unexpected end"},
	{"too many zeros", block.ZLE, `ff ff ff`, "!at byte 2: corrupt block: more than 512 bytes"},

	{"stored", block.Gzip6, `7801 01 0300fcff "abc" 024d0127 0000`, "abc"},
	{"fixed codes", block.Gzip1, `789c 4b4c4a0600 024d0127`, "abc"},
	{"nothing", block.Gzip6, ``, "!at byte 0: corrupt block: unexpected end"},
	{"no zlib", block.Gzip6, `1f8b 0800`, "!at byte 2: corrupt block: zlib: invalid header"},
	{"ends early", block.Gzip6, `789c 4b4c4a0600 024d0127`, "!at byte 11: corrupt block: ends after 3 of 512 bytes"},
	{"cut", block.Gzip6, `789c 4b4c4a`, "!at byte 5: corrupt block: unexpected end"},
	{"cut checksum", block.Gzip6, `789c 4b4c4a0600 024d01`, "!at byte 10: corrupt block: unexpected end"},
	{"wrong checksum", block.Gzip6, `789c 4b4c4a0600 024d0128`, "!at byte 11: corrupt block: zlib: invalid checksum"},

	{"raw block", block.Zstd, `00000008 030028a5 2003 190000 "abc" 00`, "abc"},
	{"run", block.Zstd, `00000006 030028a5 0000 031000 "z"`, strings.Repeat("z", 512)},
	{"no header", block.Zstd, `00000008 030028`, "!at byte 7: corrupt block: unexpected end"},
	{"length too large", block.Zstd, `00000008 030028a5 2003`, "!at byte 0: corrupt block: length 8, 2 bytes follow"},
	{"ends early", block.Zstd, `00000008 030028a5 2003 190000 "abc" 00`, "!at byte 16: corrupt block: ends after 3 of 512 bytes"},
	{"no frame", block.Zstd, `00000000 030028a5`, "!corrupt block: "},
	{"run too long", block.Zstd, `00000006 030028a5 0000 0b1000 "z"`, "!corrupt block: more than 512 bytes"},
	{"size too large", block.Zstd, `00000009 030028a5 a000000001 190000 "z"`, "!corrupt block: more than 512 bytes"},
}

// bytesOf reads the notation of vectors.
func bytesOf(t testing.TB, s string) []byte {
	t.Helper()
	var out []byte
	for i, part := range strings.Split(s, `"`) {
		if i%2 == 1 {
			out = append(out, part...)
			continue
		}
		b, err := hex.DecodeString(strings.ReplaceAll(part, " ", ""))
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		out = append(out, b...)
	}
	return out
}

func TestVectors(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.c.String()+" "+v.name, func(t *testing.T) {
			src := bytesOf(t, v.src)
			fault, wrong := strings.CutPrefix(v.want, "!")
			if !wrong {
				got, err := decode(t, v.c, len(v.want), src)
				if err != nil || string(got) != v.want {
					t.Errorf("%q, %v; want %q", got, err, v.want)
				}
				return
			}
			_, err := decode(t, v.c, 512, src)
			if prefix := "block: " + v.c.String() + ": " + fault; err == nil || !strings.HasPrefix(err.Error(), prefix) {
				t.Errorf("error %v, want %s…", err, prefix)
			}
		})
	}
}

// A block that goes on behind the logical size is refused, except where padding begins there.
func TestTooLong(t *testing.T) {
	data := text(4096)
	for _, c := range formats {
		packed, ok := block.Compress(nil, c, data)
		if c == block.ZLE || !ok {
			continue // text has no zeros
		}
		got, err := decode(t, c, len(data)-1, packed)
		if c == block.On || c == block.LZJB {
			if err != nil || !bytes.Equal(got, data[:len(data)-1]) {
				t.Errorf("%s: %v", c, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), "more than 4095 bytes") {
			t.Errorf("%s: error %v", c, err)
		}
	}
}

func TestUnsupported(t *testing.T) {
	for _, c := range []block.Compression{block.Empty, 17, 255} {
		if _, err := decode(t, c, 512, make([]byte, 512)); !errors.Is(err, block.ErrUnsupported) {
			t.Errorf("%s: error %v", c, err)
		}
		if out, ok := block.Compress([]byte("abc"), c, make([]byte, 4096)); ok || string(out) != "abc" {
			t.Errorf("%s: compressed to %q", c, out)
		}
	}
}

func TestNames(t *testing.T) {
	for c, want := range map[block.Compression]string{0: "none", 1: "on", 2: "off", 3: "lzjb", 4: "empty", 5: "gzip-1",
		10: "gzip-6", 13: "gzip-9", 14: "zle", 15: "lz4", 16: "zstd", 17: "compression 17", 255: "compression 255"} {
		if c.String() != want {
			t.Errorf("%d is %s, want %s", uint8(c), c, want)
		}
		got, err := block.Parse(want)
		if known := c <= block.Zstd; known && (err != nil || got != c) || !known && !errors.Is(err, block.ErrUnsupported) {
			t.Errorf("Parse(%q) = %v, %v", want, got, err)
		}
	}
	if c, err := block.Parse("gzip"); err != nil || c != block.Gzip6 {
		t.Errorf("Parse(gzip) = %v, %v", c, err)
	}
	for _, name := range []string{"", "LZ4", "gzip-0", "gzip-10", "zstd-3"} {
		if c, err := block.Parse(name); !errors.Is(err, block.ErrUnsupported) {
			t.Errorf("Parse(%q) = %v, %v", name, c, err)
		}
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// text returns words.
func text(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for len(b) < n {
		b = fmt.Appendf(b, "%c%d ", 'a'+r.IntN(26), r.IntN(1+r.IntN(500)))
	}
	return b[:n]
}

// sparse returns text with runs of zeros of all lengths up to 600.
func sparse(n int) []byte {
	r := rand.New(rand.NewPCG(3, 4))
	words := text(n)
	b := make([]byte, 0, n+1200)
	for len(b) < n {
		b = append(b, words[:r.IntN(min(200, n))]...)
		b = append(b, make([]byte, r.IntN(600))...)
	}
	return b[:n]
}

// periodic repeats some bytes of text.
func periodic(n, period int) []byte {
	b := text(period)
	for len(b) < n {
		b = append(b, b[:min(len(b), n-len(b))]...)
	}
	return b[:n]
}

var samples = map[string]func(n int) []byte{
	"zeros":    func(n int) []byte { return make([]byte, n) },
	"random":   random,
	"text":     text,
	"sparse":   sparse,
	"period 1": func(n int) []byte { return periodic(n, 1) },
	"period 2": func(n int) []byte { return periodic(n, 2) },
	"period 7": func(n int) []byte { return periodic(n, 7) },
	"period 9": func(n int) []byte { return periodic(n, 9) },
	// Just in the reach of lzjb, and just out of it; the same for lz4.
	"period 1023":  func(n int) []byte { return periodic(n, 1023) },
	"period 1024":  func(n int) []byte { return periodic(n, 1024) },
	"period 65535": func(n int) []byte { return periodic(n, 65535) },
	"period 65536": func(n int) []byte { return periodic(n, 65536) },
	"half random":  func(n int) []byte { return append(random(n/2), text(n-n/2)...) },
}

var sizes = []int{512, 513, 1024, 1536, 4096, 4099, 7168, 65536, 131072, 1 << 20}

// What compresses comes back, whatever was in the buffer before; what does not is left alone.
// Second opinions are those of the standard library for gzip, and of another decoder for lz4.
func TestRoundTrip(t *testing.T) {
	for name, sample := range samples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, size := range sizes {
				data := sample(size)
				for _, c := range formats {
					if size == 1<<20 && c > block.Gzip1 && c < block.Gzip9 {
						continue // time
					}
					before := []byte("before")
					out, ok := block.Compress(before, c, data)
					packed, kept := bytes.CutPrefix(out, before)
					if !kept {
						t.Fatalf("%s, %d bytes: what was in the buffer is gone", c, size)
					}
					if !ok {
						if len(packed) != 0 {
							t.Errorf("%s, %d bytes: %d bytes returned", c, size, len(packed))
						}
						if size >= 1024 && name == "zeros" {
							t.Errorf("%s does not compress %d zeros", c, size)
						}
						continue
					}
					if name == "random" {
						t.Errorf("%s makes %d bytes of %d random ones", c, len(packed), size)
					}
					if len(packed)%512 != 0 || len(packed) >= size {
						t.Errorf("%s, %d bytes: %d bytes returned", c, size, len(packed))
					}
					got, err := decode(t, c, size, packed)
					if err != nil || !bytes.Equal(got, data) {
						t.Fatalf("%s, %d bytes: not the same again: %v", c, size, err)
					}
					if second, err := secondOpinion(c, packed); err != nil || second != nil && !bytes.Equal(second, data) {
						t.Errorf("%s, %d bytes: another decoder: %d bytes, %v", c, size, len(second), err)
					}
				}
			}
		})
	}
}

func secondOpinion(c block.Compression, packed []byte) ([]byte, error) {
	switch {
	case c >= block.Gzip1 && c <= block.Gzip9:
		r, err := stdzlib.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	case c == block.LZ4:
		in := packed[4 : 4+binary.BigEndian.Uint32(packed)]
		var conv s2.LZ4Converter
		body, n, err := conv.ConvertBlock(make([]byte, 0, 2<<20), in)
		if err != nil {
			return nil, err
		}
		return s2.Decode(nil, append(binary.AppendUvarint(nil, uint64(n)), body...))
	}
	return nil, nil
}

// The format demands that the last five bytes are literals and the last match begins twelve
// bytes before the end; decoders that copy ahead rely on it.
func TestLZ4End(t *testing.T) {
	for size := 1024; size < 1100; size++ {
		for _, period := range []int{1, 3, 100} {
			packed, ok := block.Compress(nil, block.LZ4, periodic(size, period))
			if !ok {
				t.Fatalf("%d bytes of period %d do not compress", size, period)
			}
			matchFrom, literals := lz4End(packed[4 : 4+binary.BigEndian.Uint32(packed)])
			if literals < 5 || size-matchFrom < 12 {
				t.Errorf("%d bytes of period %d: %d literals at the end, last match at %d", size, period, literals, matchFrom)
			}
		}
	}
}

// lz4End walks over the sequences of a valid block: where the last match begins in the output,
// and the number of literals behind it.
func lz4End(in []byte) (matchFrom, literals int) {
	length := func(n byte) int {
		sum := int(n)
		for more := n == 15; more; in = in[1:] {
			sum += int(in[0])
			more = in[0] == 255
		}
		return sum
	}
	at := 0
	for {
		token := in[0]
		in = in[1:]
		literals = length(token >> 4)
		in = in[literals:]
		at += literals
		if len(in) == 0 {
			return matchFrom, literals
		}
		matchFrom = at
		in = in[2:]
		at += length(token&15) + 4
	}
}

// The bytes of a compressed block depend neither on what was compressed before nor on what is
// at the same time.
func TestDeterministic(t *testing.T) {
	var inputs [][]byte
	for _, name := range []string{"text", "half random", "zeros", "sparse", "period 1024"} {
		inputs = append(inputs, samples[name](131072), samples[name](4096))
	}
	inputs = append(inputs, text(1<<20))
	for _, c := range formats {
		want := make([][]byte, len(inputs))
		for i := range inputs {
			runtime.GC() // forgets pooled encoders, in two turns
			runtime.GC()
			want[i], _ = block.Compress(nil, c, inputs[i])
		}
		var wg sync.WaitGroup
		for worker := range 3 {
			wg.Go(func() {
				for j := range inputs {
					i := (worker*7 + j*4) % len(inputs)
					got, ok := block.Compress(nil, c, inputs[i])
					if !bytes.Equal(got, want[i]) {
						t.Errorf("%s: input %d is compressed in another way", c, i)
						return
					}
					if !ok {
						continue
					}
					dst := make([]byte, len(inputs[i]))
					if err := block.Decompress(dst, c, got); err != nil || !bytes.Equal(dst, inputs[i]) {
						t.Errorf("%s: input %d: %v", c, i, err)
					}
				}
			})
		}
		wg.Wait()
	}
}

// A block that is cut gives an error, up to where only padding is missing.
func TestTruncated(t *testing.T) {
	for _, c := range formats {
		data := sparse(4096)
		packed, ok := block.Compress(nil, c, data)
		if !ok {
			t.Fatalf("%s does not compress", c)
		}
		whole := -1 // shortest that decodes
		for n := range len(packed) + 1 {
			got, err := decode(t, c, len(data), packed[:n])
			if err == nil && !bytes.Equal(got, data) {
				t.Fatalf("%s: %d of %d bytes give other data", c, n, len(packed))
			}
			if err == nil && whole < 0 {
				whole = n
			}
			if err != nil && whole >= 0 {
				t.Fatalf("%s: %d bytes are enough, %d are not: %v", c, whole, n, err)
			}
		}
		if whole <= len(packed)-512 {
			t.Errorf("%s: %d of %d bytes are enough", c, whole, len(packed))
		}
	}
}

// A changed byte gives an error or as many bytes as asked for. For gzip the standard library
// judges the same.
func TestCorrupted(t *testing.T) {
	for _, c := range []block.Compression{block.LZJB, block.Gzip1, block.Gzip9, block.ZLE, block.LZ4, block.Zstd} {
		for _, name := range []string{"sparse", "text", "period 7"} {
			data := samples[name](4096)
			packed, ok := block.Compress(nil, c, data)
			if !ok {
				continue // text by zle
			}
			faults := 0
			for i := range packed {
				for _, flip := range []byte{1, 0x10, 0x80, 0xff} {
					packed[i] ^= flip
					got, err := decode(t, c, len(data), packed)
					if err != nil {
						faults++
					}
					if c == block.Gzip9 {
						want, stdErr := secondOpinion(c, packed)
						fine := stdErr == nil && len(want) == len(data)
						if fine != (err == nil) || fine && !bytes.Equal(got, want) {
							t.Errorf("%s: byte %d of %s: %v, for the standard library %d bytes, %v", c, i, name, err, len(want), stdErr)
						}
					}
					packed[i] ^= flip
				}
			}
			if faults == 0 {
				t.Errorf("%s: no fault found in %s", c, name)
			}
			if got, err := decode(t, c, len(data), packed); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s: a decoder remembers earlier faults: %v", c, err)
			}
		}
	}
}

// bombs expand to a GiB.
func bombs() map[block.Compression][]byte {
	const runs = 8192 // of 128 KiB
	run := []byte{0x02, 0x00, 0x10, 'z'}
	frame := append([]byte{0x00, 0x38}, bytes.Repeat(run, runs)...)
	zstd := append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), 3, 0, 0x28, 0xa5)
	var zlib bytes.Buffer
	w := stdzlib.NewWriter(&zlib)
	zeros := make([]byte, 1<<20)
	for range 64 {
		_, _ = w.Write(zeros)
	}
	return map[block.Compression][]byte{block.Zstd: append(zstd, frame...), block.Gzip6: zlib.Bytes()}
}

// A block that wants to become much more than its logical size fails without memory for it.
func TestBomb(t *testing.T) {
	for c, src := range bombs() {
		dst := make([]byte, 131072)
		before := new(runtime.MemStats)
		runtime.ReadMemStats(before)
		err := block.Decompress(dst, c, src)
		after := new(runtime.MemStats)
		runtime.ReadMemStats(after)
		if err == nil || !strings.Contains(err.Error(), "more than 131072 bytes") {
			t.Errorf("%s: error %v", c, err)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 2<<20 {
			t.Errorf("%s: allocated %d bytes", c, got)
		}
	}
}

// Decoders allocate nothing, once their state is there: a few bytes of it are collected now
// and then.
func TestAllocations(t *testing.T) {
	data := sparse(131072)
	dst := make([]byte, len(data))
	for _, c := range formats {
		packed, ok := block.Compress(nil, c, data)
		if !ok {
			t.Fatalf("%s does not compress", c)
		}
		n := testing.AllocsPerRun(100, func() {
			if err := block.Decompress(dst, c, packed); err != nil {
				t.Fatal(err)
			}
		})
		own := c == block.On || c == block.LZJB || c == block.ZLE || c == block.LZ4
		if own && n > 0 || n > 8 {
			t.Errorf("%s: %v allocations", c, n)
		}
	}
}

func FuzzDecompress(f *testing.F) {
	for _, v := range vectors {
		f.Add(uint8(v.c), uint32(max(len(v.want), 16)), bytesOf(f, v.src))
	}
	for _, c := range formats {
		packed, _ := block.Compress(nil, c, sparse(4096))
		f.Add(uint8(c), uint32(4096), packed)
	}
	for c, src := range bombs() {
		f.Add(uint8(c), uint32(131072), src[:min(len(src), 4096)])
	}
	f.Fuzz(func(t *testing.T, number uint8, size uint32, src []byte) {
		c, n := block.Compression(number), int(size%(1<<18))
		data, err := decode(t, c, n, src)
		if err != nil {
			return
		}
		for _, c := range formats {
			packed, ok := block.Compress(nil, c, data)
			if !ok {
				continue
			}
			if got, err := decode(t, c, n, packed); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%s: not the same again: %v", c, err)
			}
		}
	})
}

func BenchmarkDecompress(b *testing.B) {
	data := append(text(1<<16), sparse(1<<16)...)
	dst := make([]byte, len(data))
	for _, c := range []block.Compression{block.LZJB, block.Gzip6, block.ZLE, block.LZ4, block.Zstd} {
		packed, ok := block.Compress(nil, c, data)
		if !ok {
			b.Fatalf("%s does not compress", c)
		}
		b.Run(c.String(), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if err := block.Decompress(dst, c, packed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompress(b *testing.B) {
	data := append(text(1<<16), sparse(1<<16)...)
	var out []byte
	for _, c := range []block.Compression{block.LZJB, block.Gzip6, block.ZLE, block.LZ4, block.Zstd} {
		b.Run(c.String(), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				out, _ = block.Compress(out[:0], c, data)
			}
			b.ReportMetric(100*float64(len(out))/float64(len(data)), "%size")
		})
	}
}
