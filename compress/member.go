package compress

import (
	"encoding/binary"
	"hash/crc32"

	"imagetools/compress/deflate"
)

// A member of ours: a gzip header (RFC 1952, section 2.3) whose only optional part is an extra
// field with one subfield, the deflate stream, then CRC-32 and length of the input. FORMAT.md
// has the table.
const (
	memberHeader   = 20
	memberTrailer  = 8
	memberLengthAt = 16 // the length of the whole member, 4 bytes, little endian

	maxMemberInput = deflate.MaxInput
	minMember      = memberHeader + 2 + memberTrailer
	// maxMember leaves more than enough for input stored as it is.
	maxMember = maxMemberInput + maxMemberInput/64
)

// memberMagic is the header without its length.
const memberMagic = "\x1f\x8b\x08" + // ID1, ID2, CM
	"\x04" + // FLG: FEXTRA
	"\x00\x00\x00\x00" + // MTIME
	"\x00" + // XFL
	"\xff" + // OS: unknown
	"\x08\x00" + // XLEN
	"SI\x04\x00" // SI1, SI2, LEN

// A memberEncoder makes members.
type memberEncoder struct{ deflate deflate.Encoder }

func newMemberEncoder() encoder[*deflate.Input] { return new(memberEncoder) }

func (e *memberEncoder) encode(dst []byte, in *deflate.Input) ([]byte, error) {
	start := len(dst)
	dst = append(dst, memberMagic...)
	dst = append(dst, 0, 0, 0, 0)
	dst = e.deflate.Append(dst, in)
	dst = binary.LittleEndian.AppendUint32(dst, crc32.ChecksumIEEE(in.Bytes()))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(in.Len()))
	binary.LittleEndian.PutUint32(dst[start+memberLengthAt:], uint32(len(dst)-start))
	return dst, nil
}

// parseMember returns the length of a member of ours from its header, or false for any other.
func parseMember(header []byte) (length int64, ours bool) {
	if len(header) < memberHeader || string(header[:memberLengthAt]) != memberMagic {
		return 0, false
	}
	return int64(binary.LittleEndian.Uint32(header[memberLengthAt:])), true
}
