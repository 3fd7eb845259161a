package compress

import (
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// zstdWindow is the largest window accepted, that of zstd --ultra -22 and of zstd --long.
const zstdWindow = 128 << 20

// NewReader returns a reader of what r holds compressed, and its format, recognised by how it
// begins. What begins otherwise is taken as it is, with the format None.
//
// Errors in the data are [FormatError]s; those of r are wrapped. The reader reads ahead. It calls
// r only from within Read and is not safe for concurrent use. Close releases memory, without
// closing r.
func NewReader(r io.Reader, opts Options) (io.ReadCloser, Format, error) {
	src := newSource(r)
	start, err := src.r.Peek(detectBytes)
	if skippable(start) {
		start, err = src.r.Peek(sourceBuffer)
	}
	if err != nil && err != io.EOF {
		return nil, "", fmt.Errorf("read: %w", err)
	}
	format := Detect(start)
	switch format {
	case Gzip:
		return &closer{r: newGzipReader(src, opts.workers(gzipWorkers))}, Gzip, nil
	case Bzip2:
		return &closer{r: newBzip2Reader(src)}, Bzip2, nil
	case XZ:
		return &closer{r: newXZReader(src)}, XZ, nil
	case Zstd:
		dec, err := newZstdReader(src)
		if err != nil {
			return nil, Zstd, err
		}
		return dec, Zstd, nil
	}
	return &closer{r: src.r}, None, nil
}

func newZstdReader(src *source) (*closer, error) {
	// One decoder works in the goroutine of the caller: none is left behind.
	dec, err := zstd.NewReader(src.r, zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, src.fail(Zstd, err)
	}
	return &closer{r: &decodeReader{r: dec, src: src, format: Zstd}, release: dec.Close}, nil
}

// A closer reads from r until it is closed.
type closer struct {
	r       io.Reader
	release func()
}

func (c *closer) Read(p []byte) (int, error) {
	if c.r == nil {
		return 0, errClosed
	}
	return c.r.Read(p)
}

func (c *closer) Close() error {
	if c.r != nil && c.release != nil {
		c.release()
	}
	c.r = nil
	return nil
}
