package overlay_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"imagetools/fault"

	"imagetools/rootfs"
	"imagetools/rootfs/overlay"
	"imagetools/tree"
	"imagetools/tree/todir"
)

var vars = map[string]string{"NAME": "base", "VERSION": "24.4.0", "EMPTY": ""}

// write makes a folder of files: "dir/", "path=content", "path*=content" for one that can be run,
// "path->target".
func write(t testing.TB, dir string, lines ...string) string {
	t.Helper()
	for _, line := range append([]string{"/"}, lines...) {
		var err error
		if name, target, ok := strings.Cut(line, "->"); ok {
			err = os.Symlink(target, filepath.Join(dir, name))
		} else if name, content, ok := strings.Cut(line, "="); ok {
			mode := fs.FileMode(0o644)
			if strings.HasSuffix(name, "*") {
				name, mode = name[:len(name)-1], 0o755
			}
			err = os.WriteFile(filepath.Join(dir, name), []byte(content), mode)
		} else {
			err = os.MkdirAll(filepath.Join(dir, line), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func layer(t testing.TB, lines ...string) *overlay.Layer {
	t.Helper()
	dir := write(t, filepath.Join(t.TempDir(), "layer"), lines...)
	l, err := overlay.ReadDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	l.Name = "layer"
	return l
}

// both runs a test with an empty root of each kind.
func both(t *testing.T, test func(t *testing.T, root *rootfs.FS)) {
	t.Run("disk", func(t *testing.T) {
		root, err := rootfs.OpenDir(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		test(t, root)
	})
	t.Run("tree", func(t *testing.T) { test(t, rootfs.NewTree(tree.New(), tree.Time{Sec: 1})) })
}

// apply puts layers in, and proves that a second time there is nothing to do.
func apply(t testing.TB, root *rootfs.FS, opts overlay.Options, layers ...*overlay.Layer) []string {
	t.Helper()
	plan, err := overlay.NewPlan(root, layers, opts)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	if err := plan.Apply(t.Context(), func(c overlay.Change) { told = append(told, c.String()) }); err != nil {
		t.Fatal(err)
	}
	if len(told) != len(plan.Changes()) {
		t.Errorf("%d changes planned, %d told", len(plan.Changes()), len(told))
	}
	again, err := overlay.NewPlan(root, layers, opts)
	if err != nil {
		t.Fatal(err)
	}
	if more := again.Changes(); len(more) > 0 {
		t.Errorf("the second time there is to change: %v", more)
	}
	return told
}

// list describes a root, a line for each name.
func list(t testing.TB, root *rootfs.FS) (lines []string) {
	t.Helper()
	err := root.Walk("/", func(path string, info rootfs.Info) error {
		line := strings.TrimPrefix(path, "/")
		switch info.Mode.Type() {
		case tree.TypeDir:
			if path == "/" {
				return nil
			}
			line += "/"
		case tree.TypeSymlink:
			target, err := root.Readlink(path)
			lines = append(lines, line+"->"+target)
			return err
		default:
			data, err := root.ReadFile(path, 1<<20)
			if err != nil {
				return err
			}
			line += "=" + string(data)
		}
		lines = append(lines, fmt.Sprintf("%s %04o %d:%d", line, uint32(info.Mode.Perm()), info.UID, info.GID))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func equal(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s\n\t%s\nwant\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// text is what a layer's single file becomes.
func text(t testing.TB, in string, opts overlay.Options) (string, error) {
	t.Helper()
	l, err := overlay.ReadFS("x", fstest.MapFS{"f": &fstest.MapFile{Data: []byte(in)}}, "")
	if err != nil {
		t.Fatal(err)
	}
	root := rootfs.NewTree(tree.New(), tree.Time{})
	plan, err := overlay.NewPlan(root, []*overlay.Layer{l}, opts)
	if err != nil {
		return "", err
	}
	if err := plan.Apply(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	out, err := root.ReadFile("f", 1<<20)
	return string(out), err
}

func TestVariables(t *testing.T) {
	opts := overlay.Options{Vars: vars, Keep: []string{"LATER"}}
	for in, want := range map[string]string{
		"":                         "",
		"plain\n":                  "plain\n",
		"@NAME@ @VERSION@":         "base 24.4.0",
		"@NAME@@VERSION@":          "base24.4.0",
		"a@EMPTY@b":                "ab",
		"@@NAME@@":                 "@NAME@",
		"@@OTHER@@ @@NAME@@":       "@OTHER@ @NAME@",
		"user@@NAME@":              "user@base",
		"@NAME@@":                  "base@",
		"@@@NAME@@":                "@@NAME@",
		"@NAME@OTHER@":             "baseOTHER@",
		"@PUBLIC_IP@ @PRIVATE_IP@": "@PUBLIC_IP@ @PRIVATE_IP@",
		"@LATER@":                  "@LATER@",
		"a@b.c @name@ @9@ @ @":     "a@b.c @name@ @9@ @ @",
		"@_X@ @X-Y@ @NAME":         "@_X@ @X-Y@ @NAME",
		"latin \xe9 @NAME@":        "latin \xe9 base",
		"\x00@NAME@ @UNKNOWN@":     "\x00@NAME@ @UNKNOWN@",
		"@UNKNOWN@\x00":            "@UNKNOWN@\x00",
	} {
		if got, err := text(t, in, opts); got != want || err != nil {
			t.Errorf("%q becomes %q, %v, want %q", in, got, err, want)
		}
	}
	// Values are put in as they are.
	opts = overlay.Options{Vars: map[string]string{"A": "@B@", "B": "\x00@@A@@"}}
	if got, err := text(t, "@A@@B@", opts); got != "@B@\x00@@A@@" || err != nil {
		t.Errorf("values: %q, %v", got, err)
	}
}

// All faults come at once, and nothing is changed.
func TestFaults(t *testing.T) {
	both(t, func(t *testing.T, root *rootfs.FS) {
		for _, err := range []error{
			root.Mkdir("dir", nil), root.WriteFile("file", nil, nil), root.Symlink("nowhere", "gone", nil),
			root.Mkdir("to", nil), root.Symlink("file", "tofile", nil),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		before := list(t, root)
		a := layer(t, "etc/", "etc/motd=1\n@NAME@\n@FOO@ and @BAR@\n", "dir=x", "file/", "file/in=@BAZ@", "ok=x", "gone/", "gone/x=")
		b := layer(t, "dir->x", "tofile/", "tofile/x=", "late=\n\n\n@FOO@")
		b.Name = "second"
		_, err := overlay.NewPlan(root, []*overlay.Layer{a, b}, overlay.Options{Vars: vars})
		if err == nil {
			t.Fatal("no faults")
		}
		equal(t, "faults", strings.Split(err.Error(), "\n"), []string{
			`overlay "second": "dir": a link in the overlay, and a dir in the root`,
			`overlay "layer": etc/motd:3: undefined variable @FOO@`,
			`overlay "layer": etc/motd:3: undefined variable @BAR@`,
			`overlay "layer": "file": a dir in the overlay, and a file in the root`,
			`overlay "layer": file/in:1: undefined variable @BAZ@`,
			`overlay "layer": "gone": a dir in the overlay, and a link to nowhere in the root`,
			`overlay "second": late:4: undefined variable @FOO@`,
			`overlay "second": "tofile": a dir in the overlay, and a file in the root`,
		})
		if hint, ok := errors.AsType[*fault.HintError](err); !ok || !strings.Contains(hint.Hint(), "@@NAME@@") {
			t.Errorf("no hint about variables: %v", err)
		}
		equal(t, "root", list(t, root), before)
	})
	_, err := text(t, "", overlay.Options{Vars: map[string]string{"lower": "", "PUBLIC_IP": "", "K": ""}, Keep: []string{"K", "-"}})
	equal(t, "faults of options", strings.Split(fmt.Sprint(err), "\n"), []string{
		`variable "-" to keep: not of the form [A-Z][A-Z0-9_]*`,
		`variable "K": defined, and to be kept as well`,
		`variable "PUBLIC_IP": defined, and to be kept as well`,
		`variable "lower": not of the form [A-Z][A-Z0-9_]*`,
	})
	bad := layer(t, "x=")
	bad.At = "opt/../.."
	if _, err := overlay.NewPlan(rootfs.NewTree(tree.New(), tree.Time{}), []*overlay.Layer{bad}, overlay.Options{}); !errors.Is(err, tree.ErrBadName) {
		t.Errorf("a place that leaves the root: %v", err)
	}
}

func TestApply(t *testing.T) {
	both(t, func(t *testing.T, root *rootfs.FS) {
		for _, err := range []error{
			root.Mkdir("etc", &rootfs.Attr{Mode: 0o700}), root.WriteFile("etc/same", []byte("base"), nil),
			root.WriteFile("etc/mode", []byte("m"), &rootfs.Attr{Mode: 0o600}), root.WriteFile("etc/text", []byte("abcd"), nil),
			root.Symlink("old", "etc/link", nil), root.Symlink("text", "etc/waslink", nil), root.WriteFile("etc/wasfile", nil, nil),
			root.MkdirAll("usr/bin", nil), root.Symlink("/usr/bin", "bin", nil), root.Symlink("x", "etc/samelink", nil),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		l := layer(t, "etc/", "etc/same=@NAME@", "etc/mode=m", "etc/text=@NAME@", "etc/link->new", "etc/waslink=f",
			"etc/wasfile->t", "bin/", "bin/tool*=#!", "empty/", "etc/samelink->x", "new/", "new/f=@VERSION@")
		equal(t, "changes", apply(t, root, overlay.Options{Vars: vars}, l), []string{
			`"bin/tool": new file`, `"empty": new directory`, `"etc/link": link to "new" (was "old")`,
			`"etc/mode": mode 0644 (was 0600)`, `"etc/text": content`, `"etc/wasfile": link to "t" instead of a file`,
			`"etc/waslink": file instead of a link`, `"new": new directory`, `"new/f": new file`,
		})
		equal(t, "root", list(t, root), []string{
			"bin->/usr/bin", "empty/ 0755 0:0", "etc/ 0700 0:0", "etc/link->new", "etc/mode=m 0644 0:0", "etc/same=base 0644 0:0",
			"etc/samelink->x", "etc/text=base 0644 0:0", "etc/wasfile->t", "etc/waslink=f 0644 0:0", "new/ 0755 0:0",
			"new/f=24.4.0 0644 0:0", "usr/ 0755 0:0", "usr/bin/ 0755 0:0", "usr/bin/tool=#! 0755 0:0",
		})
	})
}

// The last layer wins, whatever the earlier ones have.
func TestLayers(t *testing.T) {
	both(t, func(t *testing.T, root *rootfs.FS) {
		first := layer(t, "a/", "a/x=1", "a/y=1", "b=1", "c/", "c/d/", "c/d/e=1", "l->1", "c-x=1")
		second := layer(t, "a/", "a/y=2", "b/", "b/z=2", "c=2", "l->2")
		third := layer(t, "f=3")
		third.At = "/opt/local//etc/"
		fourth := layer(t, "local/", "local/bin=4", "local/etc/")
		fourth.At = "opt"
		apply(t, root, overlay.Options{}, first, second, third, fourth)
		equal(t, "root", list(t, root), []string{
			"a/ 0755 0:0", "a/x=1 0644 0:0", "a/y=2 0644 0:0", "b/ 0755 0:0", "b/z=2 0644 0:0", "c=2 0644 0:0", "c-x=1 0644 0:0",
			"l->2", "opt/ 0755 0:0", "opt/local/ 0755 0:0", "opt/local/bin=4 0644 0:0", "opt/local/etc/ 0755 0:0",
			"opt/local/etc/f=3 0644 0:0",
		})
	})
}

// A METALOG says owners and modes, of directories that exist too; without one these stay.
func TestMetalog(t *testing.T) {
	dir := write(t, filepath.Join(t.TempDir(), "layer"), "root/", "root/.ssh/", "root/f=x", "etc/", "etc/passwd=bin:x:2:2:\n")
	if err := os.WriteFile(dir+".mtree", []byte("./root/.ssh mode=0700\n./root/f uid=7 gname=root mode=4711\n"+
		"./link type=link link=to uid=3\n./etc uname=bin gid=5\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	fromDisk, err := overlay.ReadDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(dir + ".mtree")
	if err != nil {
		t.Fatal(err)
	}
	fromFS, err := overlay.ReadFS("embedded", fstest.MapFS{
		"root/f":     &fstest.MapFile{Data: []byte("x"), Mode: 0o444},
		"etc/passwd": &fstest.MapFile{Data: []byte("bin:x:2:2:\n"), Mode: 0o444},
	}, "./root/.ssh type=dir\n"+string(text))
	if err != nil {
		t.Fatal(err)
	}
	// What is ejected has a METALOG, and is the same layer.
	ejected := filepath.Join(t.TempDir(), "ejected")
	if _, err := todir.Extract(t.Context(), fromFS.Tree, ejected, todir.Options{}); err != nil {
		t.Fatal(err)
	}
	fromEjected, err := overlay.ReadDir(t.Context(), ejected)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []*overlay.Layer{fromDisk, fromFS, fromEjected} {
		root := rootfs.NewTree(tree.New(), tree.Time{})
		for _, err := range []error{
			root.MkdirAll("root/.ssh", &rootfs.Attr{Mode: 0o777, UID: 9}), root.Mkdir("etc", &rootfs.Attr{Mode: 0o777, UID: 9}),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		apply(t, root, overlay.Options{}, l)
		info, err := root.Lstat("link")
		if err != nil || info.UID != 3 {
			t.Errorf("%s: the link belongs to %d, %v", l.Name, info.UID, err)
		}
		want := []string{"etc/ 0755 2:5", "etc/passwd=bin:x:2:2:\n 0644 0:0", "link->to", "root/ 0777 9:0", "root/.ssh/ 0700 0:0", "root/f=x 4711 7:0"}
		if l == fromEjected { // its METALOG names everything
			want[3] = "root/ 0755 0:0"
		}
		equal(t, l.Name, list(t, root), want)
	}
	// A directory that one layer states keeps that if a later one merely has it.
	plain := layer(t, "root/", "root/.ssh/", "root/.ssh/environment=x")
	root := rootfs.NewTree(tree.New(), tree.Time{})
	apply(t, root, overlay.Options{}, fromFS, plain)
	if info, err := root.Stat("root/.ssh"); err != nil || info.Mode.Perm() != 0o700 {
		t.Errorf("root/.ssh is %v, %v", info.Mode, err)
	}
}

func TestBadLayers(t *testing.T) {
	file := func(text string) fstest.MapFS { return fstest.MapFS{"f": &fstest.MapFile{Data: []byte(text)}} }
	_, err := overlay.ReadFS("x", file(""), "./none mode=1\n./f type=dir\n./l type=link\n./p type=fifo\n./f mode=9\n"+
		"./no/l type=link link=x\n./f uname=nobody\n./f xattr.user.x=eA==\n./opt type=file optional\n")
	equal(t, "faults", strings.Split(fmt.Sprint(err), "\n"), []string{
		`overlay "x": METALOG:1: "none": does not exist`,
		`METALOG:2: "f": is a file, not a dir`,
		`METALOG:3: "l": a link without link=TARGET`,
		`METALOG:4: "p": a fifo cannot be in an overlay`,
		`METALOG:5: mode=9: invalid syntax`,
		`METALOG:6: "no/l": its directory does not exist`,
		`METALOG:7: "f": unknown user "nobody"`,
		`METALOG:8: "f": extended attributes and ACLs are not carried`,
	})
	if _, err := overlay.ReadFS("x", fstest.MapFS{"p": &fstest.MapFile{Mode: fs.ModeNamedPipe}}, ""); err == nil {
		t.Error("a FIFO in a file system is taken")
	}
	dir := write(t, filepath.Join(t.TempDir(), "layer"), "ok=x")
	if err := os.WriteFile(dir+".mtree", []byte("./p type=fifo\n./n type=char device=native,1,3\n./s type=socket\n./ok xattr.user.x=eA==\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = overlay.ReadDir(t.Context(), dir)
	prefix := fmt.Sprintf("overlay %q: ", dir)
	equal(t, "faults", strings.Split(fmt.Sprint(err), "\n"), []string{
		prefix + `"n": a char cannot be in an overlay`, prefix + `"ok": extended attributes and ACLs are not carried`,
		prefix + `"p": a fifo cannot be in an overlay`, prefix + `"s": a socket cannot be in an overlay`,
	})
	if _, err := overlay.ReadDir(t.Context(), filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

// Links in a root lead an overlay nowhere else.
func TestHostileRoot(t *testing.T) {
	above := t.TempDir()
	write(t, above, "root/", "outside/", "outside/f=canary", "root/abs->"+above+"/outside", "root/rel->../outside", "root/f->../outside/f", "root/up->..")
	if err := os.Link(above+"/outside/f", above+"/root/hard"); err != nil {
		t.Fatal(err)
	}
	root, err := rootfs.OpenDir(above + "/root")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	apply(t, root, overlay.Options{}, layer(t, "f=x", "hard=x", "up/", "up/outside/", "up/outside/f=x"))
	for _, dir := range []string{"abs", "rel"} {
		if dir == "rel" { // leads to what the layer made inside
			apply(t, root, overlay.Options{}, layer(t, dir+"/", dir+"/f=y"))
		} else if _, err := overlay.NewPlan(root, []*overlay.Layer{layer(t, dir+"/", dir+"/f=y")}, overlay.Options{}); err == nil {
			t.Error("a link to nowhere is taken for a directory")
		}
	}
	if data, err := root.ReadFile("outside/f", 10); string(data) != "y" {
		t.Errorf("in the root outside/f is %q, %v", data, err)
	}
	if data, err := os.ReadFile(above + "/outside/f"); string(data) != "canary" {
		t.Errorf("outside it holds %q, %v", data, err)
	}
}

// A cancelled context ends the work between two changes.
func TestCancelled(t *testing.T) {
	root := rootfs.NewTree(tree.New(), tree.Time{})
	plan, err := overlay.NewPlan(root, []*overlay.Layer{layer(t, "a=", "b=")}, overlay.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = plan.Apply(ctx, func(overlay.Change) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	equal(t, "root", list(t, root), []string{"a= 0644 0:0"})
}

// byHand fills in variables without a pattern: the scanner to compare with.
func byHand(in string, value func(string) string) string {
	name := func(s string) int { // length of a name at the start of s that an @ follows; 0 if none
		n := 0
		for n < len(s) && (s[n] >= 'A' && s[n] <= 'Z' || n > 0 && (s[n] == '_' || s[n] >= '0' && s[n] <= '9')) {
			n++
		}
		if n < len(s) && s[n] == '@' {
			return n
		}
		return 0
	}
	var out strings.Builder
	for len(in) > 0 {
		if strings.HasPrefix(in, "@@") {
			if n := name(in[2:]); n > 0 && strings.HasPrefix(in[2+n:], "@@") {
				out.WriteString(in[1 : n+3])
				in = in[n+4:]
				continue
			}
		}
		if in[0] == '@' {
			if n := name(in[1:]); n > 0 {
				out.WriteString(value(in[1 : n+1]))
				in = in[n+2:]
				continue
			}
		}
		out.WriteByte(in[0])
		in = in[1:]
	}
	return out.String()
}

// Variables are found where a scanner written by hand finds them, and each undefined one is
// told.
func FuzzVariables(f *testing.F) {
	f.Add("x @NAME@ @@NAME@@ @@@VERSION@ @OTHER@\n@NAME@VERSION@")
	f.Add("@@A@@@@A@@@A@@\xff@EMPTY@")
	f.Fuzz(func(t *testing.T, in string) {
		in = in[:min(len(in), 2000)] // fewer faults than are told
		if strings.Contains(in, "\x00") {
			if got, err := text(t, in, overlay.Options{}); got != in || err != nil {
				t.Fatalf("binary %q becomes %q, %v", in, got, err)
			}
			return
		}
		var unknown []string
		want := byHand(in, func(name string) string {
			if name == "PUBLIC_IP" || name == "PRIVATE_IP" {
				return "@" + name + "@"
			}
			value, ok := vars[name]
			if !ok {
				unknown = append(unknown, "@"+name+"@")
			}
			return value
		})
		got, err := text(t, in, overlay.Options{Vars: vars})
		if (err != nil) != (len(unknown) > 0) {
			t.Fatalf("%q: %v, but unknown are %q", in, err, unknown)
		}
		for _, name := range unknown {
			if !strings.Contains(err.Error(), "undefined variable "+name) {
				t.Errorf("%q: %v does not name %s", in, err, name)
			}
		}
		if err == nil && got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	})
}

// No layer may hide what is run or used in the root while an image is made, whatever it has in the
// way; one that has its own script there may.
func TestHiddenScripts(t *testing.T) {
	const script, work = "/root/customize/first", "/var/tmp/work"
	for _, test := range []struct{ file, fault string }{
		{"root/customize/first", ""},
		{"root/customize/other", ""},
		{"var/tmp/work/x", ""},
		{"root/customize", `"/root/customize": a file in the place of "/root/customize/first"`},
		{"root", `"/root": a file in the place of "/root/customize/first"`},
		{"root/customize/first/x", `"/root/customize/first": a dir in the place of "/root/customize/first"`},
		{"var/tmp/work", `"/var/tmp/work": a file in the place of "/var/tmp/work"`},
		{"var", `"/var": a file in the place of "/var/tmp/work"`},
	} {
		for _, link := range []bool{false, true} {
			if link && (test.fault == "" || strings.HasSuffix(test.file, "/x")) {
				continue
			}
			builtin, own := t.TempDir(), t.TempDir()
			check := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			check(os.MkdirAll(filepath.Join(builtin, "root/customize"), 0o755))
			check(os.WriteFile(filepath.Join(builtin, script), []byte("#!/bin/sh\n"), 0o755))
			check(os.MkdirAll(filepath.Dir(filepath.Join(own, test.file)), 0o755))
			want := test.fault
			if link {
				check(os.Symlink("elsewhere", filepath.Join(own, test.file)))
				want = strings.Replace(want, "a file", "a link", 1)
			} else {
				check(os.WriteFile(filepath.Join(own, test.file), nil, 0o644))
			}
			var layers []*overlay.Layer
			for _, dir := range []string{builtin, own} {
				l, err := overlay.ReadDir(t.Context(), dir)
				check(err)
				layers = append(layers, l)
			}
			_, err := overlay.NewPlan(rootfs.NewTree(tree.New(), tree.Time{}), layers, overlay.Options{Scripts: []string{script}, Dirs: []string{work}})
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s, link %v: %v, want %s", test.file, link, err, want)
			}
		}
	}
}

// Modes of a checkout that let others write are carried, and warned of unless a METALOG states them.
func TestLooseModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ov")
	if err := os.MkdirAll(filepath.Join(dir, "home/u/.ssh"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{"home/u/.ssh": 0o775, "home/u": 0o755, "home": 0o1777 | os.ModeSticky, "home/u/.ssh/authorized_keys": 0o664, "other": 0o644} {
		full := filepath.Join(dir, path)
		if strings.Contains(path, "keys") || path == "other" {
			if err := os.WriteFile(full, nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(full, mode); err != nil {
			t.Fatal(err)
		}
	}
	warnings := func() string {
		l, err := overlay.ReadDir(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		p, err := overlay.NewPlan(rootfs.NewTree(tree.New(), tree.Time{}), []*overlay.Layer{l}, overlay.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(p.Warnings(), "\n")
	}
	if got := warnings(); !strings.Contains(got, `"/home/u/.ssh" and 1 more can be written by group or others (mode 0775)`) {
		t.Errorf("warnings %q", got)
	}
	const metalog = "#mtree v2.0\n./home/u/.ssh type=dir mode=0775\n./home/u/.ssh/authorized_keys type=file mode=0664\n"
	if err := os.WriteFile(dir+".mtree", []byte(metalog), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := warnings(); got != "" {
		t.Errorf("warnings %q of stated modes", got)
	}
}
