package fromtar

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"

	"imagetools/internal/budget"
	"imagetools/internal/plain"
	"imagetools/internal/scratch"
	"imagetools/tree"
	"imagetools/tree/source"
)

// MembersOptions say how [Members] are read.
type MembersOptions struct {
	Name     string         // stands for the archive in messages
	Owners   source.Owners  // auto and disk keep the numbers in the archive
	NoXattrs bool           // also leaves out ACLs
	Budget   *budget.Budget // for what is held; nil is the default
	Report   *source.Report // takes notes about the archive

	// Fault is told what is wrong with single members, which are left out.
	Fault func(error)
}

// Members reads the members of an archive from front to back, for formats in which several
// archives make one tree. What is understood is what the package understands, but names may be
// absolute, and come as often as they like.
//
//	for {
//		m, err := members.Next()
//		if err == io.EOF {
//			break
//		}
//		...
//		err = members.Keep(spool)
//	}
type Members struct {
	decoder
	opts MembersOptions
	ctx  context.Context
	tape *tape

	count    int
	node     *tree.Node
	spans    []span
	physical int64
	sparse   bool
}

// Member is one member of an archive.
type Member struct {
	Path string     // below the root, "." for the root
	Node *tree.Node // without content; nil for a hard link
	Link string     // the path that a hard link leads to
}

// NewMembers returns a reader of the archive in r, which it reads to the end of the archive, not
// of r. Reading ends with ctx.
func NewMembers(ctx context.Context, r io.Reader, opts MembersOptions) (*Members, error) {
	owners, err := source.ParseOwners(string(opts.Owners))
	if err != nil {
		return nil, err
	}
	t := &tape{r: r}
	return &Members{
		decoder: decoder{headers: headers{in: t}, owners: owners, xattrs: !opts.NoXattrs, report: opts.Report, budget: budget.Or(opts.Budget)},
		opts:    opts, ctx: ctx, tape: t,
	}, nil
}

// Next returns the next member. The error is io.EOF after the last one. Any other is the end, too.
func (m *Members) Next() (*Member, error) {
	for {
		if m.count%64 == 0 {
			if err := m.ctx.Err(); err != nil {
				return nil, err
			}
		}
		m.node, m.spans, m.physical, m.sparse = nil, nil, 0, false
		hdr, err := m.headers.read()
		m.at = m.headers.at
		if err == io.EOF {
			return nil, err
		}
		if err != nil {
			return nil, m.damage(err)
		}
		m.count++
		m.member = hdr.Name
		if m.spans, m.physical, m.sparse, err = dataOf(hdr, m.tape.raw); err != nil {
			return nil, m.place(err)
		}
		end := m.tape.pos + m.physical
		m.tape.end = end
		if m.physical < 0 || end < 0 {
			return nil, m.place(errors.New("size out of range"))
		}
		m.headers.next = end + -end&(blockSize-1)
		member, err := m.read(hdr)
		if errors.Is(err, budget.ErrExceeded) {
			return nil, m.place(err)
		}
		if err != nil {
			m.opts.Fault(m.place(err))
		} else if member != nil {
			return member, nil
		}
	}
}

// read makes a member of a header; nil if it is something else.
func (m *Members) read(hdr *tar.Header) (*Member, error) {
	before, aside, err := m.take(hdr)
	if aside || err != nil {
		return nil, err
	}
	path, err := clean(hdr.Name)
	if err != nil {
		return nil, err
	}
	typ, err := memberType(hdr)
	if err != nil {
		return nil, err
	}
	if hdr.Typeflag == tar.TypeLink {
		target, err := clean(hdr.Linkname)
		if err != nil {
			return nil, fmt.Errorf("hard link to %s: %w", plain.Name(hdr.Linkname), err)
		}
		return &Member{Path: path, Link: target}, m.hold(tree.NameCost(path)+tree.NameCost(target), "hard links")
	}
	n := &tree.Node{Mode: typ}
	if typ == tree.TypeDir {
		n = tree.NewDir(0)
	}
	if err := m.fill(n, typ, hdr); err != nil {
		return nil, err
	}
	if err := m.holdNode(n, path, len(m.spans)); err != nil {
		return nil, err
	}
	if m.xattrs {
		if err := m.attrs(n, hdr, before); err != nil {
			return nil, err
		}
	}
	if m.newest.Before(n.ModTime) {
		m.newest = n.ModTime
	}
	m.node = n
	return &Member{Path: path, Node: n}, nil
}

func (m *Members) place(err error) error {
	return fmt.Errorf("%s: member %s at byte %d: %w", m.opts.Name, plain.Name(m.member), m.at, err)
}

func (m *Members) damage(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("cut at byte %d: %w", m.tape.at, err)
	case errors.Is(err, tar.ErrHeader) && m.count == 0:
		err = errors.New("not a tar archive")
	case errors.Is(err, tar.ErrHeader):
		err = errDamaged
	case errors.Is(err, tar.ErrFieldTooLong):
		err = errors.New("extended header or sparse map longer than 1 MiB")
	}
	if m.count == 0 {
		return fmt.Errorf("%s: at byte %d: %w", m.opts.Name, m.at, err)
	}
	return fmt.Errorf("%s: at byte %d, after member %s: %w", m.opts.Name, m.at, plain.Name(m.member), err)
}

