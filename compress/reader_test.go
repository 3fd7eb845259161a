package compress_test

import (
	"bytes"
	stdgzip "compress/gzip"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"

	"imagetools/compress"
)

// slowReader gives a few bytes at a time.
func newSlowReader(data []byte) io.Reader {
	return iotest.HalfReader(bytes.NewReader(data))
}

func foreign(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := stdgzip.NewWriter(&b)
	w.Name = "foreign"
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadMixedMembers(t *testing.T) {
	t.Parallel()
	a, b := text(300_000), mixed(member+5)
	fa, fb := foreign(t, a), foreign(t, b)
	oa, ob := pack(t, compress.Gzip, 2, a, nil), pack(t, compress.Gzip, 2, b, nil)
	empty := pack(t, compress.Gzip, 2, nil, nil)
	tests := []struct {
		name   string
		packed [][]byte
		want   [][]byte
	}{
		{"foreign", [][]byte{fa}, [][]byte{a}},
		{"foreign in a row", [][]byte{fa, fb, fa}, [][]byte{a, b, a}},
		{"ours then foreign", [][]byte{ob, fa, fb}, [][]byte{b, a, b}},
		{"foreign then ours", [][]byte{fa, ob, oa}, [][]byte{a, b, a}},
		{"all kinds", [][]byte{oa, empty, fa, empty, empty, ob, fb}, [][]byte{a, a, b, b}},
		{"zeros behind ours", [][]byte{oa, zeros(100_000)}, [][]byte{a}},
		{"zeros behind foreign", [][]byte{fa, zeros(1)}, [][]byte{a}},
	}
	for _, test := range tests {
		want := bytes.Join(test.want, nil)
		packed := bytes.Join(test.packed, nil)
		if got, _, err := unpack(packed, 3); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v; want %d", test.name, len(got), err, len(want))
		}
	}
}

// TestReadForeignHeaders has each combination of the optional parts (RFC 1952, section 2.3).
func TestReadForeignHeaders(t *testing.T) {
	t.Parallel()
	data := text(5000)
	plain := foreign(t, data)
	body := plain[bytes.IndexByte(plain[10:], 0)+11:]
	for flags := range byte(1 << 5) {
		header := []byte{0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 2, 3}
		if flags&4 != 0 {
			header = append(header, 0x2c, 1) // 300 bytes
			header = append(header, random(300)...)
		}
		for _, flag := range []byte{8, 16} {
			if flags&flag != 0 {
				header = append(header, "name or comment\x00"...)
			}
		}
		broken := slices.Clone(header)
		if flags&2 != 0 {
			sum := crc32.ChecksumIEEE(header)
			header = append(header, byte(sum), byte(sum>>8))
			broken = append(broken, byte(sum), ^byte(sum>>8))
		}
		packed := append(slices.Clone(header), body...)
		if got, _, err := unpack(packed, 1); err != nil || !bytes.Equal(got, data) {
			t.Errorf("flags %#x: %d bytes, %v; want %d", flags, len(got), err, len(data))
		}
		if std, err := stdgzip.NewReader(bytes.NewReader(packed)); err != nil {
			t.Errorf("flags %#x: standard library: %v", flags, err)
		} else if got, err := io.ReadAll(std); err != nil || !bytes.Equal(got, data) {
			t.Errorf("flags %#x: standard library: %d bytes, %v; want %d", flags, len(got), err, len(data))
		}
		if flags&2 != 0 {
			if _, _, err := unpack(append(broken, body...), 1); err == nil {
				t.Errorf("flags %#x: wrong checksum of the header accepted", flags)
			}
		}
		for n := range header {
			if n < 3 {
				continue // not gzip yet
			}
			if _, _, err := unpack(header[:n], 1); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("flags %#x, cut at byte %d: %v; want %v", flags, n, err, io.ErrUnexpectedEOF)
			}
		}
	}
}

