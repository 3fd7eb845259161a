package main

import (
	"bytes"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// options are what the file system below allows.
type options struct{ xattrs, acl, punch, ascii, bits31 bool }

// A maker makes files below root. The first error stays.
type maker struct {
	options
	root string
	err  error
}

func (m *maker) path(name string) string { return m.root + "/" + name }

// fail keeps an error, with its place.
func (m *maker) fail(op, name string, err error) {
	if m.err == nil && err != nil {
		m.err = &os.PathError{Op: op, Path: name, Err: err}
	}
}

func (m *maker) dir(name string) { m.fail("mkdir", name, os.Mkdir(m.path(name), 0o755)) }

func (m *maker) file(name string, data []byte) {
	m.fail("write", name, os.WriteFile(m.path(name), data, 0o644))
}

func (m *maker) symlink(name, target string) {
	m.fail("symlink", name, os.Symlink(target, m.path(name)))
}

func (m *maker) link(name, old string) { m.fail("link", name, os.Link(m.path(old), m.path(name))) }

func (m *maker) mknod(name string, mode uint32, major, minor uint32) {
	m.fail("mknod", name, unix.Mknod(m.path(name), mode, int(unix.Mkdev(major, minor))))
}

func (m *maker) mtime(name string, t unix.Timespec) {
	times := []unix.Timespec{{Sec: 1_400_000_000}, t}
	m.fail("utimes", name, unix.UtimesNanoAt(unix.AT_FDCWD, m.path(name), times, unix.AT_SYMLINK_NOFOLLOW))
}

// xattr sets an attribute where the file system has any.
func (m *maker) xattr(name, attr string, value []byte) {
	if m.xattrs {
		m.fail("setxattr", name, unix.Lsetxattr(m.path(name), attr, value, 0))
	}
}

// sparse makes a file of a size whose data stands at some offsets.
func (m *maker) sparse(name string, size int64, data map[int64][]byte) {
	f, err := os.Create(m.path(name))
	if err != nil {
		m.fail("create", name, err)
		return
	}
	defer f.Close()
	m.fail("truncate", name, f.Truncate(size))
	for off, p := range data {
		_, err := f.WriteAt(p, off)
		m.fail("write", name, err)
	}
}

// Contents of n bytes, which depend on the name: noise cannot be compressed, words can, to a third
// or so, and a phrase of 4 KiB fits in a block pointer.

func source(name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(filepath.Base(name)))
	return rand.New(rand.NewPCG(h.Sum64(), 1))
}

func noise(name string, n int) []byte {
	r := source(name)
	p := make([]byte, n+7)
	for i := 0; i < n; i += 8 {
		for k, v := 0, r.Uint64(); k < 8 && i+k < len(p); k++ {
			p[i+k] = byte(v >> (8 * k))
		}
	}
	return p[:n]
}

func words(name string, n int) []byte {
	vocabulary := [...]string{"dataset ", "snapshot ", "origin ", "object ", "dnode ", "spill ", "brand\n", "overlay\n"}
	r := source(name)
	var b bytes.Buffer
	for b.Len() < n {
		for v, k := r.Uint64(), 0; k < 21; v, k = v>>3, k+1 {
			b.WriteString(vocabulary[v&7])
		}
	}
	return b.Bytes()[:n]
}

func phrase(name string, n int) []byte {
	return bytes.Repeat([]byte(filepath.Base(name)+"\n"), n)[:n]
}
