package host

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imagetools/tree"
	"imagetools/tree/compare"
	"imagetools/tree/fromdir"
	"imagetools/tree/source"
)

// homeTest is what each home must do, whatever kind it is of. It makes the dataset seed.
type homeTest struct {
	home Home
	id   string // by which a process of its own finds the home
	// seconds says that times are kept in whole seconds only.
	seconds bool
	// names are the datasets there are, temporary ones too, sorted and without the pool.
	names   func(t *testing.T) []string
	moments []moment // beside inContent
	// small is an empty home with room for 60 MiB at most; nil if none can be had.
	small func(t *testing.T) *homeTest
}

// moment is where a run that replaces the dataset "old" by "new" is held up, and which of them
// there is after an interrupt and after a kill.
type moment struct{ at, interrupted, killed string }

// inContent is in the middle of a file.
var inContent = moment{"content", "old", "old"}

// testHome runs the suite.
func testHome(t *testing.T, h *homeTest) {
	t.Run("create", h.testCreate)
	t.Run("names", h.testNames)
	t.Run("replace", h.testReplace)
	t.Run("failure", h.testFailure)
	t.Run("other run", h.testOtherRun)
	for _, m := range append([]moment{inContent}, h.moments...) {
		t.Run("interrupt at "+m.at, func(t *testing.T) { h.testInterrupt(t, m) })
		t.Run("kill at "+m.at, func(t *testing.T) { h.testKill(t, m) })
	}
	if h.small != nil {
		t.Run("no room", func(t *testing.T) { h.small(t).testNoRoom(t) })
	}
}

