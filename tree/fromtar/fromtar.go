// Package fromtar reads a tar archive into a tree. File contents stay in the archive, or in
// an unpacked copy of it, and are read from there by offset.
//
//	src, err := fromtar.Open(ctx, "rootfs.tar.xz", fromtar.Options{Decompress: …})
//	...
//	defer src.Close()
//	err = src.Tree.Seal()
//
// The tree comes back unsealed, so that the caller may still put it under another root
// ([tree.Tree.Under]) before [tree.Tree.Seal].
//
// A plain archive in a regular file is used in place: it must not change until the source
// is closed, and contents that are opened or closed after it did fail with
// [source.ErrChanged]. What is compressed, or comes from a pipe, is unpacked once into a
// temporary file, which has no name any more while it is used, so that nothing is left of
// it however the program ends.
//
// # What is understood
//
// V7, ustar, PAX and GNU headers; sparse files in all four formats of GNU tar; extended
// attributes in SCHILY.xattr and LIBARCHIVE.xattr records (security.selinux is left out);
// POSIX ACLs in SCHILY.acl.access and SCHILY.acl.default, which become the attributes they
// are on Linux; NFSv4 ACLs in SCHILY.acl.ace; and the records IMAGETOOLS.* of package totar
// (see its FORMAT.md), which win over the others. Owners are the numbers in the archive, names
// matter only in ACLs, where they are looked up in the archive's own etc/passwd.
//
// Global extended headers, those of Solaris, and names in extended headers beside those of GNU
// headers count as for GNU tar. So do names: they may begin with "./" or a slash, which is left
// out, and come several times, the last one counting. A member may lie below a symbolic link to a
// directory if the link neither begins with a slash nor has ".." in it, as GNU tar extracts it.
//
// Names with "..", an entry below a file or another link, something else in the place of a
// directory that is not empty, a hard link to what has not come yet, member types that no tree can
// hold (multi-volume parts, Solaris attribute headers) are errors, up to 20 of them
// reported together with member and byte offset; a damaged archive ends the reading.
// Directories that only occur in longer names get mode 0755, owner 0:0 and the time of the
// newest member.
package fromtar

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"imagetools/fault"

	"imagetools/internal/budget"
	"imagetools/internal/plain"
	"imagetools/internal/steady"
	"imagetools/tree"
	"imagetools/tree/source"
)

// Options say how an archive is read. The zero value reads all of it, with the owners in
// it, and understands no compression.
type Options struct {
	// Name stands for the archive in messages; [Open] uses its argument if it is empty.
	Name string

	// Decompress returns a reader of what r holds, unpacked if it recognises r as
	// compressed, which the second result tells; if it does not, the reader gives what r
	// gave. It may be nil.
	Decompress func(r io.Reader) (io.ReadCloser, bool, error)

	TmpDir   string         // for the unpacked copy; "" is os.TempDir
	Owners   source.Owners  // auto and disk keep the numbers in the archive
	Exclude  []string       // globs, see [source.Excludes]
	NoXattrs bool           // also leaves out ACLs
	Budget   *budget.Budget // for what is held; nil is the default
}

// Source is an open archive with its tree. The contents in the tree can be read until it
// is closed.
type Source struct {
	Tree   *tree.Tree
	Report *source.Report

	archive *archive
}

// Close closes the archive or removes its unpacked copy. A second Close is harmless.
func (s *Source) Close() error { return s.archive.close() }

// Open reads the archive in the file name.
func Open(ctx context.Context, name string, opts Options) (*Source, error) {
	opts.Name = cmp.Or(opts.Name, name)
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%q: a directory, not an archive", name)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	if !info.Mode().IsRegular() {
		defer file.Close()
		return Read(ctx, file, opts)
	}
	if opts.Decompress != nil {
		r, compressed, err := opts.Decompress(io.NewSectionReader(file, 0, info.Size()))
		if err != nil {
			file.Close()
			return nil, fmt.Errorf("%q: %w", opts.Name, err)
		}
		if compressed {
			defer file.Close()
			return readSpooled(ctx, r, opts)
		}
		if err := r.Close(); err != nil {
			file.Close()
			return nil, err
		}
	}
	watch, err := steady.Watch(file)
	if err == nil {
		info, err = file.Stat()
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return readArchive(ctx, &archive{file: file, name: opts.Name, size: info.Size(), watch: watch}, opts, 0)
}

