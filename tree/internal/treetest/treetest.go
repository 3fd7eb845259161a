// Package treetest lists trees for tests.
package treetest

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"

	"imagetools/tree"
)

// List seals a tree and returns a line for each name with all its attributes and the digest
// of its contents, of which only the data ranges of files over 64 MiB.
func List(t testing.TB, tr *tree.Tree) []string {
	t.Helper()
	if err := tr.Seal(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for path, n := range tr.All() {
		line := fmt.Sprintf("%s %v %d:%d %d.%09d", path, n.Mode, n.UID, n.GID, n.ModTime.Sec, n.ModTime.Nsec)
		switch {
		case n.Mode.Type() == tree.TypeFile:
			line += fmt.Sprintf(" links=%d size=%d %s", n.Links, n.Size, Digest(t, path, n))
		case n.Target != "":
			line += " -> " + n.Target
		case n.Device != nil:
			line += fmt.Sprintf(" %d,%d", n.Device.Major, n.Device.Minor)
		}
		if n.Attrs != nil {
			for _, x := range n.Attrs.Xattrs {
				line += fmt.Sprintf(" %s=%x", x.Name, x.Value)
			}
			for _, a := range n.Attrs.ACL {
				line += fmt.Sprintf(" ace=%d/%#x/%#x/%d", a.Type, a.Flags, a.Mask, a.ID)
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// Digest is the start of the SHA-256 of a file.
func Digest(t testing.TB, path string, n *tree.Node) string {
	t.Helper()
	if n.Content == nil {
		n = &tree.Node{Mode: n.Mode, Size: n.Size, Content: tree.Bytes(nil)}
	}
	f, err := n.Content.Open()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	h := sha256.New()
	if n.Size <= 64<<20 {
		if _, err := io.Copy(h, io.NewSectionReader(f, 0, n.Size)); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	} else {
		for off := int64(0); ; {
			start, end, err := f.NextData(off)
			if err == io.EOF {
				break
			}
			if err != nil || start < off || end <= start || end > n.Size {
				t.Fatalf("%s: NextData(%d) = %d, %d, %v", path, off, start, end, err)
			}
			fmt.Fprintf(h, "%d-%d:", start, end)
			if _, err := io.Copy(h, io.NewSectionReader(f, start, end-start)); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			off = end
		}
	}
	if err := f.Close(); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:6])
}

// Extents are the data ranges of a file.
func Extents(t testing.TB, n *tree.Node) [][2]int64 {
	t.Helper()
	f, err := n.Content.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all [][2]int64
	for off := int64(0); ; {
		start, end, err := f.NextData(off)
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, [2]int64{start, end})
		off = end
	}
}

// Tool finds a reference program, or skips the test.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: %v", name, err)
	}
	return path
}

// Run runs a command in dir and fails the test if it fails.
func Run(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "LC_ALL=C", "TZ=UTC")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out)
}
