package lzma2_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/ulikunitz/xz/lzma"

	"imagetools/compress/lzma2"
)

func pack(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := lzma.Writer2Config{DictCap: 1 << 20}.NewWriter2(&b)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestReaderKeepsToItsLimit: data that reaches back farther than the window may is an error, after
// all that precedes it; and no byte behind the stream is read.
func TestReaderKeepsToItsLimit(t *testing.T) {
	t.Parallel()
	part := make([]byte, 200_000)
	rand.NewChaCha8([32]byte{1}).Read(part)
	data := append(bytes.Clone(part), part...)
	packed := append(pack(t, data), "behind"...)
	in := bufio.NewReader(bytes.NewReader(packed))
	r := lzma2.NewReader(in, 1<<20, 1<<20)
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if rest, err := io.ReadAll(in); err != nil || string(rest) != "behind" {
		t.Errorf("behind the stream: %q, %v", rest, err)
	}
	r.Reset(bufio.NewReader(bytes.NewReader(packed)), 1<<20, 100_000)
	if got, err := io.ReadAll(r); !errors.Is(err, lzma2.ErrMemory) || !bytes.HasPrefix(data, got) {
		t.Errorf("limit of 100000: %d bytes, %v", len(got), err)
	}
	r.Reset(bufio.NewReader(bytes.NewReader(packed)), 100_000, 1<<20)
	if got, err := io.ReadAll(r); !errors.Is(err, lzma2.ErrCorrupt) || !bytes.HasPrefix(data, got) {
		t.Errorf("dictionary of 100000: %d bytes, %v", len(got), err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(pack(f, []byte("some text, some text, some other text")), uint32(4096))
	f.Add(pack(f, bytes.Repeat([]byte{0, 1, 2}, 50_000)), uint32(1<<20))
	f.Fuzz(func(t *testing.T, data []byte, dict uint32) {
		if len(data) > 4<<10 {
			return
		}
		whole, err := io.ReadAll(lzma2.NewReader(bufio.NewReader(bytes.NewReader(data)), uint64(dict), 1<<20))
		r := lzma2.NewReader(bufio.NewReader(bytes.NewReader(data)), uint64(dict), 1<<20)
		var parts []byte
		p := make([]byte, 777)
		for {
			n, partErr := r.Read(p)
			parts = append(parts, p[:n]...)
			if partErr != nil {
				if (partErr == io.EOF) != (err == nil) {
					t.Fatalf("%v in parts, %v whole", partErr, err)
				}
				break
			}
		}
		if !bytes.Equal(whole, parts) {
			t.Fatalf("%d bytes in parts, %d whole", len(parts), len(whole))
		}
	})
}
