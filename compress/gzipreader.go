package compress

import "io"

// A gzipReader reads members in a row. Those of ours are read ahead and decoded in parallel, all
// others as a stream. Like in blockWriter, a goroutine lives for one member only, or a piece of
// one.
type gzipReader struct {
	src  *source
	size int // members read ahead at most

	queue   []*memberJob // being decoded
	free    []*memberJob
	current *memberJob // being read, or nil
	rest    []byte     // of current, or of a piece of foreign

	foreign     *foreignReader // kept for the next one
	foreignNext bool           // what follows the queue is not ours
	inForeign   bool
	err         error // follows all that
}

func newGzipReader(src *source, workers int) *gzipReader {
	return &gzipReader{src: src, size: workers + 1}
}

func (g *gzipReader) Read(p []byte) (int, error) {
	for len(p) > 0 {
		if len(g.rest) > 0 {
			n := copy(p, g.rest)
			g.rest = g.rest[n:]
			return n, nil
		}
		if g.inForeign {
			g.readForeign()
			continue
		}
		g.readAhead()
		if len(g.queue) > 0 {
			g.take()
		} else if g.err != nil {
			return 0, g.err
		} else {
			g.startForeign()
		}
	}
	return 0, nil
}

// readAhead starts decoding members of ours until the queue is full or something else comes.
func (g *gzipReader) readAhead() {
	if g.current != nil {
		g.free = append(g.free, g.current)
		g.current = nil
	}
	for len(g.queue) < g.size && g.err == nil && !g.foreignNext {
		g.err = g.next()
	}
}

// next looks at what follows and, if it is a member of ours, starts decoding it.
func (g *gzipReader) next() error {
	header, err := g.src.r.Peek(memberHeader)
	if err != nil && err != io.EOF {
		return g.src.fail(Gzip, err)
	}
	length, ours := parseMember(header)
	switch {
	case len(header) == 0:
		return io.EOF
	case ours:
		return g.start(length)
	case header[0] == 0x1f:
		g.foreignNext = true
		return nil
	}
	return g.src.zeros(Gzip)
}

// start reads a member of the length and decodes it in the background.
func (g *gzipReader) start(length int64) error {
	at := g.src.offset()
	if length < minMember || length > maxMember {
		return g.src.failAt(at, Gzip, ErrLength)
	}
	job := g.job()
	job.offset = at
	if err := job.read(g.src.r, int(length)); err != nil {
		return g.src.failAt(at, Gzip, err)
	}
	g.queue = append(g.queue, job)
	go func() {
		job.err = job.decode()
		job.done <- struct{}{}
	}()
	return nil
}

func (g *gzipReader) job() *memberJob {
	if n := len(g.free); n > 0 {
		job := g.free[n-1]
		g.free = g.free[:n-1]
		return job
	}
	return newMemberJob()
}

// take makes the oldest member of the queue the current one.
func (g *gzipReader) take() {
	job := g.queue[0]
	g.queue = g.queue[1:]
	<-job.done
	g.current = job
	g.rest = job.out
	if job.err != nil {
		g.rest = nil
		g.queue = nil
		g.foreignNext = false
		g.err = g.src.failAt(job.offset, Gzip, job.err)
	}
}

// startForeign turns to a member that is not ours.
func (g *gzipReader) startForeign() {
	g.foreignNext = false
	if g.foreign == nil {
		g.foreign = newForeignReader(g.src)
	}
	if g.err = g.foreign.begin(); g.err == nil {
		g.inForeign = true
	}
}

// readForeign takes the next piece of the member, or leaves it at its end and at an error.
func (g *gzipReader) readForeign() {
	var err error
	if g.rest, err = g.foreign.next(); err != nil {
		g.inForeign = false
		if err != io.EOF {
			g.err = err
		}
	}
}