// Newest is the latest modification time of the members so far.
func (m *Members) Newest() tree.Time { return m.newest }

// Data tells where in the archive the contents of the last member lie, if that is in one piece.
func (m *Members) Data() (off int64, inOnePiece bool) { return m.tape.pos, !m.sparse }

// Keep puts the contents of the last member into a spool, from which its node then has them.
func (m *Members) Keep(s *Spool) error {
	if m.node == nil || m.node.Size == 0 {
		return nil
	}
	off, err := s.take(m.tape, m.physical)
	if err != nil {
		return m.place(err)
	}
	if m.sparse {
		m.node.Content = &sparseContent{s.archive, m.node.Size, off, m.spans}
	} else {
		m.node.Content = &content{s.archive, off, m.node.Size}
	}
	return nil
}

// Finish looks up the names in ACLs, once the files that say whose numbers they are can be read.
func (m *Members) Finish(names *source.Names) {
	m.resolveACLs(names, func(err error) { m.opts.Fault(m.place(err)) })
	m.noteGlobals()
}

// tape is an archive that is read once. Its position is where headers are read; the data of a member
// may have been read by another reader from there on.
type tape struct {
	r       io.Reader
	at, pos int64  // of r, and of the tape
	headers []byte // what was read since begin
	end     int64  // of the data of the current member
}

func (t *tape) offset() int64 { return t.pos }

func (t *tape) begin(off int64) {
	t.pos, t.headers = off, t.headers[:0]
}

func (t *tape) raw() ([]byte, error) {
	if len(t.headers) > maxHeaders {
		return nil, errHeaders
	}
	return t.headers, nil
}

func (t *tape) Read(p []byte) (n int, err error) {
	if err := t.skip(); err != nil {
		return 0, err
	}
	n, err = t.r.Read(p)
	t.at += int64(n)
	if t.pos += int64(n); len(t.headers) <= maxHeaders {
		t.headers = append(t.headers, p[:n]...)
	}
	return n, err
}

// skip moves to where the tape is. Only the zeros that fill up the last block may be missing.
func (t *tape) skip() error {
	if t.pos < t.at {
		return errors.New("a member is read twice")
	}
	n, err := io.CopyN(io.Discard, t.r, t.pos-t.at)
	if t.at += n; err == io.EOF && t.at < t.end {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Spool is a temporary file with the contents of members of archives. It is made when the first
// come, and has no name, so that nothing is left of it however the program ends.
type Spool struct {
	archive *archive
	dir     string
	limit   int64
	buf     []byte // of what is written, up to used
	used    int
}

const spoolBuffer = 1 << 20

// NewSpool returns a spool of at most limit bytes in a folder; "" is os.TempDir. name is what the
// contents are of, for messages.
func NewSpool(dir, name string, limit int64) *Spool {
	return &Spool{archive: &archive{name: name}, dir: dir, limit: limit}
}

func (s *Spool) create() error {
	f, err := scratch.File(s.dir)
	if err != nil {
		return fmt.Errorf("temporary copy of %q: %w", s.archive.name, err)
	}
	s.archive.file, s.buf = f, make([]byte, spoolBuffer)
	return nil
}

// Size is the number of bytes in the spool.
func (s *Spool) Size() int64 { return s.archive.size + int64(s.used) }

// Close removes the spool. A second Close is harmless.
func (s *Spool) Close() error {
	if s.archive.file == nil {
		return nil
	}
	return s.archive.close()
}

// Flush makes all that was kept readable.
func (s *Spool) Flush() error {
	if s.used == 0 {
		return nil
	}
	n, err := s.archive.file.Write(s.buf[:s.used])
	s.archive.size += int64(n)
	s.used = 0
	if err != nil {
		return spoolError(s.archive.file, s.archive.name, s.archive.size, err)
	}
	return nil
}

// take copies n bytes of the tape, whose position stays, and returns where they are.
func (s *Spool) take(t *tape, n int64) (off int64, err error) {
	if n > s.limit-s.Size() {
		return 0, fmt.Errorf("%d bytes of contents: those of all files would be more than %d", n, s.limit)
	}
	if t.at != t.pos {
		return 0, errors.New("a member is read twice")
	}
	if s.archive.file == nil {
		if err := s.create(); err != nil {
			return 0, err
		}
	}
	off = s.Size()
	for n > 0 {
		if s.used == len(s.buf) {
			if err := s.Flush(); err != nil {
				return 0, err
			}
		}
		got, err := t.r.Read(s.buf[s.used:min(int64(len(s.buf)), int64(s.used)+n)])
		if got > 0 {
			s.used += got
			t.at += int64(got)
			n -= int64(got)
		}
		if err != nil && n > 0 {
			if err == io.EOF {
				err = fmt.Errorf("cut at byte %d: %w", t.at, io.ErrUnexpectedEOF)
			}
			return 0, err
		}
	}
	return off, nil
}
