// Package listing describes what a file system shows, in a form in which a
// source, a stream's receiver and a mounted file system can be compared.
//
// A listing travels as JSON lines: one line with the facts of the dataset (it
// may be missing), then one line for each name.
package listing

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// File types, as they stand in Entry.Type.
const (
	File    = "file"
	Dir     = "dir"
	Symlink = "symlink"
	Char    = "char"
	Block   = "block"
	FIFO    = "fifo"
	Socket  = "socket"
)

// Dataset holds the facts of a received snapshot.
type Dataset struct {
	Name     string `json:"dataset"`
	Snapshot string `json:"snapshot"`
	GUID     uint64 `json:"guid,string"`
	Creation int64  `json:"creation"`
	Objset   string `json:"objset"` // "zpl" or "zvol"
	ZPL      int    `json:"zpl,omitempty"`
	Root     uint64 `json:"root,omitempty"` // object number of the root directory

	// Of a volume only.
	Size         int64  `json:"size,omitempty"`
	VolBlockSize int64  `json:"volblocksize,omitempty"`
	SHA256       string `json:"sha256,omitempty"` // by the rule of Sum
}

// Entry is one name of a file system. Path, Target and the names of Xattrs are
// escaped, see Escape. The root directory's path is ".".
type Entry struct {
	Path      string            `json:"path"`
	Type      string            `json:"type"`
	Mode      uint32            `json:"mode"` // permission, set-id and sticky bits
	UID       uint64            `json:"uid"`
	GID       uint64            `json:"gid"`
	Size      int64             `json:"size"` // of a directory: entries + 2
	MtimeSec  int64             `json:"mtime_sec"`
	MtimeNsec int64             `json:"mtime_nsec"`
	Links     uint64            `json:"links"`
	Ino       uint64            `json:"ino,omitempty"` // equal for the names of one file
	Target    string            `json:"target,omitempty"`
	Rdev      string            `json:"rdev,omitempty"`   // devices: the raw number, decimal
	Xattrs    map[string]string `json:"xattrs,omitempty"` // name to SHA-256 of the value
	ACL       []string          `json:"acl,omitempty"`    // raw ACEs, hexadecimal
	SHA256    string            `json:"sha256,omitempty"` // files: by the rule of Sum

	// Implied marks a directory that the source does not name, so that its
	// owner, mode and time are the writer's choice. Not part of the JSON form.
	Implied bool `json:"-"`
}

// Listing is a file system, or the facts of a volume.
type Listing struct {
	Dataset Dataset
	Entries map[string]Entry // by Path
}

// Escape writes every byte of s that is not printable ASCII, a backslash or a
// quote as \xHH, so that any byte sequence survives JSON.
func Escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c < 0x20 || c > 0x7e || c == '\\' || c == '"' {
			fmt.Fprintf(&b, `\x%02x`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Parse reads one listing.
func Parse(r io.Reader) (Listing, error) {
	all, err := ParseAll(r)
	if err != nil {
		return Listing{}, err
	}
	if len(all) != 1 {
		return Listing{}, fmt.Errorf("%d listings where one is expected", len(all))
	}
	return all[0], nil
}

// ParseAll reads a sequence of listings, each begun by a line with a dataset.
func ParseAll(r io.Reader) ([]Listing, error) {
	var all []Listing
	lines := bufio.NewReaderSize(r, 1<<16)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, noEOF(err))
		}
		var record struct {
			Dataset *string `json:"dataset"`
			Entry
		}
		if err := json.Unmarshal(line, &record); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if record.Dataset != nil {
			var d Dataset
			if err := json.Unmarshal(line, &d); err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
			all = append(all, Listing{Dataset: d, Entries: map[string]Entry{}})
			continue
		}
		if len(all) == 0 {
			all = append(all, Listing{Entries: map[string]Entry{}})
		}
		entries := all[len(all)-1].Entries
		if _, ok := entries[record.Path]; ok {
			return nil, fmt.Errorf("line %d: %s is listed twice", n, record.Path)
		}
		entries[record.Path] = record.Entry
	}
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
