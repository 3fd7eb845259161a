package disk_test

import "encoding/binary"

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)
