package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

var (
	errStalled = errors.New("the server sends nothing any more")
	errCut     = errors.New("the body is cut")
)

// blob is a blob on its way. A body that ends too early is continued by another.
type blob struct {
	repo   *Repository
	ctx    context.Context
	path   string
	accept string
	size   int64

	off    int64 // of the next byte
	skip   int64 // bytes before it in the body, of a server that knows no ranges
	cuts   int   // bodies that ended too early
	failed int   // of them, since progress was made
	mark   int64 // off when the last attempt failed
	body   io.ReadCloser
	cancel context.CancelCauseFunc // of the request
	watch  *time.Timer             // that cancels it when it stalls
	reqCtx context.Context
}

const (
	progressSize = 1 << 20 // that must come for failures before to be forgotten
	maxCuts      = 50
)

func (b *blob) Read(p []byte) (int, error) {
	for {
		if b.body == nil {
			if b.off >= b.size && b.size > 0 {
				return 0, io.EOF
			}
			if err := b.repo.again(b.ctx, b.request); err != nil {
				return 0, b.fail(err)
			}
		}
		b.watch.Reset(b.repo.opts.Stall)
		into := p
		if b.skip > 0 {
			into = p[:min(int64(len(p)), b.skip)]
		}
		n, err := b.body.Read(into)
		b.watch.Stop()
		if b.skip > 0 && n > 0 {
			b.skip -= int64(n)
			continue
		}
		b.off += int64(n)
		switch {
		case err == nil || n > 0:
			return n, nil
		case err == io.EOF && b.off >= b.size:
			return 0, io.EOF
		}
		if errors.Is(context.Cause(b.reqCtx), errStalled) {
			err = errStalled
		} else if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errCut
		}
		b.end()
		if b.off-b.mark >= progressSize {
			b.failed = 0
		}
		b.mark = b.off
		if b.cuts++; b.cuts > maxCuts {
			return 0, b.fail(fmt.Errorf("cut %d times: %w", b.cuts, err))
		}
		if err := b.repo.wait(b.ctx, b.failed, b.repo.wordError(err)); err != nil {
			return 0, b.fail(fmt.Errorf("after %d of %d bytes: %w", b.off, b.size, err))
		}
		b.failed++
	}
}

func (b *blob) fail(err error) error {
	if b.ctx.Err() != nil {
		return b.ctx.Err()
	}
	return fmt.Errorf("fetch %s: %w", b.path, err)
}

// request asks for what is left.
func (b *blob) request() error {
	ctx, cancel := context.WithCancelCause(b.ctx)
	header := http.Header{}
	if b.accept != "" {
		header.Set("Accept", b.accept)
	}
	if b.off > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", b.off))
	}
	resp, err := b.repo.get(ctx, b.path, header)
	if err != nil {
		cancel(nil)
		return err
	}
	b.body, b.reqCtx, b.cancel = resp.Body, ctx, cancel
	b.watch = time.AfterFunc(b.repo.opts.Stall, func() { cancel(errStalled) })
	b.skip = b.off
	if resp.StatusCode == http.StatusPartialContent {
		start, ok := rangeStart(resp.Header.Get("Content-Range"))
		if !ok || start > b.off {
			b.end()
			return errors.New("the server sends another part than was asked for")
		}
		b.skip = b.off - start
	}
	return nil
}

// rangeStart reads the header Content-Range, "bytes START-END/SIZE".
func rangeStart(s string) (int64, bool) {
	s, ok := strings.CutPrefix(s, "bytes ")
	first, _, found := strings.Cut(s, "-")
	n, err := strconv.ParseInt(first, 10, 64)
	return n, ok && found && err == nil && n >= 0
}

func (b *blob) end() {
	if b.body == nil {
		return
	}
	b.watch.Stop()
	b.cancel(nil)
	b.body.Close()
	b.body = nil
}

// Close ends the request.
func (b *blob) Close() error {
	b.end()
	return nil
}
