package zvol_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"imagetools/tree"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zvol"
)

// disk is a source in memory whose data lies in ranges.
type disk struct {
	*bytes.Reader
	data [][2]int64
}

func (d disk) NextData(off int64) (start, end int64, err error) {
	for _, r := range d.data {
		if off < r[1] {
			return max(off, r[0]), r[1], nil
		}
	}
	return 0, 0, io.EOF
}

// sample is a disk of n bytes with random data in ranges.
func sample(n int, ranges ...[2]int64) (disk, []byte) {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{})
	for _, r := range ranges {
		rng.Read(b[r[0]:r[1]])
	}
	return disk{bytes.NewReader(b), ranges}, b
}

// write returns the stream of a disk and its guid.
func write(t *testing.T, src zvol.Source, size int64, opts zvol.Options) ([]byte, uint64) {
	t.Helper()
	p, err := zvol.NewPlan(t.Context(), src, size, opts)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := p.Write(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), p.GUID()
}

// open opens the volume in a stream.
func open(t *testing.T, data []byte) *zvol.Volume {
	t.Helper()
	x := objset.New(objset.Options{})
	if err := x.Read(stream.NewReader(bytes.NewReader(data)), objset.InPlace{ReaderAt: bytes.NewReader(data)}, nil); err != nil {
		t.Fatal(err)
	}
	v, err := zvol.Open(x, x.Snapshots()[0])
	if err != nil {
		t.Fatal(err)
	}
	return v
}

var ranges = [][2]int64{{0, 512}, {100_000, 100_001}, {1 << 20, 5<<20 + 77}, {6 << 20, 6<<20 + 8192}, {7<<20 - 10, 7<<20 - 3}}

// What is written is read again, in every block size, and holds nothing but blocks with data.
func TestRoundTrip(t *testing.T) {
	src, want := sample(7<<20-3, ranges...)
	for block := zvol.MinBlockSize; block <= zvol.MaxBlockSize; block *= 2 {
		data, guid := write(t, src, int64(len(want)), zvol.Options{BlockSize: block, Created: 77, Size: 9 << 20})
		v := open(t, data)
		if v.Size != 9<<20 || v.BlockSize != block {
			t.Errorf("%d bytes in blocks of %d, want %d", v.Size, v.BlockSize, block)
		}
		got, err := io.ReadAll(io.NewSectionReader(v, 0, v.Size))
		if err != nil || !bytes.Equal(got[:len(want)], want) || len(bytes.TrimRight(got[len(want):], "\x00")) > 0 {
			t.Errorf("blocks of %d: not the disk, %v", block, err)
		}
		r := stream.NewReader(bytes.NewReader(data))
		for {
			rec, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			switch rec := rec.(type) {
			case *stream.Begin:
				if rec.ToGUID != guid || rec.CreationTime != 77 || rec.Features != 0 || rec.Flags != 0 {
					t.Errorf("%+v", rec)
				}
			case *stream.Write:
				if p, err := r.Payload(); err != nil || len(bytes.TrimLeft(p, "\x00")) == 0 {
					t.Errorf("%+v: zeros, %v", rec, err)
				}
			}
		}
	}
}

// The stream depends on the bytes of the disk alone: not on its holes, nor on the cores.
func TestSameStream(t *testing.T) {
	src, data := sample(7<<20, ranges...)
	want, guid := write(t, src, int64(len(data)), zvol.Options{})
	for name, other := range map[string]disk{
		"no holes":   {bytes.NewReader(data), [][2]int64{{0, int64(len(data))}}},
		"other ones": {bytes.NewReader(data), [][2]int64{{0, 100_002}, {1<<20 - 1000, 3 << 20}, {3 << 20, 7 << 20}}},
	} {
		for _, cores := range []int{1, 3} {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
			if got, _ := write(t, other, int64(len(data)), zvol.Options{}); !bytes.Equal(got, want) {
				t.Errorf("%s, %d cores: another stream", name, cores)
			}
		}
	}
	// Whatever differs gives another guid.
	guids := map[uint64]string{guid: "the disk"}
	for name, opts := range map[string]zvol.Options{"block size": {BlockSize: 4096}, "size": {Size: 8 << 20}, "time": {Created: 1}} {
		_, guid := write(t, src, int64(len(data)), opts)
		if guids[guid] != "" {
			t.Errorf("%s: the guid of %s", name, guids[guid])
		}
		guids[guid] = name
	}
	data[2<<20]++
	if _, guid := write(t, src, int64(len(data)), zvol.Options{}); guids[guid] != "" {
		t.Errorf("another byte: the guid of %s", guids[guid])
	}
}

