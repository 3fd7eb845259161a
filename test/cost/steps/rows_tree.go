package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"imagetools/tree"
	"imagetools/tree/compare"
	"imagetools/tree/fromdir"
	"imagetools/tree/fromtar"
	"imagetools/tree/mtree"
	"imagetools/tree/posixacl"
	"imagetools/tree/source"
	"imagetools/tree/todir"
	"imagetools/tree/totar"
)

var treeRows = []row{
	{"METALOG: lines", 2000, metalog(func(n int) string {
		return repeat(n, func(i int) string { return fmt.Sprintf("./d/f%d type=file mode=0644 uid=0 gid=0\n", i) })
	})},
	{"METALOG: attributes of a line", 2000, metalog(func(n int) string {
		return "./f type=file" + repeat(n, func(i int) string { return fmt.Sprintf(" xattr.user.%d=YQ==", i) }) + "\n"
	})},
	{"METALOG: attributes of /set", 500, metalog(func(n int) string {
		set := "/set type=file" + repeat(n, func(i int) string { return fmt.Sprintf(" xattr.user.%d=YQ==", i) }) + "\n"
		return set + repeat(100, func(i int) string { return fmt.Sprintf("./f%d\n", i) })
	})},
	{"METALOG: lines in a deep directory", 900, metalog(func(n int) string {
		return ". type=dir\n" + strings.Repeat("d type=dir\n", 1000) + strings.Repeat("f type=file\n", n)
	})},
	{"METALOG: continued line", 2000, metalog(func(n int) string { return "./f type=file" + strings.Repeat(" \\\n", n) + "\n" })},
	{"METALOG: ACL", 200, func(t testing.TB, n int) func() {
		acl := make([]tree.ACE, n)
		for i := range acl {
			acl[i] = tree.ACE{Mask: 1, ID: uint32(i)}
		}
		text := string(mtree.AppendACL(nil, acl))
		return func() { must2(mtree.ParseACL(text))(t) }
	}},
	{"tar: members", 2000, archive(func(i, _ int) tar.Header {
		return tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("d%d/f%d", i%50, 7919*i%1_000_003)}
	})},
	{"tar: PAX records of a member", 2000, func(t testing.TB, n int) func() {
		return archive(func(_, _ int) tar.Header {
			return tar.Header{Typeflag: tar.TypeReg, Name: "f", Format: tar.FormatPAX, PAXRecords: records("SCHILY.xattr.user.%d", n)}
		})(t, 1)
	}},
	{"tar: global records", 1000, archive(func(i, n int) tar.Header {
		if i%2 == 0 {
			return tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: records("comment%d", 3)}
		}
		return tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprint("f", i)}
	})},
	{"tar: long names", 500, archive(func(i, n int) tar.Header {
		return tar.Header{Typeflag: tar.TypeReg, Name: strings.Repeat("abcdefgh/", 100) + fmt.Sprint(i)}
	})},
	{"tar: nested directories", 500, archive(func(i, n int) tar.Header {
		if i > 0 {
			return tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprint("f", i)}
		}
		return tar.Header{Typeflag: tar.TypeDir, Name: strings.Repeat("d/", n)}
	})},
	{"tar: hard links", 2000, archive(func(i, n int) tar.Header {
		if i == 0 {
			return tar.Header{Typeflag: tar.TypeReg, Name: "f"}
		}
		return tar.Header{Typeflag: tar.TypeLink, Name: fmt.Sprint("l", i), Linkname: "f"}
	})},
	{"tar: chain of hard links", 2000, archive(func(i, n int) tar.Header {
		if i == 0 {
			return tar.Header{Typeflag: tar.TypeReg, Name: "l0"}
		}
		return tar.Header{Typeflag: tar.TypeLink, Name: fmt.Sprint("l", i), Linkname: fmt.Sprint("l", i-1)}
	})},
	{"tar: names that come again", 2000, archive(func(i, n int) tar.Header {
		return tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprint("f", i%(n/2+1))}
	})},
	{"tar: excludes", 2000, func(t testing.TB, n int) func() {
		data := tarOf(t, n, func(i, _ int) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("a/b/c/f%d", i)} })
		return func() {
			src := must2(fromtar.Read(t.Context(), bytes.NewReader(data), fromtar.Options{Exclude: []string{"*.o", "**/x/**", "a/b/c/f1*"}}))(t)
			must(t, src.Close())
		}
	}},
	{"excludes: components of a path", 1000, func(t testing.TB, n int) func() {
		e := must2(source.NewExcludes([]string{"**/a/**/a/**/b", "a**a**b"}))(t)
		return func() { e.Match(strings.Repeat("a/", n), false) }
	}},
	{"excludes: patterns", 1000, func(t testing.TB, n int) func() {
		patterns := make([]string, n)
		for i := range patterns {
			patterns[i] = fmt.Sprintf("**/a%d*/b", i)
		}
		return func() { must2(source.NewExcludes(patterns))(t).Match("x/y/z", false) }
	}},
	{"POSIX ACL: entries", 500, func(t testing.TB, n int) func() {
		acl := []posixacl.Entry{}
		for _, tag := range []posixacl.Tag{posixacl.UserObj, posixacl.GroupObj, posixacl.Mask, posixacl.Other} {
			acl = append(acl, posixacl.Entry{Tag: tag, Perm: 7})
		}
		for i := range n {
			acl = append(acl, posixacl.Entry{Tag: posixacl.User, Perm: 7, ID: uint32(i)})
		}
		data := must2(posixacl.Encode(acl))(t)
		return func() {
			must(t, posixacl.Validate(must2(posixacl.Decode(data))(t)))
		}
	}},
	{"POSIX ACL: text", 500, func(t testing.TB, n int) func() {
		text := "user::rwx,group::r-x,mask::rwx,other::r-x" + repeat(n, func(i int) string { return fmt.Sprintf(",user:u%d:r-x:%d", i, i) })
		return func() { must2(posixacl.Parse(text, noNames{}))(t) }
	}},
	{"NFSv4 ACL: text", 200, func(t testing.TB, n int) func() {
		text := "owner@:rwx::allow" + repeat(n, func(i int) string { return fmt.Sprintf(",user:%d:r-x-----------:-------:allow", i) })
		return func() { must2(posixacl.ParseNFS4(text, noNames{}))(t) }
	}},
	{"names of users: lines", 2000, func(t testing.TB, n int) func() {
		tr := files(t, 1)
		put(t, tr, "etc/passwd", repeat(n, func(i int) string { return fmt.Sprintf("u%d:x:%d:1::/:\n", i, i) }))
		seal(t, tr)
		return func() {
			names := source.NewNames(tr)
			for i := range n {
				must2(names.User(fmt.Sprint("u", i)))(t)
			}
		}
	}},
	{"tree: names", 2000, func(t testing.TB, n int) func() {
		return func() {
			tr := tree.New()
			for i := range n {
				must(t, tr.Root.Add(fmt.Sprint("f", 7919*i%1_000_003), &tree.Node{Mode: tree.TypeFile}))
			}
			seal(t, tr)
			for i := range n {
				tr.Lookup(fmt.Sprint("f", 7919*i%1_000_003))
			}
			tr.Nodes()
			tr.Unseal()
			for i := range n {
				must(t, tr.Root.Remove(fmt.Sprint("f", 7919*i%1_000_003)))
			}
		}
	}},
	{"tree: nested directories", 900, func(t testing.TB, n int) func() {
		return func() {
			tr := tree.New()
			at := tr.Root
			for range n {
				next := tree.NewDir(0o755)
				must(t, at.Add("d", next))
				at = next
			}
			seal(t, tr)
			tr.Nodes()
		}
	}},
	{"diff: names", 2000, func(t testing.TB, n int) func() {
		a, b := files(t, n), files(t, n+n/2)
		seal(t, a)
		seal(t, b)
		return func() {
			for _, err := range compare.Diff(t.Context(), a, b, compare.Options{}) {
				must(t, err)
			}
		}
	}},
	{"diff: hard links", 2000, func(t testing.TB, n int) func() {
		a, b := links(t, n), links(t, n+n/2)
		return func() {
			for _, err := range compare.Diff(t.Context(), a, b, compare.Options{}) {
				must(t, err)
			}
		}
	}},
	{"directory: files", 300, func(t testing.TB, n int) func() {
		dir := t.TempDir()
		for i := range n {
			must(t, os.WriteFile(filepath.Join(dir, fmt.Sprint("f", i)), nil, 0o644))
		}
		lines := repeat(n, func(i int) string { return fmt.Sprintf("./f%d type=file uid=%d\n./s%d type=fifo mode=0644\n", i, i, i) })
		return func() {
			if _, _, err := fromdir.Read(t.Context(), dir, fromdir.Options{Metalog: strings.NewReader(lines)}); err != nil {
				t.Fatal(err)
			}
		}
	}},
	{"extract: files", 300, func(t testing.TB, n int) func() {
		tr, dir := links(t, n), filepath.Join(t.TempDir(), "x")
		return func() { must2(todir.Extract(t.Context(), tr, dir, todir.Options{}))(t) }
	}},
	{"extract: paths", 300, func(t testing.TB, n int) func() {
		tr, dir := files(t, n), filepath.Join(t.TempDir(), "x")
		seal(t, tr)
		var paths []string
		for i := range n {
			paths = append(paths, fmt.Sprintf("d%d/f%d", i%20, i))
		}
		return func() { must2(todir.Extract(t.Context(), tr, dir, todir.Options{Paths: paths}))(t) }
	}},
	{"write tar: files", 2000, func(t testing.TB, n int) func() {
		tr := links(t, n)
		return func() { must(t, totar.Write(t.Context(), io.Discard, tr, totar.Options{})) }
	}},
}

