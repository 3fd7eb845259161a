package sa_test

import (
	"encoding/binary"
	"fmt"
	"log"

	"imagetools/zfs/sa"
)

func Example() {
	tables, err := sa.NewTables(sa.Registry(), sa.Layouts())
	if err != nil {
		log.Fatal(err)
	}

	var znode []sa.Value
	for _, a := range []sa.Attr{sa.Mode, sa.Size, sa.Gen, sa.UID, sa.GID, sa.Parent, sa.Flags} {
		znode = append(znode, sa.Value{Attr: a, Data: binary.LittleEndian.AppendUint64(nil, 7)})
	}
	for _, a := range []sa.Attr{sa.ATime, sa.MTime, sa.CTime, sa.CRTime} { // seconds and nanoseconds
		znode = append(znode, sa.Value{Attr: a, Data: make([]byte, 16)})
	}
	znode = append(znode, sa.Value{Attr: sa.Links, Data: binary.LittleEndian.AppendUint64(nil, 1)})
	znode = append(znode, sa.Value{Attr: sa.DACLCount, Data: make([]byte, 8)}, sa.Value{Attr: sa.DACLACEs})
	bonus, _, err := sa.Encode(znode)
	if err != nil {
		log.Fatal(err)
	}

	err = tables.Decode(bonus, func(a sa.Attr, value []byte, order binary.ByteOrder) error {
		if a == sa.Mode || a == sa.Size {
			fmt.Println(a, order.Uint64(value))
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// ZPL_MODE 7
	// ZPL_SIZE 7
}
