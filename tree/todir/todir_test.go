package todir_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"imagetools/fault"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"imagetools/internal/nobody"
	"imagetools/tree"
	"imagetools/tree/fromdir"
	"imagetools/tree/internal/treetest"
	"imagetools/tree/mtree"
	"imagetools/tree/posixacl"
	"imagetools/tree/source"
	"imagetools/tree/todir"
)

// builder makes trees for the tests.
type builder struct {
	testing.TB
	*tree.Tree
}

func (b builder) add(path string, n *tree.Node) *tree.Node {
	b.Helper()
	dir, name := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir, name = path[:i], path[i+1:]
	}
	if err := b.Lookup(dir).Add(name, n); err != nil {
		b.Fatal(err)
	}
	return n
}

func (b builder) seal() *tree.Tree {
	b.Helper()
	if err := b.Seal(); err != nil {
		b.Fatal(err)
	}
	return b.Tree
}

func file(mode tree.Mode, data string) *tree.Node {
	return &tree.Node{Mode: tree.TypeFile | mode, UID: 3, GID: 4, Size: int64(len(data)), Content: tree.Bytes(data)}
}

// holes is a content with a piece of data at 1 MiB and one at the end.
type holes int64

func (h holes) Open() (tree.File, error) { return h, nil }
func (h holes) Close() error             { return nil }
func (h holes) ReadAt(p []byte, off int64) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func (h holes) NextData(off int64) (int64, int64, error) {
	switch {
	case off < 1<<20+4096:
		return max(off, 1<<20), 1<<20 + 4096, nil
	case off < int64(h):
		return max(off, int64(h)&^4095), int64(h), nil
	}
	return 0, 0, io.EOF
}

// hooked is a content that calls a function when it is opened.
type hooked struct {
	tree.Bytes
	hook func() error
}

func (h hooked) Open() (tree.File, error) {
	if err := h.hook(); err != nil {
		return nil, err
	}
	return h.Bytes.Open()
}

// sample is a tree with something of everything that a host's disk can hold, and at other
// owners than that of the test.
func sample(t testing.TB) builder {
	b := builder{t, tree.New()}
	b.Root.Mode, b.Root.UID, b.Root.ModTime = tree.TypeDir|0o1751, 7, tree.Time{Sec: 1e9, Nsec: 1}
	b.add("d", tree.NewDir(0o2777)).GID = 9
	b.add("d/closed", tree.NewDir(0)).ModTime = tree.Time{Sec: -5, Nsec: 123456789}
	b.add("d/closed/in", file(0, "in")).ModTime = tree.Time{Sec: -100, Nsec: 5}
	b.add("readonly", tree.NewDir(0o555))
	b.add("readonly/sub", tree.NewDir(0o555))
	b.add("readonly/sub/f", file(0o444, strings.Repeat("0123456789", 200_000)))
	b.add("setid", file(0o6755, "#!"))
	hard := b.add("d/\xff \n\\#name", file(0o666, "hard"))
	b.add("a", hard)
	b.add("readonly/z", hard)
	b.add(strings.Repeat("n", 255), file(0o640, ""))
	b.add("link", &tree.Node{Mode: tree.TypeSymlink | 0o777, UID: 5, Target: "/etc/passwd", ModTime: tree.Time{Sec: 5, Nsec: 6}})
	b.add("link2", b.Lookup("link"))
	b.add("l", &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: strings.Repeat("t", 4095)})
	b.add("fifo", &tree.Node{Mode: tree.TypeFIFO | 0o622})
	b.add("dev", &tree.Node{Mode: tree.TypeChar | 0o666, Device: &tree.Device{Major: 1, Minor: 3}})
	b.add("d/dev1", &tree.Node{Mode: tree.TypeBlock | 0o4660, Device: &tree.Device{Major: 259, Minor: 1<<20 - 1}})
	b.add("d/dev2", b.Lookup("d/dev1"))
	b.add("holes", &tree.Node{Mode: tree.TypeFile | 0o644, Size: 1<<40 + 77, Content: holes(1<<40 + 77)})
	b.add("hole", &tree.Node{Mode: tree.TypeFile | 0o644, Size: 1 << 40, Content: tree.Bytes(nil)})
	b.add("x", file(0o644, "x")).Attrs = &tree.Attrs{Xattrs: []tree.Xattr{
		{Name: "user.x", Value: []byte("\x00\xff\n")}, {Name: "security.test", Value: []byte("s")}, {Name: "trusted.t", Value: []byte{}},
	}}
	acl, err := posixacl.Parse("u::rwx,u:1234:rwx,g::r-x,m::rwx,o::---", nil)
	if err != nil {
		t.Fatal(err)
	}
	value, err := posixacl.Encode(acl)
	if err != nil {
		t.Fatal(err)
	}
	b.add("acl", tree.NewDir(0o2770)).Attrs = &tree.Attrs{Xattrs: []tree.Xattr{{Name: posixacl.Access, Value: value}, {Name: posixacl.Default, Value: value}}}
	b.add("acl/f", file(0o600, ""))
	path := ""
	for range 300 {
		b.add(path+"deep", tree.NewDir(0o700))
		path += "deep/"
	}
	b.add(path+"bottom", file(0o644, "deep"))
	return b
}

