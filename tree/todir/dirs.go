package todir

import (
	"errors"
	"os"
	"sync"
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

// openDir is an open directory, in use until it is put back.
type openDir struct {
	root *os.Root
	file *os.File // the same, for what os.Root has no method for
	fd   int      // of file
	uses int
	last int // when it was used last
}

func newDirs(top *os.Root) *dirs { return &dirs{top: top, open: make(map[*dir]*openDir)} }

// get returns the open directory d. The caller puts it back.
func (s *dirs) get(d *dir) (*openDir, error) {
	if o := s.find(d); o != nil {
		return o, nil
	}
	var o *openDir
	var err error
	if d.parent == nil {
		o, err = newOpenDir(s.top, ".")
	} else {
		var parent *openDir
		if parent, err = s.get(d.parent); err != nil {
			return nil, err
		}
		o, err = newOpenDir(parent.root, d.name)
		s.put(parent)
	}
	if err != nil {
		return nil, fail("open directory", d.path(), err)
	}
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

func newOpenDir(parent *os.Root, name string) (*openDir, error) {
	root, err := parent.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	file, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &openDir{root: root, file: file, fd: int(file.Fd())}, nil
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

func (o *openDir) close() error { return errors.Join(o.file.Close(), o.root.Close()) }

// rebase says that the root is another directory now, and what lay in it lies there.
func (s *dirs) rebase(top *os.Root) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.top = top
	for d, o := range s.open {
		if d.parent == nil {
			delete(s.open, d)
			return o.close()
		}
	}
	return nil
}

func (s *dirs) close() error {
	var errs []error
	for _, o := range s.open {
		errs = append(errs, o.close())
	}
	s.open = nil
	return errors.Join(errs...)
}

// reopen gives a finished directory the mode of one in work again. If that fails, so will its
// removal, which says more.
func (s *dirs) reopen(d *dir) {
	if d.parent == nil {
		s.top.Chmod(".", 0o700)
		return
	}
	parent, err := s.get(d.parent)
	if err != nil {
		return
	}
	parent.root.Chmod(d.name, 0o700)
	s.put(parent)
}
