// Package rootfs gives access to the root file system of a zone whose owner may have put
// anything into it: a directory of this machine, or a tree in memory.
//
//	root, err := rootfs.OpenDir("/zones/UUID/root") // or rootfs.NewTree(tree, now)
//	...
//	defer root.Close()
//	text, err := root.ReadFile("/etc/hosts", 1<<20)
//	...
//	err = root.WriteFile("/etc/hosts", text, nil) // mode and owner stay
//
// # Paths
//
// Paths are those that the zone sees, with or without a slash in front. Symbolic links on the
// way are followed as in the zone: absolute ones and ".." end at its root, and more than 40 of
// them are [ErrLoop]. Where the last name of a path is a link,
//
//   - Stat, ReadFile, ReadDir, WriteFile, Chmod and Chown follow it. WriteFile makes the file
//     that a dangling link leads to;
//   - Lstat, Readlink, PutFile, Mkdir, Symlink, Remove and RemoveAll are about the link itself.
//
// # What is never done
//
// Nothing outside the root is read or changed, whoever changes the root at the same time: each
// directory is opened in the one before, never through a link, and what was opened is compared
// with what was looked at. If that goes on changing, the error is [tree.ErrChanged].
//
// A device, FIFO or socket is not opened, changed or replaced, only removed: [ErrSpecial]. One
// that takes the place of a file at that very moment is opened for reading, without waiting, and
// closed again. Files are never written in place. A new one gets the name, so that a hard link of the old one
// elsewhere keeps its content, and its mode and owner too: Chmod and Chown give a file that has
// several names a copy of its own.
//
// What is mounted below the root can be read, but not changed, nor entered by Walk or RemoveAll:
// [ErrMounted]. It is told by its device number, so that a bind mount of the root's own file
// system is not seen as one.
//
// # Limits
//
// A directory is reached through at most 1000 others. Extended attributes of a file stay with it
// on Linux and in a tree, but for a capability; ACLs do as long as the mode stays. On illumos
// and macOS a file that is written loses both. The owner of a new link is set by name, in the
// directory that is held open.
//
// Who is not root cannot give files away. On disk, what belongs to such a user is shown as
// root's, and is left as it is where root is to own it (as an image of that directory has it,
// see [source.OwnersAuto]); any other owner is an error.
package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"imagetools/fault"

	"imagetools/tree"
)

// Errors that the methods wrap, beside fs.ErrNotExist, fs.ErrExist, fs.ErrPermission,
// [tree.ErrChanged] and [tree.ErrNotDir].
var (
	ErrLoop     = errors.New("too many symbolic links")
	ErrTooLarge = errors.New("larger than is read")
	ErrSpecial  = errors.New("a device, FIFO or socket")
	ErrIsDir    = errors.New("is a directory")
	ErrNotLink  = errors.New("not a symbolic link")
	ErrMounted  = errors.New("mounted there is another file system")
)

// Info is what is known of a name.
type Info struct {
	Name     string // the last one of its path; "/" for the root itself
	Mode     tree.Mode
	UID, GID uint32
	Size     int64 // of a regular file
	ModTime  tree.Time

	dev, ino uint64 // on disk
	links    uint64
}

// Attr is the mode and owner of what is made. A nil *Attr stands for those of what is
// replaced; if there is nothing, for root's ownership with mode 0644, of directories 0755.
type Attr struct {
	Mode     tree.Mode // permission bits
	UID, GID uint32
}

func (a *Attr) check() error {
	switch {
	case a == nil:
	case a.Mode&^tree.PermMask != 0:
		return fmt.Errorf("mode %#o: unknown bits", uint32(a.Mode))
	case a.UID > tree.MaxOwner || a.GID > tree.MaxOwner:
		return fmt.Errorf("owner %d:%d: the largest id is %d", a.UID, a.GID, tree.MaxOwner)
	}
	return nil
}

// FS is a root file system. It is not safe for concurrent use; several on one directory are.
type FS struct {
	top      directory
	dev      uint64
	readOnly bool
}