// TestReadForeignPieces is about the limits of pieces: output far larger than input and the other
// way round, from readers that give single bytes.
func TestReadForeignPieces(t *testing.T) {
	t.Parallel()
	data := slices.Concat(zeros(5<<20), random(1<<20), periodic(3<<20, 32768), text(1<<20), zeros(3<<20))
	packed := foreign(t, data)
	if got, _, err := unpack(packed, 1); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v; want %d", len(got), err, len(data))
	}
	data = mixed(300_000)
	packed = bytes.Repeat(foreign(t, data), 2)
	r, _, err := compress.NewReader(iotest.OneByteReader(bytes.NewReader(packed)), compress.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, bytes.Repeat(data, 2)) {
		t.Errorf("by single bytes: %d bytes, %v; want %d", len(got), err, 2*len(data))
	}
}

func TestReaderInterface(t *testing.T) {
	t.Parallel()
	data := mixed(200_000)
	inputs := map[string][]byte{"foreign gzip": foreign(t, data), "zstd": zstdOf(t, data)}
	for _, format := range formats {
		inputs[format.String()] = pack(t, format, 2, data, nil)
	}
	for name, packed := range inputs {
		r, _, err := compress.NewReader(newSlowReader(packed), compress.Options{Workers: 2})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := iotest.TestReader(r, data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := errors.Join(r.Close(), r.Close()); err != nil {
			t.Errorf("%s: Close: %v", name, err)
		}
		if _, err := r.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s: Read after Close succeeds", name)
		}
	}
}

func zstdOf(t testing.TB, data []byte) []byte {
	t.Helper()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return enc.EncodeAll(data, nil)
}

// put returns a copy of b with the bytes at offset replaced; negative offsets count from the end.
func put(b []byte, offset int, with ...byte) []byte {
	if offset < 0 {
		offset += len(b)
	}
	b = slices.Clone(b)
	copy(b[offset:], with)
	return b
}

func le32(v int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(v)) }

