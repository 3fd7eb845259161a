package durable

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Into is the contents of a directory that exists and is empty, on their way into it.
type Into struct {
	*item
	Root *os.Root // where they are made, with mode 0700; closed by the set
	// Move, if set, is called before a name moves up; what it returns is called after that.
	Move func(name string) (after func() error, err error)
	// Moved, if set, is called with the directory when that holds all names, and nothing else.
	Moved func(top *os.File) error

	moved   []string
	cleared bool // the folder and the list are gone
}

// contents is the name that stands for them.
const contents = "contents"

// ErrNotEmpty says that a directory is not empty.
var ErrNotEmpty = errors.New("the directory is not empty")

// Into begins the contents of a directory, which are made in a folder in it.
func (s *Set) Into(path string) (*Into, error) {
	p, err := s.place(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	if err := p.checkEmpty(path, ""); err != nil {
		return nil, err
	}
	i := &item{set: s, place: p, path: path, base: contents, temp: tempName(s.token, making, contents), dir: true}
	if err := i.createDir(); err != nil {
		return nil, fmt.Errorf("make a folder in %q: %w", path, cause(err))
	}
	i.into = &Into{item: i, Root: i.root}
	s.items = append(s.items, i)
	return i.into, p.checkEmpty(path, i.temp) // again: another run may have begun, too
}

// checkEmpty reports names other than own.
func (p *place) checkEmpty(path, own string) error {
	names, err := p.names()
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		if name != own {
			return fmt.Errorf("%q: %w: it holds %q", path, ErrNotEmpty, name)
		}
	}
	return nil
}

// moveUp moves everything out of the folder.
func (in *Into) moveUp() error {
	names, err := (&place{root: in.root}).names()
	if err != nil {
		return err
	}
	slices.Sort(names)
	if err := in.list(names); err != nil {
		return err
	}
	for _, name := range names {
		if err := in.move(name); err != nil {
			return err
		}
	}
	if err := errors.Join(removeDir(in.place.root, in.temp), in.place.root.Remove(in.listName())); err != nil {
		return err
	}
	in.cleared = true
	if in.Moved == nil {
		return nil
	}
	top, err := in.place.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(in.Moved(top), top.Close())
}

func (in *Into) move(name string) error {
	if in.place.has(name) {
		return named{fmt.Errorf("%q: appeared while %q was written", name, in.path)}
	}
	var after func() error
	if in.Move != nil {
		var err error
		if after, err = in.Move(name); err != nil {
			return err
		}
	}
	if err := rename(in.root, name, in.place.root, name); err != nil {
		return fmt.Errorf("move %q: %w", name, cause(err))
	}
	in.moved = append(in.moved, name)
	if after != nil {
		return after()
	}
	return nil
}

// moveBack undoes moveUp.
func (in *Into) moveBack() error {
	if in.cleared {
		if err := in.again(); err != nil {
			return fmt.Errorf("contents are left in %q: %w", in.path, cause(err))
		}
	}
	for _, name := range in.moved {
		if err := in.back(name); err != nil {
			return fmt.Errorf("%q is left in %q: %w", name, in.path, cause(err))
		}
	}
	in.moved = nil
	err := in.place.root.Remove(in.listName())
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return err
}

// again makes the folder a second time.
func (in *Into) again() error {
	top, err := in.place.root.Open(".")
	if err != nil {
		return err
	}
	if err := errors.Join(top.Chmod(0o700), top.Close()); err != nil {
		return err
	}
	if err := in.closeAll(); err != nil {
		return err
	}
	if err := in.createDir(); err != nil {
		return err
	}
	in.Root, in.cleared = in.root, false
	return nil
}

func (in *Into) back(name string) error {
	if err := unlockDir(in.place.root, name); err != nil { // it changes, for which it must be writable
		return err
	}
	return rename(in.place.root, name, in.root, name)
}

func (in *Into) listName() string { return tempName(in.set.token, moved, contents) }

// list writes down what will move, for the run that comes after a kill.
func (in *Into) list(names []string) error {
	var text bytes.Buffer
	for _, name := range names {
		info, err := in.root.Lstat(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s %q\n", inode(info), name)
	}
	f, err := in.place.root.OpenFile(in.listName(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text.Bytes())
	return errors.Join(err, f.Sync(), f.Close())
}

func inode(info fs.FileInfo) string {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	}
	return "?"
}

// maxList is how many bytes of a list are read.
const maxList = 256 << 20

// removeMoved removes what a killed run had moved up, as its list tells.
func removeMoved(root folder, list string) error {
	f, err := root.Open(list)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxList))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		id, quoted, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		name, err := strconv.Unquote(quoted)
		if !ok || err != nil || strings.Contains(name, "/") {
			return fmt.Errorf("%q: it is no list of names", list)
		}
		if info, err := root.Lstat(name); err != nil || inode(info) != id {
			continue // it has not come so far
		}
		if err := RemoveTree(root, name); err != nil {
			return err
		}
	}
	return nil
}