// must2 returns v, and ends the row if there is an error.
func must2[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		must(t, err)
		return v
	}
}

func metalog(text func(n int) string) func(testing.TB, int) func() {
	return func(t testing.TB, n int) func() {
		in := text(n)
		return func() {
			r := mtree.NewReader(strings.NewReader(in), "METALOG")
			for {
				if _, err := r.Next(); err == io.EOF {
					return
				} else if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func records(format string, n int) map[string]string {
	all := map[string]string{}
	for i := range n {
		all[fmt.Sprintf(format, i)] = "x"
	}
	return all
}

func tarOf(t testing.TB, n int, header func(i, n int) tar.Header) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for i := range n {
		h := header(i, n)
		if h.Mode = 0o755; h.Typeflag == tar.TypeXGlobalHeader {
			h.Mode = 0
		}
		must(t, w.WriteHeader(&h))
	}
	must(t, w.Close())
	return out.Bytes()
}

// archive reads a tar as one, and as a part of others.
func archive(header func(i, n int) tar.Header) func(testing.TB, int) func() {
	return func(t testing.TB, n int) func() {
		data := tarOf(t, n, header)
		return func() {
			src, err := fromtar.Read(t.Context(), bytes.NewReader(data), fromtar.Options{Owners: source.OwnersDisk})
			must(t, err)
			must(t, src.Close())
			members, err := fromtar.NewMembers(t.Context(), bytes.NewReader(data), fromtar.MembersOptions{Owners: source.OwnersDisk, Report: &source.Report{}})
			must(t, err)
			for {
				if _, err := members.Next(); err == io.EOF {
					return
				} else if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

type noNames struct{}

func (noNames) User(string) (uint32, error)  { return 1, nil }
func (noNames) Group(string) (uint32, error) { return 1, nil }

// files is a tree of n small files in twenty directories.
func files(t testing.TB, n int) *tree.Tree {
	tr := tree.New()
	for i := range n {
		put(t, tr, fmt.Sprintf("d%d/f%d", i%20, i), fmt.Sprint(i))
	}
	return tr
}

// put adds a file to a tree, with the directories above it.
func put(t testing.TB, tr *tree.Tree, path, text string) {
	at, names := tr.Root, strings.Split(path, "/")
	for _, name := range names[:len(names)-1] {
		next := at.Lookup(name)
		if next == nil {
			next = tree.NewDir(0o755)
			must(t, at.Add(name, next))
		}
		at = next
	}
	must(t, at.Add(names[len(names)-1], &tree.Node{Mode: tree.TypeFile | 0o644, Size: int64(len(text)), Content: tree.Bytes(text)}))
}

func seal(t testing.TB, tr *tree.Tree) { must(t, tr.Seal()) }

// links is a sealed tree of n names, half of which are those of one file.
func links(t testing.TB, n int) *tree.Tree {
	tr := files(t, n/2)
	hard := &tree.Node{Mode: tree.TypeFile | 0o644, Size: 1, Content: tree.Bytes("x")}
	for i := range n / 2 {
		must(t, tr.Root.Add(fmt.Sprint("l", i), hard))
	}
	seal(t, tr)
	return tr
}
