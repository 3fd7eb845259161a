package source_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"imagetools/fault"

	"imagetools/tree"
	"imagetools/tree/source"
)

func TestExcludes(t *testing.T) {
	tests := []struct {
		pattern string
		match   string // paths, a slash at the end marks a directory
		not     string
	}{
		{"*.o", "a.o x/b.o x/y/.o", "a.oo o x.o/b"},
		{"core", "core x/core x/core/", "core.1 xcore"},
		{".git/", ".git/ x/.git/", ".git x/.git"},
		{"var/cache/*", "var/cache/x var/cache/.y", "var/cache var/cache/x/y x/var/cache/z"},
		{"/tmp", "tmp tmp/", "x/tmp tmp/x"},
		{"./tmp", "tmp", "x/tmp"},
		{"a/**", "a/b a/b/c", "a xa/b"},
		{"**/test/*.c", "test/a.c x/test/a.c x/y/test/a.c", "xtest/a.c test/x/a.c test/a.h"},
		{"a/**/b", "a/b a/x/b a/x/y/b", "ab a/xb a/x/bb"},
		{"a**b/c", "ab/c axb/c a/x/yb/c", "b/c ab/d"},
		{"**", "a a/b", ""},
		{"f?o", "foo fäo", "fo f/o fooo"},
		{"[a-c]x", "ax bx cx", "dx x abx"},
		{"[!a-c]x", "dx äx", "ax x"},
		{"[^a-c]x", "dx", "ax"},
		{"[]x]", "] x", "a"},
		{"[a-]", "a -", "b"},
		{`\*`, "*", "a"},
		{`[\]]`, "]", `\`},
		{"f\xffo", "f\xffo", "f\xfeo"},
		{"f[\xfe-\xff]o", "f\xffo f\xfeo", "fao"},
		{"a*b*c*d", "abcd axbxcxd abbcccdd", "abcde abc"},
		{"**/a*/**/b*c", "a/bc x/ay/z/bxc ab/a/q/bc", "a/b x/bc"},
		{"x/*/**/*y", "x/a/y x/a/b/cy", "x/y x/a"},
	}
	for _, tt := range tests {
		e, err := source.NewExcludes([]string{tt.pattern})
		if err != nil {
			t.Errorf("NewExcludes(%q): %v", tt.pattern, err)
			continue
		}
		for _, path := range strings.Fields(tt.not) {
			path, dir := strings.CutSuffix(path, "/")
			if e.Match(path, dir) {
				t.Errorf("%q matches %q", tt.pattern, path)
			}
		}
		if len(e.Unused()) != 1 {
			t.Errorf("%q: used before it matched", tt.pattern)
		}
		for _, path := range strings.Fields(tt.match) {
			path, dir := strings.CutSuffix(path, "/")
			if !e.Match(path, dir) {
				t.Errorf("%q does not match %q", tt.pattern, path)
			}
		}
		if len(e.Unused()) != 0 {
			t.Errorf("%q: unused after it matched", tt.pattern)
		}
	}
	e, _ := source.NewExcludes([]string{"a/b/"})
	if !e.Covers("a/b/c/d", false) || e.Covers("a/b", false) || !e.Covers("a/b", true) || e.Covers("a", true) {
		t.Error("Covers is wrong about a/b/")
	}
	_, err := source.NewExcludes([]string{"a[", "", "[z-a]", `x\`, "/", "ok"})
	if n := strings.Count(fmt.Sprint(err), "\n") + 1; err == nil || n != 5 {
		t.Errorf("malformed patterns: %v, want 5 faults", err)
	}
}

func FuzzExcludes(f *testing.F) {
	f.Add("**/a*[b-c]?/", "x/abc")
	for _, pattern := range []string{"a/b", "a/b/", "a/**", "**/c", "a/*/c", "*", "b", "b/", "**", "a/**/d*", "/a", "**b**/c"} {
		for _, path := range []string{"a", "a/b", "a/b/c", "a/b/c/d", "x/a/b", "ab/c/b/c"} {
			f.Add(pattern, path)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, path string) {
		e, err := source.NewExcludes([]string{pattern})
		if err != nil {
			return
		}
		for _, isDir := range []bool{false, true} {
			want := e.Match(path, isDir)
			for i := range len(path) {
				want = want || path[i] == '/' && e.Match(path[:i], true)
			}
			if got := e.Covers(path, isDir); got != want {
				t.Errorf("%q covers %q (directory: %v): %v, want %v", pattern, path, isDir, got, want)
			}
		}
		literal := strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`, `\`, `\\`).Replace(path)
		if tree.CheckName(path) != nil {
			return
		}
		if e, err = source.NewExcludes([]string{literal}); err != nil || !e.Match("x/"+path, false) {
			t.Errorf("%q does not match itself: %v", path, err)
		}
	})
}

func TestNames(t *testing.T) {
	tr := tree.New()
	names := source.NewNames(tr)
	if id, err := names.User("root"); id != 0 || err != nil {
		t.Errorf("root = %d, %v", id, err)
	}
	tr = tree.New()
	etc := tree.NewDir(0o755)
	passwd := tree.Bytes("# comment\nroot:x:0:0::/:\nbin:x:2:\nbin:x:3:\n+::\nbad:x:y:\n")
	group := tree.Bytes("wheel::10:\n")
	for _, err := range []error{
		tr.Root.Add("etc", etc),
		etc.Add("passwd", &tree.Node{Mode: tree.TypeFile, Content: passwd, Size: int64(len(passwd))}),
		etc.Add("group", &tree.Node{Mode: tree.TypeFile, Content: group, Size: int64(len(group))}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	top, err := tr.Under("root")
	if err != nil {
		t.Fatal(err)
	}
	for _, tr := range []*tree.Tree{tr, top} {
		names := source.NewNames(tr)
		if id, err := names.User("bin"); id != 2 || err != nil {
			t.Errorf("bin = %d, %v", id, err)
		}
		if id, err := names.Group("wheel"); id != 10 || err != nil {
			t.Errorf("wheel = %d, %v", id, err)
		}
		_, err := names.User("nobody")
		if hint, ok := errors.AsType[*fault.HintError](err); !ok || hint.Hint() == "" {
			t.Errorf("nobody: %v, want an error with a hint", err)
		}
	}
}

// A tree that was read loses what it would have lost while it was read.
func TestPrune(t *testing.T) {
	tr := tree.New()
	etc, cache := tree.NewDir(0o755), tree.NewDir(0o755)
	file := func() *tree.Node { return &tree.Node{Mode: tree.TypeFile | 0o644} }
	linked := file()
	for _, err := range []error{
		tr.Root.Add("etc", etc), tr.Root.Add("cache", cache), cache.Add("linked", linked),
		etc.Add("core", file()), etc.Add("motd", file()), etc.Add("linked", linked), etc.Add("cache", file()), tr.Seal(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	e, err := source.NewExcludes([]string{"core", "cache/", "/motd"})
	if err != nil {
		t.Fatal(err)
	}
	e.Prune(tr)
	if err := tr.Seal(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for path := range tr.All() {
		got = append(got, path)
	}
	if want := []string{".", "etc", "etc/cache", "etc/linked", "etc/motd"}; !slices.Equal(got, want) {
		t.Errorf("left is %q, want %q", got, want)
	}
	if linked.Links != 1 || !slices.Equal(e.Unused(), []string{"/motd"}) {
		t.Errorf("links %d, unused %q", linked.Links, e.Unused())
	}
}