// odd adds what only the METALOG holds on any host.
func odd(t testing.TB) builder {
	b := sample(t)
	b.add("sock", &tree.Node{Mode: tree.TypeSocket | 0o777, UID: 8})
	b.add("d/sock1", &tree.Node{Mode: tree.TypeSocket | 0o4755})
	b.add("d/sock2", b.Lookup("d/sock1"))
	b.add("bigdev", &tree.Node{Mode: tree.TypeChar, Device: &tree.Device{Major: 1<<32 - 1, Minor: 1<<32 - 2}})
	b.add("d/bigdev1", &tree.Node{Mode: tree.TypeChar | 0o4755, UID: 6, Device: &tree.Device{Major: 1<<32 - 1, Minor: 1<<32 - 2}})
	b.add("d/bigdev2", b.Lookup("d/bigdev1"))
	b.Lookup("link").Attrs = &tree.Attrs{Xattrs: []tree.Xattr{{Name: "user.onlink", Value: []byte("1")}}}
	b.Lookup("bigdev").Attrs = &tree.Attrs{Xattrs: []tree.Xattr{{Name: "user.ondevice", Value: []byte("2")}}}
	crowd := &tree.Attrs{Xattrs: []tree.Xattr{{Name: "nonamespace", Value: []byte("3")}}}
	for i := range 70 { // 4.4 MiB, more than a line of a METALOG
		crowd.Xattrs = append(crowd.Xattrs, tree.Xattr{Name: fmt.Sprintf("security.%02d=# ", i), Value: bytes.Repeat([]byte{byte(i)}, 64<<10)})
	}
	b.add("crowd", file(0o644, "")).Attrs = crowd
	return b
}

