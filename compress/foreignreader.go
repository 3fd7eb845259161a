package compress

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"imagetools/compress/deflate"
)

const (
	foreignWindow = 32 << 10 // how far matches reach back
	foreignPiece  = 1 << 20  // output that a piece has room for
)

var errHeader = errors.New("malformed member header")

// A foreignReader reads a gzip member of which only the start is known. It decodes a piece ahead
// in the background: a goroutine lives for one piece, whose input was read before by the caller.
// It is used again for further members.
type foreignReader struct {
	src   *source
	start int64 // of the deflate stream in the input

	inflate deflate.Decoder
	job     foreignJob
	done    chan struct{} // receives one value for each job
	spare   []byte        // output of the piece before the last

	need int // bytes of input that take the decoder further
	sum  uint32
	size uint32
	end  error // what follows the last piece; nil before that is known
}

// A foreignJob decodes a piece.
type foreignJob struct {
	in       []byte // what src has buffered
	inErr    error  // met behind in
	out      []byte // output, behind the last of that before it
	history  int    // bytes of out that are not new
	consumed int
	err      error
}

func newForeignReader(src *source) *foreignReader {
	f := &foreignReader{src: src, done: make(chan struct{}, 1)}
	f.job.out = make([]byte, 0, foreignWindow+foreignPiece)
	f.spare = make([]byte, 0, foreignWindow+foreignPiece)
	return f
}

// begin reads the header of a member.
func (f *foreignReader) begin() error {
	if err := skipHeader(f.src.r); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return f.src.fail(Gzip, err)
	}
	f.start = f.src.offset()
	f.inflate.Reset()
	f.job.out = f.job.out[:0]
	f.need, f.sum, f.size, f.end = 1, 0, 0, nil
	f.decodeAhead()
	return nil
}

// decodeAhead starts the decoding of what src has buffered, or reads first if that is too little.
func (f *foreignReader) decodeAhead() {
	last := f.job.out
	f.job = foreignJob{out: f.spare[:0]}
	f.spare = last
	in, err := f.src.r.Peek(f.need)
	if n := f.src.r.Buffered(); n > len(in) {
		in, _ = f.src.r.Peek(n)
	}
	f.job.in, f.job.inErr = in, err
	job, inflate, done := &f.job, &f.inflate, f.done
	go func() {
		job.out = append(job.out, last[max(0, len(last)-foreignWindow):]...)
		job.history = len(job.out)
		job.out, job.consumed, job.err = inflate.Append(job.out, job.in)
		done <- struct{}{}
	}()
}

// next returns the next piece, valid until the following call, and io.EOF behind the last if
// checksum and length are right.
func (f *foreignReader) next() ([]byte, error) {
	if f.end != nil {
		return nil, f.end
	}
	<-f.done
	job := f.job
	piece := job.out[job.history:]
	_, _ = f.src.r.Discard(job.consumed) // cannot fail: it is buffered
	f.need = 1
	if job.err == io.ErrUnexpectedEOF {
		f.need = len(job.in) - job.consumed + 1
		if job.inErr == nil {
			job.err = nil
		} else if job.inErr != io.EOF {
			job.err = job.inErr
		}
	}
	more := job.err == nil || job.err == io.ErrShortBuffer
	if more {
		f.decodeAhead()
	}
	f.sum = crc32.Update(f.sum, crc32.IEEETable, piece)
	f.size += uint32(len(piece))
	if !more {
		f.end = f.finish(job.err)
	}
	return piece, nil
}

// finish turns the last error of the decoder into the one to report.
func (f *foreignReader) finish(err error) error {
	if e, ok := errors.AsType[*deflate.CorruptError](err); ok {
		return f.src.failAt(f.start+e.Offset, Gzip, e.Err)
	}
	if err != io.EOF {
		return f.src.fail(Gzip, err)
	}
	var trailer [memberTrailer]byte
	if _, err := io.ReadFull(f.src.r, trailer[:]); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return f.src.fail(Gzip, err)
	}
	if binary.LittleEndian.Uint32(trailer[:]) != f.sum || binary.LittleEndian.Uint32(trailer[4:]) != f.size {
		return f.src.fail(Gzip, ErrChecksum)
	}
	return io.EOF
}

// Flags of a member header (RFC 1952, section 2.3.1).
const (
	flagHeaderCRC = 1 << 1
	flagExtra     = 1 << 2
	flagName      = 1 << 3
	flagComment   = 1 << 4
	flagsReserved = 0xe0
)

// skipHeader reads a member header up to the deflate stream. The error is io.EOF if r ends.
func skipHeader(r *bufio.Reader) error {
	h := headerReader{r: r}
	var fixed [10]byte
	for i := range fixed {
		fixed[i] = h.next()
	}
	flags := fixed[3]
	if h.err == nil && (fixed[0] != 0x1f || fixed[1] != 0x8b || fixed[2] != 8 || flags&flagsReserved != 0) {
		return errHeader
	}
	if flags&flagExtra != 0 {
		for range h.next16() {
			h.next()
		}
	}
	for _, flag := range []byte{flagName, flagComment} {
		for flags&flag != 0 && h.next() != 0 {
		}
	}
	if flags&flagHeaderCRC != 0 {
		sum := uint16(h.sum)
		if h.next16() != sum && h.err == nil {
			return errHeader
		}
	}
	return h.err
}

// A headerReader reads a member header. After an error it returns zeros.
type headerReader struct {
	r   *bufio.Reader
	sum uint32
	err error
}

func (h *headerReader) next() byte {
	if h.err != nil {
		return 0
	}
	var c byte
	if c, h.err = h.r.ReadByte(); h.err == nil {
		h.sum = crc32.Update(h.sum, crc32.IEEETable, []byte{c})
	}
	return c
}

func (h *headerReader) next16() uint16 { return uint16(h.next()) | uint16(h.next())<<8 }