func TestReaderRefuses(t *testing.T) {
	t.Parallel()
	data := text(50_000)
	ours := pack(t, compress.Gzip, 1, data, nil)
	plain := foreign(t, data)
	xz := pack(t, compress.XZ, 1, data, nil)
	bz := pack(t, compress.Bzip2, 1, data, nil)
	zst := zstdOf(t, data)
	n := len(ours)
	tests := []struct {
		name   string
		packed []byte
		offset int64 // -1: any
		want   error // nil: any
	}{
		{"cut in the header", ours[:15], -1, io.ErrUnexpectedEOF},
		{"cut in the data", ours[:n-100], 0, io.ErrUnexpectedEOF},
		{"second member cut", append(slices.Clone(ours), ours[:n-1]...), int64(n), io.ErrUnexpectedEOF},
		{"length too small for a member", put(ours, 16, le32(29)...), 0, compress.ErrLength},
		{"length too large for a member", put(ours, 16, le32(5<<20)...), 0, compress.ErrLength},
		{"length one too small", put(ours, 16, le32(n-1)...), 0, nil},
		{"length one too large", append(put(ours, 16, le32(n+1)...), 0), 0, nil},
		{"length of two members", put(append(slices.Clone(ours), ours...), 16, le32(2*n)...), 0, compress.ErrLength},
		{"size too large", put(ours, -4, le32(50_001)...), 0, compress.ErrLength},
		{"size too small", put(ours, -4, le32(49_999)...), 0, compress.ErrLength},
		{"size larger than members are", put(ours, -4, le32(member+1)...), 0, compress.ErrLength},
		{"checksum", put(ours, -8, le32(1)...), 0, compress.ErrChecksum},
		{"data", put(ours, n/2, 0xff, 0xff, 0xff), 0, nil},
		{"garbage behind ours", append(slices.Clone(ours), "hello"...), int64(n), compress.ErrTrailing},
		{"garbage behind zeros", append(slices.Clone(ours), 0, 0, 9), int64(n) + 2, compress.ErrTrailing},
		{"foreign with garbage", append(slices.Clone(plain), "hello"...), int64(len(plain)), compress.ErrTrailing},
		{"foreign, cut", plain[:len(plain)-1], -1, io.ErrUnexpectedEOF},
		{"foreign, cut in the header", plain[:12], -1, io.ErrUnexpectedEOF},
		{"foreign, reserved flag", put(plain, 3, 0x28), -1, nil},
		{"foreign, method of the second member", append(slices.Clone(plain), put(plain, 2, 7)...), -1, nil},
		{"foreign, block type", put(plain, 18, 7), 18, nil},
		{"foreign, data", put(plain, len(plain)/2, 0xff, 0xff, 0xff), -1, nil},
		{"foreign, second member cut", append(slices.Clone(plain), plain[:len(plain)-9]...), -1, io.ErrUnexpectedEOF},
		{"foreign, checksum", put(plain, -8, 1, 2, 3, 4), -1, compress.ErrChecksum},
		{"foreign, size", put(plain, -4, 1, 2, 3, 4), -1, compress.ErrChecksum},
		{"xz, cut", xz[:len(xz)-1], -1, io.ErrUnexpectedEOF},
		{"xz, cut in the data", xz[:len(xz)/2], -1, io.ErrUnexpectedEOF},
		{"xz, cut in the header", xz[:9], -1, io.ErrUnexpectedEOF},
		{"xz, data", put(xz, len(xz)/2, 1, 2, 3, 4, 5), -1, nil},
		{"bzip2, cut", bz[:len(bz)-1], -1, io.ErrUnexpectedEOF},
		{"bzip2, data", put(bz, len(bz)/2, 1, 2, 3, 4, 5), -1, nil},
		{"zstd, cut", zst[:len(zst)-1], -1, io.ErrUnexpectedEOF},
		{"zstd, data", put(zst, len(zst)/2, 1, 2, 3, 4, 5), -1, nil},
	}
	for _, test := range tests {
		_, _, err := unpack(test.packed, 2)
		e, ok := errors.AsType[*compress.FormatError](err)
		if !ok || test.want != nil && !errors.Is(err, test.want) || test.offset >= 0 && e.Offset != test.offset {
			t.Errorf("%s: %v; want %v at byte %d", test.name, err, test.want, test.offset)
		}
	}
}

// hugeXZ sets the dictionary size of the first block. Its header begins behind the 12 bytes of the
// stream header: size, flags, filter LZMA2 (0x21), one byte of properties, ... and a CRC-32.
func hugeXZ(xz []byte, property byte) []byte {
	header := slices.Clone(xz[12 : 12+(int(xz[12])+1)*4])
	at := bytes.Index(header, []byte{0x21, 1})
	header[at+2] = property
	end := len(header) - 4
	copy(header[end:], le32(int(crc32.ChecksumIEEE(header[:end]))))
	return put(xz, 12, header...)
}

func TestReaderKeepsWhatPrecedesAnError(t *testing.T) {
	t.Parallel()
	data := mixed(3*member + 100)
	packed := pack(t, compress.Gzip, 2, data, nil)
	got, _, err := unpack(packed[:len(packed)-3], 4)
	if !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.Equal(got, data[:3*member]) {
		t.Errorf("%d bytes, %v; want %d, %v", len(got), err, 3*member, io.ErrUnexpectedEOF)
	}
}

func TestForeignKeepsWhatPrecedesAnError(t *testing.T) {
	t.Parallel()
	data := mixed(2 * member)
	packed := foreign(t, data)
	for _, test := range []struct {
		name   string
		packed []byte
		want   []byte
		err    error
	}{
		{"checksum", put(packed, -8, 1, 2, 3, 4), data, compress.ErrChecksum},
		{"cut in the trailer", packed[:len(packed)-1], data, io.ErrUnexpectedEOF},
		{"cut in the data", packed[:len(packed)/2], data[:member/2], io.ErrUnexpectedEOF},
	} {
		got, _, err := unpack(test.packed, 1)
		if !errors.Is(err, test.err) || !bytes.HasPrefix(got, test.want) || !bytes.HasPrefix(data, got) {
			t.Errorf("%s: %d bytes, %v; want %d, %v", test.name, len(got), err, len(test.want), test.err)
		}
	}
}

