package compress

import (
	"fmt"
	"io"
	"runtime"

	"imagetools/compress/deflate"
	"imagetools/internal/budget"
)

// Options are those of writers and readers. The zero value is good.
type Options struct {
	// Workers is the number of blocks worked on at the same time; 0 stands for GOMAXPROCS, but
	// no more than 8 for gzip, 4 for bzip2 and 2 for xz. It changes speed and memory, never the
	// output.
	Workers int
	// Budget counts what readers hold beyond buffers of a fixed size: the window of zstd, the
	// dictionary of xz. What it has no room for is [ErrMemory]. nil is the default of a budget.
	// Writers do not need it.
	Budget *budget.Budget
}

// Default numbers of workers, which keep each format below 170 MiB on large machines.
const (
	gzipWorkers  = 8
	bzip2Workers = 4
	xzWorkers    = 2
)

// workers is how many to use of at most limit, unless the caller said.
func (o Options) workers(limit int) int {
	if o.Workers > 0 {
		return o.Workers
	}
	return min(runtime.GOMAXPROCS(0), limit)
}

// NewWriter returns a writer that compresses to w in the format; the zero Format stands for gzip. Close completes the output,
// without closing w; it may be called again. An error of w is reported by the call of Write or
// Close that meets it and by all that follow. The writer calls w only from within Write and
// Close; it is not safe for concurrent use.
//
// An empty input gives a valid empty file in each format.
func NewWriter(w io.Writer, format Format, opts Options) (io.WriteCloser, error) {
	switch format {
	case None:
		return &plainWriter{w: w}, nil
	case Gzip, "":
		return newBlockWriter(w, opts.workers(gzipWorkers), func() *deflate.Input { return new(deflate.Input) }, newMemberEncoder), nil
	case XZ:
		return newBlockWriter(w, opts.workers(xzWorkers), func() *buffer { return newBuffer(xzBlock) }, newXZEncoder), nil
	case Bzip2:
		return newBlockWriter(w, opts.workers(bzip2Workers), func() *buffer { return newBuffer(bzip2Block) }, newBzip2Encoder), nil
	}
	return nil, fmt.Errorf("cannot write compression %q", string(format))
}

// A plainWriter writes the format None.
type plainWriter struct {
	w      io.Writer
	closed bool
}

func (p *plainWriter) Write(b []byte) (int, error) {
	if p.closed {
		return 0, errClosed
	}
	return p.w.Write(b)
}

func (p *plainWriter) Close() error {
	p.closed = true
	return nil
}
