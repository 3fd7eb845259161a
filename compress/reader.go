package compress

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/klauspost/compress/zstd"

	"imagetools/internal/budget"
)

// Windows that are accepted whatever the budget, which every decoder must have (RFC 8878, 3.1.1.1.2),
// and at most.
const (
	zstdLeastWindow = 8 << 20
	zstdMostWindow  = 2 << 30 // zstd --long=31
)

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
		xz := newXZReader(src, budget.Or(opts.Budget))
		return &closer{r: &decodeReader{r: xz, src: src, format: XZ}, release: xz.release}, XZ, nil
	case Zstd:
		dec, err := newZstdReader(src, start, budget.Or(opts.Budget))
		if err != nil {
			return nil, Zstd, err
		}
		return dec, Zstd, nil
	}
	return &closer{r: src.r}, None, nil
}

// newZstdReader returns a reader of frames, of which the first begins in start. Its window is
// counted. Those of later ones may have half of what there was room for.
func newZstdReader(src *source, start []byte, b *budget.Budget) (*closer, error) {
	const what = "window of zstd data"
	var h zstd.Header
	held := int64(zstdLeastWindow)
	if first, _ := SkipFrames(start); h.Decode(first) == nil && h.WindowSize > zstdLeastWindow {
		held = int64(min(h.WindowSize, math.MaxInt64))
	}
	room := min(max((b.Limit()-b.Held())/2, held), zstdMostWindow)
	if held > zstdMostWindow {
		return nil, src.fail(Zstd, fmt.Errorf("%w: a window of %d bytes, the limit is %d", ErrMemory, held, int64(zstdMostWindow)))
	}
	if err := b.Hold(held, what); err != nil {
		return nil, src.fail(Zstd, fmt.Errorf("%w: %w", ErrMemory, err))
	}
	// One decoder works in the goroutine of the caller: none is left behind.
	dec, err := zstd.NewReader(src.r, zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxWindow(uint64(room)), zstd.WithDecoderLowmem(true))
	if err != nil {
		b.Release(held)
		return nil, src.fail(Zstd, err)
	}
	r := &decodeReader{r: dec, src: src, format: Zstd, explain: func(err error) error {
		if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
			return fmt.Errorf("%w: %w", ErrMemory, &budget.Error{What: what, Held: b.Held(), Need: room + 1, Limit: b.Limit()})
		}
		return err
	}}
	return &closer{r: r, release: func() { dec.Close(); b.Release(held) }}, nil
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