// directory is an open directory. The names it is given are single and checked. The methods
// follow no link, and change nothing if the name no longer is what info says: that is
// tree.ErrChanged.
type directory interface {
	self() (Info, error)
	lstat(name string) (Info, error)
	names() ([]string, error)
	readlink(name string) (string, error)
	open(info Info) (directory, error)
	read(info Info, limit int64) ([]byte, error)
	// write makes a file, or replaces the one that old is about.
	write(name string, data []byte, attr Attr, old *Info) error
	mkdir(name string, attr Attr) error
	symlink(target, name string, attr Attr) error
	remove(info Info) error
	setAttr(info Info, attr Attr) error
	close()
}

// Close ends the use of the root.
func (f *FS) Close() error {
	f.top.close()
	return nil
}

// Sub gives access to a directory as a root of its own: the one in which a dataset has the
// files of its zone, say. It must be closed too.
func (f *FS) Sub(path string) (sub *FS, err error) {
	err = f.at("open root", path, follow, func(p place) error {
		dir, err := p.open()
		if err != nil {
			return err
		}
		info, err := dir.self()
		if err != nil {
			dir.close()
			return err
		}
		sub = &FS{top: dir, dev: info.dev, readOnly: f.readOnly}
		return nil
	})
	return sub, err
}

// Lstat tells what a path is, a link being one.
func (f *FS) Lstat(path string) (info Info, err error) {
	err = f.at("stat", path, nofollow, func(p place) error {
		info, err = p.lstat()
		return err
	})
	return info, err
}

// Stat tells what a path leads to.
func (f *FS) Stat(path string) (info Info, err error) {
	err = f.at("stat", path, follow, func(p place) error {
		info, err = p.lstat()
		return err
	})
	return info, err
}

// ReadFile returns the content of a regular file. One of more than limit bytes is
// [ErrTooLarge].
func (f *FS) ReadFile(path string, limit int64) (data []byte, err error) {
	err = f.at("read", path, follow, func(p place) error {
		info, err := p.lstat()
		if err != nil {
			return err
		}
		if err := checkFile(info); err != nil {
			return err
		}
		if info.Size > limit {
			return tooLarge(info.Size, limit)
		}
		data, err = p.dir().read(info, limit)
		return err
	})
	return data, err
}

func tooLarge(size, limit int64) error {
	return fmt.Errorf("%d bytes: %w, %d", size, ErrTooLarge, limit)
}

// checkFile reports what is not a regular file.
func checkFile(info Info) error {
	switch info.Mode.Type() {
	case tree.TypeFile:
		return nil
	case tree.TypeDir:
		return ErrIsDir
	case tree.TypeSymlink: // it was followed, so it is new
		return tree.ErrChanged
	}
	return fmt.Errorf("%s: %w", info.Mode.TypeName(), ErrSpecial)
}

// ReadDir lists a directory, sorted by name.
func (f *FS) ReadDir(path string) (list []Info, err error) {
	err = f.at("read directory", path, follow, func(p place) error {
		dir, err := p.open()
		if err != nil {
			return err
		}
		defer dir.close()
		list, err = entries(dir)
		return err
	})
	return list, err
}

// entries lists an open directory, sorted by name.
func entries(dir directory) ([]Info, error) {
	names, err := dir.names()
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	list := make([]Info, 0, len(names))
	for _, name := range names {
		info, err := dir.lstat(name)
		if errors.Is(err, fs.ErrNotExist) { // gone since
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		list = append(list, info)
	}
	return list, nil
}

// Readlink returns the target of a symbolic link; of anything else, [ErrNotLink].
func (f *FS) Readlink(path string) (target string, err error) {
	err = f.at("read link", path, nofollow, func(p place) error {
		info, err := p.lstat()
		if err != nil {
			return err
		}
		if info.Mode.Type() != tree.TypeSymlink {
			return ErrNotLink
		}
		target, err = p.dir().readlink(p.name)
		return err
	})
	return target, err
}

// mounted is the error for a change of what lies on another file system.
func mounted() error {
	return fault.WithHint(ErrMounted, "unmount it, or halt the zone")
}

// trim takes slashes from the end of a path that names what is made or removed.
func trim(path string) string {
	if short := strings.TrimRight(path, "/"); short != "" {
		return short
	}
	return path
}
