package fromdir

import (
	"fmt"
	"io"
	"math/bits"
	"os"

	"golang.org/x/sys/unix"

	"imagetools/internal/holes"
	"imagetools/tree"
	"imagetools/tree/source"
)

// file is the content of a regular file on the host, with what must not change until it is
// read. It is kept small: there is one for each file of the tree.
type file struct {
	dir   *hostDir
	name  string
	id    uint64 // device and inode
	size  int64
	mtime int64 // nanoseconds; wraps for times far away, which is as good to compare
}

func newFile(dir *hostDir, name string, st *unix.Stat_t) *file {
	return &file{dir: dir, name: name, id: identity(st), size: st.Size, mtime: nanoseconds(st.Mtim)}
}

// identity mixes device and inode into one number.
func identity(st *unix.Stat_t) uint64 {
	return uint64(st.Ino) ^ bits.RotateLeft64(uint64(st.Dev)*0x9e3779b97f4a7c15, 32)
}

func nanoseconds(t unix.Timespec) int64 { return int64(t.Sec)*1e9 + int64(t.Nsec) }

func (f *file) path() string { return f.dir.path(f.name) }

func (f *file) changed() error { return fmt.Errorf("%q: %w", f.path(), source.ErrChanged) }

// Open opens the file and compares it with what the walk saw.
func (f *file) Open() (tree.File, error) {
	path := f.path()
	fd, err := openPath(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC)
	if err != nil {
		return nil, openError(path, err)
	}
	o := &openFile{fd: fd, file: f}
	st, err := o.stat()
	if err == nil && identity(st) != f.id {
		err = f.changed()
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	o.ctime = nanoseconds(st.Ctim)
	// st_blocks counts 512 bytes each on every system. A file that has at least its size in
	// blocks is taken for one without holes.
	o.dense = int64(st.Blocks) >= (f.size+511)/512
	return o, nil
}

// Verify compares the file with what the walk saw, without opening it.
func (f *file) Verify() error {
	path := f.path()
	var st unix.Stat_t
	err := retry(func() error { return unix.Lstat(path, &st) })
	switch {
	case err == unix.ENAMETOOLONG:
		o, err := f.Open()
		if err != nil {
			return err
		}
		return o.Close()
	case err != nil:
		return openError(path, err)
	case identity(&st) != f.id || !f.matches(&st):
		return f.changed()
	}
	return nil
}

// matches tells whether type, size and time are those of the walk.
func (f *file) matches(st *unix.Stat_t) bool {
	return tree.Mode(st.Mode).Type() == tree.TypeFile && st.Size == f.size && nanoseconds(st.Mtim) == f.mtime
}

// openFile is an open regular file. Its methods may be called concurrently, but for Close.
type openFile struct {
	fd    int // -1 when closed
	file  *file
	ctime int64
	dense bool
}

// stat looks at the open file; its size and time must be those of the walk.
func (o *openFile) stat() (*unix.Stat_t, error) {
	var st unix.Stat_t
	for {
		err := unix.Fstat(o.fd, &st)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("stat %q: %w", o.file.path(), err)
		}
		break
	}
	if !o.file.matches(&st) {
		return nil, o.file.changed()
	}
	return &st, nil
}

// Fd is the file descriptor, for a reader that wants to advise the kernel. It must not be
// closed and its offset means nothing.
func (o *openFile) Fd() int { return o.fd }

func (o *openFile) ReadAt(p []byte, off int64) (n int, err error) {
	if o.fd < 0 {
		return 0, os.ErrClosed
	}
	if off < 0 {
		return 0, fmt.Errorf("read %q: negative offset", o.file.path())
	}
	var end error
	if left := o.file.size - off; int64(len(p)) > left {
		p, end = p[:max(0, left)], io.EOF
	}
	for n < len(p) {
		m, err := unix.Pread(o.fd, p[n:], off+int64(n))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return n, fmt.Errorf("read %q at byte %d: %w", o.file.path(), off+int64(n), err)
		case m == 0:
			return n, o.file.changed() // it is shorter now
		}
		n += m
	}
	return n, end
}

// NextData asks the file system for the holes. One that does not tell has none.
func (o *openFile) NextData(off int64) (start, end int64, err error) {
	size := o.file.size
	switch {
	case o.fd < 0:
		return 0, 0, os.ErrClosed
	case off < 0:
		return 0, 0, fmt.Errorf("seek %q: negative offset", o.file.path())
	case off >= size:
		return 0, 0, io.EOF
	case o.dense:
		return off, size, nil
	}
	start, end, err = holes.Next(o.fd, off, size)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("seek %q: %w", o.file.path(), err)
	}
	return start, end, err
}

// Close closes the file, and reports [source.ErrChanged] if it was written to, or its inode
// was touched, while it was open.
func (o *openFile) Close() error {
	if o.fd < 0 {
		return nil
	}
	st, err := o.stat()
	if err == nil && nanoseconds(st.Ctim) != o.ctime {
		err = o.file.changed()
	}
	if e := unix.Close(o.fd); err == nil && e != nil {
		err = fmt.Errorf("close %q: %w", o.file.path(), e)
	}
	o.fd = -1
	return err
}
