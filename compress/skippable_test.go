package compress_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/klauspost/compress/zstd"

	"imagetools/compress"
)

// skippable is a skippable frame with n bytes in it.
func skippable(kind byte, n int) []byte {
	b := binary.LittleEndian.AppendUint32([]byte{0x50 | kind, 0x2a, 0x4d, 0x18}, uint32(n))
	return append(b, random(n)...)
}

func zstdFrame(t *testing.T, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(data, nil)
}

// TestZstdFormatIsToldBehindSkippableFrames: they may come first, as pzstd writes them, last, as in
// the seekable format, alone, and in any number.
func TestZstdFormatIsToldBehindSkippableFrames(t *testing.T) {
	t.Parallel()
	data := text(200_000)
	frame := zstdFrame(t, data)
	tests := []struct {
		name   string
		packed [][]byte
		want   []byte
	}{
		{"first", [][]byte{skippable(0, 4), frame}, data},
		{"first and empty", [][]byte{skippable(15, 0), frame}, data},
		{"many", [][]byte{skippable(1, 4), skippable(2, 100), skippable(3, 0), frame, skippable(4, 4), frame}, append(bytes.Clone(data), data...)},
		{"longer than what is looked at", [][]byte{skippable(0, 1<<20), frame}, data},
		{"last", [][]byte{frame, skippable(14, 17)}, data},
		{"alone", [][]byte{skippable(0, 4)}, nil},
	}
	for _, test := range tests {
		packed := bytes.Join(test.packed, nil)
		got, format, err := unpack(packed, 1)
		if err != nil || format != compress.Zstd || !bytes.Equal(got, test.want) {
			t.Errorf("%s: %s, %d bytes, %v; want zstd, %d bytes", test.name, format, len(got), err, len(test.want))
		}
	}
	for _, n := range []int{5, 7, 9, 11} { // the frame that is skipped is cut
		if _, format, err := unpack(skippable(0, 4)[:n], 1); format != compress.Zstd || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut after %d bytes: %s, %v", n, format, err)
		}
	}
	lz4 := append(skippable(0, 4), 0x04, 0x22, 0x4d, 0x18, 0, 0)
	if got := compress.Detect(lz4); got != compress.None {
		t.Errorf("lz4 behind a skippable frame is %s", got)
	}
}
