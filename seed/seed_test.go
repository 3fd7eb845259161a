package seed

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imagetools/tree"
	"imagetools/tree/source"
)

// then is the time of what tests change, before that of what they begin with.
var (
	before = tree.Time{Sec: 1000}
	then   = tree.Time{Sec: 2000, Nsec: 5}
)

// testBuilder is a builder for a root file system with some files. A content "-> X" is a link to
// X, one that ends in "/" a directory.
func testBuilder(t *testing.T, files map[string]string) *builder {
	t.Helper()
	b := &builder{tree: tree.New(), time: then, build: &parts{setIDs: map[*tree.Node]diskOwner{}}, listed: map[*tree.Node]bool{}}
	b.root = tree.NewDir(0o755)
	if err := b.tree.Root.Add("root", b.root); err != nil {
		t.Fatal(err)
	}
	fill(t, b.root, files)
	return b
}

// fill puts files into a directory; everything in it is older than the builder's time.
func fill(t *testing.T, root *tree.Node, files map[string]string) {
	t.Helper()
	for _, path := range slices.Sorted(maps.Keys(files)) {
		dir := root
		parts := strings.Split(path, "/")
		for _, name := range parts[:len(parts)-1] {
			next := dir.Lookup(name)
			if next == nil {
				next = tree.NewDir(0o755)
				if err := dir.Add(name, next); err != nil {
					t.Fatal(err)
				}
			}
			dir = next
		}
		name, content := parts[len(parts)-1], files[path]
		if name == "" {
			continue
		}
		n := &tree.Node{Mode: tree.TypeFile | 0o644, Size: int64(len(content)), Content: tree.Bytes(content)}
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			n = &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: target}
		}
		if err := dir.Add(name, n); err != nil {
			t.Fatal(err)
		}
	}
	root.ModTime = before
	for _, n := range walk(root, "") {
		n.ModTime = before
	}
}

// do runs a step that must succeed.
func do(t *testing.T, step func(*Step) error) Step {
	t.Helper()
	s := Step{}
	if err := step(&s); err != nil {
		t.Fatal(err)
	}
	if s.Did == "" {
		t.Error("the step does not say what it did")
	}
	return s
}

