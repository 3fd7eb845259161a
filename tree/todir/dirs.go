package todir

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// maxOpen is how many directories are kept open, beside those in use.
const maxOpen = 128

// dirs keeps directories below the folder open, so that what lies in one is reached by name
// alone. It is safe for concurrent use.
type dirs struct {
	top  *os.Root
	mu   sync.Mutex
	open map[*dir]*openDir
	tick int
}

// openDir is an open directory, in use until it is put back. It is a bare descriptor, since an
// os.Root and the os.File beside it cost eight more system calls for each.
type openDir struct {
	fd   int
	uses int
	last int // when it was used last
}

func newDirs(top *os.Root) *dirs { return &dirs{top: top, open: make(map[*dir]*openDir)} }

// get returns the open directory d. The caller puts it back.
func (s *dirs) get(d *dir) (*openDir, error) {
	if o := s.find(d); o != nil {
		return o, nil
	}
	var fd int
	var err error
	if d.parent == nil {
		fd, err = openTop(s.top)
	} else {
		var parent *openDir
		if parent, err = s.get(d.parent); err != nil {
			return nil, err
		}
		fd, err = openIn(parent.fd, d.name)
		s.put(parent)
	}
	if err != nil {
		return nil, fail("open directory", d.path(), err)
	}
	o := &openDir{fd: fd}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.open[d]; other != nil { // somebody was faster
		other.uses++
		return other, o.close()
	}
	s.open[d] = o
	s.tick++
	o.uses, o.last = 1, s.tick
	if len(s.open) > maxOpen {
		err = s.evict()
	}
	return o, err
}

// openIn opens a directory in another. It follows no link, and the tree has checked that the
// name is one.
func openIn(parent int, name string) (fd int, err error) {
	err = again(func() (err error) {
		fd, err = unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	return fd, err
}

func openTop(top *os.Root) (int, error) {
	f, err := top.Open(".")
	if err != nil {
		return 0, err
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	return fd, errors.Join(err, f.Close())
}

// again repeats a system call that a signal interrupts.
func again(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func (s *dirs) find(d *dir) *openDir {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.open[d]
	if o != nil {
		s.tick++
		o.uses++
		o.last = s.tick
	}
	return o
}

func (s *dirs) put(o *openDir) {
	s.mu.Lock()
	o.uses--
	s.mu.Unlock()
}

// evict closes the directory that was not used for the longest time.
func (s *dirs) evict() error {
	var oldest *dir
	for d, o := range s.open {
		if o.uses == 0 && (oldest == nil || o.last < s.open[oldest].last) {
			oldest = d
		}
	}
	if oldest == nil {
		return nil
	}
	o := s.open[oldest]
	delete(s.open, oldest)
	return o.close()
}

func (o *openDir) close() error { return newFile(o.fd).close() }

func (s *dirs) close() error {
	var errs []error
	for _, o := range s.open {
		errs = append(errs, o.close())
	}
	s.open = nil
	return errors.Join(errs...)
}
