package rootfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"imagetools/rootfs"
	"imagetools/tree"
	"imagetools/tree/fromdir"
	"imagetools/tree/posixacl"
	"imagetools/tree/source"
)

// now is the time of what is changed in a tree.
var now = tree.Time{Sec: 1_700_000_000}

// world is a root with its means to put there what FS does not make.
type world struct {
	*rootfs.FS
	dir  string     // on disk
	tree *tree.Tree // in memory
}

// both runs a test on an empty root of each kind.
func both(t *testing.T, test func(t *testing.T, w *world)) {
	t.Run("disk", func(t *testing.T) { test(t, newDisk(t)) })
	t.Run("tree", func(t *testing.T) { test(t, newTree()) })
}

func newDisk(t testing.TB) *world { return newDiskAt(t, t.TempDir()) }

func newDiskAt(t testing.TB, above string) *world {
	t.Helper()
	dir := filepath.Join(above, "root")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := rootfs.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return &world{FS: root, dir: dir}
}

func newTree() *world {
	tr := tree.New()
	return &world{FS: rootfs.NewTree(tr, now), tree: tr}
}

// make builds a root from lines: "dir/", "file=content", "link->target".
func (w *world) make(t testing.TB, lines ...string) {
	t.Helper()
	for _, line := range lines {
		var err error
		if name, target, ok := strings.Cut(line, "->"); ok {
			err = w.Symlink(target, name, nil)
		} else if name, content, ok := strings.Cut(line, "="); ok {
			err = w.WriteFile(name, []byte(content), nil)
		} else {
			err = w.Mkdir(line, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// list is the root in the lines that make takes, with modes and owners that are not usual.
func (w *world) list(t testing.TB) []string {
	t.Helper()
	var lines []string
	err := w.Walk("/", func(path string, info rootfs.Info) error {
		line := strings.TrimPrefix(path, "/")
		usual := tree.Mode(0o644)
		switch info.Mode.Type() {
		case tree.TypeDir:
			if path == "/" {
				return nil
			}
			line, usual = line+"/", 0o755
		case tree.TypeSymlink:
			target, err := w.Readlink(path)
			if err != nil {
				return err
			}
			line, usual = line+"->"+target, 0o777
		case tree.TypeFile:
			data, err := w.ReadFile(path, 1<<20)
			if err != nil {
				return err
			}
			line += "=" + string(data)
		default:
			line += " " + info.Mode.TypeName()
		}
		if info.Mode.Perm() != usual {
			line += fmt.Sprintf(" %04o", uint32(info.Mode.Perm()))
		}
		if info.UID != 0 || info.GID != 0 {
			line += fmt.Sprintf(" %d:%d", info.UID, info.GID)
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func (w *world) want(t testing.TB, lines ...string) {
	t.Helper()
	if got := w.list(t); !slices.Equal(got, lines) {
		t.Errorf("root holds\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(lines, "\n\t"))
	}
}

func wantErr(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

// Links are followed as in a zone whose root this is.
func TestResolve(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.make(t, "etc/", "etc/f=etc", "var/", "var/f=var", "var/log/", "var/log/f=log", "f=top",
			"abs->/etc", "rel->var/log", "up->../../../etc", "var/up->../etc/f", "chain->var/chain",
			"var/chain->/rel", "loop->loop", "a->b", "b->./a", "dangling->etc/none", "dir/", "slash->etc/",
			"fileslash->f/", "self->.", "root->/", "nothing->none/", "in->etc/f/x", "var/log/top->/../f")
		for _, tt := range []struct {
			path string
			want string
			err  error
		}{
			{"/etc/f", "etc", nil}, {"etc/f", "etc", nil}, {"//etc/.//f", "etc", nil}, {"../../etc/f", "etc", nil},
			{"abs/f", "etc", nil}, {"rel/f", "log", nil}, {"rel/../f", "var", nil}, {"abs/../f", "top", nil},
			{"up/f", "etc", nil}, {"var/up", "etc", nil}, {"chain/f", "log", nil}, {"chain/top", "top", nil},
			{"slash/f", "etc", nil}, {"self/self/self/f", "top", nil}, {"root/root/f", "top", nil},
			{"loop", "", rootfs.ErrLoop}, {"loop/f", "", rootfs.ErrLoop}, {"a", "", rootfs.ErrLoop},
			{"dangling", "", fs.ErrNotExist}, {"etc/none/f", "", fs.ErrNotExist}, {"", "", fs.ErrNotExist},
			{"f/x", "", tree.ErrNotDir}, {"f/..", "", tree.ErrNotDir}, {"f/", "", tree.ErrNotDir},
			{"fileslash", "", tree.ErrNotDir}, {"in", "", tree.ErrNotDir}, {"nothing", "", fs.ErrNotExist},
			{"etc", "", rootfs.ErrIsDir}, {"/", "", rootfs.ErrIsDir}, {"abs", "", rootfs.ErrIsDir},
			{"etc/" + strings.Repeat("n", 256), "", tree.ErrBadName}, {"e\x00tc/f", "", tree.ErrBadName},
			{"f", "top", nil},
		} {
			got, err := w.ReadFile(tt.path, 100)
			if string(got) != tt.want || !errors.Is(err, tt.err) || err != nil && tt.err == nil {
				t.Errorf("ReadFile(%q) = %q, %v, want %q, %v", tt.path, got, err, tt.want, tt.err)
			}
		}
		if _, err := w.ReadFile("etc/f", 3); err != nil {
			t.Errorf("a file as long as the limit: %v", err)
		}
		_, err := w.ReadFile("etc/f", 2)
		wantErr(t, "a file longer than the limit", err, rootfs.ErrTooLarge)
		for path, want := range map[string]tree.Mode{
			"abs": tree.TypeSymlink, "abs/f": tree.TypeFile, "abs/": tree.TypeDir, "loop": tree.TypeSymlink,
			"/": tree.TypeDir, "..": tree.TypeDir, "etc/..": tree.TypeDir,
		} {
			if info, err := w.Lstat(path); err != nil || info.Mode.Type() != want {
				t.Errorf("Lstat(%q) = %v, %v", path, info.Mode, err)
			}
		}
		if info, err := w.Stat("chain"); err != nil || info.Mode.Type() != tree.TypeDir || info.Name != "log" {
			t.Errorf("Stat = %+v, %v", info, err)
		}
		for path, want := range map[string]string{
			"etc/f": "/etc/f", "chain/f": "/var/log/f", "up/none": "/etc/none", "abs": "/abs", "abs/": "/abs",
			"rel/../f": "/var/f", "/": "/", "..": "/", "self/self": "/self", "etc/..": "/", "var/log/.": "/var/log",
		} {
			if real, err := w.Real(path); err != nil || real != want {
				t.Errorf("Real(%q) = %q, %v, want %q", path, real, err, want)
			}
		}
		_, err = w.Real("loop/f")
		wantErr(t, "Real through a loop", err, rootfs.ErrLoop)
		_, err = w.Real("etc/none/f")
		wantErr(t, "Real below nothing", err, fs.ErrNotExist)
		target, err := w.Readlink("abs")
		if target != "/etc" || err != nil {
			t.Errorf("Readlink = %q, %v", target, err)
		}
		_, err = w.Readlink("etc/f")
		wantErr(t, "Readlink of a file", err, rootfs.ErrNotLink)
		list, err := w.ReadDir("chain")
		if err != nil || len(list) != 2 || list[0].Name != "f" || list[0].Size != 3 || list[1].Name != "top" {
			t.Errorf("ReadDir = %+v, %v", list, err)
		}
		_, err = w.ReadDir("f")
		wantErr(t, "ReadDir of a file", err, tree.ErrNotDir)
		_, err = w.ReadDir("none")
		wantErr(t, "ReadDir of nothing", err, fs.ErrNotExist)
	})
}

// Forty links are followed, no more.
func TestManyLinks(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.make(t, "l0=end")
		for i := range 41 {
			w.make(t, fmt.Sprintf("l%d->l%d", i+1, i))
		}
		if _, err := w.ReadFile("l40", 10); err != nil {
			t.Error(err)
		}
		_, err := w.ReadFile("l41", 10)
		wantErr(t, "41 links", err, rootfs.ErrLoop)
	})
}

func TestWriteFile(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.make(t, "etc/", "etc/motd=old", "link->etc/motd", "dangling->/etc/new", "far->none/new", "new/")
		for path, want := range map[string]error{
			"etc/motd": nil, "dangling": nil, "plain": nil,
			"far": fs.ErrNotExist, "etc": rootfs.ErrIsDir, "/": rootfs.ErrIsDir, "etc/.": rootfs.ErrIsDir,
			"etc/motd/x": tree.ErrNotDir,
		} {
			wantErr(t, path, w.WriteFile(path, []byte("1"), nil), want)
		}
		w.want(t, "dangling->/etc/new", "etc/", "etc/motd=1", "etc/new=1", "far->none/new", "link->etc/motd", "new/", "plain=1")
		for _, err := range []error{
			w.Chmod("etc/motd", 0o600), w.WriteFile("link", []byte("2"), nil),
			w.WriteFile("etc/new", nil, &rootfs.Attr{Mode: 0o4711}),
			w.PutFile("dangling", []byte("3"), nil), w.PutFile("plain", []byte("4"), nil),
			w.PutFile("link", []byte("5"), &rootfs.Attr{Mode: 0o640}),
		} {
			if err != nil {
				t.Error(err)
			}
		}
		wantErr(t, "a directory", w.PutFile("etc", nil, nil), rootfs.ErrIsDir)
		w.want(t, "dangling=3", "etc/", "etc/motd=2 0600", "etc/new= 4711", "far->none/new", "link=5 0640", "new/", "plain=4")
		for _, bad := range []*rootfs.Attr{{Mode: 0o10000}, {UID: 1 << 31}, {GID: 1 << 31}} {
			if err := w.WriteFile("plain", []byte("bad"), bad); err == nil {
				t.Errorf("attributes %+v are taken", *bad)
			}
		}
		w.want(t, "dangling=3", "etc/", "etc/motd=2 0600", "etc/new= 4711", "far->none/new", "link=5 0640", "new/", "plain=4")
	})
}

func TestMakeAndRemove(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.make(t, "d/", "d/e/", "d/e/f=x", "d/e/up->/", "to->d/e", "f=x", "gone->none")
		for _, tt := range []struct {
			what string
			err  error
			want error
		}{
			{"mkdir over a file", w.Mkdir("f", nil), fs.ErrExist},
			{"mkdir over a link", w.Mkdir("gone", nil), fs.ErrExist},
			{"mkdir of the root", w.Mkdir("/", nil), fs.ErrExist},
			{"mkdir below nothing", w.Mkdir("x/y", nil), fs.ErrNotExist},
			{"mkdir through a link", w.Mkdir("to/new/", &rootfs.Attr{Mode: 0o1777}), nil},
			{"MkdirAll", w.MkdirAll("/to/p/q/../r/", &rootfs.Attr{Mode: 0o700}), nil},
			{"MkdirAll again", w.MkdirAll("to/p", nil), nil},
			{"MkdirAll of the root", w.MkdirAll("/", nil), nil},
			{"MkdirAll over a file", w.MkdirAll("f/x", nil), tree.ErrNotDir},
			{"MkdirAll over a dangling link", w.MkdirAll("gone/x", nil), fs.ErrExist},
			{"link over a file", w.Symlink("x", "f", nil), fs.ErrExist},
			{"link over a link", w.Symlink("x", "gone", nil), fs.ErrExist},
			{"remove a full directory", w.Remove("d/e"), nil},
			{"remove a link", w.Remove("gone"), nil},
			{"remove a file", w.Remove("f"), nil},
			{"remove nothing", w.Remove("f"), fs.ErrNotExist},
			{"remove all of nothing", w.RemoveAll("f"), nil},
			{"remove in a file", w.Remove("d/e/f/x"), tree.ErrNotDir},
		} {
			if tt.what == "remove a full directory" {
				if tt.err == nil {
					t.Error("a directory that is not empty was removed")
				}
				continue
			}
			wantErr(t, tt.what, tt.err, tt.want)
		}
		for _, path := range []string{"/", ".", "..", "d/..", "d/e/."} {
			if w.Remove(path) == nil || w.RemoveAll(path) == nil {
				t.Errorf("%q can be removed", path)
			}
		}
		if w.Symlink("", "x", nil) == nil || w.Symlink(strings.Repeat("x", 4096), "x", nil) == nil || w.Symlink("a\x00", "x", nil) == nil {
			t.Error("a bad link target is taken")
		}
		w.want(t, "d/", "d/e/", "d/e/f=x", "d/e/new/ 1777", "d/e/p/ 0700", "d/e/p/q/ 0700", "d/e/p/r/ 0700", "d/e/up->/", "to->d/e")
		wantErr(t, "remove all of a link", w.RemoveAll("to"), nil)
		wantErr(t, "remove all", w.RemoveAll("/d/e/"), nil)
		w.want(t, "d/")
	})
}

func TestAttributes(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.make(t, "d/", "f=x", "l->f", "dl->d")
		root := w.tree != nil || os.Geteuid() == 0
		wantErr(t, "chmod", w.Chmod("l", 0o6755), nil)
		wantErr(t, "chmod of a directory", w.Chmod("dl", 0o1777), nil)
		wantErr(t, "chown to the owner", w.Chown("f", 0, 0), nil)
		w.want(t, "d/ 1777", "dl->d", "f=x 6755", "l->f")
		wantErr(t, "chmod of nothing", w.Chmod("none", 0), fs.ErrNotExist)
		if w.Chmod("f", 0o10644) == nil || w.Chown("f", 1<<31, 0) == nil {
			t.Error("bad attributes are taken")
		}
		if !root {
			other := &rootfs.Attr{UID: 1}
			for what, err := range map[string]error{
				"chown": w.Chown("f", 1, 2), "write": w.WriteFile("new", nil, other), "mkdir": w.Mkdir("new", other),
				"link": w.Symlink("x", "new", other), "replace": w.WriteFile("f", nil, other),
			} {
				wantErr(t, what, err, fs.ErrPermission)
			}
			w.want(t, "d/ 1777", "dl->d", "f=x 6755", "l->f") // and nothing else is left
			return
		}
		owner := &rootfs.Attr{Mode: 0o640, UID: 5, GID: 6}
		for _, err := range []error{
			w.Chown("l", 1, 2), w.Chown("d/", 3, 4), w.Symlink("x", "own", owner), w.Mkdir("own.d", owner),
			w.WriteFile("own.f", nil, owner), w.WriteFile("own.f", []byte("kept"), nil),
		} {
			if err != nil {
				t.Error(err)
			}
		}
		w.want(t, "d/ 1777 3:4", "dl->d", "f=x 0755 1:2", "l->f", "own->x 5:6", "own.d/ 0640 5:6", "own.f=kept 0640 5:6")
	})
}