// content is that of a file, or the target of a link after "-> ".
func content(t *testing.T, b *builder, path string) string {
	t.Helper()
	n := b.find(path)
	if n == nil {
		return "(none)"
	}
	if n.Mode.Type() == tree.TypeSymlink {
		return "-> " + n.Target
	}
	text, err := readAll(n)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// changed lists what has the builder's time, sorted.
func changed(b *builder) []string {
	var list []string
	for path, n := range walk(b.root, "") {
		if n.ModTime == b.time {
			list = append(list, path)
		}
	}
	slices.Sort(list)
	return list
}

func warnings(b *builder) []string {
	var list []string
	for _, w := range b.warnings.Warnings {
		list = append(list, w.String())
	}
	return list
}

func TestRemove(t *testing.T) {
	b := testBuilder(t, map[string]string{
		"etc/rc2.d/S20x": "x", "etc/rc2.d/S99y": "-> ../init.d/y", "etc/rc2.d/README": "x", "etc/rc2.d/K01z": "z", "etc/rc2.d/Sub/": "",
		"etc/issue": "hello", "etc/cron.d/crontabs/root": "x", "etc/cron.d/crontabs/adm": "x", "etc/rc3.d/S50x": "x",
	})
	s := do(t, b.removeScripts)
	if diff := cmp.Diff([]string{"etc/rc2.d/S20x", "etc/rc2.d/S99y"}, s.Paths); diff != "" {
		t.Error(diff)
	}
	do(t, b.removeIssue)
	do(t, b.removeCrontab)
	if diff := cmp.Diff([]string{"etc", "etc/cron.d/crontabs", "etc/rc2.d"}, changed(b)); diff != "" {
		t.Errorf("directories changed (-want +got):\n%s", diff)
	}
	for path, there := range map[string]bool{"etc/rc2.d/README": true, "etc/rc2.d/K01z": true, "etc/rc2.d/Sub": true, "etc/rc3.d/S50x": true,
		"etc/issue": false, "etc/cron.d/crontabs/root": false, "etc/cron.d/crontabs/adm": true} {
		if (b.find(path) != nil) != there {
			t.Errorf("%s is there: %v", path, !there)
		}
	}
	// a second time nothing happens
	if s := do(t, b.removeIssue); s.Paths != nil || s.Did != "not there" {
		t.Errorf("%+v", s)
	}
}

// What only a link leads to is left alone.
func TestRemoveBehindLinks(t *testing.T) {
	b := testBuilder(t, map[string]string{"etc/rc2.d": "-> init.d", "etc/init.d/S20x": "x", "etc/cron.d": "-> ../var/cron", "var/cron/crontabs/root": "x"})
	do(t, b.removeScripts)
	do(t, b.removeCrontab)
	if got := changed(b); got != nil {
		t.Errorf("changed: %v", got)
	}
}

func TestProfile(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"\tif /bin/i386\n", "\tif [ \"`uname -p`\" = i386 ]\n"},
		{"/bin/i386 && x; /bin/i386 || y\n", "[ \"`uname -p`\" = i386 ] && x; [ \"`uname -p`\" = i386 ] || y\n"},
		{"/usr/bin/i386\n/bin/i3866\n", "/usr/bin/i386\n/bin/i3866\n"},
		{"if `/bin/i386`", "if `[ \"`uname -p`\" = i386 ]`\n"},
		{"nothing", "nothing"},
		{"", ""},
	} {
		b := testBuilder(t, map[string]string{"etc/profile": test.in})
		do(t, b.editProfile)
		if got := content(t, b, "etc/profile"); got != test.want {
			t.Errorf("%q becomes %q, want %q", test.in, got, test.want)
		}
		if edited := len(changed(b)) > 0; edited != (test.in != test.want) {
			t.Errorf("%q: has a new time: %v", test.in, edited)
		}
	}
	if s := do(t, testBuilder(t, nil).editProfile); s.Did != "not there" {
		t.Errorf("without a profile: %+v", s)
	}
}

func TestDirectories(t *testing.T) {
	b := testBuilder(t, map[string]string{"var/ssh/": "", "etc/": ""})
	s := do(t, b.makeDirectories)
	if diff := cmp.Diff([]string{"home", "root", "tmp"}, s.Paths); diff != "" {
		t.Error(diff)
	}
	if got := b.find("tmp").Mode; got != tree.TypeDir|0o1777 {
		t.Errorf("tmp has mode %v", got)
	}
	if got := content(t, b, "bin"); got != "-> ./usr/bin" {
		t.Errorf("bin %s", got)
	}
	if diff := cmp.Diff([]string{"bin", "home", "root", "tmp"}, changed(b)); diff != "" {
		t.Error(diff)
	}
}

// Nothing that is made goes where a link of the build points.
func TestNoWayThroughLinks(t *testing.T) {
	for _, test := range []struct {
		files map[string]string
		step  func(*builder) func(*Step) error
		want  string
	}{
		{map[string]string{"etc/svc": "-> /tmp/out"}, func(b *builder) func(*Step) error { return b.addRepository }, `"svc": a link of the build, not a directory`},
		{map[string]string{"etc/rc2.d": "-> ../../out"}, func(b *builder) func(*Step) error { return b.addZoneinit }, `"rc2.d": a link`},
		{map[string]string{"var": "-> /var"}, func(b *builder) func(*Step) error { return b.makeDirectories }, `"var": a link`},
		{map[string]string{"etc/svc/repository.db/x": ""}, func(b *builder) func(*Step) error { return b.addRepository }, `"etc/svc/repository.db": a directory`},
		{map[string]string{"etc/shadow": "-> oshadow"}, func(b *builder) func(*Step) error { return b.lockRoot }, `"etc/shadow": a link, so that root's password cannot be locked`},
	} {
		b := testBuilder(t, test.files)
		if err := test.step(b)(&Step{}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: %v", test.files, err)
		}
	}
	b := testBuilder(t, map[string]string{"etc/svc/repository.db": "-> /etc/passwd", "etc/passwd": "-> /etc/passwd"})
	b.opts.Repository = []byte("db")
	do(t, b.addRepository)
	if n := b.find("etc/svc/repository.db"); n.Mode != tree.TypeFile|0o444 || n.Size != 2 {
		t.Errorf("repository: %v, %d bytes", n.Mode, n.Size)
	}
	do(t, b.removeAccounts)
	if got := content(t, b, "etc/passwd"); got != "-> /etc/passwd" || !strings.Contains(warnings(b)[0], "a link, which is left as it is") {
		t.Errorf("%s, warnings %q", got, warnings(b))
	}
}

