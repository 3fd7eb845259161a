// Package durable writes files and directories that appear under their names complete and on
// the disk, or not at all.
//
//	s, err := durable.New(durable.Options{})
//	defer s.Discard()
//	f, err := s.File("image.zfs", 0o666)
//	...                    // write to f
//	d, err := s.Dir("rootfs")
//	...                    // fill d.Root
//	err = s.Commit(nil)    // all of them get their names, or none does
//
// # How
//
// Each output is made beside its target, under a name of its own, .imagetools-TOKEN-NAME, and
// the directory that it lies in is held open: nobody who changes what lies above it redirects
// the output. A name is claimed exclusively (link(2), mkdir(2)), so that of two runs with one
// target the second fails, and takes away what it made alone. With [Options.Replace], what had
// the name is set aside as .imagetools-TOKEN+NAME until all outputs have theirs. Directories are
// set aside before anything gets its name, so that a directory with its METALOG beside it is
// either the older one with its own, or the new one, or not there.
//
// A directory that was made is compared with what is then opened under its name: others may
// own the directory around it.
//
// # After a kill
//
// An output that is being made is locked (flock(2), or its kind). The next run that writes to
// the same directory finds those without a lock, puts back what was set aside, unless all
// outputs had their names, and removes the rest. Where the file system knows no locks they are
// called .imagetools-TOKEN~NAME, and stay.
package durable

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Errors of a name that is in the way; they come with the name.
var (
	ErrExists     = errors.New("exists already")
	ErrDirectory  = errors.New("is a directory")
	ErrNotRegular = errors.New("is no regular file")
	ErrNotDir     = errors.New("exists and is not a directory")
)

// Options say how outputs get their names.
type Options struct {
	Replace  bool              // what has the name of an output
	MakeDirs bool              // make the directory of an output, and those above it, if it does not exist
	Note     func(text string) // if set, is told what killed runs left, and what became of it
}

func (o *Options) note(format string, args ...any) {
	if o.Note != nil {
		o.Note(fmt.Sprintf(format, args...))
	}
}

// Set is the outputs of one run, which get their names together. It is not safe for concurrent
// use, but its outputs may be filled at the same time.
type Set struct {
	opts   Options
	token  string
	places []*place
	items  []*item
	done   bool // committed or discarded
}

// New returns a set without outputs.
func New(opts Options) *Set { return &Set{opts: opts, token: rand.Text()} }

