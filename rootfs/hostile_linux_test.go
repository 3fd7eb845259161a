package rootfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"imagetools/internal/nobody"
	"imagetools/rootfs"
	"imagetools/tree"
	"imagetools/tree/posixacl"
)

const secret = "a canary"

// cage is a folder with a root, and canaries beside it that must not be noticed from there.
type cage struct {
	*world
	outside string // no name in the root is for anything in it
	linked  string // a file that has names in the root too
	before  []string
}

func newCage(t *testing.T, dir string) *cage {
	t.Helper()
	w := newDiskAt(t, dir)
	c := &cage{world: w, outside: filepath.Join(w.dir, "../outside"), linked: filepath.Join(w.dir, "../linked")}
	long := time.Now().Add(-48 * time.Hour) // so that relatime writes down the next reading
	for _, err := range []error{
		os.MkdirAll(filepath.Join(c.outside, "d"), 0o755),
		os.WriteFile(filepath.Join(c.outside, "f"), []byte(secret), 0o644),
		os.WriteFile(filepath.Join(c.outside, "d/f"), []byte(secret), 0o644),
		os.WriteFile(c.linked, []byte(secret), 0o4755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"d/f", "f", "d", "."} {
		if err := os.Chtimes(filepath.Join(c.outside, name), long, long.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// state describes all canaries without reading one.
func (c *cage) state(t *testing.T) (lines []string) {
	t.Helper()
	for _, name := range []string{".", "f", "d", "d/f"} {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(c.outside, name), &st); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintln(name, st.Mode, st.Uid, st.Gid, st.Nlink, st.Size, st.Atim, st.Mtim, st.Ctim))
	}
	var st unix.Stat_t // names of it in the root may go, which changes its ctime
	if err := unix.Lstat(c.linked, &st); err != nil {
		t.Fatal(err)
	}
	return append(lines, fmt.Sprintln("linked", st.Mode, st.Uid, st.Gid, st.Size, st.Mtim))
}

// check compares the canaries with what they were, and only then reads them.
func (c *cage) check(t *testing.T) {
	t.Helper()
	for i, line := range c.state(t) {
		if line != c.before[i] {
			t.Errorf("outside the root, was\n%snow\n%s", c.before[i], line)
		}
	}
	for _, name := range []string{c.linked, filepath.Join(c.outside, "f"), filepath.Join(c.outside, "d/f")} {
		if data, err := os.ReadFile(name); string(data) != secret {
			t.Errorf("%s holds %q, %v", name, data, err)
		}
	}
	if entries, err := os.ReadDir(c.outside); err != nil || len(entries) != 2 {
		t.Errorf("outside holds %v, %v", entries, err)
	}
}

func (c *cage) path(name string) string { return filepath.Join(c.dir, name) }

// use does everything that there is, at a path, and returns what it read.
func (c *cage) use(dir string) (read []string) {
	f := dir + "/f"
	text := []byte("mine")
	attr := &rootfs.Attr{Mode: 0o700}
	if data, err := c.ReadFile(f, 100); err == nil {
		read = append(read, string(data))
	}
	c.Stat(f)
	c.WriteFile(f, text, nil)
	c.PutFile(f, text, attr)
	c.Chmod(f, 0o711)
	c.Chown(f, 0, 0)
	c.Chown(f, 12, 12)
	c.WriteFile(dir+"/new", text, attr)
	c.Remove(dir + "/new")
	c.Mkdir(dir+"/new", attr)
	c.Remove(dir + "/new")
	c.MkdirAll(dir+"/d/new", attr)
	c.RemoveAll(dir + "/d/new")
	c.Chmod(dir, 0o711)
	c.Chmod(dir, 0o755)
	c.Chown(dir, 12, 12)
	c.Symlink("x", dir+"/new", &rootfs.Attr{UID: 12})
	c.RemoveAll(dir + "/new")
	if list, err := c.ReadDir(dir + "/d"); err == nil {
		read = append(read, fmt.Sprint(list))
	}
	c.Glob(dir + "/*/f")
	c.Walk(dir+"/", func(path string, info rootfs.Info) error {
		if data, err := c.ReadFile(path, 100); err == nil {
			read = append(read, string(data))
		}
		return nil
	})
	return read
}

// Links of all kinds that lead out of the root lead nowhere, or to what the zone sees there.
func TestHostileLinks(t *testing.T) {
	c := newCage(t, t.TempDir())
	up := strings.Repeat("../", 30)
	links := []string{
		c.outside, "../outside", up + c.outside, "chain1", "x/../../outside", "/../../outside", "abs/../../outside",
		"//" + c.outside + "//.", "dangling/..", "loop1",
	}
	c.make(t, "x/", "chain1->/chain2", "chain2->../outside", "loop1->loop2", "loop2->/loop1", "abs->/x", "dangling->nowhere")
	for i, target := range links {
		name := fmt.Sprintf("link%d", i)
		c.make(t, name+"->"+target, name+"f->"+target+"/f")
	}
	for i := range 4 {
		if err := os.Link(c.linked, c.path(fmt.Sprintf("x/hard%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	c.before = c.state(t)
	for i := range links {
		for _, dir := range []string{fmt.Sprintf("link%d", i), fmt.Sprintf("x/../link%d", i)} {
			for _, text := range c.use(dir) {
				if text == secret {
					t.Errorf("through %q the canary is read", links[i])
				}
			}
		}
		name := fmt.Sprintf("link%df", i)
		c.WriteFile(name, []byte("mine"), nil)
		c.Chmod(name, 0o666)
		c.Chown(name, 12, 12)
		c.RemoveAll(name)
	}
	other := uint32(12)
	if os.Geteuid() != 0 {
		other = 0
	}
	for _, err := range []error{
		c.WriteFile("x/hard0", []byte("mine"), nil), c.Chmod("x/hard1", 0o600), c.RemoveAll("x/hard2"), c.Chown("x/hard3", other, other),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	c.check(t)
}

// racer changes names of a root, whose directories it holds open, so that it is not led out
// itself.
type racer struct {
	t     *testing.T
	c     *cage
	stop  atomic.Bool
	group sync.WaitGroup
}

func (r *racer) open(dir string) int {
	fd, err := unix.Open(r.c.path(dir), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// exchange swaps two names, each in its directory, until the race ends.
func (r *racer) exchange(dirA int, a string, dirB int, b string) {
	r.group.Go(func() {
		for !r.stop.Load() {
			err := unix.Renameat2(dirA, a, dirB, b, unix.RENAME_EXCHANGE)
			if err != nil && err != unix.ENOENT { // somebody just replaces one
				r.t.Errorf("exchange %s and %s: %v", a, b, err)
				return
			}
			time.Sleep(time.Microsecond)
		}
	})
}

func (r *racer) end() {
	r.stop.Store(true)
	r.group.Wait()
}

// memory is a folder in memory, where there is one: names change places much faster there.
func memory(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "rootfs")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// The race: while the root is used, directories and files in it change places with links to the
// canaries, FIFOs and hard links, many times a run.
func TestRaced(t *testing.T) {
	runs := 1000
	if testing.Short() {
		runs = 50
	}
	c := newCage(t, memory(t))
	c.make(t, "swap/", "swap/f->"+c.outside+"/f", "swap/d->../../outside/d", "out->"+c.outside, "rel->../../outside", "outside/")
	if err := c.MkdirAll(c.outside, nil); err != nil { // in the root, where the link does lead
		t.Fatal(err)
	}
	c.make(t, "etc/", "etc/d/", "var/", "var/d/", "home/", "home/d/")
	for _, dir := range []string{"etc", "var", "home", "outside", c.outside} {
		c.make(t, dir+"/f=inside")
	}
	if err := errors.Join(os.Link(c.linked, c.path("swap/hard")), unix.Mkfifo(c.path("swap/fifo"), 0o600)); err != nil {
		t.Fatal(err)
	}
	r := &racer{t: t, c: c}
	root, etc, vard, home, swap := r.open("."), r.open("etc"), r.open("var"), r.open("home"), r.open("swap")
	r.exchange(root, "etc", root, "out")
	r.exchange(root, "var", root, "rel")
	r.exchange(etc, "f", swap, "f")
	r.exchange(home, "d", swap, "d")
	r.exchange(home, "f", swap, "hard")
	r.exchange(vard, "f", swap, "fifo")
	defer r.end()

	// The race is one: who just joins paths is led out soon.
	outside, err := os.Stat(filepath.Join(c.outside, "d/f"))
	if err != nil {
		t.Fatal(err)
	}
	caught := false
	for i := 0; i < 1_000_000 && !caught; i++ {
		info, err := os.Stat(c.path("home/d/f"))
		caught = err == nil && os.SameFile(info, outside)
	}
	if !caught {
		t.Fatal("nothing changes places")
	}
	c.before = c.state(t)
	met := map[tree.Mode]int{}
	dirs := []string{"etc", "var", "home", "out", "rel"}
	for i := range runs {
		dir := dirs[i%len(dirs)]
		for _, text := range c.use(dir) {
			if text == secret && dir != "home" { // there the hard link shows up
				t.Errorf("run %d: the canary is read in %q", i, dir)
			}
		}
		if info, err := c.Lstat("etc"); err == nil {
			met[info.Mode.Type()]++
		}
	}
	r.end()
	c.check(t)
	if met[tree.TypeDir] == 0 || met[tree.TypeSymlink] == 0 {
		t.Errorf("etc was %v: nothing was raced", met)
	}
	if err := c.Walk("/", func(path string, _ rootfs.Info) error {
		if strings.Contains(path, ".imagetools-") {
			t.Errorf("a temporary file is left: %q", path)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// What is mounted in the root can be read and not changed.
func TestMounted(t *testing.T) {
	c := newCage(t, t.TempDir())
	c.make(t, "mnt/", "f=under", "d/", "d/mnt/", "d/x=1")
	mount := func(source, at, kind string, flags uintptr) {
		if err := unix.Mount(source, c.path(at), kind, flags, ""); err != nil {
			t.Skipf("mounting needs root: %v", err)
		}
		t.Cleanup(func() {
			if err := unix.Unmount(c.path(at), unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
	}
	mount("tmpfs", "mnt", "tmpfs", 0)
	mount("tmpfs", "d/mnt", "tmpfs", 0)
	if err := os.WriteFile(c.path("mnt/f"), []byte("mounted"), 0o644); err != nil {
		t.Fatal(err)
	}
	mount(c.path("mnt/f"), "f", "", unix.MS_BIND)
	for _, path := range []string{"mnt/f", "f"} {
		if data, err := c.ReadFile(path, 100); string(data) != "mounted" {
			t.Errorf("ReadFile(%q) = %q, %v", path, data, err)
		}
		for what, err := range map[string]error{
			"write": c.WriteFile(path, nil, nil), "put": c.PutFile(path, nil, nil), "chmod": c.Chmod(path, 0),
			"remove": c.Remove(path), "remove all": c.RemoveAll(path), "check": c.CheckChange(path),
		} {
			wantErr(t, what+" "+path, err, rootfs.ErrMounted)
		}
	}
	for what, err := range map[string]error{
		"create": c.WriteFile("mnt/new", nil, nil), "mkdir": c.Mkdir("mnt/new", nil), "chmod": c.Chmod("mnt", 0),
		"check": c.CheckChange("mnt/new"), "link": c.Symlink("x", "mnt/new", nil), "remove": c.Remove("mnt"), "remove all": c.RemoveAll("d"),
	} {
		wantErr(t, what, err, rootfs.ErrMounted)
	}
	wantErr(t, "check beside", c.CheckChange("d/new"), nil)
	var walked []string
	if err := c.Walk("/", func(path string, _ rootfs.Info) error {
		walked = append(walked, path)
		return nil
	}); err != nil {
		t.Error(err)
	}
	if got := strings.Join(walked, " "); got != "/ /d /d/mnt /d/x /f /mnt" {
		t.Errorf("walked are %s", got)
	}
	if data, err := os.ReadFile(c.path("mnt/f")); string(data) != "mounted" {
		t.Errorf("the mounted file holds %q, %v", data, err)
	}
}

// A file that is written keeps its attributes, and its ACL while it keeps its mode.
func TestXattrs(t *testing.T) {
	c := newCage(t, t.TempDir())
	acl := []byte{2, 0, 0, 0, 1, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, 2, 0, 4, 0, 5, 0, 0, 0, 4, 0, 4, 0, 0xff, 0xff, 0xff, 0xff,
		16, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, 32, 0, 4, 0, 0xff, 0xff, 0xff, 0xff} // u::rw u:5:r g::r m::r o::r
	for _, tt := range []struct {
		do   func(path string) error
		note bool
		acl  bool
	}{
		{func(path string) error { return c.WriteFile(path, []byte("new"), nil) }, true, true},
		{func(path string) error { return c.WriteFile(path, []byte("new"), &rootfs.Attr{Mode: 0o600}) }, true, false},
		{func(path string) error { return c.Chmod(path, 0o600) }, true, false},
		{func(path string) error {
			return errors.Join(os.Link(c.path(path), c.path("g")), c.Chmod(path, 0o600), c.Remove("g"))
		}, true, false},
		{func(path string) error { return errors.Join(c.Remove(path), c.WriteFile(path, nil, nil)) }, false, false},
	} {
		c.make(t, "f=old")
		for name, value := range map[string][]byte{"user.note": []byte("x"), posixacl.Access: acl} {
			if err := unix.Setxattr(c.path("f"), name, value, 0); err != nil {
				t.Skipf("no extended attributes here: %v", err)
			}
		}
		if err := tt.do("f"); err != nil {
			t.Error(err)
		}
		buf := make([]byte, 100)
		n, err := unix.Getxattr(c.path("f"), "user.note", buf)
		if tt.note != (err == nil && string(buf[:n]) == "x") {
			t.Errorf("user.note is %q, %v, want it kept: %v", buf[:max(n, 0)], err, tt.note)
		}
		n, err = unix.Getxattr(c.path("f"), posixacl.Access, buf)
		if tt.acl != (err == nil && bytes.Equal(buf[:n], acl)) || !tt.acl && err != unix.ENODATA {
			t.Errorf("the ACL is %x, %v, want it kept: %v", buf[:max(n, 0)], err, tt.acl)
		}
		if err := c.RemoveAll("f"); err != nil {
			t.Error(err)
		}
	}
	// A directory's default ACL does not spread to what is made in it.
	c.make(t, "d/")
	if err := unix.Setxattr(c.path("d"), posixacl.Default, acl, 0); err != nil {
		t.Fatal(err)
	}
	c.make(t, "d/f=x", "d/d/")
	for _, path := range []string{"d/f", "d/d"} {
		for _, name := range []string{posixacl.Access, posixacl.Default} {
			if n, err := unix.Getxattr(c.path(path), name, nil); err != unix.ENODATA && err != unix.ENOTSUP {
				t.Errorf("%s has %s of %d bytes, %v", path, name, n, err)
			}
		}
	}
	c.want(t, "d/", "d/d/", "d/f=x")
}

// Directories nested too deep are an error, and no descriptor stays open.
func TestDeep(t *testing.T) {
	descriptors := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	before := descriptors()
	dir := t.TempDir()
	root, err := rootfs.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	const depth = 1100
	top := root
	for i := range depth {
		if err := top.Mkdir("d", nil); err != nil {
			t.Fatal(err)
		}
		next, err := top.Sub("d")
		if err != nil {
			t.Fatal(i, err)
		}
		if top != root {
			top.Close()
		}
		top = next
	}
	top.Close()
	path := strings.Repeat("d/", depth)
	_, err = root.Stat(path)
	for what, err := range map[string]error{
		"stat": err, "walk": root.Walk("/", func(string, rootfs.Info) error { return nil }), "remove": root.RemoveAll("d"),
	} {
		if err == nil || !strings.Contains(err.Error(), "more than 1000 directories deep") {
			t.Errorf("%s: %.200v", what, err)
		} else if len(err.Error()) > 3*len(path) {
			t.Errorf("%s: a message of %d bytes", what, len(err.Error()))
		}
	}
	if _, err := root.Stat(path[:2*900]); err != nil {
		t.Errorf("900 directories: %.200v", err)
	}
	root.Close()
	if after := descriptors(); after != before {
		t.Errorf("%d descriptors were open, now %d", before, after)
	}
}

// A directory that the caller may not look into is an error that says so.
func TestUnreadable(t *testing.T) {
	w := newDisk(t)
	w.make(t, "d/", "d/f=x")
	if err := w.Chmod("d", 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(w.dir+"/d", 0o755) })
	nobody.Become(t, filepath.Dir(w.dir))
	_, err := w.ReadFile("d/f", 10)
	wantErr(t, "read", err, os.ErrPermission)
	_, err = w.ReadDir("d")
	wantErr(t, "list", err, os.ErrPermission)
	wantErr(t, "walk", w.Walk("/", func(string, rootfs.Info) error { return nil }), os.ErrPermission)
	wantErr(t, "remove", w.RemoveAll("d"), os.ErrPermission)
	if _, err := rootfs.OpenDir(w.dir + "/d"); !errors.Is(err, os.ErrPermission) {
		t.Errorf("OpenDir: %v", err)
	}
}
