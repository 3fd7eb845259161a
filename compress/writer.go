package compress

import (
	"fmt"
	"io"
	"runtime"

	"imagetools/compress/deflate"
)

// Options are those of writers and readers. The zero value is good.
type Options struct {
	// Workers is the number of blocks worked on at the same time; 0 stands for GOMAXPROCS, but
	// no more than 8. It changes speed and memory, never the output.
	Workers int
}

// defaultWorkers keeps the memory of gzip below 128 MiB on large machines.
const defaultWorkers = 8

func (o Options) workers() int {
	if o.Workers > 0 {
		return o.Workers
	}
	return min(runtime.GOMAXPROCS(0), defaultWorkers)
}

// NewWriter returns a writer that compresses to w in the format. Close completes the output,
// without closing w; it may be called again. An error of w is reported by the call of Write or
// Close that meets it and by all that follow. The writer calls w only from within Write and
// Close; it is not safe for concurrent use.
//
// An empty input gives a valid empty file in each format.
func NewWriter(w io.Writer, format Format, opts Options) (io.WriteCloser, error) {
	n := opts.workers()
	switch format {
	case None:
		return &plainWriter{w: w}, nil
	case Gzip:
		return newBlockWriter(w, n, func() *deflate.Input { return new(deflate.Input) }, newMemberEncoder), nil
	case XZ:
		return newBlockWriter(w, n, func() *buffer { return newBuffer(xzBlock) }, newXZEncoder), nil
	case Bzip2:
		return newBlockWriter(w, n, func() *buffer { return newBuffer(bzip2Block) }, newBzip2Encoder), nil
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
