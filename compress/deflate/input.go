package deflate

import "encoding/binary"

// MaxInput is the number of bytes an [Input] holds: what an [Encoder] compresses at once.
const MaxInput = 4 << 20

// inputMargin lets the encoder load words that begin before the end of the input.
const inputMargin = 8

// An Input is a buffer of bytes to compress. The zero value is empty.
//
// It is an array of fixed size rather than a slice so that loads from it need no bounds checks:
// a position is masked to MaxInput, a power of two.
type Input struct {
	data [MaxInput + inputMargin]byte
	n    int
}

// Fill appends as much of p as there is room for and returns how much that was.
func (in *Input) Fill(p []byte) int {
	n := copy(in.data[in.n:MaxInput], p)
	in.n += n
	return n
}

// Bytes returns the content, valid until the next call of a method.
func (in *Input) Bytes() []byte { return in.data[:in.n] }

// Len returns the number of bytes held.
func (in *Input) Len() int { return in.n }

// Full reports whether there is no room left.
func (in *Input) Full() bool { return in.n == MaxInput }

// Reset makes the buffer empty.
func (in *Input) Reset() { in.n = 0 }

func (in *Input) load32(pos int) uint32 {
	pos &= MaxInput - 1
	return binary.LittleEndian.Uint32(in.data[pos : pos+4])
}

func (in *Input) load64(pos int) uint64 {
	pos &= MaxInput - 1
	return binary.LittleEndian.Uint64(in.data[pos : pos+8])
}