func extract(t testing.TB, tr *tree.Tree, dir string, opts todir.Options) *todir.Report {
	t.Helper()
	report, err := todir.Extract(t.Context(), tr, dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// readBack reads a directory with its METALOG.
func readBack(t testing.TB, dir, log string) *tree.Tree {
	t.Helper()
	f, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tr, _, err := fromdir.Read(t.Context(), dir, fromdir.Options{Metalog: f, MetalogName: log})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// groups lists the names of every file that has several.
func groups(tr *tree.Tree) map[string]string {
	names := make(map[*tree.Node]string)
	for path, n := range tr.All() {
		if !n.IsDir() && n.Links > 1 {
			names[n] += "," + path
		}
	}
	all := make(map[string]string)
	for n, s := range names {
		all[n.Path()] = s
	}
	return all
}

// emptied checks that a directory holds the given names alone.
func emptied(t testing.TB, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

func TestRoundTrip(t *testing.T) {
	want := treetest.List(t, odd(t).Tree)
	for name, opts := range map[string]todir.Options{
		"safe": {}, "one worker": {Workers: 1}, "many workers": {Workers: 50},
		"same owner": {SameOwner: true, Sync: true}, "devices": {Devices: true}, "all": {SameOwner: true, Devices: true},
	} {
		for _, exists := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s,%v", name, exists), func(t *testing.T) {
				if (opts.SameOwner || opts.Devices) && os.Geteuid() != 0 {
					t.Skip("owners and devices need root")
				}
				top := t.TempDir()
				dir := filepath.Join(top, "x")
				if exists {
					if err := os.Mkdir(dir, 0o700); err != nil {
						t.Fatal(err)
					}
				}
				tr := odd(t).seal()
				for _, n := range slices.Backward(tr.Nodes()) {
					opts.Order = append(opts.Order, n)
				}
				report := extract(t, tr, dir, opts)
				if report.Metalog != dir+".mtree" {
					t.Errorf("METALOG %s", report.Metalog)
				}
				emptied(t, top, "x", "x.mtree")
				back := readBack(t, dir, report.Metalog)
				if diff := cmp.Diff(want, treetest.List(t, back)); diff != "" {
					t.Errorf("(-tree +directory)\n%s", diff)
				}
				if diff := cmp.Diff(groups(tr), groups(back)); diff != "" {
					t.Errorf("hard links (-tree +directory)\n%s", diff)
				}
				var st unix.Stat_t
				if err := unix.Stat(filepath.Join(dir, "holes"), &st); err != nil || st.Size != 1<<40+77 || st.Blocks > 1000 {
					t.Errorf("a file of holes has %d bytes in %d blocks, %v", st.Size, st.Blocks, err)
				}
			})
		}
	}
}

// TestACL finds NFSv4 ACLs in the METALOG.
func TestACL(t *testing.T) {
	b := builder{t, tree.New()}
	want := []tree.ACE{{Flags: tree.ACEOwner, Mask: 0x1f01ff, ID: 1<<32 - 1}, {Type: 1, Flags: 0x8000, Mask: 1, ID: 5}}
	b.add("f", file(0o644, "")).Attrs = &tree.Attrs{ACL: want}
	report := extract(t, b.seal(), filepath.Join(t.TempDir(), "x"), todir.Options{})
	f, err := os.Open(report.Metalog)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := mtree.NewReader(f, report.Metalog)
	for {
		e, err := r.Next()
		if err != nil {
			t.Fatalf("no line for the file: %v", err)
		}
		if e.Path == "f" {
			if diff := cmp.Diff(want, e.ACL); diff != "" || report.ACLs != 1 {
				t.Errorf("%d reported (-want +got)\n%s", report.ACLs, diff)
			}
			return
		}
	}
}

// TestSafe looks at the disk after a stranger's tree was written without options.
func TestSafe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "x")
	report := extract(t, odd(t).seal(), dir, todir.Options{})
	names := 0
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		names++
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		mode := tree.Mode(st.Mode)
		switch mode.Type() {
		case tree.TypeFile, tree.TypeDir, tree.TypeFIFO:
			if mode&(tree.SetUID|tree.SetGID|tree.Sticky|0o022) != 0 || mode&0o400 == 0 {
				t.Errorf("%s: %v on disk", path, mode)
			}
		case tree.TypeSymlink:
		default:
			t.Errorf("%s: %v on disk", path, mode)
		}
		if int(st.Uid) != os.Geteuid() {
			t.Errorf("%s: owner %d", path, st.Uid)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "linux" {
		want := &todir.Report{
			Counts:  source.Counts{Dirs: 306, Files: 11, HardLinks: 6, Symlinks: 2, Devices: 4, FIFOs: 1, Sockets: 2, Bytes: report.Counts.Bytes},
			Metalog: dir + ".mtree", Owners: 14, SetIDs: 1, Special: 6, Xattrs: 77,
		}
		if diff := cmp.Diff(want, report); diff != "" {
			t.Errorf("report (-want +got)\n%s", diff)
		}
		if names != report.Counts.Names()-3 { // sock, dev, bigdev
			t.Errorf("%d names on disk of %d", names, report.Counts.Names())
		}
	}
}

