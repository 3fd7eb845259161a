package listing

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// DirOptions says how to list a mounted directory.
type DirOptions struct {
	// Computed replaces what the file system says of directory sizes and of
	// link counts by what ZFS would say of this tree alone: entries + 2,
	// subdirectories + 2, and the names found for everything else.
	Computed bool
	// SumLimit, if positive, leaves the contents of larger files unread: not
	// every file system can tell where the holes are.
	SumLimit int64
}

// ListDir lists a directory, itself as ".". The listing has no dataset facts.
func ListDir(dir string, opts DirOptions) (Listing, error) {
	l := Listing{Entries: map[string]Entry{}}
	err := WalkDir(dir, opts, func(e Entry) error {
		l.Entries[e.Path] = e
		return nil
	})
	if err == nil && opts.Computed {
		l.computeCounts()
	}
	return l, err
}

// WalkDir calls fn for every entry of a directory tree, contents hashed. A file
// with several names is hashed once. Only ListDir heeds opts.Computed.
func WalkDir(dir string, opts DirOptions, fn func(Entry) error) error {
	w := dirWalk{root: dir, opts: opts, fn: fn, linked: map[fileID]Entry{}}
	return w.walk(".")
}

type dirWalk struct {
	xattrs []byte // buffer
	root   string
	opts   DirOptions
	fn     func(Entry) error
	linked map[fileID]Entry // files with several names
}

type fileID struct{ dev, ino uint64 }

func (w *dirWalk) walk(path string) error {
	e, err := w.entry(path)
	if err != nil {
		return err
	}
	if err := w.fn(e); err != nil {
		return err
	}
	if e.Type != Dir {
		return nil
	}
	names, err := readNames(filepath.Join(w.root, path))
	if err != nil {
		return err
	}
	for _, name := range names {
		child := name
		if path != "." {
			child = path + "/" + name
		}
		if err := w.walk(child); err != nil {
			return err
		}
	}
	return nil
}

func readNames(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

func (w *dirWalk) entry(path string) (Entry, error) {
	full := w.root + "/" + path // filepath.Join would resolve odd names
	var st unix.Stat_t
	if err := unix.Lstat(full, &st); err != nil {
		return Entry{}, fmt.Errorf("%s: %w", full, err)
	}
	id := fileID{st.Dev, st.Ino}
	if e, ok := w.linked[id]; ok {
		e.Path = Escape(path)
		return e, nil
	}
	e := Entry{
		Path:      Escape(path),
		Mode:      st.Mode & 0o7777,
		UID:       uint64(st.Uid),
		GID:       uint64(st.Gid),
		Size:      st.Size,
		MtimeSec:  st.Mtim.Sec,
		MtimeNsec: st.Mtim.Nsec,
		Links:     uint64(st.Nlink),
		Ino:       st.Ino,
	}
	var err error
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		e.Type = File
		if w.opts.SumLimit <= 0 || st.Size <= w.opts.SumLimit {
			e.SHA256, err = sumFile(full, st.Size)
		}
	case unix.S_IFDIR:
		e.Type = Dir
	case unix.S_IFLNK:
		e.Type = Symlink
		e.Target, err = os.Readlink(full)
		e.Target = Escape(e.Target)
	case unix.S_IFCHR:
		e.Type = Char
		e.Rdev = strconv.FormatUint(st.Rdev, 10)
	case unix.S_IFBLK:
		e.Type = Block
		e.Rdev = strconv.FormatUint(st.Rdev, 10)
	case unix.S_IFIFO:
		e.Type = FIFO
	case unix.S_IFSOCK:
		e.Type = Socket
	}
	if err != nil {
		return Entry{}, err
	}
	if w.xattrs == nil {
		w.xattrs = make([]byte, maxXattr)
	}
	if e.Xattrs, err = xattrs(full, w.xattrs); err != nil {
		return Entry{}, err
	}
	if st.Nlink > 1 && e.Type != Dir {
		w.linked[id] = e
	}
	return e, nil
}

func sumFile(path string, size int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	extents, err := dataExtents(f, size)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	sum, err := Sum(f, size, extents)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return sum, nil
}

// dataExtents asks the file system where the file's data lies. Small files are
// taken whole.
func dataExtents(f *os.File, size int64) ([]Extent, error) {
	if size <= sumBlock {
		return []Extent{{0, size}}, nil
	}
	var extents []Extent
	for off := int64(0); off < size; {
		data, err := f.Seek(off, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		if errors.Is(err, unix.EINVAL) {
			return []Extent{{0, size}}, nil // a file system without SEEK_DATA
		}
		if err != nil {
			return nil, err
		}
		end, err := f.Seek(data, unix.SEEK_HOLE)
		if err != nil {
			return nil, err
		}
		if end <= data {
			return nil, fmt.Errorf("hole at %d before data at %d", end, data)
		}
		extents = append(extents, Extent{data, end - data})
		off = end
	}
	_, err := f.Seek(0, io.SeekStart)
	return extents, err
}

// maxXattr is the largest value, and the longest list, of extended attributes on Linux.
// zfs-fuse, asked with a smaller buffer than it needs, answers eight zeros instead of ERANGE.
const maxXattr = 64 << 10

// xattrs returns the hashes of all extended attributes that the caller may see. buf has room for
// any value.
func xattrs(path string, buf []byte) (map[string]string, error) {
	n, err := unix.Llistxattr(path, buf)
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EPERM) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var sums map[string]string
	for name := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		n, err := unix.Lgetxattr(path, name, buf)
		if err != nil {
			return nil, fmt.Errorf("%s: xattr %s: %w", path, name, err)
		}
		if sums == nil {
			sums = map[string]string{}
		}
		sum := sha256.Sum256(buf[:n])
		sums[Escape(name)] = hex.EncodeToString(sum[:])
	}
	return sums, nil
}
