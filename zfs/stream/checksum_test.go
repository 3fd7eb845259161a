package stream_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	"imagetools/zfs/stream"
)

// sumOf is the checksum of p alone.
func sumOf(p []byte) (c stream.Checksum) {
	c.Update(p, binary.LittleEndian)
	return c
}

func TestChecksumAppend(t *testing.T) {
	t.Parallel()
	r := rand.NewChaCha8([32]byte{})
	for _, n := range []int{0, 4, 8, 12, 36, 312, 128 << 10, 24 << 20} { // the last wraps all
		a, b := make([]byte, 1000), make([]byte, n)
		r.Read(a)
		r.Read(b)
		want := sumOf(append(bytes.Clone(a), b...))
		got := sumOf(a)
		if got.Append(sumOf(b), n); got != want {
			t.Errorf("%d bytes: %x, want %x", n, got, want)
		}
	}
}

func TestWriteSummed(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := stream.NewWriter(&out)
	for _, rec := range allRecords() {
		p := payloadOf(rec)
		switch rec.(type) {
		case *stream.Object, *stream.WriteEmbedded:
			p = append(p, make([]byte, -len(p)&7)...)
		}
		if err := w.WriteSummed(rec, p, sumOf(p)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(out.Bytes(), sample(t)) {
		t.Error("the stream is not that of WriteRecord")
	}
	err := w.WriteSummed(&stream.Object{Object: 9, BonusLen: 12}, make([]byte, 12), stream.Checksum{})
	if err == nil || !strings.Contains(err.Error(), "not padded") {
		t.Errorf("a bonus without padding: error %v", err)
	}
}
