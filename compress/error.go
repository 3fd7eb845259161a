package compress

import (
	"errors"
	"fmt"
)

// The causes found in a [FormatError], besides [io.ErrUnexpectedEOF] for input that is cut and what
// the decoders of the formats report.
var (
	ErrChecksum = errors.New("checksum mismatch")
	ErrLength   = errors.New("length in the header does not fit the content")
	ErrTrailing = errors.New("garbage behind the end")
	ErrMemory   = errors.New("needs too much memory to decode")
)

// A FormatError reports compressed data that cannot be decoded.
type FormatError struct {
	Format Format
	// Offset in the compressed input: of the member for gzip files of our own and for garbage,
	// else how far the decoder had read.
	Offset int64
	Err    error
}

// Error gives the format, offset and cause.
func (e *FormatError) Error() string {
	return fmt.Sprintf("%s: at byte %d: %v", e.Format, e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Err }