// WriteFile writes one file. If there is one of that name, it is replaced and its permissions
// are kept; else they are perm before umask.
func WriteFile(path string, data []byte, perm fs.FileMode) (err error) {
	s := New(Options{Replace: true})
	defer func() { err = errors.Join(err, s.Discard()) }()
	f, err := s.File(path, perm)
	if err != nil {
		return err
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
		if err := f.file.Chmod(info.Mode().Perm()); err != nil {
			return f.fail(err)
		}
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return s.Commit(nil)
}

// CheckFile reports what is in the way of a file at path: [ErrExists], unless it is to be
// replaced, [ErrDirectory], or [ErrNotRegular]. A symbolic link is replaced, not followed. With
// note, what a killed run left is put right before it is taken for a file that exists.
func CheckFile(path string, replace bool, note func(text string)) error {
	info, err := os.Lstat(path)
	if err != nil {
		return nil // who opens the directory says what is wrong with it
	}
	err = checkFile(path, info, replace)
	if note == nil || !errors.Is(err, ErrExists) {
		return err
	}
	s := New(Options{Note: note})
	if err := errors.Join(s.Open(filepath.Dir(path)), s.Discard()); err != nil {
		return err
	}
	return CheckFile(path, replace, nil)
}

func checkFile(path string, info fs.FileInfo, replace bool) error {
	if info.Mode().Type() == fs.ModeSymlink {
		if to, err := os.Stat(path); err == nil { // who names a link to a device means that
			info = to
		}
	}
	var err error
	switch {
	case info.IsDir():
		err = ErrDirectory
	case !info.Mode().IsRegular() && info.Mode().Type() != fs.ModeSymlink:
		err = ErrNotRegular
	case !replace:
		err = ErrExists
	default:
		return nil
	}
	return fmt.Errorf("%q: %w", path, err)
}

// File is a file on its way.
type File struct{ *item }

// File begins a file, with permissions perm before umask. Its directory must exist, unless it
// is to be made.
func (s *Set) File(path string, perm fs.FileMode) (*File, error) {
	i, err := s.add(path)
	if err == nil {
		err = i.createFile(perm)
	}
	if err != nil {
		return nil, fmt.Errorf("create %q: %w", path, cause(err))
	}
	s.items = append(s.items, i)
	return &File{i}, nil
}

// Dir is a directory on its way, with mode 0700.
type Dir struct {
	*item
	Root *os.Root // closed by the set
}

// Dir begins a directory beside path, whose parent must exist, unless it is to be made.
func (s *Set) Dir(path string) (*Dir, error) {
	i, err := s.add(path)
	if err == nil {
		i.dir = true
		err = i.createDir()
	}
	if err != nil {
		return nil, fmt.Errorf("create %q: %w", path, cause(err))
	}
	s.items = append(s.items, i)
	return &Dir{i, i.root}, nil
}

// TempPath is the path of the directory as long as it is on its way, for other programs. Who may
// write to the directory around it can put another one there: it is for those like /tmp that
// keep others from that.
func (d *Dir) TempPath() string { return filepath.Join(d.place.path, d.temp) }

func (s *Set) add(path string) (*item, error) {
	base := filepath.Base(path)
	if base == "." || base == ".." || base == string(filepath.Separator) {
		return nil, fmt.Errorf("%q is no name for an output", path)
	}
	p, err := s.place(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	return &item{set: s, place: p, path: path, base: base, temp: tempName(s.token, making, base)}, nil
}

// Open opens the directories that outputs will lie in, and puts right what killed runs left
// there. It is for sets with outputs in several directories: all of them are to be looked at
// before anything is put right.
func (s *Set) Open(dirs ...string) error {
	for _, dir := range dirs {
		if dir = filepath.Clean(dir); s.find(dir) != nil {
			continue
		}
		p, err := openPlace(dir, s.opts.MakeDirs)
		if err != nil {
			return fmt.Errorf("%q: %w", dir, cause(err))
		}
		s.places = append(s.places, p)
	}
	return s.clean()
}

func (s *Set) find(dir string) *place {
	for _, p := range s.places {
		if p.path == dir {
			return p
		}
	}
	return nil
}

// place returns the open directory at a path. What killed runs left there is put right.
func (s *Set) place(dir string) (*place, error) {
	if p := s.find(dir); p != nil {
		return p, nil
	}
	p, err := openPlace(dir, s.opts.MakeDirs)
	if err != nil {
		return nil, err
	}
	s.places = append(s.places, p)
	return p, s.clean()
}

// Write appends to the file.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.file.Write(p)
	return n, f.fail(err)
}

// WriteAt writes at an offset.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.file.WriteAt(p, off)
	return n, f.fail(err)
}

// Keep takes the name away from the file, which is the caller's now, and no output of the set.
func (f *File) Keep() (*os.File, error) {
	s := f.set
	if err := f.place.root.Remove(f.temp); err != nil {
		return nil, f.fail(err)
	}
	s.items = slices.DeleteFunc(s.items, func(i *item) bool { return i == f.item })
	return f.file, nil
}

// Truncate sets the size.
func (f *File) Truncate(size int64) error { return f.fail(f.file.Truncate(size)) }

// Chown sets the owner.
func (f *File) Chown(uid, gid int) error { return f.fail(f.file.Chown(uid, gid)) }

// Chmod sets the permissions, without regard to umask.
func (f *File) Chmod(perm fs.FileMode) error { return f.fail(f.file.Chmod(perm)) }

func (i *item) fail(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("write %q: %w", i.path, cause(err))
}

// cause leaves out the temporary name that an error of package os has.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}