// TestSameOwner looks at the disk alone.
func TestSameOwner(t *testing.T) {
	if os.Geteuid() != 0 || runtime.GOOS != "linux" {
		t.Skip("root on Linux can set everything")
	}
	dir := filepath.Join(t.TempDir(), "x")
	want := treetest.List(t, sample(t).Tree)
	report := extract(t, sample(t).seal(), dir, todir.Options{SameOwner: true, Devices: true, NoMetalog: true})
	got, _, err := fromdir.Read(t.Context(), dir, fromdir.Options{Owners: source.OwnersDisk})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, treetest.List(t, got)); diff != "" {
		t.Errorf("(-tree +directory)\n%s", diff)
	}
	if report.Metalog != "" || report.Owners+report.Xattrs+report.Special+report.SetIDs != 0 {
		t.Errorf("report %+v", report)
	}
	emptied(t, filepath.Dir(dir), "x")
}

func TestPaths(t *testing.T) {
	tr := odd(t).seal()
	top := t.TempDir()
	for i, tt := range []struct{ paths, want []string }{
		{[]string{"/readonly/sub/", "./link2", "d/dev2", "deep/deep"}, []string{".", "d", "d/dev2", "deep", "deep/deep", "link2", "readonly", "readonly/sub", "readonly/sub/f"}},
		{[]string{"a", "readonly/z"}, []string{".", "a", "readonly", "readonly/z"}},
		{[]string{"d/bigdev2", "d/sock1", "d/sock2"}, []string{".", "d", "d/bigdev2", "d/sock1", "d/sock2"}},
	} {
		dir := filepath.Join(top, fmt.Sprint(i))
		report := extract(t, tr, dir, todir.Options{Paths: tt.paths})
		back := readBack(t, dir, report.Metalog)
		if err := back.Seal(); err != nil {
			t.Fatal(err)
		}
		var got []string
		for path, n := range back.All() {
			if !strings.HasPrefix(path, "deep/deep/") {
				got = append(got, path)
			}
			if o := tr.Lookup(path); o.Mode != n.Mode || o.UID != n.UID || o.ModTime != n.ModTime {
				t.Errorf("%s: %+v, want %+v", path, n, o)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q (-want +got)\n%s", tt.paths, diff)
		}
		if len(tt.paths) == 2 && back.Lookup("a") != back.Lookup("readonly/z") {
			t.Error("the names of a file that were chosen are not one file")
		}
	}
	_, err := todir.Extract(t.Context(), tr, filepath.Join(top, "no"), todir.Options{Paths: []string{"d", "nowhere", "link/passwd", "d/../a", "d/none"}})
	want := "\"nowhere\": not in the tree\n\"link/passwd\": not in the tree\n\"d/../a\": not in the tree\n\"d/none\": not in the tree"
	if err == nil || err.Error() != want {
		t.Errorf("missing paths: %v, want %s", err, want)
	}
	emptied(t, top, "0", "0.mtree", "1", "1.mtree", "2", "2.mtree")
}

func TestRefused(t *testing.T) {
	top := t.TempDir()
	t.Chdir(top)
	for _, err := range []error{
		os.MkdirAll("full/x", 0o755), os.Mkdir("empty", 0o755), os.WriteFile("file", nil, 0o644), os.WriteFile("old.mtree", nil, 0o644),
		os.Symlink("gone", "dangling"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	tr := builder{t, tree.New()}.seal()
	for _, tt := range []struct {
		dir  string
		opts todir.Options
		want string
	}{
		{"full", todir.Options{}, `"full": the directory is not empty: it holds "x"`},
		{".", todir.Options{}, `".": the directory is not empty`},
		{"file", todir.Options{}, `"file": exists and is not a directory`},
		{"dangling", todir.Options{}, `"dangling": a symbolic link to nowhere`},
		{"gone/x", todir.Options{NoMetalog: true}, `stat gone: no such file or directory`},
		{"old", todir.Options{}, `METALOG "old.mtree": exists`},
		{"empty", todir.Options{Metalog: "empty/log"}, `METALOG "empty/log": lies in the directory`},
		{"new", todir.Options{Metalog: "new"}, `METALOG "new": lies in the directory`},
		{"new", todir.Options{Metalog: "gone/log"}, `"gone": no such file or directory`},
	} {
		_, err := todir.Extract(t.Context(), tr, tt.dir, tt.opts)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.dir, err, tt.want)
		}
	}
	emptied(t, top, "dangling", "empty", "file", "full", "old.mtree")
	emptied(t, "empty")

	if err := os.Mkdir("in", 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir("in")
	if report := extract(t, tr, ".", todir.Options{}); report.Metalog != filepath.Join(top, "in.mtree") {
		t.Errorf("METALOG of %q: %s", ".", report.Metalog)
	}
}

// TestPlanted lets another process have put links where files will be.
func TestPlanted(t *testing.T) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		exists bool
		hook   func(work, dir string) error
		want   string
	}{
		{"link for a file", false, func(work, _ string) error { return os.Symlink(secret, work+"/z") },
			`create "z": file exists: this file system takes two names`},
		{"link for a directory", false, func(work, _ string) error {
			return errors.Join(os.Rename(work+"/later", work+"/was"), os.Symlink(outside, work+"/later"))
		}, `open directory "later": `},
		{"link for a file of the directory", true, func(_, dir string) error { return os.Symlink(secret, dir+"/z") },
			`"z": appeared while `},
		{"link for the directory", false, func(_, dir string) error { return os.Symlink(outside, dir) },
			`": exists and is not a directory`},
		{"full directory", false, func(_, dir string) error { return os.MkdirAll(dir+"/x", 0o755) },
			`": exists already`},
		{"directory for the METALOG", false, func(_, dir string) error { return os.Mkdir(dir+".mtree", 0o755) },
			`.mtree": is a directory`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			top := t.TempDir()
			dir := filepath.Join(top, "x")
			where := top
			if tt.exists {
				where = dir
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			b := builder{t, tree.New()}
			for i := range 200 { // so many that "later" is not held open any more
				b.add(fmt.Sprintf("dir%03d", i), tree.NewDir(0))
				b.add(fmt.Sprintf("dir%03d/f", i), file(0, "f"))
			}
			n := b.add("dir", file(0o644, ""))
			n.Size = 1
			n.Content = hooked{tree.Bytes("x"), func() error {
				pattern := "/.imagetools-*-x"
				if tt.exists {
					pattern = "/.imagetools-*"
				}
				work, err := filepath.Glob(where + pattern)
				if err != nil || len(work) != 1 {
					return fmt.Errorf("folder %q: %w", work, err)
				}
				if info, err := os.Stat(work[0]); err != nil || info.Mode().Perm() != 0o700 {
					return fmt.Errorf("%v while in work, %w", info.Mode(), err)
				}
				return tt.hook(work[0], dir)
			}}
			b.add("later", tree.NewDir(0o755))
			b.add("later/secret", file(0o644, "overwritten"))
			b.add("z", file(0o644, "overwritten"))
			var order []*tree.Node
			tr := b.seal()
			for _, node := range tr.Nodes() {
				if !node.IsDir() && node != n && node.Path() != "z" && node.Path() != "later/secret" {
					order = append(order, node)
				}
			}
			order = append(order, n, tr.Lookup("z"), tr.Lookup("later/secret"))
			_, err := todir.Extract(t.Context(), tr, dir, todir.Options{Workers: 1, Order: order})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
			if work, _ := filepath.Glob(where + "/.imagetools-*"); len(work) > 0 {
				t.Errorf("left: %s", work)
			}
			emptied(t, outside, "secret")
			if data, err := os.ReadFile(secret); err != nil || string(data) != "secret" {
				t.Errorf("the file outside: %q, %v", data, err)
			}
		})
	}
}

