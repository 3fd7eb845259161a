// Package lzma2 decodes LZMA2, the compression in .xz files.
//
//	r := lzma2.NewReader(in, dict, limit)
//	_, err := io.Copy(out, r)
//
// The window grows with what was decoded, so that a small file costs little whatever dictionary it
// asks for; it has at most limit bytes, or what Hold allows, and [ErrMemory] says that data reaches
// back farther.
//
// Sources, as facts: "The .xz File Format" 1.2.1, section 5.3.1, and the LZMA specification in the
// LZMA SDK.
package lzma2

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// Errors in the data, besides io.ErrUnexpectedEOF.
var (
	ErrCorrupt = errors.New("corrupt data")
	ErrMemory  = errors.New("needs a larger dictionary than the limit")
)

const (
	minWindow = 64 << 10
	piece     = 32 << 10 // decoded at a time
)

// Reader decodes one LZMA2 stream, and reads no byte behind it.
type Reader struct {
	// Hold, if set, is asked before the window grows by n bytes. After an error it does not.
	Hold func(n int) error

	in   *bufio.Reader
	err  error
	dict uint64 // what the data may refer to
	max  int    // of window

	window []byte // a ring once it has max bytes
	pos    int    // in window, of the next byte
	total  uint64 // since the dictionary was reset
	unread []byte // part of window

	left      int // bytes of the chunk that are not decoded
	stored    bool
	packed    [1 << 16]byte
	started   bool // the dictionary was reset
	needProps bool
	dec       decoder
}

// NewReader returns a reader of the stream in r, of a dictionary of dict bytes, that keeps at most
// limit bytes of output.
func NewReader(r *bufio.Reader, dict, limit uint64) *Reader {
	d := &Reader{}
	d.Reset(r, dict, limit)
	return d
}

// Reset makes the reader one of another stream. It keeps its memory.
func (d *Reader) Reset(r *bufio.Reader, dict, limit uint64) {
	d.in, d.err, d.dict = r, nil, dict
	d.max = int(max(min(dict, limit), minWindow))
	d.window = d.window[:min(len(d.window), d.max)]
	d.pos, d.total, d.unread, d.left = 0, 0, nil, 0
	d.started, d.needProps = false, true
}

// Read implements io.Reader.
func (d *Reader) Read(p []byte) (int, error) {
	for len(d.unread) == 0 {
		if d.err != nil {
			return 0, d.err
		}
		if len(p) == 0 {
			return 0, nil
		}
		if d.left == 0 {
			d.err = d.chunk()
			continue
		}
		d.err = d.decode()
	}
	n := copy(p, d.unread)
	d.unread = d.unread[n:]
	return n, nil
}

// chunk reads the header of a chunk and what is packed in it; io.EOF is the end of the stream.
func (d *Reader) chunk() error {
	control, err := d.in.ReadByte()
	if err != nil {
		return cut(err)
	}
	if control == 0 {
		return io.EOF
	}
	if control == 1 || control >= 0xe0 {
		d.started, d.needProps, d.total = true, true, 0
	} else if !d.started {
		return ErrCorrupt
	}
	var size [4]byte
	if control < 0x80 {
		if control > 2 {
			return ErrCorrupt
		}
		if _, err := io.ReadFull(d.in, size[:2]); err != nil {
			return cut(err)
		}
		d.stored, d.left = true, int(binary.BigEndian.Uint16(size[:]))+1
		return nil
	}
	if _, err := io.ReadFull(d.in, size[:]); err != nil {
		return cut(err)
	}
	d.stored, d.left = false, int(control&0x1f)<<16+int(binary.BigEndian.Uint16(size[:]))+1
	switch reset := control >> 5 & 3; {
	case reset >= 2:
		props, err := d.in.ReadByte()
		if err != nil {
			return cut(err)
		}
		if !d.dec.setProps(props) {
			return ErrCorrupt
		}
		d.needProps = false
		d.dec.reset()
	case d.needProps:
		return ErrCorrupt
	case reset == 1:
		d.dec.reset()
	}
	packed := d.packed[:int(binary.BigEndian.Uint16(size[2:]))+1]
	if _, err := io.ReadFull(d.in, packed); err != nil {
		return cut(err)
	}
	if !d.dec.start(packed) {
		return ErrCorrupt
	}
	return nil
}

func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// decode decodes a part of the chunk into the window.
func (d *Reader) decode() error {
	d.room()
	n := min(d.left, piece, len(d.window)-d.pos)
	from := d.pos
	if d.stored {
		if _, err := io.ReadFull(d.in, d.window[from:][:n]); err != nil {
			return cut(err)
		}
		d.pos, d.total = d.pos+n, d.total+uint64(n)
	} else if err := d.dec.decode(d, n); err != nil {
		return err
	}
	d.left -= n
	d.unread = d.window[from:d.pos]
	if d.left == 0 && !d.stored && !d.dec.finished() {
		return ErrCorrupt
	}
	return nil
}

// room makes the window larger, or starts over in it.
func (d *Reader) room() {
	if d.pos < len(d.window) {
		return
	}
	size := min(max(2*len(d.window), minWindow), d.max)
	if size > minWindow && size > len(d.window) && d.Hold != nil && d.Hold(size-len(d.window)) != nil {
		d.max = len(d.window)
	}
	if len(d.window) == d.max {
		d.pos = 0
		return
	}
	larger := make([]byte, size)
	copy(larger, d.window)
	d.window = larger
}

// check tells whether there is a byte so far back.
func (d *Reader) check(distance uint32) error {
	back := uint64(distance) + 1
	switch {
	case back > d.total || back > max(d.dict, minDict):
		return ErrCorrupt
	case back > uint64(d.max):
		return ErrMemory
	}
	return nil
}

// minDict is the smallest dictionary.
const minDict = 4096

// at is the byte of a distance that was checked.
func (d *Reader) at(distance uint32) byte {
	i := d.pos - 1 - int(distance)
	if i < 0 {
		i += len(d.window)
	}
	return d.window[i]
}

func (d *Reader) put(c byte) {
	d.window[d.pos] = c
	d.pos++
	d.total++
}
