package compress

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
)

// A memberJob decodes a member of ours. It is used again for further members.
type memberJob struct {
	in      []byte
	out     []byte
	offset  int64 // of the member in the input
	err     error
	done    chan struct{} // receives one value
	stream  bytes.Reader  // over the deflate stream in in
	inflate io.Reader
}

func newMemberJob() *memberJob {
	j := &memberJob{done: make(chan struct{}, 1)}
	j.inflate = flate.NewReader(&j.stream)
	return j
}

// read reads the whole member; its length is maxMember at most.
func (j *memberJob) read(r io.Reader, length int) error {
	if cap(j.in) < length {
		j.in = make([]byte, length)
	}
	j.in = j.in[:length]
	_, err := io.ReadFull(r, j.in)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// decode sets out to the content of the member that was read.
func (j *memberJob) decode() error {
	trailer := j.in[len(j.in)-memberTrailer:]
	sum, size := binary.LittleEndian.Uint32(trailer), binary.LittleEndian.Uint32(trailer[4:])
	if size > maxMemberInput {
		return ErrLength
	}
	if cap(j.out) < int(size) {
		j.out = make([]byte, size)
	}
	j.out = j.out[:size]
	j.stream.Reset(j.in[memberHeader : len(j.in)-memberTrailer])
	if err := j.inflate.(flate.Resetter).Reset(&j.stream, nil); err != nil {
		return err
	}
	if _, err := io.ReadFull(j.inflate, j.out); err != nil {
		return j.cause(err)
	}
	var more [1]byte
	if n, err := io.ReadFull(j.inflate, more[:]); n != 0 {
		return ErrLength
	} else if err != io.EOF {
		return j.cause(err)
	}
	if j.stream.Len() != 0 {
		return ErrLength
	}
	if crc32.ChecksumIEEE(j.out) != sum {
		return ErrChecksum
	}
	return nil
}

// cause maps an error of inflate: a stream shorter or longer than the header and trailer say is a
// wrong length here, not a cut input.
func (j *memberJob) cause(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrLength
	}
	return err
}
