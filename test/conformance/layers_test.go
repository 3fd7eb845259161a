//go:build linux

package conformance

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"imagetools/internal/ocitest"
	"imagetools/test/attack"
	"imagetools/test/oci"
	"imagetools/test/oracle"
	"imagetools/tree"
	"imagetools/tree/fromdir"
	"imagetools/tree/fromoci"
	"imagetools/tree/source"
)

// layerPrograms are those whose reading of layers is compared.
type layerPrograms struct {
	tools   *oci.Tools
	storage *oci.Storage
	dir     string // of what they make, in memory where that is possible
	runs    int
}

func newLayerPrograms(t *testing.T) *layerPrograms {
	t.Helper()
	tools := oci.Require(t)
	if os.Geteuid() != 0 {
		oracle.Unavailable(t, fmt.Errorf("only root can unpack images with owners"))
	}
	parent := "/dev/shm"
	if info, err := os.Stat(parent); err != nil || !info.IsDir() {
		parent = t.TempDir()
	}
	dir, err := os.MkdirTemp(parent, "imagetools-layers-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return &layerPrograms{tools: tools, dir: dir}
}

// readings are what the programs make of a stack. What one refuses is nil there.
type readings struct{ ours, umoci, buildah *reading }

// reading is a tree as lines, or why there is none.
type reading struct {
	lines []string
	err   error
}

func (r *reading) same(other *reading) bool {
	return r.err == nil && other.err == nil && slices.Equal(r.lines, other.lines)
}

func (r *reading) String() string {
	if r.err != nil {
		return "refused: " + r.err.Error()
	}
	return strings.Join(r.lines, "\n")
}

// layout writes a stack as the image x of a layout.
func (p *layerPrograms) layout(t *testing.T, stack ocitest.Stack) string {
	t.Helper()
	dir, err := os.MkdirTemp(p.dir, "layout-*")
	if err != nil {
		t.Fatal(err)
	}
	parts := ocitest.Image{Layers: stack.Tars(t)}.Parts(t)
	for name, data := range ocitest.LayoutFiles(t, parts.All(), ocitest.Named(parts.Manifest.Descriptor, "x")) {
		ocitest.Write(t, filepath.Join(dir, name), data)
	}
	return dir
}

func (p *layerPrograms) readOurs(t *testing.T, stack ocitest.Stack) *reading {
	t.Helper()
	layout := p.layout(t, stack)
	defer os.RemoveAll(layout)
	return readOurs(t, layout)
}

// read has a stack read by all three.
func (p *layerPrograms) read(t *testing.T, stack ocitest.Stack) *readings {
	t.Helper()
	const fresh = 50 // images after which the storage is emptied
	n := p.runs
	p.runs++
	in := func(name string) string { return filepath.Join(p.dir, fmt.Sprint(name, "-", n)) }
	if n%fresh == 0 {
		storage := in("storage")
		if p.storage != nil {
			if err := p.storage.Remove(); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if p.storage, err = p.tools.NewStorage(storage); err != nil {
			t.Fatal(err)
		}
	}
	layout := p.layout(t, stack)
	defer os.RemoveAll(layout)
	defer os.RemoveAll(in("bundle"))
	out := &readings{ours: readOurs(t, layout)}
	root, err := p.tools.UnpackInto(in("bundle"), layout+":x")
	out.umoci = readFolder(t, root, err)
	root, err = p.storage.Pull(layout + ":x")
	out.buildah = readFolder(t, root, err)
	return out
}

func readOurs(t *testing.T, layout string) *reading {
	src, err := fromoci.OpenLayout(t.Context(), layout, "x", fromoci.Options{})
	if err != nil {
		return &reading{err: err}
	}
	defer src.Close()
	return &reading{lines: layerLines(t, src.Tree)}
}

func readFolder(t *testing.T, dir string, err error) *reading {
	if err != nil {
		return &reading{err: err}
	}
	read, _, err := fromdir.Read(t.Context(), dir, fromdir.Options{Owners: source.OwnersDisk})
	if err != nil {
		t.Fatal(err)
	}
	return &reading{lines: layerLines(t, read)}
}

// layerLines lists what a tree has from layers. Directories have no times, since programs differ in
// whether what comes into one changes its own. Names of one file have that of the first.
func layerLines(t *testing.T, tr *tree.Tree) []string {
	t.Helper()
	if err := tr.Seal(); err != nil {
		t.Fatal(err)
	}
	var out []string
	first := make(map[*tree.Node]string)
	for path, n := range tr.All() {
		line := fmt.Sprintf("%s %s", n.Mode.TypeName(), path)
		switch n.Mode.Type() {
		case tree.TypeDir:
			if path == "." {
				continue
			}
			line += fmt.Sprintf(" %o %d", n.Mode.Perm(), n.UID)
		case tree.TypeSymlink:
			line += fmt.Sprintf(" %d %d -> %s", n.UID, n.ModTime.Sec, n.Target)
		default:
			line += fmt.Sprintf(" %o %d %d = %s", n.Mode.Perm(), n.UID, n.ModTime.Sec, layerContents(t, n))
		}
		if name, ok := first[n]; ok {
			line += " also " + name
		} else {
			first[n] = path
		}
		out = append(out, line)
	}
	return out
}

func layerContents(t *testing.T, n *tree.Node) string {
	t.Helper()
	if n.Content == nil {
		return ""
	}
	f, err := n.Content.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, 0, n.Size))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// layerDifferences is the table of where we are as one of the others and not as the other.
var layerDifferences = []struct {
	name, reason string
	explains     func(stack ocitest.Stack, ours, other *reading) bool
	umoci        bool // the other is umoci, not buildah
}{
	{
		name:   "buildah makes the directory in which a whiteout stands",
		reason: "a whiteout only takes away (OCI image-spec, layer.md)",
		explains: func(stack ocitest.Stack, ours, other *reading) bool {
			more, less := lineChanges(ours.lines, other.lines)
			return stack.HasWhiteouts() && len(less) == 0 && all(more, func(line string) bool { return strings.HasPrefix(line, "dir ") })
		},
	},
	{
		name:   "buildah takes away what the layer itself has brought before the whiteout",
		reason: "whiteouts are about lower layers only (OCI image-spec, layer.md)",
		explains: func(stack ocitest.Stack, ours, other *reading) bool {
			return stack.HasLateWhiteouts()
		},
	},
	{
		name:   "buildah does nothing for an opaque mark below a link",
		reason: "the path of a member leads through links, and umoci follows them; no program writes such a mark",
		explains: func(stack ocitest.Stack, ours, other *reading) bool {
			return stack.HasOpaqueLinks()
		},
	},
	{
		name:   "umoci goes through a link in the place of which the layer has an entry",
		reason: "contents would be lost that the layer says nothing of; buildah, and overlay file systems, keep them",
		explains: func(stack ocitest.Stack, ours, other *reading) bool {
			return stack.HasReplacedOpaqueLinks()
		},
		umoci: true,
	},
}

// lineChanges are the lines that only b has, and those that only a has.
func lineChanges(a, b []string) (more, less []string) {
	for _, line := range b {
		if !slices.Contains(a, line) {
			more = append(more, line)
		}
	}
	for _, line := range a {
		if !slices.Contains(b, line) {
			less = append(less, line)
		}
	}
	return more, less
}

func all(lines []string, is func(string) bool) bool {
	return !slices.ContainsFunc(lines, func(line string) bool { return !is(line) })
}

// explainLayers finds the row of the table for a difference, "" if there is none.
func explainLayers(stack ocitest.Stack, ours, other *reading, umoci bool) string {
	for _, d := range layerDifferences {
		if d.umoci == umoci && d.explains(stack, ours, other) {
			return d.name + ": " + d.reason
		}
	}
	return ""
}

// judgeLayers says how our reading of a stack compares with the others, and whether that is right:
// where both others read it, and alike, so do we; where they differ, we are as one of them, and the
// table says why.
func judgeLayers(stack ocitest.Stack, got *readings) (verdict string, ok bool) {
	ours, umoci, buildah := got.ours, got.umoci, got.buildah
	switch {
	case umoci.err != nil && buildah.err != nil && ours.err != nil:
		return "refused by all", true
	case umoci.err != nil && buildah.err != nil:
		return "refused by both others", true
	case ours.err != nil && umoci.err != nil && explainLayers(stack, ours, buildah, false) != "":
		return "refused, as by umoci: " + explainLayers(stack, ours, buildah, false), true
	case ours.err != nil:
		return "refused by us, and not by both others", false
	case ours.same(umoci) && ours.same(buildah):
		return "alike", true
	case umoci.err == nil && buildah.err == nil && !ours.same(umoci) && !ours.same(buildah):
		// Each may be explained on its own, also where two causes come to one result.
		one, other := explainLayers(stack, ours, umoci, true), explainLayers(stack, ours, buildah, false)
		return "as neither: " + one + "; " + other, one != "" && other != ""
	case ours.same(umoci) && buildah.err != nil:
		return "as umoci, buildah refuses", true
	case ours.same(buildah) && umoci.err != nil:
		return "as buildah, umoci refuses", true
	case ours.same(umoci):
		row := explainLayers(stack, ours, buildah, false)
		return "as umoci: " + row, row != ""
	case ours.same(buildah):
		row := explainLayers(stack, ours, umoci, true)
		return "as buildah: " + row, row != ""
	case umoci.err != nil: // then buildah alone says what is right, but for what it is known for
		row := explainLayers(stack, ours, buildah, false)
		return "umoci refuses, not as buildah: " + row, row != ""
	}
	if buildah.err != nil {
		row := explainLayers(stack, ours, umoci, true)
		return "buildah refuses, not as umoci: " + row, row != ""
	}
	return "not as any other", false
}

// What we make of random stacks of layers is what umoci and buildah make of them.
func TestAttackLayers(t *testing.T) {
	p := newLayerPrograms(t)
	r := rand.New(rand.NewPCG(attack.Seed(t), 0))
	counts := make(map[string]int)
	tell := func() {
		for _, verdict := range slices.Sorted(maps.Keys(counts)) {
			t.Logf("%5d %s", counts[verdict], verdict)
		}
	}
	for i := range attack.Runs(t, 30, 2000) {
		if i%100 == 99 {
			t.Logf("after %d stacks:", i)
			tell()
		}
		stack := ocitest.NewStack(r)
		for r.IntN(10) > 0 && p.readOurs(t, stack).err != nil { // most of what nobody reads shows nothing
			stack = ocitest.NewStack(r)
		}
		got := p.read(t, stack)
		verdict, ok := judgeLayers(stack, got)
		if counts[verdict]++; !ok {
			t.Errorf("stack %d: %s\n%vours:\n%v\numoci:\n%v\nbuildah:\n%v", i, verdict, stack, got.ours, got.umoci, got.buildah)
		}
	}
	tell()
	if counts["alike"] == 0 {
		t.Error("no stack that all three read")
	}
}
