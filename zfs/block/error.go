package block

import (
	"errors"
	"fmt"
)

// Conditions that errors of this package wrap.
var (
	ErrCorrupt     = errors.New("corrupt block")
	ErrUnsupported = errors.New("unsupported compression")
)

// FormatError is a fault in a compressed block; it wraps [ErrCorrupt].
type FormatError struct {
	Compression Compression
	Offset      int // in the compressed block; for gzip, how far the decoder had read; -1 if not known
	Cause       string
}

func (e *FormatError) Error() string {
	if e.Offset < 0 {
		return fmt.Sprintf("block: %s: %v: %s", e.Compression, ErrCorrupt, e.Cause)
	}
	return fmt.Sprintf("block: %s: at byte %d: %v: %s", e.Compression, e.Offset, ErrCorrupt, e.Cause)
}

func (e *FormatError) Unwrap() error { return ErrCorrupt }

func corrupt(at int, format string, args ...any) *FormatError {
	return &FormatError{Offset: at, Cause: fmt.Sprintf(format, args...)}
}

// cut is a block that ends within an item.
func cut(src []byte) *FormatError { return corrupt(len(src), "unexpected end") }

// short is a block that ends before dst is full.
func short(at int, dst []byte, n int) *FormatError {
	return corrupt(at, "ends after %d of %d bytes", n, len(dst))
}

// long is a block that goes on when dst is full.
func long(at int, dst []byte) *FormatError { return corrupt(at, "more than %d bytes", len(dst)) }
