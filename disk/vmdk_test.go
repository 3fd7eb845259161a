package disk_test

import (
	"bytes"
	"compress/zlib"
	"strings"
	"testing"

	"imagetools/disk"
	"imagetools/internal/disktest"
)

// TestLastGrainMayBeShort: qemu-img packs of the last grain of a stream-optimised vmdk what the
// disk has of it. Any other grain is whole.
func TestLastGrainMayBeShort(t *testing.T) {
	t.Parallel()
	const grain = 64 << 10
	for _, rest := range []int{512, 1536, grain - 512} {
		data := disktest.Sample(3*grain + rest)
		copy(data[3*grain:], "the last grain")
		d, err := disk.OpenBytes("x", disktest.VMDK(data, grain, true))
		if err != nil {
			t.Fatal(err)
		}
		check(t, d, data)
	}
	data := disktest.Sample(2 * grain)
	b := disktest.VMDK(data, grain, true)
	var short bytes.Buffer
	w := zlib.NewWriter(&short)
	w.Write(data[:grain-512])
	w.Close()
	le.PutUint32(b[1024+8:], uint32(short.Len()))
	copy(b[1024+12:], short.Bytes())
	d, err := disk.OpenBytes("x", b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.ReadAt(make([]byte, 100), 0); err == nil || !strings.Contains(err.Error(), "65024 bytes where 65536 are needed") {
		t.Errorf("a short grain in the middle: %v", err)
	}
}
