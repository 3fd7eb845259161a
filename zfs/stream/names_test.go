package stream_test

import (
	"bytes"
	"strings"
	"testing"

	"imagetools/zfs/stream"
)

// What stands behind the name in BEGIN is kept, and may fill the field to its end.
func TestNameTail(t *testing.T) {
	t.Parallel()
	for _, tail := range []string{"", "x", "\x00\x00checksum", strings.Repeat("t", 252)} {
		data := write(t, &stream.Begin{HeaderType: stream.Substream, ToName: "a@b", NameTail: tail}, &stream.End{})
		r := stream.NewReader(bytes.NewReader(data))
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		if b := r.Begin(); b.ToName != "a@b" || b.NameTail != tail {
			t.Errorf("name %q, tail %q, want a@b, %q", b.ToName, b.NameTail, tail)
		}
	}
	w := stream.NewWriter(&bytes.Buffer{})
	if err := w.WriteRecord(&stream.Begin{ToName: "a@b", NameTail: strings.Repeat("t", 253)}, nil); err == nil {
		t.Error("a tail that is too long was written")
	}
}

func TestObjTypeName(t *testing.T) {
	for n, want := range map[uint32]string{
		0: "NONE", 19: "PLAIN_FILE_CONTENTS", 23: "ZVOL", 44: "SA", 53: "BPOBJ_SUBOBJ", 54: "object type 54",
		0x80: "UINT8_DATA", 0xC4: "ZAP_METADATA", 0xE3: "UINT64_ENC_METADATA", 0x8A: "object type 138", 0x184: "object type 388",
	} {
		if got := stream.ObjTypeName(n); got != want {
			t.Errorf("ObjTypeName(%#x) = %q, want %q", n, got, want)
		}
	}
}
