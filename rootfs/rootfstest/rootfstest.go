// Package rootfstest makes roots for tests out of txtar archives, and compares what became of
// them.
package rootfstest

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"imagetools/rootfs"
	"imagetools/tree"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Now is the time of what is changed in trees.
var Now = tree.Time{Sec: 1735689600}

// Kinds are the ways to make an empty root: in memory, and on disk, where owners need root.
var Kinds = map[string]func(*testing.T) *rootfs.FS{"tree": NewTree, "disk": newDisk}

// NewTree is an empty root in memory.
func NewTree(t *testing.T) *rootfs.FS {
	root := rootfs.NewTree(tree.New(), Now)
	t.Cleanup(func() { root.Close() })
	return root
}

func newDisk(t *testing.T) *rootfs.FS {
	if os.Geteuid() != 0 {
		t.Skip("owners on disk need root")
	}
	root, err := rootfs.OpenDir(t.TempDir())
	check(t, err)
	t.Cleanup(func() { root.Close() })
	return root
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Fill writes files; a target after "->" makes a link of one, a name ending in a slash a
// directory.
func Fill(t *testing.T, root *rootfs.FS, files []txtar.File) {
	t.Helper()
	for _, f := range files {
		name, target, isLink := strings.Cut(f.Name, " -> ")
		check(t, root.MkdirAll(path.Dir(name), nil))
		switch {
		case isLink:
			check(t, root.Symlink(target, name, nil))
		case strings.HasSuffix(name, "/"):
			check(t, root.MkdirAll(name, nil))
		default:
			check(t, root.WriteFile(name, f.Data, nil))
		}
	}
}

// Snapshot is all that can be seen of a root: a listing, and the files as in a txtar archive.
func Snapshot(t *testing.T, root *rootfs.FS) (listing string, files []txtar.File) {
	t.Helper()
	var b strings.Builder
	check(t, root.Walk("/", func(path string, info rootfs.Info) error {
		if path == "/" {
			return nil
		}
		fmt.Fprintf(&b, "%s %04o %d:%d %s", info.Mode.TypeName(), uint32(info.Mode.Perm()), info.UID, info.GID, path)
		switch info.Mode.Type() {
		case tree.TypeSymlink:
			target, err := root.Readlink(path)
			check(t, err)
			fmt.Fprintf(&b, " -> %s", target)
		case tree.TypeFile:
			data, err := root.ReadFile(path, 1<<20)
			check(t, err)
			fmt.Fprintf(&b, " (%d)", info.Size)
			files = append(files, txtar.File{Name: path, Data: data})
		}
		b.WriteByte('\n')
		return nil
	}))
	return b.String(), files
}

// Changed is what a run said, the listing after it, and the files that are not as before. Of
// files that are no text it has quoted strings.
func Changed(said, listing string, before, after []txtar.File) []byte {
	a := &txtar.Archive{Comment: []byte(said), Files: []txtar.File{{Name: "listing", Data: []byte(listing)}}}
	for _, f := range after {
		same := func(b txtar.File) bool { return b.Name == f.Name && string(b.Data) == string(f.Data) }
		if len(f.Data) > 0 && !slices.ContainsFunc(before, same) {
			if bytes.IndexByte(f.Data, 0) >= 0 {
				f.Data = fmt.Appendf(nil, "%q\n", f.Data)
			}
			a.Files = append(a.Files, f)
		}
	}
	return txtar.Format(a)
}

// Golden compares a text with the file at path, which the flag -update writes.
func Golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		check(t, os.WriteFile(path, got, 0o666))
	}
	want, err := os.ReadFile(path)
	check(t, err)
	if string(got) != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s\n(-update writes it)", path, got, want)
	}
}
