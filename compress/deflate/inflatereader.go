package deflate

import (
	"bufio"
	"io"
)

// readerRoom is the output that a Reader has room for, besides the window.
const readerRoom = 256 << 10

// A Reader decompresses a stream from a [bufio.Reader], which it leaves exactly behind the end of
// the stream. It takes 310 KiB and starts no goroutine. It is not safe for concurrent use.
type Reader struct {
	src  *bufio.Reader
	need int // bytes of input that the decoder needs to advance
	dec  Decoder
	out  []byte // the last output
	rest []byte // the end of out that was not read
	err  error  // follows rest
}

// NewReader returns a Reader of the stream that src continues with. The buffer of src must hold
// 1 KiB; with 64 KiB it is faster. Errors are those of src, a [CorruptError] or, if src ends before
// the stream does, [io.ErrUnexpectedEOF].
func NewReader(src *bufio.Reader) *Reader {
	return &Reader{src: src, need: 1, out: make([]byte, 0, windowSize+readerRoom)}
}

// Read reads decompressed bytes.
func (r *Reader) Read(p []byte) (int, error) {
	for len(p) > 0 && len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.next()
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// next decompresses what src has buffered, or reads once if that is not enough.
func (r *Reader) next() {
	piece, readErr := r.src.Peek(max(r.need, r.src.Buffered()))
	if n := r.src.Buffered(); n > len(piece) {
		piece, _ = r.src.Peek(n)
	}
	out := r.out
	if len(out) > windowSize {
		out = out[:copy(out, out[len(out)-windowSize:])]
	}
	start := len(out)
	var n int
	r.out, n, r.err = r.dec.Append(out, piece)
	r.rest = r.out[start:]
	_, _ = r.src.Discard(n) // cannot fail: n bytes are buffered
	r.need = 1
	switch {
	case r.err == io.ErrShortBuffer:
		r.err = nil
	case r.err == io.ErrUnexpectedEOF && readErr != io.EOF:
		r.err = readErr
		r.need = len(piece) - n + 1
	}
}
