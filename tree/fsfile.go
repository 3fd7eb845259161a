package tree

import (
	"errors"
	"io"
	"io/fs"
	"time"
)

// FileMode is the mode as package fs has it.
func (m Mode) FileMode() fs.FileMode {
	out := fs.FileMode(m & 0o777)
	for _, bit := range modeBits {
		if m&bit.mode != 0 {
			out |= bit.fs
		}
	}
	for _, t := range modeTypes {
		if m.Type() == t.mode {
			return out | t.fs
		}
	}
	return out | fs.ModeIrregular
}

// ModeOf is the mode that package fs has as m. ok is false if m has bits that no Mode has, such as
// [fs.ModeAppend].
func ModeOf(m fs.FileMode) (mode Mode, ok bool) {
	mode = Mode(m.Perm())
	for _, bit := range modeBits {
		if m&bit.fs != 0 {
			mode |= bit.mode
			m &^= bit.fs
		}
	}
	for _, t := range modeTypes {
		if m&^fs.ModePerm == t.fs {
			return mode | t.mode, true
		}
	}
	return mode, false
}

var modeBits = []struct {
	mode Mode
	fs   fs.FileMode
}{{SetUID, fs.ModeSetuid}, {SetGID, fs.ModeSetgid}, {Sticky, fs.ModeSticky}}

var modeTypes = []struct {
	mode Mode
	fs   fs.FileMode
}{
	{TypeFile, 0}, {TypeDir, fs.ModeDir}, {TypeSymlink, fs.ModeSymlink}, {TypeFIFO, fs.ModeNamedPipe},
	{TypeSocket, fs.ModeSocket}, {TypeBlock, fs.ModeDevice}, {TypeChar, fs.ModeDevice | fs.ModeCharDevice},
}

// fileInfo describes a node under one of its names; it is its fs.DirEntry, too.
type fileInfo struct {
	name string
	node *Node
}

func (i fileInfo) Name() string { return i.name }

// Size is that of a file, or the length of the target of a link.
func (i fileInfo) Size() int64 { return i.node.Size + int64(len(i.node.Target)) }

func (i fileInfo) Mode() fs.FileMode { return i.node.Mode.FileMode() }
func (i fileInfo) Type() fs.FileMode { return i.Mode().Type() }
func (i fileInfo) ModTime() time.Time {
	return time.Unix(i.node.ModTime.Sec, int64(i.node.ModTime.Nsec))
}
func (i fileInfo) IsDir() bool                { return i.node.IsDir() }
func (i fileInfo) Sys() any                   { return i.node }
func (i fileInfo) Info() (fs.FileInfo, error) { return i, nil }
func (i fileInfo) String() string             { return fs.FormatFileInfo(i) }

func (i fileInfo) UID() uint32   { return i.node.UID }
func (i fileInfo) GID() uint32   { return i.node.GID }
func (i fileInfo) Inode() uint64 { return uint64(i.node.ID) }
func (i fileInfo) Links() uint32 { return i.node.Links }

func (i fileInfo) Rdev() (Device, bool) {
	if i.node.Device == nil {
		return Device{}, false
	}
	return *i.node.Device, true
}

func (i fileInfo) Xattrs() []Xattr {
	if i.node.Attrs == nil {
		return nil
	}
	return i.node.Attrs.Xattrs
}

func (i fileInfo) ACL() []ACE {
	if i.node.Attrs == nil {
		return nil
	}
	return i.node.Attrs.ACL
}

func (i fileInfo) Content() Content { return i.node.Content }

func dirEntries(list []Entry) []fs.DirEntry {
	out := make([]fs.DirEntry, len(list))
	for i, e := range list {
		out[i] = fileInfo{e.Name, e.Node}
	}
	return out
}

// openDir is an open directory.
type openDir struct {
	info   fileInfo
	path   string
	offset int
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.path, Err: errIsDir}
}

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	rest := d.info.node.Entries()[d.offset:]
	if n > 0 {
		if len(rest) == 0 {
			return nil, io.EOF
		}
		rest = rest[:min(n, len(rest))]
	}
	d.offset += len(rest)
	return dirEntries(rest), nil
}

// openContent opens the contents of a regular file; the file is nil if it is empty.
func openContent(n *Node) (File, error) {
	if n.Content == nil {
		return nil, nil
	}
	return n.Content.Open()
}

// openFile is an open file that is no directory.
type openFile struct {
	info   fileInfo
	path   string
	file   File  // nil for what has no contents
	bad    error // why it cannot be read; nil if it can
	offset int64
}

var _ File = (*openFile)(nil)

func (f *openFile) fail(err error) error { return &fs.PathError{Op: "read", Path: f.path, Err: err} }

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }

func (f *openFile) Close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file, f.bad = nil, fs.ErrClosed
	return err
}

func (f *openFile) size() int64 { return f.info.node.Size }

// Read reads on from the end of the last Read or Seek.
func (f *openFile) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.offset)
	f.offset += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// ReadAt reads as [io.ReaderAt] does. What lies in holes is zeros.
func (f *openFile) ReadAt(p []byte, off int64) (n int, err error) {
	switch {
	case f.bad != nil:
		return 0, f.fail(f.bad)
	case off < 0:
		return 0, f.fail(fs.ErrInvalid)
	case off >= f.size():
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	want := min(int64(len(p)), f.size()-off)
	n, err = f.file.ReadAt(p[:want], off)
	switch {
	case int64(n) == want && want < int64(len(p)):
		return n, io.EOF
	case int64(n) == want:
		return n, nil
	case err == io.EOF:
		err = io.ErrUnexpectedEOF // it is shorter than its size
	}
	return n, f.fail(err)
}

// Seek sets where the next Read begins.
func (f *openFile) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += f.offset
	case io.SeekEnd:
		offset += f.size()
	default:
		offset = -1
	}
	if offset < 0 {
		return 0, &fs.PathError{Op: "seek", Path: f.path, Err: fs.ErrInvalid}
	}
	f.offset = offset
	return offset, nil
}

// NextData is that of [File].
func (f *openFile) NextData(off int64) (start, end int64, err error) {
	switch {
	case f.bad != nil:
		return 0, 0, f.fail(f.bad)
	case off >= f.size():
		return 0, 0, io.EOF
	}
	return f.file.NextData(off)
}
