package rootfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"imagetools/rootfs"
	"imagetools/rootfs/rootfstest"
	"imagetools/tree"
)

func TestResolver(t *testing.T) {
	for kind, newRoot := range rootfstest.Kinds {
		t.Run(kind, func(t *testing.T) {
			root := newRoot(t)
			for _, dir := range []string{"/home/joe", "/export/home/eve", "/d"} {
				if err := root.MkdirAll(dir, nil); err != nil {
					t.Fatal(err)
				}
			}
			if err := root.WriteFile("/file", []byte("x"), nil); err != nil {
				t.Fatal(err)
			}
			for name, target := range map[string]string{
				"/users": "export/home", "/up": "d/../d/../../home", "/loop": "loop2", "/loop2": "/loop", "/gone": "nowhere", "/out": "../../../home",
			} {
				if err := root.Symlink(target, name, nil); err != nil {
					t.Fatal(err)
				}
			}
			links := root.Resolver()
			for range 2 { // as it finds them, and as it knows them
				for p, want := range map[string]any{
					"/": "/", "/home/joe": "/home/joe", "/users/eve": "/export/home/eve", "/up/joe/": "/home/joe", "/out/./joe": "/home/joe",
					"/users/../home": "/export/home", "/none": fs.ErrNotExist, "/gone/x": fs.ErrNotExist, "/loop": rootfs.ErrLoop, "/file": tree.ErrNotDir, "/file/x": tree.ErrNotDir,
				} {
					got, err := links.Dir(p)
					if wantErr, ok := want.(error); ok && !errors.Is(err, wantErr) || !ok && (err != nil || got != want) {
						t.Errorf("%s: %q, %v, want %v", p, got, err, want)
					}
				}
			}
		})
	}
}

// Links that lead through one another, up and down for thousands of names, are followed once.
func TestResolverOfLinkMaze(t *testing.T) {
	root := rootfstest.NewTree(t)
	for _, dir := range []string{"/d", "/home/u"} {
		if err := root.MkdirAll(dir, nil); err != nil {
			t.Fatal(err)
		}
	}
	const chain = 36
	for i := range chain {
		next := "home"
		if i < chain-1 {
			next = fmt.Sprint("l", i+1)
		}
		if err := root.Symlink(strings.Repeat("d/../", 800)+next, fmt.Sprint("/l", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := root.Stat("/l0/u"); !errors.Is(err, rootfs.ErrLoop) {
		t.Errorf("Stat goes the whole way: %v", err)
	}
	links := root.Resolver()
	for i := range 20000 {
		if got, err := links.Dir("/l0/u"); err != nil || got != "/home/u" {
			t.Fatalf("after %d paths: %q, %v", i, got, err)
		}
		if _, err := links.Dir(fmt.Sprint("/l0/none", i)); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("after %d paths: %v", i, err)
		}
	}
	if n := links.Known(); n > 20000+2*chain+10 {
		t.Errorf("%d names were looked at", n)
	}
}
