package listing

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"sync"
)

// Limits of the hash rule, see Sum.
const (
	largeFile = 1 << 30
	sumBlock  = 128 << 10
)

// Extent is a range of a file that may hold something other than zeros.
type Extent struct {
	Offset, Length int64
}

// Sum returns the hash by which a file's contents are compared, in hexadecimal.
//
// Up to 1 GiB it is the SHA-256 of the contents. For a larger file it is the
// SHA-256 over each aligned 128 KiB block that holds a non-zero byte: its
// offset and its length (64 bits each, little-endian; the last block ends with
// the file) and its bytes. So it does not depend on how holes are kept, and
// walking a sparse file costs no more than its data.
//
// Extents are in ascending order and do not overlap; what they leave out is
// zero and never read.
func Sum(r io.ReaderAt, size int64, extents []Extent) (string, error) {
	if size > largeFile {
		return HashSparse(r, size, extents)
	}
	h := sha256.New()
	done := int64(0)
	err := eachBlock(r, size, extents, func(off int64, p []byte) {
		hashZeros(h, off-done)
		h.Write(p)
		done = off + int64(len(p))
	})
	if err != nil {
		return "", err
	}
	hashZeros(h, size-done)
	return hex.EncodeToString(h.Sum(nil)), nil
}

// HashSparse is the rule of Sum for large files, whatever the size.
func HashSparse(r io.ReaderAt, size int64, extents []Extent) (string, error) {
	s := newSparseSum()
	if err := eachBlock(r, size, extents, s.add); err != nil {
		return "", err
	}
	return s.sum(), nil
}

// sumReader is Sum for contents that can only be read from front to back.
func sumReader(r io.Reader, size int64) (string, error) {
	if size <= largeFile {
		h := sha256.New()
		n, err := io.Copy(h, r)
		if err == nil && n != size {
			err = fmt.Errorf("%d bytes read of %d", n, size)
		}
		return hex.EncodeToString(h.Sum(nil)), err
	}
	s := newSparseSum()
	buf := make([]byte, sumBlock)
	for off := int64(0); off < size; off += sumBlock {
		p := buf[:min(sumBlock, size-off)]
		if _, err := io.ReadFull(r, p); err != nil {
			return "", err
		}
		s.add(off, p)
	}
	return s.sum(), nil
}

type sparseSum struct{ h hash.Hash }

func newSparseSum() sparseSum { return sparseSum{sha256.New()} }

func (s sparseSum) add(off int64, p []byte) {
	if allZero(p) {
		return
	}
	head := binary.LittleEndian.AppendUint64(nil, uint64(off))
	head = binary.LittleEndian.AppendUint64(head, uint64(len(p)))
	s.h.Write(head)
	s.h.Write(p)
}

func (s sparseSum) sum() string { return hex.EncodeToString(s.h.Sum(nil)) }

// eachBlock calls fn for every aligned block that an extent touches, once.
func eachBlock(r io.ReaderAt, size int64, extents []Extent, fn func(off int64, p []byte)) error {
	// Fresh memory for each file is dear in an emulated guest.
	block := blocks.Get().(*[sumBlock]byte)
	defer blocks.Put(block)
	buf := block[:]
	next := int64(0)
	for _, e := range extents {
		end := min(e.Offset+e.Length, size)
		for off := max(next, e.Offset/sumBlock*sumBlock); off < end; off += sumBlock {
			p := buf[:min(sumBlock, size-off)]
			if n, err := r.ReadAt(p, off); n < len(p) {
				return noEOF(err)
			}
			fn(off, p)
			next = off + sumBlock
		}
	}
	return nil
}

var blocks = sync.Pool{New: func() any { return new([sumBlock]byte) }}

var zeros [sumBlock]byte

func hashZeros(h hash.Hash, n int64) {
	for ; n > 0; n -= sumBlock {
		h.Write(zeros[:min(n, sumBlock)])
	}
}

func allZero(p []byte) bool {
	return string(p) == string(zeros[:len(p)])
}