// Read reads the archive in r, through a temporary copy.
func Read(ctx context.Context, r io.Reader, opts Options) (*Source, error) {
	opts.Name = cmp.Or(opts.Name, "standard input")
	rc := io.NopCloser(r)
	if opts.Decompress != nil {
		var err error
		if rc, _, err = opts.Decompress(r); err != nil {
			return nil, fmt.Errorf("%q: %w", opts.Name, err)
		}
	}
	return readSpooled(ctx, rc, opts)
}

func readSpooled(ctx context.Context, r io.ReadCloser, opts Options) (*Source, error) {
	a, err := spool(ctx, r, opts)
	if e := r.Close(); err == nil && e != nil {
		a.close()
		err = fmt.Errorf("unpack %q: %w", opts.Name, e)
	}
	if err != nil {
		return nil, err
	}
	return readArchive(ctx, a, opts, a.size)
}

func readArchive(ctx context.Context, a *archive, opts Options, spooled int64) (*Source, error) {
	b, err := newBuilder(a, opts)
	if err == nil {
		b.report.Spool = spooled
		err = b.read(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, a.close())
	}
	return &Source{Tree: b.tree, Report: b.report, archive: a}, nil
}

// builder makes the tree while members come in.
type builder struct {
	decoder
	archive  *archive
	excludes *source.Excludes
	tree     *tree.Tree
	faults   fault.Faults

	dirPath string // the directory of the member before, since the next one is likely there
	dir     *tree.Node
	implied map[*tree.Node]bool   // directories without an entry so far
	skipped map[string]*tree.Node // excluded non-directories, for hard links to them
	linked  map[*tree.Node]bool   // nodes with several names
	links   []danglingLink        // hard links to what had not come
	lone    bool                  // one block of zeros ended the archive, in place of two

	absolute, again, through int // names: absolute, that came before, below links
}

type danglingLink struct {
	member, target, path string
	at                   int64
}

func newBuilder(a *archive, opts Options) (*builder, error) {
	owners, err := source.ParseOwners(string(opts.Owners))
	if err != nil {
		return nil, err
	}
	excludes, err := source.NewExcludes(opts.Exclude)
	if err != nil {
		return nil, err
	}
	t := tree.New()
	return &builder{
		decoder: decoder{owners: owners, xattrs: !opts.NoXattrs, report: &source.Report{}, budget: budget.Or(opts.Budget)},
		archive: a, excludes: excludes, tree: t, dir: t.Root,
		implied: map[*tree.Node]bool{t.Root: true},
		skipped: make(map[string]*tree.Node),
		linked:  make(map[*tree.Node]bool),
	}, nil
}

// place puts the place of the current member before an error.
func (b *builder) place(err error) error { return b.archive.place(b.member, b.at, err) }

func (b *builder) fault(err error) {
	b.faults.Add(fmt.Sprintf("%020d", b.at), b.place(err))
}

// read goes through the archive.
func (b *builder) read(ctx context.Context) error {
	start := make([]byte, min(startSize, b.archive.size))
	if _, err := b.archive.readAt(start, 0); err != nil {
		return err
	}
	if err := checkStart(b.archive.name, start); err != nil {
		return err
	}
	in := &seekReader{archive: b.archive}
	b.headers = headers{in: in}
	for count := 0; ; count++ {
		if err := ctx.Err(); err != nil && count%64 == 0 {
			return err
		}
		hdr, err := b.headers.read()
		b.at = b.headers.at
		if err == io.EOF {
			break
		}
		if errors.Is(err, tar.ErrHeader) && count > 0 && b.headers.atZeroBlock() {
			b.lone = true
			break
		}
		if err != nil {
			return errors.Join(b.faults.Err(), b.damage(count, err))
		}
		b.member = hdr.Name
		m, err := locate(b.archive, hdr, in)
		if err != nil {
			return errors.Join(b.faults.Err(), b.place(err))
		}
		if err := b.add(hdr, m); errors.Is(err, budget.ErrExceeded) {
			return errors.Join(b.faults.Err(), b.place(err))
		} else if err != nil {
			b.fault(err)
		}
		b.headers.next = m.next
	}
	if err := b.finish(); err != nil {
		return err
	}
	return b.archive.check()
}

