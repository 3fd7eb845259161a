package block

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zlib"
)

// A zlibReader decodes one block after another.
type zlibReader struct {
	src  bytes.Reader
	zlib io.ReadCloser // over src; nil before the first valid header
}

var zlibReaders = sync.Pool{New: func() any { return new(zlibReader) }}

// decodeZlib wants the stream to end, with its checksum, where dst does.
func decodeZlib(dst, src []byte) *FormatError {
	r := zlibReaders.Get().(*zlibReader)
	defer zlibReaders.Put(r)
	defer r.src.Reset(nil)

	r.src.Reset(src)
	n, err := r.read(dst)
	at := len(src) - r.src.Len()
	switch {
	case err == nil:
		return nil
	case err == io.EOF:
		return short(at, dst, n)
	case err == io.ErrUnexpectedEOF:
		return cut(src)
	case n > len(dst):
		return long(at, dst)
	}
	return corrupt(at, "%v", err)
}

var errMore = errors.New("more output")

// read fills dst. It returns io.EOF for a stream that ends well but early, and a number
// greater than len(dst) for one that goes on.
func (r *zlibReader) read(dst []byte) (n int, err error) {
	if r.zlib == nil {
		r.zlib, err = zlib.NewReader(&r.src)
	} else {
		err = r.zlib.(zlib.Resetter).Reset(&r.src, nil)
	}
	if err != nil {
		return 0, err
	}
	for n < len(dst) && err == nil {
		var m int
		m, err = r.zlib.Read(dst[n:])
		n += m
	}
	if n < len(dst) {
		return n, err
	}
	var more [1]byte
	for m := 0; err == nil; {
		if m, err = r.zlib.Read(more[:]); m > 0 {
			return n + m, errMore
		}
	}
	if err == io.EOF {
		return n, nil
	}
	return n, err
}

// A zlibWriter encodes one block after another, at one level.
type zlibWriter struct {
	out  []byte
	zlib *zlib.Writer // to the zlibWriter
}

func (w *zlibWriter) Write(p []byte) (int, error) {
	w.out = append(w.out, p...)
	return len(p), nil
}

var zlibWriters [zlib.BestCompression + 1]sync.Pool // by level

func encodeZlib(dst, src []byte, level int) []byte {
	w, ok := zlibWriters[level].Get().(*zlibWriter)
	if !ok {
		w = new(zlibWriter)
		var err error
		if w.zlib, err = zlib.NewWriterLevel(w, level); err != nil {
			panic(fmt.Sprintf("block: internal error: %v", err))
		}
	}
	defer zlibWriters[level].Put(w)

	w.out = dst
	w.zlib.Reset(w)
	// A zlibWriter takes everything: there is no other error.
	_, _ = w.zlib.Write(src)
	_ = w.zlib.Close()
	dst, w.out = w.out, nil
	return dst
}
