package compress

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// A source is compressed input that knows how much of it was read.
type source struct {
	r     *bufio.Reader
	input countingReader
}

type countingReader struct {
	r   io.Reader
	n   int64
	err error // the first, unless io.EOF
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && err != io.EOF && c.err == nil {
		c.err = err
	}
	return n, err
}

const sourceBuffer = 256 << 10

func newSource(r io.Reader) *source {
	s := &source{input: countingReader{r: r}}
	s.r = bufio.NewReaderSize(&s.input, sourceBuffer)
	return s
}

// offset is that of the next byte to be read from s.r.
func (s *source) offset() int64 { return s.input.n - int64(s.r.Buffered()) }

// fail turns an error met at the current offset into the one to report: that of the input, if it
// had one.
func (s *source) fail(format Format, err error) error {
	return s.failAt(s.offset(), format, err)
}

func (s *source) failAt(offset int64, format Format, err error) error {
	if s.input.err != nil {
		return fmt.Errorf("%s: read at byte %d: %w", format, s.input.n, s.input.err)
	}
	if e, ok := errors.AsType[*FormatError](err); ok {
		return e
	}
	return &FormatError{format, offset, err}
}

// zeros reads the rest of the input, which must be zeros. The error is io.EOF if it is.
func (s *source) zeros(format Format) error {
	for {
		at := s.offset()
		c, err := s.r.ReadByte()
		if err == io.EOF {
			return io.EOF
		}
		if err == nil && c != 0 {
			err = ErrTrailing
		}
		if err != nil {
			return s.failAt(at, format, err)
		}
	}
}

// A decodeReader gives the errors of a decoder their place.
type decodeReader struct {
	r      io.Reader
	src    *source
	format Format
	err    error

	explain func(error) error // what an error of r means; nil for no more than it says
}

func (d *decodeReader) Read(p []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	n, err := d.r.Read(p)
	if err != nil && err != io.EOF {
		if d.explain != nil {
			err = d.explain(err)
		}
		err = d.src.fail(d.format, err)
	}
	d.err = err
	return n, err
}
