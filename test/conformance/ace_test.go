package conformance

import (
	"encoding/binary"
	"encoding/hex"

	"imagetools/tree"
)

// aceHex is an ACE as it stands in a dataset.
func aceHex(a tree.ACE) string {
	b := binary.LittleEndian.AppendUint16(nil, a.Type)
	b = binary.LittleEndian.AppendUint16(b, a.Flags)
	b = binary.LittleEndian.AppendUint32(b, a.Mask)
	if a.HasID() {
		b = binary.LittleEndian.AppendUint64(b, uint64(a.ID))
	}
	return hex.EncodeToString(b)
}