// TestNothingLeft makes extractions fail as a user who has no rights but his own.
func TestNothingLeft(t *testing.T) {
	bad := errors.New("bad disk")
	top := t.TempDir()
	nobody.Become(t, top)
	for _, dir := range []string{"/exists", "/home"} {
		if err := os.Mkdir(top+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, where := range []string{"home/x", "exists"} {
		for name, hook := range map[string]func(cancel func()) error{
			"content": func(func()) error { return bad },
			"cancel":  func(cancel func()) error { cancel(); return nil },
			"log":     func(func()) error { return os.Mkdir(top+"/home/log", 0o755) },
			"full": func(func()) error {
				if where == "exists" {
					return os.WriteFile(top+"/exists/readonly", nil, 0o644)
				}
				return os.MkdirAll(top+"/home/x/y", 0o755)
			},
		} {
			t.Run(where+" "+name, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				b := sample(t)
				b.add("zz", &tree.Node{Mode: tree.TypeFile, Size: 1, Content: hooked{tree.Bytes("x"), func() error { return hook(cancel) }}})
				_, err := todir.Extract(ctx, b.seal(), filepath.Join(top, where), todir.Options{Metalog: top + "/home/log"})
				if err == nil {
					t.Fatal("no error")
				}
				switch {
				case name == "content" && !errors.Is(err, bad), name == "cancel" && !errors.Is(err, context.Canceled):
					t.Error(err)
				}
				t.Log(err)
				for _, planted := range []string{"/home/log", "/home/x/y", "/home/x", "/exists/readonly"} {
					if err := os.Remove(top + planted); err != nil && !errors.Is(err, fs.ErrNotExist) {
						t.Error(err)
					}
				}
				emptied(t, top+"/home")
				emptied(t, top+"/exists")
			})
		}
	}
}

func TestFullDisk(t *testing.T) {
	for _, where := range []string{"x", "."} {
		disk := t.TempDir()
		treetest.SmallDisk(t, disk)
		b := builder{t, tree.New()}
		b.add("d", tree.NewDir(0))
		for i := range 30 {
			b.add(fmt.Sprintf("d/%d", i), file(0o600, strings.Repeat("x", 100_000)))
		}
		_, err := todir.Extract(t.Context(), b.seal(), filepath.Join(disk, where), todir.Options{Metalog: filepath.Join(t.TempDir(), "log")})
		if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), `write "d/`) {
			t.Errorf("a full disk: %v", err)
		}
		emptied(t, disk)
	}
}

