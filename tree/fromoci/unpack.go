package fromoci

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"

	"imagetools/fault"
)

const (
	chunkSize = 256 << 10
	chunks    = 8 // between the goroutine that unpacks and the one that reads
)

// unpacking is a layer on its way out of its blob. A goroutine of its own unpacks, ahead of the
// reader. The hashes of what was packed and of what was not are checked by [unpacking.finish].
type unpacking struct {
	layer    layerSource
	packed   *packed
	unpacked io.ReadCloser
	plain    bool // the blob is the archive itself
	hash     hash.Hash
	limit    int64 // of what may still come

	cancel  context.CancelFunc
	full    chan []byte
	free    chan []byte
	failure error // of the goroutine, once full is closed
	buf     []byte
	rest    []byte // of buf
	err     error
}

// unpack opens a layer of which at most limit bytes may be unpacked.
func unpack(ctx context.Context, l layerSource, opts *Options, limit int64, progress func(n int)) (_ *unpacking, err error) {
	ctx, cancel := context.WithCancel(ctx)
	raw, err := l.open(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	u := &unpacking{
		layer: l, limit: limit, cancel: cancel, plain: true,
		full: make(chan []byte, chunks), free: make(chan []byte, chunks),
		packed: &packed{r: raw, ctx: ctx, layer: l, progress: progress},
	}
	if l.Digest != "" {
		u.packed.hash = l.Digest.hash()
	}
	u.unpacked = io.NopCloser(u.packed)
	if opts.Decompress != nil {
		r, compressed, err := opts.Decompress(u.packed)
		if err != nil {
			err = u.packed.blame(err)
			cancel()
			return nil, errors.Join(err, raw.Close())
		}
		u.unpacked, u.plain = r, !compressed
	}
	if !u.plain || l.Digest != l.diffID {
		u.hash = l.diffID.hash()
	}
	for range chunks {
		u.free <- nil
	}
	size := chunkSize
	if u.plain {
		size = int(min(chunkSize, l.Size+1))
	}
	go u.run(ctx, size)
	return u, nil
}

// run unpacks until the end, an error, or the end of ctx, so many bytes at a time.
func (u *unpacking) run(ctx context.Context, size int) {
	defer close(u.full)
	for {
		var buf []byte
		select {
		case buf = <-u.free:
		case <-ctx.Done():
			u.failure = context.Cause(ctx)
			return
		}
		if buf == nil {
			buf = make([]byte, size)
		}
		n := 0
		var err error
		for n < size && err == nil {
			var m int
			m, err = u.unpacked.Read(buf[n:size])
			n += m
		}
		if n > 0 {
			u.full <- buf[:n] // there is room: as many buffers as places
		}
		switch {
		case err == io.EOF:
			u.failure = u.packed.end()
			return
		case err != nil:
			u.failure = u.packed.blame(err)
			return
		}
	}
}

// Read returns what was unpacked.
func (u *unpacking) Read(p []byte) (int, error) {
	for len(u.rest) == 0 {
		if u.err != nil {
			return 0, u.err
		}
		if u.buf != nil {
			u.free <- u.buf
			u.buf = nil
		}
		buf, ok := <-u.full
		if !ok {
			if u.err = u.failure; u.err == nil {
				u.err = io.EOF
			}
			continue
		}
		if int64(len(buf)) > u.limit {
			u.err = fault.With(errors.New("the layers are too large unpacked"), WayLimit)
			continue
		}
		u.limit -= int64(len(buf))
		if u.hash != nil {
			u.hash.Write(buf)
		}
		u.buf, u.rest = buf, buf
	}
	n := copy(p, u.rest)
	u.rest = u.rest[n:]
	return n, nil
}

// finish reads what is left, and tells whether the layer is what it should be.
func (u *unpacking) finish() error {
	if _, err := io.Copy(io.Discard, u); err != nil {
		return err
	}
	if u.hash == nil {
		return nil
	}
	if got := u.layer.diffID.of(u.hash); got != u.layer.diffID {
		return &diffError{u.layer.diffID, got}
	}
	return nil
}

// diffError says that a layer is not the one of the configuration.
type diffError struct{ want, got Digest }

func (e *diffError) Error() string {
	return fmt.Sprintf("%v: the config says that it is %s unpacked, and it is %s", ErrDigest, e.want, e.got)
}

func (e *diffError) Unwrap() error { return ErrDigest }

// close ends the goroutine and closes the blob.
func (u *unpacking) close() error {
	u.cancel()
	for range u.full {
	}
	return errors.Join(u.unpacked.Close(), u.packed.r.Close())
}

// packed is the blob of a layer, whose size and hash are checked.
type packed struct {
	r        io.ReadCloser
	ctx      context.Context
	layer    layerSource
	hash     hash.Hash // nil if the digest is not known
	n        int64
	err      error // that ended it
	progress func(n int)
}

func (b *packed) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.err = b.ctx.Err(); b.err != nil {
		return 0, b.err
	}
	n, err := b.r.Read(p)
	if int64(n) > b.layer.Size-b.n {
		n, err = 0, sizeError(b.layer.Descriptor, b.layer.Size+1)
	}
	b.n += int64(n)
	if b.hash != nil {
		b.hash.Write(p[:n])
	}
	b.progress(n)
	if err == io.EOF && b.n < b.layer.Size {
		err = sizeError(b.layer.Descriptor, b.n)
	}
	b.err = err
	return n, err
}

// end reads what the archive or the compression left, and checks the digest.
func (b *packed) end() error {
	if _, err := io.Copy(io.Discard, b); err != nil {
		return err
	}
	if b.hash == nil {
		return nil
	}
	return checkDigest(b.layer.Digest, b.layer.Digest.of(b.hash))
}

// blame returns what is behind an error of the unpacker: that of the blob, or its wrong digest.
func (b *packed) blame(err error) error {
	if b.err != nil && b.err != io.EOF {
		return b.err
	}
	if end := b.end(); end != nil {
		return end
	}
	return fmt.Errorf("unpack: %w", err)
}
