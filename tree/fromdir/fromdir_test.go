package fromdir_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"imagetools/internal/budget"
	"imagetools/internal/nobody"
	"imagetools/tree"
	"imagetools/tree/fromdir"
	"imagetools/tree/internal/treetest"
	"imagetools/tree/source"
)

// disk keeps the owners, which are those of whoever runs the test.
var disk = fromdir.Options{Owners: source.OwnersDisk}

func read(t testing.TB, dir string, opts fromdir.Options) (*tree.Tree, *source.Report) {
	t.Helper()
	tr, report, err := fromdir.Read(t.Context(), dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	return tr, report
}

// mkfifo is there on every system by way of mkfifo(1).
func mkfifo(path string, mode uint32) error {
	return exec.Command("mkfifo", "-m", fmt.Sprintf("%o", mode), path).Run()
}

// makeDir builds a directory from lines: "dir/", "file=content", "link -> target",
// "name == other" for a hard link, "name mode=0755" after any of the first two.
func makeDir(t testing.TB, lines ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, line := range lines {
		line, mode, _ := strings.Cut(line, " mode=")
		var err error
		var path string
		if name, target, ok := strings.Cut(line, " -> "); ok {
			err = os.Symlink(target, filepath.Join(dir, name))
		} else if name, target, ok := strings.Cut(line, " == "); ok {
			err = os.Link(filepath.Join(dir, target), filepath.Join(dir, name))
		} else if name, ok := strings.CutSuffix(line, "/"); ok {
			path = filepath.Join(dir, name)
			err = os.MkdirAll(path, 0o755)
		} else {
			name, content, _ := strings.Cut(line, "=")
			path = filepath.Join(dir, name)
			err = errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644))
		}
		if err == nil && mode != "" {
			var m uint32
			if _, err = fmt.Sscanf(mode, "%o", &m); err == nil {
				err = unix.Chmod(path, m)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// brief lists path, mode and owner, and what tells the types apart.
func brief(t testing.TB, tr *tree.Tree) []string {
	t.Helper()
	if err := tr.Seal(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for path, n := range tr.All() {
		line := fmt.Sprintf("%s %v %d:%d", path, n.Mode, n.UID, n.GID)
		if n.Target != "" {
			line += " -> " + n.Target
		}
		if n.Device != nil {
			line += fmt.Sprintf(" %d,%d", n.Device.Major, n.Device.Minor)
		}
		if n.Links > 1 && !n.IsDir() {
			line += fmt.Sprintf(" links=%d", n.Links)
		}
		lines = append(lines, line)
	}
	return lines
}

func TestRead(t *testing.T) {
	dir := makeDir(t, "a/b/c=hello", "a/b/d == a/b/c", "e == a/b/c", "empty=", "l -> a/b", "dangling -> /nowhere", "x/ mode=1777", "s=x mode=4711")
	if err := mkfifo(filepath.Join(dir, "fifo"), 0o640); err != nil {
		t.Fatal(err)
	}
	sock, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(sock)
	t.Chdir(dir) // socket names are short
	if err := unix.Bind(sock, &unix.SockaddrUnix{Name: "sock"}); err != nil {
		t.Fatal(err)
	}
	old := time.Unix(-100, 123456789)
	if err := os.Chtimes(filepath.Join(dir, "a/b/c"), old, old); err != nil {
		t.Fatal(err)
	}
	tr, report := read(t, dir, disk)
	c := tr.Lookup("a/b/c")
	if c != tr.Lookup("e") || c != tr.Lookup("a/b/d") || c == nil {
		t.Fatal("the three names of a file are not one node")
	}
	if want := (tree.Time{Sec: -100, Nsec: 123456789}); c.ModTime != want {
		t.Errorf("time %v, want %v", c.ModTime, want)
	}
	want := source.Counts{Dirs: 4, Files: 3, HardLinks: 2, Symlinks: 2, FIFOs: 1, Sockets: 1, Bytes: 6}
	if report.Counts != want {
		t.Errorf("counts %+v, want %+v", report.Counts, want)
	}
	got := strings.Join(treetest.List(t, tr), "\n")
	for _, part := range []string{
		"\nl link ", " -> a/b\n", " -> /nowhere\n", "fifo fifo 06", "sock socket ", "x dir 1777", "s file 4711",
		"links=3 size=5 2cf24dba5fb0", "empty file 0644",
	} {
		if !strings.Contains(got, part) {
			t.Errorf("no %q in\n%s", part, got)
		}
	}
	for _, workers := range []int{1, 2, 16} {
		opts := disk
		opts.Workers = workers
		tr, _ := read(t, dir, opts)
		if diff := cmp.Diff(got, strings.Join(treetest.List(t, tr), "\n")); diff != "" {
			t.Errorf("%d workers (-4 +%d)\n%s", workers, workers, diff)
		}
	}
}

func TestDevices(t *testing.T) {
	dir := t.TempDir()
	if err := treetest.Mknod(filepath.Join(dir, "null"), unix.S_IFCHR|0o666, 1, 3); err != nil {
		t.Skipf("device nodes need root: %v", err)
	}
	if err := treetest.Mknod(filepath.Join(dir, "disk"), unix.S_IFBLK|0o660, 259, 70000); err != nil {
		t.Fatal(err)
	}
	tr, _ := read(t, dir, disk)
	if d := tr.Lookup("null").Device; *d != (tree.Device{Major: 1, Minor: 3}) {
		t.Errorf("null: %v", d)
	}
	if d := tr.Lookup("disk").Device; *d != (tree.Device{Major: 259, Minor: 70000}) {
		t.Errorf("disk: %v", d)
	}
}

// TestBigDirectory covers directories that several tasks share.
func TestBigDirectory(t *testing.T) {
	dir := t.TempDir()
	for i := range 2100 {
		name := filepath.Join(dir, fmt.Sprint(i))
		var err error
		if i%10 == 0 {
			err = os.Mkdir(name, 0o755)
		} else {
			err = os.WriteFile(name, nil, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	tr, report := read(t, dir, disk)
	if err := tr.Seal(); err != nil {
		t.Fatal(err)
	}
	if tr.Len() != 2101 || report.Counts.Dirs != 211 || report.Counts.Files != 1890 {
		t.Errorf("%d nodes, %+v", tr.Len(), report.Counts)
	}
}

func TestLongPath(t *testing.T) {
	top := t.TempDir()
	dir, err := os.OpenRoot(top)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.Repeat("d", 200)
	for range 30 {
		if err := dir.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
		sub, err := dir.OpenRoot(name)
		if err != nil {
			t.Fatal(err)
		}
		dir.Close()
		dir = sub
	}
	if err := errors.Join(dir.WriteFile("file", []byte("deep"), 0o644), dir.Symlink("target", "link"), dir.Close()); err != nil {
		t.Fatal(err)
	}
	tr, _ := read(t, top, disk)
	lines := treetest.List(t, tr)
	last := strings.Join(lines[len(lines)-2:], "\n")
	if len(lines) != 33 || !strings.Contains(last, "size=4 ") || !strings.HasSuffix(last, "-> target") {
		t.Errorf("%d lines, the last: %s", len(lines), last)
	}
}

func TestSparse(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	const size = 1 << 40
	_, err1 := f.WriteAt([]byte("x"), 1<<30)
	if err := errors.Join(err1, f.Truncate(size), f.Close()); err != nil {
		t.Skipf("no file of 1 TiB here: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "dense"), make([]byte, 1<<16), 0o644); err != nil {
		t.Fatal(err)
	}
	tr, _ := read(t, dir, disk)
	got := treetest.Extents(t, tr.Lookup("sparse"))
	if len(got) != 1 || got[0][0] > 1<<30 || got[0][1] <= 1<<30 || got[0][1]-got[0][0] > 1<<20 {
		t.Errorf("extents %v: want a small one around 1 GiB (or a file system without holes)", got)
	}
	if got := treetest.Extents(t, tr.Lookup("dense")); len(got) != 1 || got[0] != [2]int64{0, 1 << 16} {
		t.Errorf("dense file: extents %v", got)
	}
	file, err := tr.Lookup("sparse").Content.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	p := make([]byte, 10)
	if n, err := file.ReadAt(p, size-5); n != 5 || err == nil {
		t.Errorf("ReadAt at the end = %d, %v", n, err)
	}
	if n, err := file.ReadAt(p, size+5); n != 0 || err == nil {
		t.Errorf("ReadAt after the end = %d, %v", n, err)
	}
	if n, err := file.ReadAt(p, size-10); n != 10 || err != nil {
		t.Errorf("ReadAt = %d, %v", n, err)
	}
}

func TestXattrs(t *testing.T) {
	dir := makeDir(t, "a=x", "b/", "l -> a")
	long := strings.Repeat("v", 3000)
	for name, value := range map[string]string{"user.note": "hi\x00", "user.empty": "", "user.long": long} {
		if err := treetest.Setxattr(filepath.Join(dir, "a"), name, value); err != nil {
			t.Skipf("no extended attributes here: %v", err)
		}
	}
	for i := range 40 {
		if err := treetest.Setxattr(filepath.Join(dir, "b"), fmt.Sprintf("user.number%d", i), "x"); err != nil {
			t.Fatal(err)
		}
	}
	tr, _ := read(t, dir, disk)
	if err := tr.Seal(); err != nil {
		t.Fatal(err)
	}
	want := []tree.Xattr{{Name: "user.empty", Value: []byte{}}, {Name: "user.long", Value: []byte(long)}, {Name: "user.note", Value: []byte("hi\x00")}}
	if diff := cmp.Diff(want, tr.Lookup("a").Attrs.Xattrs); diff != "" {
		t.Errorf("attributes (-want +got)\n%s", diff)
	}
	if n := len(tr.Lookup("b").Attrs.Xattrs); n != 40 {
		t.Errorf("%d attributes, want 40", n)
	}
	if tr.Lookup("l").Attrs != nil {
		t.Error("a link has its target's attributes")
	}
	opts := disk
	opts.NoXattrs = true
	if tr, _ := read(t, dir, opts); tr.Lookup("a").Attrs != nil {
		t.Error("attributes in spite of NoXattrs")
	}
}

func TestACLWarning(t *testing.T) {
	setfacl := treetest.Tool(t, "setfacl")
	dir := makeDir(t, "d/a=x mode=640", "d/b=x mode=640")
	treetest.Run(t, dir, setfacl, "-m", "u:1234:rw", "d/a")
	treetest.Run(t, dir, setfacl, "-m", "u:1234:r", "d/b")
	_, report := read(t, dir, disk)
	if len(report.Warnings) != 1 || report.Warnings[0].Path != "d/a" || !strings.Contains(report.Warnings[0].Text, "-w-") {
		t.Errorf("warnings %v", report.Warnings)
	}
}

func TestExclude(t *testing.T) {
	dir := makeDir(t, "a.o=", "keep=", "x/b.o=", "x/c=", "cache/y/z=", "h1=x", "h2 == h1")
	opts := disk
	opts.Exclude = []string{"*.o", "cache", "nothing", "h1"}
	opts.Metalog = strings.NewReader("./a.o type=file mode=0600\n./cache/q/dev type=char device=native,1,1\n./cache/y type=dir\n")
	tr, report := read(t, dir, opts)
	var paths []string
	for _, line := range brief(t, tr) {
		paths = append(paths, strings.Fields(line)[0])
	}
	if diff := cmp.Diff([]string{".", "h2", "keep", "x", "x/c"}, paths); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if notes := strings.Join(report.Notes, "\n"); notes != `exclude "nothing" matched nothing` {
		t.Errorf("notes: %s", notes)
	}
}

func TestChanged(t *testing.T) {
	tests := map[string]func(path string) error{
		"grown":     func(p string) error { return os.WriteFile(p, []byte("longer"), 0o644) },
		"replaced":  func(p string) error { return errors.Join(os.Rename(p+"2", p)) },
		"touched":   func(p string) error { return os.Chtimes(p, time.Unix(5, 0), time.Unix(5, 0)) },
		"vanished":  os.Remove,
		"a link":    func(p string) error { return errors.Join(os.Remove(p), os.Symlink("f2", p)) },
		"a FIFO":    func(p string) error { return errors.Join(os.Remove(p), mkfifo(p, 0o600)) },
		"a dir":     func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o700)) },
		"no parent": func(p string) error { return os.Rename(filepath.Dir(p), filepath.Dir(p)+"x") },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			dir := makeDir(t, "d/f=one", "d/f2=two")
			tr, _ := read(t, dir, disk)
			n := tr.Lookup("d/f")
			path := filepath.Join(dir, "d/f")
			if err := change(path); err != nil {
				t.Fatal(err)
			}
			_, err := n.Content.Open()
			if !errors.Is(err, source.ErrChanged) || !strings.Contains(err.Error(), path) {
				t.Errorf("Open: %v", err)
			}
		})
	}
	for name, change := range map[string]func(path string) error{
		"grown": tests["grown"], "touched": tests["touched"],
		"cut": func(p string) error { return os.Truncate(p, 1) },
	} {
		t.Run("open and "+name, func(t *testing.T) {
			dir := makeDir(t, "d/f=one")
			tr, _ := read(t, dir, disk)
			f, err := tr.Lookup("d/f").Content.Open()
			if err != nil {
				t.Fatal(err)
			}
			if err := change(filepath.Join(dir, "d/f")); err != nil {
				t.Fatal(err)
			}
			if name == "cut" {
				if _, err := f.ReadAt(make([]byte, 3), 0); !errors.Is(err, source.ErrChanged) {
					t.Errorf("ReadAt: %v", err)
				}
			}
			if err := f.Close(); !errors.Is(err, source.ErrChanged) {
				t.Errorf("Close: %v", err)
			}
			if err := f.Close(); err != nil {
				t.Errorf("second Close: %v", err)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	dir := makeDir(t, "file=")
	if _, _, err := fromdir.Read(t.Context(), filepath.Join(dir, "none"), disk); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, _, err := fromdir.Read(t.Context(), filepath.Join(dir, "file"), disk); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("a file: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := fromdir.Read(ctx, dir, disk); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, _, err := fromdir.Read(t.Context(), dir, fromdir.Options{Owners: "me"}); err == nil {
		t.Error("owners \"me\": no error")
	}
	if _, _, err := fromdir.Read(t.Context(), "", disk); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no name: %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if tr, _ := read(t, link, disk); tr.Lookup("file") == nil {
		t.Error("a link to the directory is not followed")
	}
}

func TestUnreadable(t *testing.T) {
	dir := makeDir(t, "b/secret=x mode=0", "c/x=", "c/ mode=0", "a=x")
	nobody.Become(t, dir)
	_, _, err := fromdir.Read(t.Context(), dir, fromdir.Options{})
	want := fmt.Sprintf("open %q: permission denied\nopen %q: permission denied", filepath.Join(dir, "b/secret"), filepath.Join(dir, "c"))
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	os.Chmod(filepath.Join(dir, "c"), 0o755)
}

func TestOwners(t *testing.T) {
	chown := func(t *testing.T, dir string, ids map[string][2]int) {
		t.Helper()
		for path, id := range ids {
			name := filepath.Join(dir, path)
			info, err := os.Lstat(name)
			if err == nil {
				err = os.Lchown(name, id[0], id[1])
			}
			if err == nil {
				err = unix.Chmod(name, uint32(info.Mode().Perm())|map[bool]uint32{true: unix.S_ISUID}[info.Mode()&os.ModeSetuid != 0]|
					map[bool]uint32{true: unix.S_ISGID}[info.Mode()&os.ModeSetgid != 0])
			}
			if err != nil {
				t.Skipf("chown needs root: %v", err)
			}
		}
	}
	one := map[string][2]int{".": {1000, 1000}, "f": {1000, 100}, "d": {1000, 1000}}
	two := map[string][2]int{".": {0, 0}, "f": {1000, 100}, "d": {1000, 1000}}
	tests := []struct {
		name   string
		lines  []string
		ids    map[string][2]int
		owners source.Owners
		f      string // owner of f, or part of the error
		note   string
	}{
		{"one user", []string{"f=", "d/"}, one, "", "0:0", "every file belongs to uid 1000: owners become 0:0"},
		{"one user, disk", []string{"f=", "d/"}, one, "disk", "1000:100", ""},
		{"two users", []string{"f=", "d/"}, two, "auto", "1000:100", ""},
		{"two users, root", []string{"f=", "d/"}, two, "root", "0:0", ""},
		{"set-uid", []string{"f= mode=4755", "d/"}, one, "", `"f": set-id file (mode 4755, owner 1000:100) would become root's`, ""},
		{"set-gid, root", []string{"f= mode=2755", "d/"}, two, "root", `"f": set-id file (mode 2755`, ""},
		{"set-uid, disk", []string{"f= mode=4755", "d/"}, one, "disk", "1000:100", ""},
		{"set-gid directory", []string{"f=", "d/ mode=2755"}, one, "", "0:0", "every file belongs to uid 1000: owners become 0:0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := makeDir(t, tt.lines...)
			chown(t, dir, tt.ids)
			tr, report, err := fromdir.Read(t.Context(), dir, fromdir.Options{Owners: tt.owners})
			if err != nil {
				if !strings.Contains(err.Error(), tt.f) {
					t.Errorf("error %v, want %s", err, tt.f)
				}
				return
			}
			f := tr.Lookup("f")
			if got := fmt.Sprintf("%d:%d", f.UID, f.GID); got != tt.f {
				t.Errorf("owner %s, want %s", got, tt.f)
			}
			if got := strings.Join(report.Notes, "\n"); got != tt.note {
				t.Errorf("notes %q, want %q", got, tt.note)
			}
		})
	}
	t.Run("METALOG", func(t *testing.T) {
		dir := makeDir(t, "f= mode=4755", "g= mode=4755", "h= mode=2755", "d/")
		chown(t, dir, map[string][2]int{".": {1000, 1000}, "f": {1000, 100}, "g": {1000, 100}, "h": {1000, 100}, "d": {1000, 1000}})
		_, _, err := fromdir.Read(t.Context(), dir, fromdir.Options{Metalog: strings.NewReader("./f uid=7\n./h uid=7\n")})
		if err == nil || strings.Contains(err.Error(), `"f"`) || !strings.Contains(err.Error(), `"g": set-id`) || !strings.Contains(err.Error(), `"h": set-id`) {
			t.Errorf("error %v, want one about g and h", err)
		}
		tr, _ := read(t, dir, fromdir.Options{Metalog: strings.NewReader("./f uid=7\n./h gid=8\n./g mode=04711\n")})
		want := []string{". dir 0755 0:0", "d dir 0755 0:0", "f file 4755 7:0", "g file 4711 0:0", "h file 2755 0:8"}
		got := brief(t, tr)
		got[0] = strings.Replace(got[0], "0700", "0755", 1)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		tr, _ = read(t, dir, fromdir.Options{Metalog: strings.NewReader("./f uid=7"), Owners: source.OwnersDisk})
		if g := tr.Lookup("g"); g.UID != 1000 {
			t.Errorf("g belongs to %d, want 1000", g.UID)
		}
	})
}

func TestMetalog(t *testing.T) {
	dir := makeDir(t, "etc/passwd=root:x:0:0::/:\nbin:x:2:2::/:\n", "etc/group=sys:x:3:\n", "dev/", "dev/null=",
		"dev/full=data", "bin/su=x mode=755", "bin/sh -> bash", "bin/run=", "un named=x mode=600", "l1=y", "l2 == l1")
	tr, report := read(t, dir, fromdir.Options{Metalog: strings.NewReader(`#mtree v2.0
. type=dir mode=0711 time=1.5
./bin/su type=file uname=bin gname=sys mode=04755
./bin/su gid=9
./bin/sh type=link link=ksh mode=0755
./bin/run type=fifo
./dev/null type=char
./dev/zero mode=0666
./dev/zero type=char device=native,1,5 uid=4
./dev/log type=socket gname=sys
./dev/sda type=block device=0x800 mode=0660
./dev/fd type=link link=/proc/self/fd
./maybe type=file optional
./l2 uid=6 xattr.user.a=YQ==
./dev/null device=native,1,3 mode=0666
`)})
	want := []string{
		". dir 0711 0:0", "bin dir 0755 0:0", "bin/run fifo 0644 0:0", "bin/sh link 0755 0:0 -> ksh", "bin/su file 4755 2:9",
		"dev dir 0755 0:0", "dev/fd link 0777 0:0 -> /proc/self/fd", "dev/full file 0644 0:0", "dev/log socket 0644 0:3",
		"dev/null char 0666 0:0 1,3", "dev/sda block 0660 0:0 8,0", "dev/zero char 0666 4:0 1,5",
		"etc dir 0755 0:0", "etc/group file 0644 0:0", "etc/passwd file 0644 0:0", "l1 file 0644 6:0 links=2", "l2 file 0644 6:0 links=2",
		"un named file 0600 0:0",
	}
	_ = report
	if diff := cmp.Diff(want, brief(t, tr)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := (tree.Time{Sec: 1, Nsec: 5}); tr.Root.ModTime != got {
		t.Errorf("time of the root %v", tr.Root.ModTime)
	}
	if f, err := tr.Lookup("l1").Content.Open(); err != nil {
		t.Errorf("a file with a time of its own: %v", err)
	} else {
		f.Close()
	}
	if a := tr.Lookup("l1").Attrs; a == nil || len(a.Xattrs) == 0 {
		t.Error("the attribute is missing")
	}
}

func TestMetalogFaults(t *testing.T) {
	dir := makeDir(t, "file=x", "empty=", "d/")
	const text = `./none type=file
./gone type=dir
./what mode=0644
./file uname=alice
./file type=char device=native,1,1
./empty type=dir
./d type=file
./new/dev type=char device=native,1,1
./file/dev type=char device=native,1,1
./dev type=char
./link type=link
./bad colour=red
./file gname=users
`
	want := []string{
		`M:1: "none": file: not on disk`,
		`M:2: "gone": dir: not on disk`,
		`M:3: "what": not on disk, and its line has no type`,
		`M:4: "file": unknown user "alice"`,
		`M:5: "file": is a file of 1 bytes on disk: only an empty one can stand for a char`,
		`M:6: "empty": is a file on disk, not a dir`,
		`M:7: "d": is a dir on disk, not a file`,
		`M:8: "new/dev": char: its directory is not on disk`,
		`M:9: "file/dev": char: its directory is not on disk`,
		`M:10: "dev": a device without device=FORMAT,MAJOR,MINOR`,
		`M:11: "link": a link without link=TARGET`,
		`M:12: unknown keyword "colour"`,
		`M:13: "file": unknown group "users"`,
	}
	_, _, err := fromdir.Read(t.Context(), dir, fromdir.Options{Metalog: strings.NewReader(text), MetalogName: "M"})
	if err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func BenchmarkRead(b *testing.B) {
	dir := b.TempDir()
	for i := range 16000 {
		sub := filepath.Join(dir, fmt.Sprint(i/40))
		if i%40 == 0 {
			if err := os.Mkdir(sub, 0o755); err != nil {
				b.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprint(i)), nil, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, _, err := fromdir.Read(context.Background(), dir, disk); err != nil {
			b.Fatal(err)
		}
	}
}

// A sink that has kept the contents asks whether the file changed.
func TestVerify(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(path string) error
		want   error
	}{
		{"nothing", func(string) error { return nil }, nil},
		{"longer", func(p string) error { return os.WriteFile(p, []byte("longer"), 0o644) }, tree.ErrChanged},
		{"touched", func(p string) error { return os.Chtimes(p, time.Time{}, time.Unix(1, 0)) }, tree.ErrChanged},
		{"gone", os.Remove, tree.ErrChanged},
		{"a link", func(p string) error { return errors.Join(os.Remove(p), os.Symlink("/etc/passwd", p)) }, tree.ErrChanged},
		{"replaced", func(p string) error {
			return errors.Join(os.WriteFile(p+"2", []byte("x"), 0o644), os.Rename(p+"2", p))
		}, tree.ErrChanged},
	} {
		dir := makeDir(t, "f=x")
		tr, _, err := fromdir.Read(t.Context(), dir, fromdir.Options{})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "f")
		if err := test.change(path); err != nil {
			t.Fatal(err)
		}
		err = tr.Lookup("f").Content.(tree.Verifier).Verify()
		if !errors.Is(err, test.want) || err != nil && !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}

// Attributes that a METALOG gives are held once for all files below a /set, counted for each, and
// cost what the lines do, however often a file is named.
func TestMetalogOfManyXattrs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var words, lines strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&words, " xattr.user.%d=YQ==", i)
		fmt.Fprintf(&lines, "./g xattr.user.%d=YQ==\n", i)
	}
	for i := range 50 {
		name := fmt.Sprint("f", i)
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "g"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var set strings.Builder
	set.WriteString(lines.String() + "/set" + words.String() + "\n")
	for i := range 50 {
		fmt.Fprintf(&set, "./f%d type=file\n", i)
	}
	tr, _ := read(t, dir, fromdir.Options{Metalog: strings.NewReader(set.String())})
	f0, f49, g := tr.Lookup("f0").Attrs, tr.Lookup("f49").Attrs, tr.Lookup("g").Attrs
	if len(f0.Xattrs) != 2000 || len(g.Xattrs) != 2000 || &f0.Xattrs[0] != &f49.Xattrs[0] {
		t.Errorf("%d and %d attributes", len(f0.Xattrs), len(g.Xattrs))
	}
	_, _, err := fromdir.Read(t.Context(), dir, fromdir.Options{Metalog: strings.NewReader(set.String()), Budget: budget.New(budget.Fixed(4 << 20))})
	if !errors.Is(err, budget.ErrExceeded) {
		t.Errorf("error %v, want %v", err, budget.ErrExceeded)
	}
	_, _, err = fromdir.Read(t.Context(), dir, fromdir.Options{Budget: budget.New(budget.Fixed(4 << 10))})
	if !errors.Is(err, budget.ErrExceeded) {
		t.Errorf("without a METALOG: error %v, want %v", err, budget.ErrExceeded)
	}
}

// A METALOG of more than the directory counts from the path that stands for it.
func TestMetalogPrefix(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "bin"), 0o755), os.WriteFile(filepath.Join(dir, "bin/su"), []byte("x"), 0o755)); err != nil {
		t.Fatal(err)
	}
	const metalog = ". type=dir mode=0700\n./root type=dir mode=0750 uid=1 gid=2\n./root/bin/su type=file mode=4755 uid=0 gid=3\n" +
		"./root/null type=char mode=0666 device=native,13,2\n./rootless/x type=file\n./etc/shadow type=file mode=0600\n"
	tr, _, err := fromdir.Read(t.Context(), dir, fromdir.Options{Metalog: strings.NewReader(metalog), MetalogPrefix: "root"})
	if err != nil {
		t.Fatal(err)
	}
	su, null := tr.Lookup("bin/su"), tr.Lookup("null")
	if su.Mode.Perm() != 0o4755 || su.GID != 3 || null == nil || null.Device == nil || tr.Root.Mode.Perm() != 0o750 || tr.Root.UID != 1 || tr.Lookup("etc") != nil {
		t.Errorf("su %v, null %v, top %v", su, null, tr.Root)
	}
	_, _, err = fromdir.Read(t.Context(), dir, fromdir.Options{Metalog: strings.NewReader(metalog + "./root/lost type=file\n"), MetalogPrefix: "root"})
	if err == nil || !strings.Contains(err.Error(), `"lost": file: not on disk`) {
		t.Errorf("error %v", err)
	}
}