func TestWalkAndGlob(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.make(t, "b/", "b/x.log=1", "b/.y.log=2", "b/z=3", "a->b", "c/", "c/d/", "c/d/x.log=4", "loop->loop",
			"n\n\xff/", "n\n\xff/x.log=5")
		var got []string
		walk := func(top string, skip string) {
			got = nil
			err := w.Walk(top, func(path string, info rootfs.Info) error {
				if path == skip {
					return fs.SkipDir
				}
				got = append(got, path)
				if path == "/c/d/x.log" {
					return w.RemoveAll("/c/d")
				}
				return nil
			})
			if err != nil {
				t.Errorf("Walk(%q): %v", top, err)
			}
		}
		walk("a", "")
		if !slices.Equal(got, []string{"/a"}) {
			t.Errorf("a link is walked: %q", got)
		}
		walk("a/", "/a/z")
		if !slices.Equal(got, []string{"/a", "/a/.y.log", "/a/x.log"}) {
			t.Errorf("a link with a slash: %q", got)
		}
		walk("b/x.log", "")
		if !slices.Equal(got, []string{"/b/x.log"}) {
			t.Errorf("a file: %q", got)
		}
		for pattern, want := range map[string][]string{
			"*/*.log": {"/a/.y.log", "/a/x.log", "/b/.y.log", "/b/x.log", "/n\n\xff/x.log"},
			"/a/x*":   {"/a/x.log"}, "b/z": {"/b/z"}, "b/z/*": nil, "none/*": nil, "*/none": nil, "loop/*": nil,
			"lo*": {"/loop"}, "c/*/x.[kl]og": {"/c/d/x.log"}, "/": {"/"}, "b/z/x": nil,
		} {
			if got, err := w.Glob(pattern); err != nil || !slices.Equal(got, want) {
				t.Errorf("Glob(%q) = %q, %v, want %q", pattern, got, err, want)
			}
		}
		if _, err := w.Glob("a/[x"); err == nil {
			t.Error("a malformed pattern is taken")
		}
		walk("/", "/b")
		if want := []string{"/", "/a", "/c", "/c/d", "/c/d/x.log", "/loop", "/n\n\xff", "/n\n\xff/x.log"}; !slices.Equal(got, want) {
			t.Errorf("all: %q, want %q", got, want)
		}
		stop := errors.New("stop")
		wantErr(t, "Walk", w.Walk("/", func(string, rootfs.Info) error { return stop }), stop)
		wantErr(t, "Walk", w.Walk("/", func(string, rootfs.Info) error { return fs.SkipAll }), nil)
		walk("/", "/b/.y.log")
		if want := []string{"/", "/a", "/b", "/c"}; !slices.Equal(got[:4], want) {
			t.Errorf("the rest of a directory is skipped: %q, want %q first", got, want)
		}
		wantErr(t, "Walk of nothing", w.Walk("none", nil), fs.ErrNotExist)
	})
}