// A whole build, with what is in it by chance and on purpose.
func TestBuild(t *testing.T) {
	dir := t.TempDir()
	for path, text := range map[string]string{
		"proto/etc/passwd":                 "root:x:0:0::/root:/bin/sh\nlp:x:71:8::/:\nadm:x:4:4::/:\n",
		"proto/etc/group":                  "root::0:\nlp::8:\nadm::4:\nsys::3:\n",
		"proto/etc/shadow":                 "root:$5$hash:1::::::\nlp:NP:1::::::\n",
		"proto/etc/motd":                   "proto\n",
		"proto/var/lp/queue":               "x",
		"proto/var/adm/su":                 "x",
		"proto/usr/bin/x":                  "not of interest",
		"proto/a*b[c]":                     "nor this",
		"overlay/generic/etc/motd":         "overlay\n",
		"overlay/generic/etc/sub/new":      "new\n",
		"overlay/generic/usr/lib/whatever": "nor this",
		"manifest.gen": "f etc/motd 0600 adm sys\nd var/lp 0750 lp lp\nf var/lp/queue 04755 lp lp\nd etc/motd 0700 root sys\n" +
			"f var/adm/none 0644 nobody nobody\ns etc/x=motd\nh etc/y=etc/motd\nf var/adm/su 2711 0 12\n",
	} {
		write(t, filepath.Join(dir, path), text)
	}
	places, err := Locate(dir, LocateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Build(t.Context(), Options{Places: *places, Repository: []byte("db"), Time: &then})
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for path, n := range s.Tree.All() {
		got[path] = n.Mode.String() + " " + owner(n)
	}
	want := map[string]string{
		".": "dir 0755 0:0", "root": "dir 0755 0:0", "root/bin": "link 0777 0:0", "root/home": "dir 0755 0:0", "root/root": "dir 0755 0:0", "root/tmp": "dir 1777 0:0",
		"root/etc": "dir 0755 0:0", "root/etc/motd": "file 0600 4:3", "root/etc/passwd": "file 0644 0:0", "root/etc/group": "file 0644 0:0",
		"root/etc/shadow": "file 0644 0:0", "root/etc/sub": "dir 0755 0:0", "root/etc/sub/new": "file 0644 0:0",
		"root/etc/rc2.d": "dir 0755 0:0", "root/etc/rc2.d/S99final": "file 0755 0:0", "root/etc/svc": "dir 0755 0:0", "root/etc/svc/repository.db": "file 0444 0:0",
		"root/var": "dir 0755 0:0", "root/var/ssh": "dir 0755 0:0", "root/var/adm": "dir 0755 0:0", "root/var/adm/su": "file 2711 0:12",
		"root/var/lp": "dir 0750 71:8", "root/var/lp/queue": "file 4755 71:8",
		"root/var/zoneinit": "dir 0755 0:0", "root/var/zoneinit/zoneinit.json": "file 0644 0:0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := s.Tree.Lookup("root/var/lp"); n.ModTime == then {
		t.Error("a directory in which nothing changed has a new time")
	}
	if n := s.Tree.Lookup("root/etc"); n.ModTime != then {
		t.Error("a directory that got names has its old time")
	}
	for _, step := range s.Steps {
		if step.Name == "" || step.Did == "" || !strings.HasPrefix(step.String(), step.Name) {
			t.Errorf("step %+v", step)
		}
	}
}

// Without a time, it is that of the newest file; directories do not count.
func TestNewest(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"proto/etc/a", "proto/var/b", "overlay/generic/etc/c", "manifest.gen", "proto/usr/d"} {
		write(t, filepath.Join(dir, path), "")
		chtimes(t, filepath.Join(dir, path), 1000)
	}
	for i, path := range []string{"proto/etc/a", "proto/var/b", "overlay/generic/etc/c", "manifest.gen"} {
		newest := int64(2000 + i)
		chtimes(t, filepath.Join(dir, path), newest)
		chtimes(t, filepath.Join(dir, "proto/usr/d"), 5000) // of no interest
		s, err := Build(t.Context(), Options{Places: locate(t, dir)})
		if err != nil {
			t.Fatal(err)
		}
		if want := (tree.Time{Sec: newest}); s.Time != want || s.Tree.Root.ModTime != want {
			t.Errorf("%s is the newest: time %v, want %v", path, s.Time, want)
		}
	}
	s, err := Build(t.Context(), Options{Places: locate(t, dir), RepositoryTime: tree.Time{Sec: 9000}})
	if err != nil || s.Time.Sec != 9000 {
		t.Errorf("newer SMF manifests: %v, %v", s, err)
	}
}

