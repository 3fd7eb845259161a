package fromoci

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"imagetools/tree"
	"imagetools/tree/fromtar"
	"imagetools/tree/source"
)

// files are those of a layout: of a folder, or of an archive.
type files interface {
	// file returns a file, whose path is slash-separated and leads nowhere out; fs.ErrNotExist
	// if there is none.
	file(path string) (tree.Content, int64, error)
	io.Closer
}

// folder is a layout on disk.
type folder struct {
	dir  string
	open []*os.File
}

func (l *folder) file(name string) (tree.Content, int64, error) {
	full := l.dir + "/" + name
	if info, err := os.Stat(full); err != nil {
		return nil, 0, err
	} else if !info.Mode().IsRegular() { // a pipe would wait to be opened
		return nil, 0, fmt.Errorf("%q: not a regular file", full)
	}
	f, err := os.Open(full)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	l.open = append(l.open, f)
	return &diskFile{f, info.Size(), info.ModTime()}, info.Size(), nil
}

// Close closes all files that were opened.
func (l *folder) Close() error {
	var errs []error
	for _, f := range l.open {
		errs = append(errs, f.Close())
	}
	l.open = nil
	return errors.Join(errs...)
}

// diskFile is an open file as content. Its users share it.
type diskFile struct {
	f     *os.File
	size  int64
	mtime time.Time
}

func (d *diskFile) check() error {
	info, err := d.f.Stat()
	if err == nil && (info.Size() != d.size || !info.ModTime().Equal(d.mtime)) {
		err = fmt.Errorf("%q: %w", d.f.Name(), source.ErrChanged)
	}
	return err
}

func (d *diskFile) Open() (tree.File, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	return &openDiskFile{d}, nil
}

type openDiskFile struct{ *diskFile }

func (d *openDiskFile) ReadAt(p []byte, off int64) (int, error) { return d.f.ReadAt(p, off) }

func (d *openDiskFile) NextData(off int64) (int64, int64, error) { return nextData(off, d.size) }

func (d *openDiskFile) Close() error { return d.check() }

func nextData(off, size int64) (int64, int64, error) {
	if off >= size {
		return 0, 0, io.EOF
	}
	return max(0, off), size, nil
}

// archive is a layout in a tar.
type archive struct{ src *fromtar.Source }

// maxLinks bounds the links on the way to one file.
const maxLinks = 8

// file follows links in place of a file, by which old versions of Docker tell that two layers are
// the same.
func (a *archive) file(name string) (tree.Content, int64, error) {
	for range maxLinks {
		clean := strings.TrimPrefix(path.Clean("/"+name), "/")
		n := a.src.Tree.Lookup(clean)
		switch {
		case n == nil:
			return nil, 0, fmt.Errorf("%q: %w", clean, os.ErrNotExist)
		case n.Mode.Type() == tree.TypeSymlink:
			name = path.Join(path.Dir("/"+clean), n.Target)
			continue
		case n.Mode.Type() != tree.TypeFile:
			return nil, 0, fmt.Errorf("%q: a %s, not a file", clean, n.Mode.TypeName())
		case n.Content == nil:
			return tree.Bytes(nil), 0, nil
		}
		return n.Content, n.Size, nil
	}
	return nil, 0, fmt.Errorf("%q: too many links", clip(name))
}

// Close closes the archive.
func (a *archive) Close() error { return a.src.Close() }

// blobReader reads a file from the first byte on.
type blobReader struct {
	io.Reader
	io.Closer
}

func openContent(c tree.Content, size int64) (io.ReadCloser, error) {
	f, err := c.Open()
	if err != nil {
		return nil, err
	}
	return blobReader{io.NewSectionReader(f, 0, size), f}, nil
}

// section is a part of a file.
type section struct {
	file      tree.Content
	off, size int64
}

func (s *section) Open() (tree.File, error) {
	f, err := s.file.Open()
	if err != nil {
		return nil, err
	}
	return &openSection{io.NewSectionReader(f, s.off, s.size), f, s.size}, nil
}

type openSection struct {
	*io.SectionReader
	io.Closer
	size int64
}

func (s *openSection) NextData(off int64) (int64, int64, error) { return nextData(off, s.size) }