// The names of one file are told apart: a change is for one of them.
func TestHardLinks(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		for i := range 3 {
			name := fmt.Sprintf("f%d", i)
			w.make(t, name+"=old")
			if w.tree != nil {
				if err := w.tree.Root.Add("other"+name, w.tree.Lookup(name)); err != nil {
					t.Fatal(err)
				}
			} else if err := os.Link(filepath.Join(w.dir, name), filepath.Join(w.dir, "other"+name)); err != nil {
				t.Fatal(err)
			}
		}
		want := []string{"f0=new", "f1=old 0600", "f2=old", "otherf0=old", "otherf1=old", "otherf2=old"}
		errs := []error{w.WriteFile("f0", []byte("new"), nil), w.Chmod("f1", 0o600)}
		if w.tree != nil || os.Geteuid() == 0 {
			errs = append(errs, w.Chown("f2", 7, 8))
			want[2] = "f2=old 7:8"
		}
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		w.want(t, want...)
	})
}

// Special files are removed, and nothing else.
func TestSpecialFiles(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		var names []string
		special := func(name string, mode tree.Mode) {
			if w.tree != nil {
				n := &tree.Node{Mode: mode | 0o600}
				if mode == tree.TypeChar || mode == tree.TypeBlock {
					n.Device = &tree.Device{Major: 1, Minor: 3}
				}
				if err := w.tree.Root.Add(name, n); err != nil {
					t.Fatal(err)
				}
			} else if !makeSpecial(t, filepath.Join(w.dir, name), mode) {
				return
			}
			names = append(names, name)
		}
		special("fifo", tree.TypeFIFO)
		special("socket", tree.TypeSocket)
		special("null", tree.TypeChar)
		special("disk", tree.TypeBlock)
		w.make(t, "to->fifo")
		for _, name := range append(names, "to") {
			_, err := w.ReadFile(name, 10)
			wantErr(t, "read "+name, err, rootfs.ErrSpecial)
			wantErr(t, "write "+name, w.WriteFile(name, nil, nil), rootfs.ErrSpecial)
			wantErr(t, "chmod "+name, w.Chmod(name, 0o666), rootfs.ErrSpecial)
			wantErr(t, "chown "+name, w.Chown(name, 1, 1), rootfs.ErrSpecial)
			_, err = w.ReadDir(name)
			wantErr(t, "list "+name, err, tree.ErrNotDir)
			wantErr(t, "in "+name, w.WriteFile(name+"/x", nil, nil), tree.ErrNotDir)
			if name != "to" {
				wantErr(t, "put "+name, w.PutFile(name, nil, nil), rootfs.ErrSpecial)
			}
		}
		for _, name := range names {
			wantErr(t, "remove "+name, w.Remove(name), nil)
		}
		w.want(t, "to->fifo")
	})
}

