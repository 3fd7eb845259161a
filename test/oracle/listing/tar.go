package listing

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
)

// ListTar lists what a dataset made from a tar archive must show, its members
// below the folder prefix (empty: at the top).
//
// Link counts and directory sizes are computed from the members, device numbers
// are in illumos form (major << 32 | minor), SCHILY.xattr records become xattrs
// under their full names. Directories that no member names are marked Implied.
// Files over 1 GiB are read through, holes included.
func ListTar(r io.Reader, prefix string) (Listing, error) {
	l := Listing{Entries: map[string]Entry{}}
	place := func(name string) string { return path.Join(prefix, path.Clean("/" + name)[1:]) }

	ino := uint64(0)
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Listing{}, err
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		name := place(h.Name)
		if name == "" {
			name = "."
		}
		key := Escape(name)
		if _, ok := l.Entries[key]; ok {
			return Listing{}, fmt.Errorf("tar: %s is there twice", key)
		}
		if h.Typeflag == tar.TypeLink {
			e, ok := l.Entries[Escape(place(h.Linkname))]
			if !ok || e.Type == Dir {
				return Listing{}, fmt.Errorf("tar: %s is a hard link to %q", key, h.Linkname)
			}
			e.Path = key
			l.Entries[key] = e
			continue
		}
		ino++
		e, err := tarEntry(h, tr)
		if err != nil {
			return Listing{}, fmt.Errorf("tar: %s: %w", key, err)
		}
		e.Path, e.Ino = key, ino
		l.Entries[key] = e
	}

	// Escaping never adds or removes a slash, so parents can be cut from keys.
	for key := range l.Entries {
		for dir := path.Dir(key); ; dir = path.Dir(dir) {
			if _, ok := l.Entries[dir]; !ok {
				ino++
				l.Entries[dir] = Entry{Path: dir, Type: Dir, Mode: 0o755, Ino: ino, Implied: true}
			}
			if dir == "." {
				break
			}
		}
	}
	l.computeCounts()
	return l, nil
}

func tarEntry(h *tar.Header, contents io.Reader) (Entry, error) {
	e := Entry{
		Mode:      uint32(h.Mode) & 0o7777,
		UID:       uint64(h.Uid),
		GID:       uint64(h.Gid),
		MtimeSec:  h.ModTime.Unix(),
		MtimeNsec: int64(h.ModTime.Nanosecond()),
	}
	var err error
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		e.Type = File
		e.Size = h.Size
		e.SHA256, err = sumReader(contents, h.Size)
	case tar.TypeDir:
		e.Type = Dir
	case tar.TypeSymlink:
		e.Type = Symlink
		e.Target = Escape(h.Linkname)
		e.Size = int64(len(h.Linkname))
	case tar.TypeChar:
		e.Type = Char
		e.Rdev = IllumosRdev(uint64(h.Devmajor), uint64(h.Devminor))
	case tar.TypeBlock:
		e.Type = Block
		e.Rdev = IllumosRdev(uint64(h.Devmajor), uint64(h.Devminor))
	case tar.TypeFifo:
		e.Type = FIFO
	default:
		err = fmt.Errorf("member of type %q", h.Typeflag)
	}
	for record, value := range h.PAXRecords {
		if name, ok := strings.CutPrefix(record, "SCHILY.xattr."); ok {
			if e.Xattrs == nil {
				e.Xattrs = map[string]string{}
			}
			sum := sha256.Sum256([]byte(value))
			e.Xattrs[Escape(name)] = hex.EncodeToString(sum[:])
		}
	}
	return e, err
}

// IllumosRdev is the raw number that a dataset for illumos holds for a device.
func IllumosRdev(major, minor uint64) string {
	return strconv.FormatUint(major<<32|minor, 10)
}

// computeCounts sets directory sizes and all link counts as ZFS keeps them.
func (l *Listing) computeCounts() {
	names := map[uint64]uint64{} // of other files
	children, subdirs := map[string]int64{}, map[string]uint64{}
	for key, e := range l.Entries {
		if e.Type != Dir {
			names[e.Ino]++
		}
		if key != "." {
			children[path.Dir(key)]++
			if e.Type == Dir {
				subdirs[path.Dir(key)]++
			}
		}
	}
	for key, e := range l.Entries {
		if e.Type == Dir {
			e.Links, e.Size = subdirs[key]+2, children[key]+2
		} else {
			e.Links = names[e.Ino]
		}
		l.Entries[key] = e
	}
}