// A volume that was read is a disk like any other, read by many at once.
func TestVolumeAsSource(t *testing.T) {
	src, b := sample(7<<20, ranges...)
	want, _ := write(t, src, int64(len(b)), zvol.Options{})
	v := open(t, want)
	if got, _ := write(t, v, v.Size, zvol.Options{}); !bytes.Equal(got, want) {
		t.Error("another stream")
	}
}

// The stream of a disk is this one for ever: receivers know images by its guid.
func TestGolden(t *testing.T) {
	b := make([]byte, 3<<20)
	copy(b[8192:], "hello")
	got, guid := write(t, disk{bytes.NewReader(b), [][2]int64{{0, 3 << 20}}}, int64(len(b)), zvol.Options{})
	sum := sha256.Sum256(got)
	if text := fmt.Sprintf("guid %d, SHA-256 %x", guid, sum); text != "guid 1655502748820521823, SHA-256 fd488bbe35b6888b7e02e3d3c6da9e659348acfb1e9ae4a9cd21f3100c92ffcb" {
		t.Error(text)
	}
}

// A disk without data is a volume all the same.
func TestEmpty(t *testing.T) {
	data, _ := write(t, disk{bytes.NewReader(make([]byte, 1000)), nil}, 1000, zvol.Options{})
	v := open(t, data)
	if _, _, err := v.NextData(0); v.Size != 1<<20 || err != io.EOF {
		t.Errorf("size %d, %v", v.Size, err)
	}
}

// changing is a disk that is another one after some readings.
type changing struct {
	disk
	left *int
	b    []byte
}

func (c changing) NextData(off int64) (int64, int64, error) {
	if off == 0 {
		if *c.left--; *c.left == 0 {
			c.b[5000] ^= 1
		}
	}
	return c.disk.NextData(off)
}

func TestChanged(t *testing.T) {
	src, b := sample(1<<20, [2]int64{0, 1 << 20})
	left := 2
	p, err := zvol.NewPlan(t.Context(), changing{src, &left, b}, 1<<20, zvol.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Write(t.Context(), io.Discard); !errors.Is(err, tree.ErrChanged) {
		t.Errorf("other contents: %v", err)
	}
	if p, err = zvol.NewPlan(t.Context(), src, 1<<20, zvol.Options{}); err != nil {
		t.Fatal(err)
	}
	src.Reader.Reset(b[:1<<19])
	if err := p.Write(t.Context(), io.Discard); !errors.Is(err, tree.ErrChanged) {
		t.Errorf("shorter: %v", err)
	}
}

func TestRefused(t *testing.T) {
	src, _ := sample(1<<20, [2]int64{0, 1 << 20})
	for name, test := range map[string]struct {
		size int64
		opts zvol.Options
		want string
	}{
		"no disk":        {0, zvol.Options{}, "disk of 0 bytes"},
		"block size":     {1 << 20, zvol.Options{BlockSize: 5000}, "blocks of 5000"},
		"large blocks":   {1 << 20, zvol.Options{BlockSize: 1 << 20}, "blocks of 1048576"},
		"small":          {1 << 20, zvol.Options{Size: 1 << 19}, "larger than the volume"},
		"uneven":         {1 << 20, zvol.Options{Size: 1<<20 + 512}, "1049088 bytes in blocks of 8192"},
		"time":           {1 << 20, zvol.Options{Created: -1}, "before 1970"},
		"data behind it": {1 << 19, zvol.Options{}, "data from 0 to 1048576"},
	} {
		if _, err := zvol.NewPlan(t.Context(), src, test.size, test.opts); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// An error of the writer or the source ends everything.
func TestErrors(t *testing.T) {
	src, _ := sample(64<<20, [2]int64{0, 64 << 20})
	p, err := zvol.NewPlan(t.Context(), src, 64<<20, zvol.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Write(t.Context(), failing{}); err != errFull {
		t.Errorf("writing: %v", err)
	}
	if _, err := zvol.NewPlan(t.Context(), broken{src}, 64<<20, zvol.Options{}); err != errFull {
		t.Errorf("reading: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Write(ctx, io.Discard); err != ctx.Err() {
		t.Errorf("interrupted: %v", err)
	}
}

var errFull = errors.New("full")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errFull }

type broken struct{ disk }

func (broken) ReadAt([]byte, int64) (int, error) { return 0, errFull }
