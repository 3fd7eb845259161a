// Package totar writes a tree as a tar archive in PAX form. Package fromtar reads the same tree from it.
//
//	err := totar.Write(ctx, w, t, totar.Options{})
//
// The same tree gives the same bytes. Members are in walk order, the root first. Their names begin with
// "./". A further name of a file is a hard link to its first name.
//
// GNU tar, bsdtar and Python read what PAX and GNU tar can express: names and times in PAX records,
// sparse files in GNU's form 1.0, extended attributes as SCHILY.xattr, POSIX ACLs as SCHILY.acl.
// Everything else is in records of our own, IMAGETOOLS.*. FORMAT.md describes them; other programs ignore
// them.
//
// # Limits
//
// A PAX header holds 1 MiB, and so does the map of a sparse file. More attributes go into headers in
// front of the file, up to 64 MiB. If the map of a sparse file would be longer, its smallest holes are
// filled with zeros, as long as that does not double the file.
package totar

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"

	"imagetools/tree"
)

// Options say how an archive is written.
type Options struct {
	// Progress, if set, is told now and then how many names were written.
	Progress func(names int)
}

// Write writes the sealed tree t to w, which it does not close. Errors name the path.
func Write(ctx context.Context, w io.Writer, t *tree.Tree, opts Options) error {
	if err := t.CheckSealed(); err != nil {
		return fmt.Errorf("write tar: %w", err)
	}
	x := &writer{
		ctx: ctx, w: bufio.NewWriterSize(w, bufferSize),
		first: make(map[*tree.Node]string), buf: make([]byte, bufferSize),
	}
	names := 0
	for path, n := range t.All() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := x.member(path, n); err != nil {
			return fmt.Errorf("write %q: %w", path, err)
		}
		if names++; opts.Progress != nil && names%256 == 0 {
			opts.Progress(names)
		}
	}
	clear(x.buf[:2*blockSize]) // the end of an archive
	if _, err := x.w.Write(x.buf[:2*blockSize]); err != nil {
		return err
	}
	if opts.Progress != nil {
		opts.Progress(names)
	}
	return x.w.Flush()
}

const bufferSize = 256 << 10

type writer struct {
	ctx   context.Context
	w     *bufio.Writer
	first map[*tree.Node]string // member names of files with several
	buf   []byte                // for contents
	head  []byte                // for headers
}

// member writes all about one name.
func (x *writer) member(path string, n *tree.Node) error {
	h := header{name: memberName(path, n)}
	if n.Links > 1 && !n.IsDir() {
		first, met := x.first[n]
		if met {
			// A program that sets the attributes of a link finds those of the file.
			h.typeflag, h.link = typeLink, first
			h.describe(n)
			return x.header(&h)
		}
		x.first[n] = h.name
	}
	h.describe(n)
	switch n.Mode.Type() {
	case tree.TypeFile:
		h.typeflag = typeFile
		if n.Size > 0 {
			return x.file(&h, n)
		}
	case tree.TypeDir:
		h.typeflag = typeDir
	case tree.TypeSymlink:
		h.typeflag, h.link = typeSymlink, n.Target
	case tree.TypeChar:
		h.typeflag = typeChar
	case tree.TypeBlock:
		h.typeflag = typeBlock
	case tree.TypeFIFO:
		h.typeflag = typeFIFO
	case tree.TypeSocket:
		h.typeflag, h.socket = typeFile, true
	default:
		return fmt.Errorf("unknown %s", n.Mode.TypeName())
	}
	h.attrs(n)
	return x.header(&h)
}

// memberName is the name of a path in the archive. A directory's ends with a slash.
func memberName(path string, n *tree.Node) string {
	switch {
	case path == ".":
		return "./"
	case n.IsDir():
		return "./" + path + "/"
	}
	return "./" + path
}

func (x *writer) header(h *header) error {
	var err error
	if x.head, err = h.append(x.head[:0]); err != nil {
		return err
	}
	_, err = x.w.Write(x.head)
	return err
}

// file writes a regular file that has contents.
func (x *writer) file(h *header, n *tree.Node) (err error) {
	f, err := n.Content.Open()
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	m, err := mapOf(x.ctx, f, n.Size)
	if err != nil {
		return err
	}
	h.size = n.Size
	var list []byte
	if m.sparse(n.Size) {
		list = m.text(n.Size)
		if m.data > math.MaxInt64-int64(len(list)) {
			return fmt.Errorf("%d bytes of data and a sparse map: too many for a member", m.data)
		}
		h.sparse(n.Size, m.data+int64(len(list)))
	}
	h.attrs(n)
	if err := x.header(h); err != nil {
		return err
	}
	if _, err := x.w.Write(list); err != nil {
		return err
	}
	for _, s := range m.spans {
		if err := x.copy(f, s); err != nil {
			return err
		}
	}
	return x.pad(m.data)
}

// copy writes a range of f.
func (x *writer) copy(f tree.File, s span) error {
	for off := s.start; off < s.end; {
		if err := x.ctx.Err(); err != nil {
			return err
		}
		p := x.buf[:min(int64(len(x.buf)), s.end-off)]
		n, err := f.ReadAt(p, off)
		if n < len(p) {
			if err == nil || err == io.EOF {
				err = fmt.Errorf("at byte %d: %w", off+int64(n), io.ErrUnexpectedEOF)
			}
			return err
		}
		if _, err := x.w.Write(p); err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}

// pad fills up the block that the last of size bytes lies in.
func (x *writer) pad(size int64) error {
	n := -size & (blockSize - 1)
	clear(x.buf[:n])
	_, err := x.w.Write(x.buf[:n])
	return err
}
