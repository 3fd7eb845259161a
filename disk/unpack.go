package disk

import (
	"bytes"
	"errors"
	"fmt"
	"hash/adler32"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"imagetools/compress/deflate"
)

// Bounds of how much a byte can unpack to. A deflate block codes 258 bytes in 2 bits; a zstd
// block codes 128 KiB in 4 bytes.
const (
	deflateRatio = 1032
	zstdRatio    = 32 << 10
)

var inflaters = sync.Pool{New: func() any { return new(deflate.Decoder) }}

// inflate fills dst from a deflate stream; what follows in src is no part of it.
func inflate(dst, src []byte, _ int) error {
	_, _, err := inflateFrom(dst, src, len(dst))
	return err
}

// inflateFrom returns how many bytes of dst it filled, at least as many as are needed, and how
// much of src that took.
func inflateFrom(dst, src []byte, least int) (n, consumed int, err error) {
	d := inflaters.Get().(*deflate.Decoder)
	defer inflaters.Put(d)
	n, consumed, err = d.Inflate(dst, src)
	switch {
	case n == len(dst) && err == io.ErrShortBuffer, n >= least && err == nil:
		return n, consumed, nil
	case err == nil:
		err = io.ErrUnexpectedEOF
	}
	return n, consumed, short(n, dst, err)
}

// inflateZlib fills dst from a zlib stream (RFC 1950) of at least so many bytes.
func inflateZlib(dst, src []byte, least int) error {
	const headerSize, deflated, dictionary = 2, 8, 0x20
	if len(src) < headerSize || src[0]&0xf != deflated || be.Uint16(src)%31 != 0 || src[1]&dictionary != 0 {
		return errors.New("no zlib header")
	}
	n, consumed, err := inflateFrom(dst, src[headerSize:], least)
	if err != nil {
		return err
	}
	if src = src[headerSize+consumed:]; len(src) < adler32.Size || be.Uint32(src) != adler32.Checksum(dst[:n]) {
		return errors.New("wrong checksum")
	}
	clear(dst[n:])
	return nil
}

func short(n int, dst []byte, err error) error {
	return fmt.Errorf("%d bytes where %d are needed: %w", n, len(dst), err)
}

var zstdReaders = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(8*maxGrain))
	if err != nil {
		panic(fmt.Sprintf("disk: internal error: %v", err))
	}
	return d
}}

// unzstd fills dst from a zstd frame; what follows in src is no part of it.
func unzstd(dst, src []byte, _ int) error {
	r := zstdReaders.Get().(*zstd.Decoder)
	defer zstdReaders.Put(r)
	if err := r.Reset(bytes.NewReader(src)); err != nil {
		return err
	}
	n, err := io.ReadFull(r, dst)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = short(n, dst, io.ErrUnexpectedEOF)
	}
	return errors.Join(err, r.Reset(nil)) // lets go of src
}
