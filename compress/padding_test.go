package compress_test

import (
	"bytes"
	"errors"
	"testing"

	"imagetools/compress"
)

// TestZerosBehindTheEnd: tapes and blocks pad files, and all of the standard programs take that.
func TestZerosBehindTheEnd(t *testing.T) {
	t.Parallel()
	data := text(300_000)
	for _, format := range []compress.Format{compress.Gzip, compress.Bzip2} {
		for _, data := range [][]byte{data, nil} {
			packed := pack(t, format, 1, data, nil)
			for _, n := range []int{1, 2, 3, 512, 300_000} {
				padded := append(bytes.Clone(packed), zeros(n)...)
				if got, _, err := unpack(padded, 1); err != nil || !bytes.Equal(got, data) {
					t.Errorf("%s of %d bytes, then %d zeros: %d bytes, %v", format, len(data), n, len(got), err)
				}
				if _, _, err := unpack(append(padded, 'x'), 1); !errors.Is(err, compress.ErrTrailing) {
					t.Errorf("%s of %d bytes, then %d zeros and garbage: %v", format, len(data), n, err)
				}
			}
			if _, _, err := unpack(append(bytes.Clone(packed), "garbage"...), 1); !errors.Is(err, compress.ErrTrailing) {
				t.Errorf("%s of %d bytes, then garbage: %v", format, len(data), err)
			}
		}
	}
}

// TestCutBzip2IsCut: the zeros that are allowed behind a stream do not complete one. What ends in
// zeros may lack these alone.
func TestCutBzip2IsCut(t *testing.T) {
	t.Parallel()
	data := text(2000)
	packed := pack(t, compress.Bzip2, 1, data, nil)
	for n := 10; n < len(packed); n += 1 + max(0, len(packed)-n-20)/10 {
		got, _, err := unpack(packed[:n], 1)
		if err == nil && (!bytes.Equal(got, data) || len(bytes.TrimLeft(packed[n:], "\x00")) > 0) {
			t.Errorf("cut at byte %d of %d: %d bytes and no error", n, len(packed), len(got))
		}
	}
}
