package stream_test

import (
	"bytes"
	"fmt"
	"io"
	"log"

	"imagetools/zfs/stream"
)

// Write the records of a stream, and read them.
func Example() {
	var out bytes.Buffer
	w := stream.NewWriter(&out)
	for _, rec := range []stream.Record{
		&stream.Begin{HeaderType: stream.Substream, Objset: stream.ObjsetZFS, ToGUID: 42, ToName: "zones/web@final"},
		&stream.FreeObjects{First: 0, Count: 1},
		&stream.End{ToGUID: 42},
	} {
		if err := w.WriteRecord(rec, nil); err != nil {
			log.Fatal(err)
		}
	}
	for r := stream.NewReader(&out); ; {
		rec, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}

		fmt.Printf("%d at byte %d: %s\n", r.Record(), r.Offset(), stream.Describe(rec))
	}
	// Output:
	// 0 at byte 0: BEGIN "zones/web@final"
	// 1 at byte 312: FREEOBJECTS first=0 count=1
	// 2 at byte 624: END
}