// damage words an error of archive/tar about the headers at b.at.
func (b *builder) damage(count int, err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("cut at byte %d: %w", b.archive.size, err)
	case errors.Is(err, tar.ErrHeader):
		err = errDamaged
	case errors.Is(err, tar.ErrFieldTooLong):
		err = errors.New("extended header or sparse map longer than 1 MiB")
	}
	if count == 0 {
		return fmt.Errorf("%q: at byte %d: %w", b.archive.name, b.at, err)
	}
	return fmt.Errorf("%q: at byte %d, after member %s: %w", b.archive.name, b.at, plain.Name(b.member), err)
}

// finish does what has to wait for the last member.
func (b *builder) finish() error {
	b.checkEnd()
	for _, l := range b.links {
		err := fmt.Errorf("hard link to %s, which is not in the archive", plain.Name(l.target))
		if b.tree.Lookup(l.path) != nil {
			err = fault.WithHint(fmt.Errorf("hard link to %s, which comes later in the archive", plain.Name(l.target)),
				"re-create the archive with the file before the links to it")
		}
		b.member, b.at = l.member, l.at
		b.fault(err)
	}
	b.resolveACLs(source.NewNames(b.tree), b.fault)
	if err := b.faults.Err(); err != nil {
		return err
	}
	for n := range b.implied {
		n.ModTime = b.newest
	}
	delete(b.implied, b.tree.Root)
	if n := len(b.implied); n > 0 {
		b.report.Note("%d directories have no entry of their own in the archive: mode 0755, owner 0:0", n)
	}
	b.noteNames()
	b.noteGlobals()
	b.excludes.NoteUnused(b.report)
	b.report.Survey(b.tree, b.linked)
	return nil
}

// checkEnd warns if the mark at the end, two blocks of zeros, is missing, or if something
// follows it.
func (b *builder) checkEnd() {
	const look = 1 << 20 // how far beyond; programs pad to 10 KiB, tapes to more
	rest := make([]byte, min(look, max(0, b.archive.size-b.at)))
	n, _ := b.archive.file.ReadAt(rest, b.at)
	rest = rest[:n]
	zero := len(rest) - len(bytes.TrimLeft(rest, "\x00"))
	switch {
	case b.lone:
		b.report.Warn(".", fmt.Sprintf("a lone block of zeros at byte %d ends the archive: what follows is not read", b.at))
	case zero < 2*blockSize:
		b.report.Warn(".", fmt.Sprintf("the archive ends at byte %d without the usual mark: it may have been cut", b.archive.size))
	case zero < len(rest):
		b.report.Warn(".", fmt.Sprintf("what follows the end of the archive at byte %d is not read", b.at))
	}
}

// add brings a member into the tree.
func (b *builder) add(hdr *tar.Header, m member) error {
	before, aside, err := b.take(hdr)
	if aside || err != nil {
		return err
	}
	path, err := b.clean(hdr.Name)
	if err != nil {
		return err
	}
	typ, err := memberType(hdr)
	if err != nil {
		return err
	}
	excluded := path != "." && b.excludes.Covers(path, typ == tree.TypeDir)
	if hdr.Typeflag == tar.TypeLink {
		if excluded {
			return nil
		}
		return b.addLink(path, hdr)
	}
	n, err := b.node(path, typ, excluded)
	if err != nil {
		return err
	}
	if err := b.fill(n, typ, hdr); err != nil {
		return err
	}
	n.Content, n.Attrs = m.content, nil
	if err := b.holdNode(n, path, m.spans); err != nil || excluded {
		return err
	}
	if b.xattrs {
		if err := b.attrs(n, hdr, before); err != nil {
			return err
		}
	}
	if b.newest.Before(n.ModTime) {
		b.newest = n.ModTime
	}
	return nil
}
