package library

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"imagetools/internal/required"
)

// layers are all packages but those of tests, from below: each may import those above it in this
// table, in lines before its own, and what its line allows beside it. Internal packages are free to
// all, and import none but one another and fault.
var layers = []string{
	"fault",
	// Formats: they know no files and no trees.
	"compress/deflate compress/lzma2",
	"compress",
	"zfs/stream zfs/nvlist zfs/zap zfs/block",
	"zfs/sa zfs/objset zfs/filter",
	"smf/sqlite2",
	"smf",
	"smf/bundle",
	"smf/list",
	"manifest",
	"source/content/magic",
	// The tree, and what is read and written as one.
	"tree",
	"tree/posixacl tree/mtree",
	"tree/source",
	"disk",
	"tree/fromfs tree/fromdir tree/fromtar tree/todir tree/totar tree/compare",
	"tree/fromoci",
	"tree/fromoci/registry",
	"zfs/zpl zfs/zvol",
	"host",
	// Root file systems, and changes of them.
	"rootfs",
	"rootfs/edit rootfs/folder",
	"rootfs/prepare rootfs/overlay",
	"rootfs/lx",
	// Images.
	"image/check",
	"image",
	"source/content",
	"source",
	"build",
	"seed",
	"base",
	"base/edits",
	"base/zone",
	"cmd/imagetools",
}

// apart are packages that stay free of trees and of one another, whatever lies below them.
var apart = map[string][]string{
	"smf": {"smf/sqlite2"}, "smf/bundle": {"smf"}, "smf/list": {"smf", "smf/bundle"}, "smf/sqlite2": nil,
	"manifest": nil, "compress": {"compress/deflate", "compress/lzma2"}, "compress/deflate": nil, "compress/lzma2": nil,
	"zfs/stream": nil, "zfs/nvlist": nil, "zfs/zap": nil, "zfs/block": nil, "zfs/sa": {"zfs/zap"},
	"zfs/objset": {"zfs/block", "zfs/nvlist", "zfs/stream"}, "zfs/filter": {"zfs/block", "zfs/stream"},
}

type listed struct {
	ImportPath string
	Imports    []string
	Module     struct{ Path string }
}

// packages are those of the module, without those that only tests use, each with what it imports.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	top, err := required.Path(".")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Module", "./...")
	cmd.Dir = top
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		prefix := p.Module.Path + "/"
		path := strings.TrimPrefix(p.ImportPath, prefix)
		if forTests(path) {
			continue
		}
		found[path] = nil
		for _, i := range p.Imports {
			if inner, ok := strings.CutPrefix(i, prefix); ok {
				found[path] = append(found[path], inner)
			}
		}
	}
}

// forTests tells whether nothing but tests, demonstrations and tools use a package.
func forTests(path string) bool {
	return strings.HasPrefix(path, "test/") || strings.HasPrefix(path, "doc/") || strings.HasPrefix(path, "tools") ||
		strings.HasSuffix(path, "test") || strings.HasPrefix(path, "internal/ocitest")
}

func isInternal(path string) bool {
	return strings.HasPrefix(path, "internal/") || strings.Contains(path, "/internal/")
}

// Imports point down: a new arrow is a line of the table, or a mistake.
func TestImportsPointDown(t *testing.T) {
	level := map[string]int{}
	for i, line := range layers {
		for _, p := range strings.Fields(line) {
			level[p] = i
		}
	}
	found := packages(t)
	for p, imports := range found {
		at, known := level[p]
		if !known && !isInternal(p) {
			t.Errorf("%s is in no layer", p)
		}
		for _, i := range imports {
			switch {
			case isInternal(p) && !isInternal(i) && i != "fault":
				t.Errorf("%s imports %s, and is internal", p, i)
			case isInternal(p) || isInternal(i):
			case level[i] >= at:
				t.Errorf("%s imports %s, which is not below it", p, i)
			}
		}
		if only, ok := apart[p]; ok {
			for _, i := range imports {
				if i != "fault" && !isInternal(i) && !slices.Contains(only, i) {
					t.Errorf("%s imports %s, and is to stay free of it", p, i)
				}
			}
		}
	}
	for p := range level {
		if _, ok := found[p]; !ok {
			t.Errorf("there is no package %s", p)
		}
	}
}
