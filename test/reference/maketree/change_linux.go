package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// each calls fn for the regular files below root, numbered in the order of their
// paths.
func each(root string, fn func(path string, n int, st *unix.Stat_t) error) error {
	var paths []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Sort(paths)
	for n, path := range paths {
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return &os.PathError{Op: "lstat", Path: path, Err: err}
		}
		if err := fn(path, n, &st); err != nil {
			return err
		}
	}
	return nil
}

// removeRound removes every seventh file, another for each round.
func removeRound(root string, round int) error {
	return each(root, func(path string, n int, _ *unix.Stat_t) error {
		if (n+round)%7 != 0 {
			return nil
		}
		return os.Remove(path)
	})
}

// addRound changes most of the files, each in a way of its own, then adds some of all kinds.
func addRound(opts options, root string, round int) error {
	m := &maker{options: opts, root: root}
	err := each(root, func(path string, n int, st *unix.Stat_t) error {
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		m.change(name, n+round, uint64(st.Nlink), st.Size)
		return m.err
	})
	if err != nil {
		return err
	}
	top := fmt.Sprintf("round-%d", round)
	m.dir(top)
	sub := &maker{options: opts, root: m.path(top)}
	sub.few()
	sub.specials()
	sub.attributes()
	for i := range 12 {
		sub.file(fmt.Sprintf("new-%d", i), words(fmt.Sprint(top, i), i*20000))
	}
	sub.file("copy-1", noise(top, 300000))
	sub.file("copy-2", noise(top, 300000))
	m.fail("rename", top, os.Rename(m.path(top+"/dir"), m.path(top+"/renamed")))
	return errors.Join(m.err, sub.err)
}

// change does one of many things to a file, by its number. A file with several names comes here
// once for each, so those only get other names.
func (m *maker) change(name string, n int, links uint64, size int64) {
	path := m.path(name)
	if links > 1 && n%12 != 9 {
		return
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		m.fail("open", name, err)
		return
	}
	defer f.Close()
	write := func(p []byte, off int64) {
		_, err := f.WriteAt(p, off)
		m.fail("write", name, err)
	}
	switch n % 12 {
	case 0: // append
		write(noise(name, 1000), size)
	case 1: // append many blocks
		write(words(name, 300000), size)
	case 2: // make shorter, into a block
		m.fail("truncate", name, f.Truncate(size/2))
	case 3: // empty
		m.fail("truncate", name, f.Truncate(0))
	case 4: // overwrite in the middle
		write(noise(name+"middle", 200), size/2)
	case 5: // empty, then fill again
		m.fail("truncate", name, f.Truncate(0))
		write(words(name, int(min(size, 1<<20))), 0)
	case 6: // a hole at the end, beyond the file
		m.fail("truncate", name, f.Truncate(size+500000))
	case 7: // make a hole of data
		if m.punch {
			m.fail("fallocate", name, unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, min(size, 150000)+1))
		}
	case 8: // metadata alone
		m.fail("chmod", name, unix.Chmod(path, 0o751))
		m.fail("chown", name, unix.Lchown(path, 123, 456))
	case 9: // another name
		m.fail("rename", name, os.Rename(path, fmt.Sprintf("%s/renamed-%d", filepath.Dir(path), n)))
	case 10: // attributes come, change and go
		if m.xattrs {
			m.xattr(name, "user.added", noise(name, 300))
			err := unix.Lremovexattr(path, "user.value")
			if !errors.Is(err, unix.ENODATA) {
				m.fail("removexattr", name, err)
			}
		}
	}
}