func TestOwnerNeedsRoot(t *testing.T) {
	top := t.TempDir()
	nobody.Become(t, top)
	_, err := todir.Extract(t.Context(), sample(t).seal(), filepath.Join(top, "x"), todir.Options{SameOwner: true})
	hint, ok := errors.AsType[*fault.HintError](err)
	if !ok || !errors.Is(err, unix.EPERM) || !strings.Contains(hint.Hint(), "METALOG") {
		t.Errorf("owners without rights: %v", err)
	}
	emptied(t, top)
	report := extract(t, odd(t).seal(), filepath.Join(top, "x"), todir.Options{})
	want := treetest.List(t, odd(t).Tree)
	if diff := cmp.Diff(want, treetest.List(t, readBack(t, top+"/x", report.Metalog))); diff != "" {
		t.Errorf("(-tree +directory)\n%s", diff)
	}
}

func TestProgress(t *testing.T) {
	var last int
	tr := sample(t).seal()
	report := extract(t, tr, filepath.Join(t.TempDir(), "x"), todir.Options{Progress: func(n int) {
		if n < last {
			t.Errorf("%d names after %d", n, last)
		}
		last = n
	}})
	if last != report.Counts.Names() {
		t.Errorf("%d names told of %d", last, report.Counts.Names())
	}
}
