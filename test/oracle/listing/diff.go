package listing

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// DiffOptions says what a comparison leaves out, since one of the sides cannot
// show it.
type DiffOptions struct {
	IgnoreNsec   bool // zfs-fuse shows whole seconds
	IgnoreRdev   bool // each platform reads only its own device numbers
	IgnoreXattrs bool
	IgnoreSums   bool
	IgnoreRoot   bool // all attributes of "." but its type

	// IgnoreSumsOver, if positive, leaves out the contents of larger files.
	IgnoreSumsOver int64

	// Xattr, if set, says which attributes are compared, by escaped name.
	Xattr func(name string) bool
	// CompareACL also compares ZFS ACEs, which only the judge lists.
	CompareACL bool
}

// maxDiffs bounds the differences that are spelled out.
const maxDiffs = 40

// Diff returns what got differs in from want, for a person to read; nothing if
// they are equal. Of directories that want marks as Implied, only the type, the
// size and the links count. That the same names belong to one file is compared
// too; inode numbers themselves are not.
func Diff(want, got Listing, opts DiffOptions) string {
	var out []string
	if want.Dataset.SHA256 != got.Dataset.SHA256 || want.Dataset.Size != got.Dataset.Size {
		out = append(out, fmt.Sprintf("volume: %d bytes, %s; want %d bytes, %s",
			got.Dataset.Size, got.Dataset.SHA256, want.Dataset.Size, want.Dataset.SHA256))
	}
	wantFirst, gotFirst := firstNames(want), firstNames(got)

	keys := slices.Sorted(maps.Keys(want.Entries))
	for _, key := range keys {
		w := want.Entries[key]
		g, ok := got.Entries[key]
		if !ok {
			out = append(out, fmt.Sprintf("%s: missing", key))
			continue
		}
		d := entryDiff(w, g, opts)
		if a, b := wantFirst[w.Ino], gotFirst[g.Ino]; w.Type != Dir && a != b {
			d = append(d, fmt.Sprintf("the same file as %s, want %s", b, a))
		}
		if len(d) > 0 {
			out = append(out, key+": "+strings.Join(d, "; "))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got.Entries)) {
		if _, ok := want.Entries[key]; !ok {
			out = append(out, fmt.Sprintf("%s: unexpected %s", key, got.Entries[key].Type))
		}
	}
	if n := len(out); n > maxDiffs {
		out = append(out[:maxDiffs], fmt.Sprintf("and %d more", n-maxDiffs))
	}
	return strings.Join(out, "\n")
}

// firstNames maps each inode to the first name of it.
func firstNames(l Listing) map[uint64]string {
	first := make(map[uint64]string, len(l.Entries))
	for key, e := range l.Entries {
		if old, ok := first[e.Ino]; !ok || key < old {
			first[e.Ino] = key
		}
	}
	return first
}

func entryDiff(want, got Entry, opts DiffOptions) []string {
	var d []string
	field := func(name string, w, g any) {
		if w != g {
			d = append(d, fmt.Sprintf("%s %v, want %v", name, g, w))
		}
	}
	field("type", want.Type, got.Type)
	if opts.IgnoreRoot && want.Path == "." {
		return d
	}
	field("size", want.Size, got.Size)
	field("links", want.Links, got.Links)
	if want.Implied {
		return d
	}
	field("mode", fmt.Sprintf("%04o", want.Mode), fmt.Sprintf("%04o", got.Mode))
	field("uid", want.UID, got.UID)
	field("gid", want.GID, got.GID)
	field("mtime", want.MtimeSec, got.MtimeSec)
	if !opts.IgnoreNsec {
		field("nanoseconds", want.MtimeNsec, got.MtimeNsec)
	}
	field("target", want.Target, got.Target)
	if !opts.IgnoreRdev {
		field("rdev", want.Rdev, got.Rdev)
	}
	if !opts.IgnoreSums && (opts.IgnoreSumsOver <= 0 || want.Size <= opts.IgnoreSumsOver) {
		field("sha256", want.SHA256, got.SHA256)
	}
	if !opts.IgnoreXattrs {
		for _, name := range slices.Sorted(maps.Keys(union(want.Xattrs, got.Xattrs))) {
			if opts.Xattr == nil || opts.Xattr(name) {
				field("xattr "+name, orNone(want.Xattrs[name]), orNone(got.Xattrs[name]))
			}
		}
	}
	if opts.CompareACL && !slices.Equal(want.ACL, got.ACL) {
		d = append(d, fmt.Sprintf("acl %v, want %v", got.ACL, want.ACL))
	}
	return d
}

func union(a, b map[string]string) map[string]string {
	u := maps.Clone(a)
	if u == nil {
		u = map[string]string{}
	}
	maps.Copy(u, b)
	return u
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