// seedTree is a tree with one of everything. A mark, and what a file holds, tell it from others.
func seedTree(t *testing.T, mark string, content tree.Content, size int64) *tree.Tree {
	t.Helper()
	tr := tree.New()
	seconds := int64(1_400_000_000)
	add := func(dir *tree.Node, name string, n tree.Node) *tree.Node {
		seconds++
		if n.ModTime == (tree.Time{}) {
			n.ModTime = tree.Time{Sec: seconds, Nsec: uint32(seconds % 7 * 123_456_789)}
		}
		if n.IsDir() {
			d := tree.NewDir(n.Mode.Perm())
			d.UID, d.GID, d.ModTime = n.UID, n.GID, n.ModTime
			n = *d
		}
		added := &n
		if err := dir.Add(name, added); err != nil {
			t.Fatal(err)
		}
		return added
	}
	text := func(s string, mode tree.Mode, uid, gid uint32) tree.Node {
		return tree.Node{Mode: tree.TypeFile | mode, UID: uid, GID: gid, Size: int64(len(s)), Content: tree.Bytes(s)}
	}
	tr.Root.Mode, tr.Root.GID, tr.Root.ModTime = tree.TypeDir|0o751, 3, tree.Time{Sec: 1_234_567_890, Nsec: 999_999_999}
	root := add(tr.Root, "root", tree.Node{Mode: tree.TypeDir | 0o755})
	add(root, "mark", text(mark, 0o644, 0, 0))
	add(root, "large", tree.Node{Mode: tree.TypeFile | 0o600, Size: size, Content: content})
	add(root, "empty", tree.Node{Mode: tree.TypeFile | 0o444})
	old := text("old", 0o640, 65_000, 2_000_000_000)
	old.ModTime = tree.Time{Sec: -123_456_789}
	add(root, "old", old)
	add(root, "su", text("su", 0o6755, 0, 3))
	add(root, "locked", text("locked", 0, 7, 7))
	add(root, "caf\xc3\xa9 \xff\n%", text("odd", 0o644, 0, 0))
	add(root, strings.Repeat("n", 255), text("long", 0o644, 0, 0))
	add(root, "link", tree.Node{Mode: tree.TypeSymlink | 0o777, Target: "../nowhere/" + strings.Repeat("l", 300), UID: 8, GID: 9})
	add(root, "fifo", tree.Node{Mode: tree.TypeFIFO | 0o622, GID: 3})
	add(root, "socket", tree.Node{Mode: tree.TypeSocket | 0o700, UID: 71})
	sub := add(root, "sub", tree.Node{Mode: tree.TypeDir | 0o1777, UID: 71, GID: 8})
	add(sub, "null", tree.Node{Mode: tree.TypeChar | 0o666, Device: &tree.Device{Major: 13, Minor: 2}})
	add(sub, "disk", tree.Node{Mode: tree.TypeBlock | 0o640, GID: 3, Device: &tree.Device{Major: 211, Minor: 1000}})
	linked := add(sub, "first", text("linked", 0o4711, 5, 6))
	closed := add(sub, "closed", tree.Node{Mode: tree.TypeDir | 0o500, UID: 4, GID: 4})
	for dir, name := range map[*tree.Node]string{root: "third", closed: "second"} {
		if err := dir.Add(name, linked); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.Seal(); err != nil {
		t.Fatal(err)
	}
	return tr
}

// noise is n bytes that cannot be compressed.
func noise(n int64) tree.Bytes {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

// marked is a whole tree.
func marked(t *testing.T, mark string) *tree.Tree {
	t.Helper()
	return seedTree(t, mark, noise(300_001), 300_001)
}

// expect checks that the dataset seed, and nothing else, is there and is the tree with a mark;
// with "" there is nothing.
func (h *homeTest) expect(t *testing.T, mark string) {
	t.Helper()
	want := []string{}
	if mark != "" {
		want = append(want, "seed")
	}
	if diff := cmp.Diff(want, append([]string{}, h.names(t)...)); diff != "" {
		t.Fatalf("datasets (-want +got):\n%s", diff)
	}
	if mark == "" {
		return
	}
	tr := marked(t, mark)
	for _, n := range tr.Nodes() {
		if h.seconds {
			n.ModTime.Nsec = 0
		}
	}
	for c, err := range compare.Diff(t.Context(), tr, h.read(t), compare.Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("%v", c)
	}
}

// read reads the dataset seed.
func (h *homeTest) read(t *testing.T) *tree.Tree {
	t.Helper()
	d, err := h.home.Lookup(t.Context(), "seed")
	if err != nil {
		t.Fatal(err)
	}
	folder, err := d.Folder(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	opts := fromdir.Options{Owners: source.OwnersDisk, NoXattrs: true}
	if folder.Metalog != "" {
		log, err := os.Open(folder.Metalog)
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		opts.Metalog = log
	}
	tr, _, err := fromdir.Read(t.Context(), folder.Path, opts)
	if err = errors.Join(err, sealed(tr)); err != nil {
		t.Fatal(err)
	}
	return tr
}

func sealed(t *tree.Tree) error {
	if t == nil {
		return nil
	}
	return t.Seal()
}

// put makes the dataset seed, or another one in its place.
func (h *homeTest) put(t *testing.T, ctx context.Context, tr *tree.Tree) (*Created, []string, error) {
	t.Helper()
	var notes []string
	c, err := h.home.Create(ctx, "seed", tr, CreateOptions{Replace: true, Now: time.Now(), Note: func(text string) { notes = append(notes, text) }})
	return c, notes, err
}

func (h *homeTest) mustPut(t *testing.T, mark string) {
	t.Helper()
	if _, notes, err := h.put(t, t.Context(), marked(t, mark)); err != nil || notes != nil {
		t.Fatalf("make it: %v; noted %q", err, notes)
	}
}

func (h *homeTest) testCreate(t *testing.T) {
	ctx := t.Context()
	for _, name := range []string{"seed", "zones/none", "none", "a/b/c", "./seed", "..", ""} {
		if d, err := h.home.Lookup(ctx, name); d != nil || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Lookup(%q) = %v, %v", name, d, err)
		}
	}
	for _, replace := range []bool{false, true} {
		if err := h.home.Check(ctx, "seed", replace); err != nil {
			t.Fatal(err)
		}
	}
	made, err := h.home.Create(ctx, "seed", marked(t, "one"), CreateOptions{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	pool, short, _ := strings.Cut(made.Name, "/")
	if short != "seed" || made.Replaced || made.Report.Counts.Names() == 0 {
		t.Errorf("made %+v", made)
	}
	h.expect(t, "one")
	for _, name := range []string{"seed", pool + "/seed"} {
		d, err := h.home.Lookup(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		folder, err := d.Folder(ctx)
		if err != nil || folder.Path != made.Path || filepath.Base(folder.Metalog) != filepath.Base(made.Metalog) || !strings.Contains(d.String(), "seed") {
			t.Errorf("Lookup(%q) = %v in %+v, %v; made was %+v", name, d, folder, err, made)
		}
		if err := h.home.Check(ctx, name, false); !errors.Is(err, ErrExists) {
			t.Errorf("Check(%q) = %v", name, err)
		}
		if _, err := h.home.Create(ctx, name, marked(t, "two"), CreateOptions{Now: time.Now()}); !errors.Is(err, ErrExists) {
			t.Errorf("Create(%q) = %v", name, err)
		}
	}
	h.expect(t, "one")
}

func (h *homeTest) testNames(t *testing.T) {
	for _, name := range []string{"", "a/b", "/a", "..", ".", ".a", "a.mtree", "a@b", "a#b", "-\n", "ä", strings.Repeat("a", maxNewName+1)} {
		if err := h.home.Check(t.Context(), name, true); err == nil {
			t.Errorf("Check(%q) has no objection", name)
		}
		if _, err := h.home.Create(t.Context(), name, marked(t, "x"), CreateOptions{Now: time.Now()}); err == nil {
			t.Errorf("a dataset %q was made", name)
		}
	}
	h.expect(t, "one")
}

func (h *homeTest) testReplace(t *testing.T) {
	if err := h.home.Check(t.Context(), "seed", true); err != nil {
		t.Error(err)
	}
	made, notes, err := h.put(t, t.Context(), marked(t, "two"))
	if err != nil || !made.Replaced || notes != nil {
		t.Errorf("made %+v, %v, noted %q", made, err, notes)
	}
	h.expect(t, "two")
}

// lost is a content that cannot be read.
var lost = broken{func() error { return errors.New("lost") }}

func (h *homeTest) testFailure(t *testing.T) {
	failing := seedTree(t, "failing", lost, 1)
	if _, _, err := h.put(t, t.Context(), failing); err == nil || !strings.Contains(err.Error(), "lost") {
		t.Errorf("error %v", err)
	}
	h.expect(t, "two")
	if _, err := h.home.Create(t.Context(), "other", failing, CreateOptions{Now: time.Now()}); err == nil {
		t.Error("no error")
	}
	h.expect(t, "two")
}

// testInterrupt interrupts a run: it is done, or all is as before.
func (h *homeTest) testInterrupt(t *testing.T, m moment) {
	h.mustPut(t, "old")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	held := &hold{dir: t.TempDir()}
	content := tree.Content(noise(300_001))
	if m == inContent {
		content = broken{func() error { cancel(); return ctx.Err() }}
	} else {
		held.arm(t, m)
		var other sync.WaitGroup
		defer other.Wait()
		other.Go(func() {
			held.reached(t)
			cancel()
			held.goOn(t)
		})
	}
	_, _, err := h.put(t, ctx, seedTree(t, "new", content, 300_001))
	if done := m.interrupted == "new"; done != (err == nil) || !done && !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	h.expect(t, m.interrupted)
}

// testKill kills a run. What it left is put right by the next run, also by one that
// fails.
func (h *homeTest) testKill(t *testing.T, m moment) {
	h.mustPut(t, "old")
	held := &hold{dir: t.TempDir()}
	run := h.start(t, held, m)
	held.reached(t)
	if err := run.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	run.Wait()
	held.goOn(t)
	held.ended(t)
	left := h.names(t)
	_, notes, err := h.put(t, t.Context(), seedTree(t, "failing", lost, 1))
	if err == nil || !strings.Contains(err.Error(), "lost") {
		t.Fatalf("the next run: %v", err)
	}
	h.expect(t, m.killed)
	for _, name := range left {
		if name != "seed" && !slices.ContainsFunc(notes, func(note string) bool { return strings.Contains(note, name) }) {
			t.Errorf("left was %q, and noted %q", name, notes)
		}
	}
	if (len(left) == 1) != (len(notes) == 0) {
		t.Errorf("left were %q, and noted %q", left, notes)
	}
}

// A run does not touch what another one works on, and one that comes late has nothing to replace.
func (h *homeTest) testOtherRun(t *testing.T) {
	held := &hold{dir: t.TempDir()}
	run := h.start(t, held, inContent)
	held.reached(t)
	before := h.names(t)
	if _, notes, err := h.put(t, t.Context(), marked(t, "mine")); err != nil || notes != nil {
		t.Errorf("beside another run: %v, noted %q", err, notes)
	}
	if after := h.names(t); len(before) != 2 || !slices.Equal(before, after) {
		t.Errorf("datasets %q, then %q", before, after)
	}
	held.goOn(t)
	if err := run.Wait(); err != nil {
		said, _ := os.ReadFile(held.file("said"))
		t.Errorf("the other run: %v: %s", err, said)
	}
	h.expect(t, "new")
}

func (h *homeTest) testNoRoom(t *testing.T) {
	h.mustPut(t, "old")
	const size = 80 << 20
	_, _, err := h.put(t, t.Context(), seedTree(t, "new", noise(size), size))
	if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		t.Errorf("error %v", err)
	}
	h.expect(t, "old")
}
