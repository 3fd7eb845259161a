package compress

import (
	"encoding/binary"
	"hash/crc32"
	"io"

	"imagetools/compress/deflate"
)

// A memberJob decodes a member of ours. It is used again for further members.
type memberJob struct {
	in      []byte
	out     []byte
	offset  int64 // of the member in the input
	err     error
	done    chan struct{} // receives one value
	inflate deflate.Decoder
}

func newMemberJob() *memberJob { return &memberJob{done: make(chan struct{}, 1)} }

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
	stream := j.in[memberHeader : len(j.in)-memberTrailer]
	n, consumed, err := j.inflate.Inflate(j.out, stream)
	switch {
	case err == io.ErrShortBuffer || err == io.ErrUnexpectedEOF:
		// The stream is longer or shorter than header and trailer say: not a cut input.
		return ErrLength
	case err != nil:
		return err
	case n != len(j.out) || consumed != len(stream):
		return ErrLength
	}
	if crc32.ChecksumIEEE(j.out) != sum {
		return ErrChecksum
	}
	return nil
}
