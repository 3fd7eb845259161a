package block

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	zstdMagic  = "\x28\xb5\x2f\xfd"
	zstdHeader = 8 // length, level, version

	// What we write: the level that zfs(8) takes by default, and a library that all
	// OpenZFS with zstd has or is newer than. Decoders want the level to be a valid one
	// and do not look at the version.
	zstdLevel   = 3
	zstdVersion = 1*10000 + 4*100 + 5

	// A larger distance than any of a block of 16 MiB. Decoding needs no memory for the
	// window; frames of other origin may name a larger one than they use.
	zstdMaxWindow = 128 << 20
	// Larger blocks find matches up to this distance only; encoders hold twice as much.
	zstdEncoderWindow = 1 << 20
)

// A zstdReader decodes one block after another.
type zstdReader struct {
	zstd  *zstd.Decoder
	frame []byte // with its magic number
}

var zstdReaders = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(zstdMaxWindow),
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic(fmt.Sprintf("block: internal error: %v", err))
	}
	return &zstdReader{zstd: d}
}}

func decodeZstd(dst, src []byte) *FormatError {
	if len(src) < zstdHeader {
		return cut(src)
	}
	size := binary.BigEndian.Uint32(src)
	if uint64(size) > uint64(len(src)-zstdHeader) {
		return corrupt(0, "length %d, %d bytes follow", size, len(src)-zstdHeader)
	}
	r := zstdReaders.Get().(*zstdReader)
	defer zstdReaders.Put(r)

	r.frame = append(append(r.frame[:0], zstdMagic...), src[zstdHeader:zstdHeader+int(size)]...)
	out, err := r.zstd.DecodeAll(r.frame, dst[:0:len(dst)])
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return long(-1, dst)
	case err != nil:
		return corrupt(-1, "%v", err)
	case len(out) != len(dst):
		return short(zstdHeader+int(size), dst, len(out))
	case len(dst) > 0 && &out[0] != &dst[0]:
		copy(dst, out) // the decoder took room of its own
	}
	return nil
}

var zstdWriters = sync.Pool{New: func() any {
	e, err := zstd.NewWriter(nil,
		zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(zstdLevel)),
		zstd.WithEncoderCRC(false), // as ZFS does: blocks have checksums
		zstd.WithWindowSize(zstdEncoderWindow))
	if err != nil {
		panic(fmt.Sprintf("block: internal error: %v", err))
	}
	return e
}}

func encodeZstd(dst, src []byte) []byte {
	w := zstdWriters.Get().(*zstd.Encoder)
	defer zstdWriters.Put(w)

	start := len(dst)
	dst = w.EncodeAll(src, append(dst, 0, 0, 0, 0))
	// Level and version stand where the magic number was.
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-zstdHeader))
	binary.BigEndian.PutUint32(dst[start+4:], zstdLevel<<24|zstdVersion)
	return dst
}
