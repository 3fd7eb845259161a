package compress

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"io"
)

// xzIndex are the sizes of blocks, as they were met or as the index has them.
type xzIndex struct {
	records uint64
	sum     hash.Hash // of all sizes
}

func newXZIndex() xzIndex { return xzIndex{sum: sha256.New()} }

func (x *xzIndex) add(packed, size uint64) {
	x.records++
	x.sum.Write(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, packed), size))
}

// endStream reads the index, which must have the blocks that were read, and the footer.
func (x *xzReader) endStream() error {
	in := &xzIndexReader{r: x.src.r, size: 1, sum: crc32.NewIEEE()}
	in.sum.Write([]byte{0})
	records := in.number()
	stored := newXZIndex()
	for in.err == nil && stored.records < records {
		packed, size := in.number(), in.number()
		if in.err == nil {
			stored.add(packed, size)
		}
		if stored.records > x.index.records {
			return errXZStructure
		}
	}
	for in.err == nil && in.size%4 != 0 {
		if in.byte() != 0 && in.err == nil {
			return errXZStructure
		}
	}
	if in.err != nil {
		return in.err
	}
	if stored.records != x.index.records || !bytes.Equal(stored.sum.Sum(nil), x.index.sum.Sum(nil)) {
		return ErrLength
	}
	b, err := x.full(4 + 12)
	if err != nil {
		return err
	}
	sum, footer := b[:4], b[4:]
	switch {
	case le32.Uint32(sum) != in.sum.Sum32(), le32.Uint32(footer) != crc32.ChecksumIEEE(footer[4:10]):
		return ErrChecksum
	case string(footer[10:]) != "YZ", [2]byte(footer[8:10]) != x.flags, (int64(le32.Uint32(footer[4:]))+1)*4 != in.size+4:
		return errXZStructure
	}
	return nil
}

// xzIndexReader reads an index. After an error it returns zeros.
type xzIndexReader struct {
	r    *bufio.Reader
	size int64
	sum  hash.Hash32
	err  error
}

func (x *xzIndexReader) byte() byte {
	if x.err != nil {
		return 0
	}
	c, err := x.r.ReadByte()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if x.err = err; err != nil {
		return 0
	}
	x.size++
	x.sum.Write([]byte{c})
	return c
}

func (x *xzIndexReader) number() uint64 {
	var b []byte
	for range 9 {
		if b = append(b, x.byte()); b[len(b)-1] < 0x80 {
			break
		}
	}
	if x.err != nil {
		return 0
	}
	v, _, err := xzNumber(b)
	x.err = err
	return v
}