// A set-id file that nobody spoke of does not become root's. This one is another user's.
func TestUnlistedSetID(t *testing.T) {
	b := testBuilder(t, map[string]string{"etc/a": "x", "etc/b": "x", "etc/c": "x"})
	b.names = source.NewNames(b.tree)
	for _, name := range []string{"etc/a", "etc/b", "etc/c"} {
		n := b.find(name)
		n.Mode |= tree.SetUID
		b.build.setIDs[n] = diskOwner{1000, 1000}
	}
	b.build.setIDs[b.find("etc/c")] = diskOwner{0, 1000}
	b.build.manifests = []*Manifest{{Name: "m", Entries: []Entry{{Line: 1, Type: tree.TypeFile, Path: "etc/b", Mode: 0o4555, User: "root", Group: "root"}}}}
	err := b.setOwners(&Step{})
	if err == nil || !strings.Contains(err.Error(), `"etc/a": set-id file (mode 4644) of 1000:1000`) || strings.Contains(err.Error(), "etc/b") || strings.Contains(err.Error(), "etc/c") {
		t.Errorf("error %v", err)
	}
}

func TestUnknownOwners(t *testing.T) {
	b := testBuilder(t, map[string]string{"etc/passwd": "root:x:0:0::/:\n", "etc/group": "sys::3:\n", "etc/a": "", "etc/b": "", "etc/c": ""})
	b.names = source.NewNames(b.tree)
	m, err := ParseManifest("manifest.gen", strings.NewReader("f etc/a 0644 nobody sys\n\nf etc/b 0644 root nogroup\nf etc/none 0644 who what\nf etc/c 0644 root sys\n"))
	if err != nil {
		t.Fatal(err)
	}
	b.build.manifests = []*Manifest{m}
	err = b.setOwners(&Step{})
	want := "manifest.gen:1: \"etc/a\": unknown user \"nobody\"\nmanifest.gen:3: \"etc/b\": unknown group \"nogroup\""
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func owner(n *tree.Node) string {
	return fmt.Sprintf("%d:%d", n.UID, n.GID)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func chtimes(t *testing.T, path string, sec int64) {
	t.Helper()
	if err := os.Chtimes(path, time.Unix(sec, 0), time.Unix(sec, 0)); err != nil {
		t.Fatal(err)
	}
}

func locate(t *testing.T, dir string) Places {
	t.Helper()
	p, err := Locate(dir, LocateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return *p
}