// A directory is a root of its own: what lies above it cannot be reached.
func TestSub(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.make(t, "f=above", "root/", "root/f=inside", "root/up->../f", "root/abs->/f", "to->root")
		sub, err := w.Sub("to")
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Close()
		for _, path := range []string{"f", "up", "abs", "../f", "/../../f"} {
			if data, err := sub.ReadFile(path, 10); string(data) != "inside" {
				t.Errorf("ReadFile(%q) = %q, %v", path, data, err)
			}
		}
		if info, err := sub.Stat(".."); err != nil || info.Name != "/" {
			t.Errorf("the root is %+v, %v", info, err)
		}
		if err := sub.WriteFile("up", []byte("new"), nil); err != nil {
			t.Error(err)
		}
		w.want(t, "f=above", "root/", "root/abs->/f", "root/f=new", "root/up->../f", "to->root")
		_, err = w.Sub("f")
		wantErr(t, "a file", err, tree.ErrNotDir)
	})
}

// In a tree as on disk, a file keeps its attributes, an ACL while the mode stays, a capability
// while content and owner do.
func TestTreeAttrs(t *testing.T) {
	const capability = "security.capability"
	for _, tt := range []struct {
		what string
		do   func(w *world) error
		want string
	}{
		{"chmod to the same", func(w *world) error { return w.Chmod("f", 0o644) }, "security.capability system.posix_acl_access user.note acl"},
		{"chmod", func(w *world) error { return w.Chmod("f", 0o600) }, "security.capability user.note"},
		{"chown", func(w *world) error { return w.Chown("f", 1, 1) }, "system.posix_acl_access user.note acl"},
		{"write", func(w *world) error { return w.WriteFile("f", nil, nil) }, "system.posix_acl_access user.note acl"},
		{"new mode", func(w *world) error { return w.WriteFile("f", nil, &rootfs.Attr{Mode: 0o755}) }, "user.note"},
		{"new file", func(w *world) error { return errors.Join(w.Remove("f"), w.WriteFile("f", nil, nil)) }, ""},
	} {
		w := newTree()
		n := &tree.Node{Mode: tree.TypeFile | 0o644, Attrs: &tree.Attrs{
			Xattrs: []tree.Xattr{{Name: capability}, {Name: posixacl.Access}, {Name: "user.note"}}, ACL: []tree.ACE{{}},
		}}
		if err := errors.Join(w.tree.Root.Add("f", n), tt.do(w)); err != nil {
			t.Fatal(err)
		}
		var got []string
		if a := w.tree.Lookup("f").Attrs; a != nil {
			for _, x := range a.Xattrs {
				got = append(got, x.Name)
			}
			if len(a.ACL) > 0 {
				got = append(got, "acl")
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: left are %q, want %q", tt.what, got, tt.want)
		}
		if len(n.Attrs.Xattrs) != 3 || n.Attrs.Xattrs[1].Name != posixacl.Access {
			t.Errorf("%s: the attributes of the node before changed: %v", tt.what, n.Attrs)
		}
	}
}

// What the two kinds of root hold after the same changes is the same tree, times apart.
func TestTreeIsAsDisk(t *testing.T) {
	disk, mem := newDisk(t), newTree()
	for _, w := range []*world{disk, mem} {
		w.make(t, "etc/", "etc/a=1", "etc/b=2", "l->etc/a", "etc/sub/", "etc/sub/c=3")
		for _, err := range []error{
			w.WriteFile("l", []byte("one"), nil), w.Chmod("etc/b", 0o4755), w.RemoveAll("etc/sub"),
			w.MkdirAll("var/log/x", &rootfs.Attr{Mode: 0o750}), w.WriteFile("var/log/y", nil, nil),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	tr, _, err := fromdir.Read(t.Context(), disk.dir, fromdir.Options{Owners: source.OwnersDisk})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []*tree.Tree{tr, mem.tree} {
		if err := x.Seal(); err != nil {
			t.Fatal(err)
		}
	}
	var got, want []string
	for path, n := range mem.tree.All() {
		got = append(got, fmt.Sprintf("%s %v %d %q %d", path, n.Mode, n.Size, n.Target, n.Links))
		if n.ModTime != now && path != "." && path != "etc/b" {
			t.Errorf("%q has the time %v", path, n.ModTime)
		}
	}
	for path, n := range tr.All() {
		want = append(want, fmt.Sprintf("%s %v %d %q %d", path, n.Mode, n.Size, n.Target, n.Links))
	}
	if !slices.Equal(got, want) {
		t.Errorf("tree\n%q\ndisk\n%q", got, want)
	}
	if _, err := mem.ReadFile("etc/a", 10); err != nil { // after Seal, which NewTree undoes
		t.Error(err)
	}
	again := rootfs.NewTree(mem.tree, now)
	if err := again.WriteFile("etc/a", []byte("two"), nil); err != nil {
		t.Error(err)
	}
	if err := mem.tree.Seal(); err != nil {
		t.Error(err)
	}
}

// A view of a tree reads it, sealed as it is, and changes nothing.
func TestView(t *testing.T) {
	tr := tree.New()
	f := &tree.Node{Mode: tree.TypeFile | 0o644, Size: 1, Content: tree.Bytes("x")}
	if err := errors.Join(tr.Root.Add("f", f), tr.Seal()); err != nil {
		t.Fatal(err)
	}
	view := rootfs.View(tr)
	if data, err := view.ReadFile("/f", 10); err != nil || string(data) != "x" {
		t.Errorf("%q, %v", data, err)
	}
	sub, err := view.Sub("/")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		view.Remove("/f"), view.Chmod("/f", 0o600), view.WriteFile("/f", nil, nil), view.WriteFile("/g", nil, nil), view.Mkdir("/d", nil), view.RemoveAll("/f"),
		view.Symlink("f", "/l", nil), view.Chown("/f", 1, 1), sub.Remove("/f"),
	} {
		if err == nil {
			t.Error("a view can be changed")
		}
	}
	if tr.Len() != 2 || tr.Lookup("f") != f || f.Mode.Perm() != 0o644 {
		t.Error("the tree is another one")
	}
}
