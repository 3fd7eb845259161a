package compress

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

var errClosed = fmt.Errorf("compress: %w", fs.ErrClosed)

// A block holds input up to a fixed size.
type block interface {
	Fill(p []byte) int // appends what there is room for
	Full() bool
	Reset()
}

// An encoder appends the compressed form of a block to dst.
type encoder[B block] interface {
	encode(dst []byte, in B) ([]byte, error)
}

// A blockWriter cuts its input into blocks, encodes them in parallel and writes the results in
// order. A goroutine lives for one block only, so that nothing needs to be stopped; results are
// written by the caller's goroutine, when it comes with more input.
type blockWriter[B block] struct {
	w        io.Writer
	newBlock func() B
	encoders chan encoder[B] // idle ones

	current *writeJob[B]   // being filled, or nil
	pending []*writeJob[B] // being encoded, in the order of the input
	free    []*writeJob[B]
	spare   int // jobs that may still be made

	submitted bool // at least one block
	closed    bool
	err       error // the first met
}

type writeJob[B block] struct {
	in   B
	out  []byte
	err  error
	done chan struct{} // receives one value
}

func newBlockWriter[B block](w io.Writer, workers int, newBlock func() B, newEncoder func() encoder[B]) *blockWriter[B] {
	b := &blockWriter[B]{
		w:        w,
		newBlock: newBlock,
		encoders: make(chan encoder[B], workers),
		// One for each worker, one being filled, one finished and waiting for the caller.
		spare: workers + 2,
	}
	for range workers {
		b.encoders <- newEncoder()
	}
	return b
}

func (b *blockWriter[B]) Write(p []byte) (int, error) {
	if b.closed {
		return 0, errors.Join(errClosed, b.err)
	}
	written := 0
	for len(p) > 0 && b.err == nil {
		if b.current == nil && !b.obtain() {
			break
		}
		n := b.current.in.Fill(p)
		p = p[n:]
		written += n
		if b.current.in.Full() {
			b.submit()
			b.flush(0)
		}
	}
	return written, b.err
}

// Close writes what is left.
func (b *blockWriter[B]) Close() error {
	if b.closed {
		return b.err
	}
	b.closed = true
	if b.current == nil && !b.submitted && b.err == nil {
		b.obtain()
	}
	if b.current != nil && b.err == nil {
		b.submit()
	}
	b.flush(len(b.pending))
	b.current, b.pending, b.free = nil, nil, nil
	return b.err
}

// obtain sets current to an empty job and reports whether that succeeded.
func (b *blockWriter[B]) obtain() bool {
	if len(b.free) == 0 && b.spare > 0 {
		b.spare--
		b.free = append(b.free, &writeJob[B]{in: b.newBlock(), done: make(chan struct{}, 1)})
	}
	if len(b.free) == 0 {
		b.flush(1)
	}
	if b.err != nil {
		return false
	}
	last := len(b.free) - 1
	b.current, b.free = b.free[last], b.free[:last]
	return true
}

// submit starts the encoding of current.
func (b *blockWriter[B]) submit() {
	job, encoders := b.current, b.encoders
	b.current = nil
	b.submitted = true
	b.pending = append(b.pending, job)
	go func() {
		e := <-encoders
		job.out, job.err = e.encode(job.out[:0], job.in)
		encoders <- e
		job.done <- struct{}{}
	}()
}

// flush writes the results of at least n pending jobs, waiting for them, and of all further ones
// that are done. It stops at an error.
func (b *blockWriter[B]) flush(n int) {
	for ; len(b.pending) > 0 && b.err == nil; n-- {
		job := b.pending[0]
		if n > 0 {
			<-job.done
		} else {
			select {
			case <-job.done:
			default:
				return
			}
		}
		b.pending = b.pending[1:]
		if b.err = job.err; b.err == nil {
			_, b.err = b.w.Write(job.out)
		}
		job.in.Reset()
		b.free = append(b.free, job)
	}
}

// A buffer is a block of any size.
type buffer struct{ data []byte }

func newBuffer(size int) *buffer { return &buffer{make([]byte, 0, size)} }

func (b *buffer) Fill(p []byte) int {
	n := min(len(p), cap(b.data)-len(b.data))
	b.data = append(b.data, p[:n]...)
	return n
}

func (b *buffer) Full() bool { return len(b.data) == cap(b.data) }
func (b *buffer) Reset()     { b.data = b.data[:0] }