func TestReaderPassesErrorsOfInput(t *testing.T) {
	t.Parallel()
	errBroken := errors.New("broken pipe")
	data := mixed(2 * member)
	inputs := map[string][]byte{"foreign": foreign(t, data)}
	for _, format := range formats {
		inputs[format.String()] = pack(t, format, 2, data[:member], nil)
	}
	for name, packed := range inputs {
		for _, n := range []int{0, 5, len(packed) / 2} {
			r, _, err := compress.NewReader(io.MultiReader(bytes.NewReader(packed[:n]), iotest.ErrReader(errBroken)),
				compress.Options{Workers: 2})
			if err == nil {
				_, err = io.Copy(io.Discard, r)
			}
			if !errors.Is(err, errBroken) {
				t.Errorf("%s, after %d bytes: %v; want %v", name, n, err, errBroken)
			}
		}
	}
}

func TestDetect(t *testing.T) {
	t.Parallel()
	tests := []struct {
		start string
		want  compress.Format
	}{
		{"", compress.None},
		{"\x1f", compress.None},
		{"BZh91AY&SX.", compress.None},
		{"BZh91AY", compress.None},
		{"hello world", compress.None},
		{"\xfd7zXZ", compress.None},
	}
	for _, test := range tests {
		got, format, err := unpack([]byte(test.start), 1)
		if string(got) != test.start || format != test.want || err != nil {
			t.Errorf("%q: %q as %s, %v; want %s", test.start, got, format, err, test.want)
		}
	}
}

func TestFormatNames(t *testing.T) {
	t.Parallel()
	for name, extension := range map[string]string{"none": "", "gzip": ".gz", "bzip2": ".bz2", "xz": ".xz"} {
		f, err := compress.ParseFormat(name)
		if err != nil || f.String() != name || f.Extension() != extension {
			t.Errorf("ParseFormat(%q) = %s with %q, %v; want %q", name, f, f.Extension(), err, extension)
		}
	}
	for _, name := range []string{"", "zstd", "GZIP", "lz4"} {
		if _, err := compress.ParseFormat(name); err == nil {
			t.Errorf("ParseFormat(%q) succeeds", name)
		}
	}
}

// FuzzReader gives any bytes to the reader: it must end, and output stays in proportion.
func FuzzReader(f *testing.F) {
	data := append(text(2000), zeros(500)...)
	for _, format := range formats {
		packed := pack(f, format, 1, data, nil)
		f.Add(packed)
		f.Add(append(slices.Clone(packed), packed...))
		f.Add(packed[:len(packed)/2])
	}
	f.Add(append(foreign(f, data), pack(f, compress.Gzip, 1, data, nil)...))
	f.Add(zstdOf(f, data))
	f.Add(hugeXZ(pack(f, compress.XZ, 1, data, nil), 40))
	f.Fuzz(func(t *testing.T, packed []byte) {
		r, _, err := compress.NewReader(bytes.NewReader(packed), compress.Options{Workers: 2})
		if err != nil {
			return
		}
		defer r.Close()
		_, _ = io.CopyN(io.Discard, r, 64<<20)
	})
}

// FuzzRoundTrip is about the limits of members too: the input is repeated up to their size.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("a"), 4)
	f.Add(text(1000), 5000)
	f.Fuzz(func(t *testing.T, data []byte, times int) {
		if times < 0 || times*len(data) > 2*member {
			t.Skip("too large")
		}
		data = bytes.Repeat(data, times)
		packed := pack(t, compress.Gzip, 2, data, rand.New(rand.NewPCG(1, 1)))
		if got, _, err := unpack(packed, 2); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes, %v; want %d", len(got), err, len(data))
		}
	})
}
