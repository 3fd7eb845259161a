package fromoci_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imagetools/compress"
	"imagetools/internal/cli"
	"imagetools/internal/ocitest"
	"imagetools/tree"
	"imagetools/tree/fromoci"
	"imagetools/tree/internal/treetest"
	"imagetools/tree/source"
)

func decompress(r io.Reader) (io.ReadCloser, bool, error) {
	rc, format, err := compress.NewReader(r, compress.Options{})
	return rc, format != compress.None, err
}

// layout writes a layout with one image.
func layout(t testing.TB, im ocitest.Image) string {
	p := im.Parts(t)
	return ocitest.Layout(t, p.All(), ocitest.Named(p.Manifest.Descriptor, "latest"))
}

func open(t testing.TB, dir, ref string, opts fromoci.Options) *fromoci.Source {
	t.Helper()
	opts.Decompress = decompress
	src, err := fromoci.OpenLayout(t.Context(), dir, ref, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	})
	return src
}

// show lists a tree in the form of ocitest.Tar, sorted by path; names of one file after = .
func show(t testing.TB, tr *tree.Tree) []string {
	t.Helper()
	if err := tr.Seal(); err != nil {
		t.Fatal(err)
	}
	var out []string
	first := make(map[*tree.Node]string)
	for path, n := range tr.All() {
		if path == "." {
			continue
		}
		if name, ok := first[n]; ok {
			out = append(out, "hard "+path+"="+name)
			continue
		}
		switch n.Mode.Type() {
		case tree.TypeDir:
			out = append(out, "dir "+path)
		case tree.TypeSymlink:
			out = append(out, "link "+path+"="+n.Target)
		case tree.TypeFile:
			first[n] = path
			out = append(out, "file "+path+"="+contents(t, n))
		default:
			out = append(out, n.Mode.TypeName()+" "+path)
		}
	}
	return out
}

func contents(t testing.TB, n *tree.Node) string {
	t.Helper()
	if n.Content == nil {
		return ""
	}
	f, err := n.Content.Open()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(io.NewSectionReader(f, 0, n.Size))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestLayers(t *testing.T) {
	type list = []any
	for _, c := range []struct {
		name   string
		layers []list
		want   []string
	}{
		{"one", []list{{"dir a", "file a/f=1", "link l=a/f", "hard h=a/f", "fifo p"}},
			[]string{"dir a", "file a/f=1", "hard h=a/f", "link l=a/f", "fifo p"}},
		{"replaced contents", []list{{"file f=lower"}, {"file f=upper"}}, []string{"file f=upper"}},
		{"whiteout of a file", []list{{"file d/f=1", "file d/g=2"}, {"file d/.wh.f"}}, []string{"dir d", "file d/g=2"}},
		{"whiteout of a directory", []list{{"file d/e/f=1", "file g=2"}, {"file .wh.d"}}, []string{"file g=2"}},
		{"whiteout of nothing", []list{{"file g=2"}, {"file .wh.d", "file x/.wh.y"}}, []string{"file g=2"}},
		{"whiteout and new, in both orders", []list{{"file a/old=1", "file b/old=1"}, {"file .wh.a", "file a/new=2", "file b/new=2", "file .wh.b"}},
			[]string{"dir a", "file a/new=2", "dir b", "file b/new=2"}},
		{"whiteout acts on lower layers", []list{{"file f=1"}, {"file .wh.f"}, {"file f=3"}}, []string{"file f=3"}},
		{"opaque", []list{{"dir d", "file d/a=1", "file d/e/f=1"}, {"file d/.wh..wh..opq", "file d/b=2"}}, []string{"dir d", "file d/b=2"}},
		{"opaque last", []list{{"file d/a=1"}, {"file d/b=2", "file d/.wh..wh..opq"}}, []string{"dir d", "file d/b=2"}},
		{"opaque root", []list{{"file a=1", "file d/b=1"}, {"file .wh..wh..opq", "file c=2"}}, []string{"file c=2"}},
		{"aside", []list{{"file f=1"}, {"dir .wh..wh.aufs", "file .wh..wh.orph/x=1", "file .wh..wh.other"}}, []string{"file f=1"}},
		{"links of AUFS", []list{{"file .wh..wh.plnk/1.2=x", "hard a=.wh..wh.plnk/1.2", "hard b=.wh..wh.plnk/1.2"}}, []string{"file a=x", "hard b=a"}},
		{"file for directory", []list{{"file d/a=1", "hard h=d/a"}, {"file d=2"}}, []string{"file d=2", "file h=1"}},
		{"directory for file", []list{{"file d=1"}, {"dir d", "file d/a=2"}}, []string{"dir d", "file d/a=2"}},
		{"directory for link", []list{{"dir x", "link d=x"}, {"dir d", "file d/a=2"}}, []string{"dir d", "file d/a=2", "dir x"}},
		{"through a link", []list{{"dir usr/lib", "link lib=usr/lib"}, {"file lib/a=2"}}, []string{"link lib=usr/lib", "dir usr", "dir usr/lib", "file usr/lib/a=2"}},
		{"whiteout through a link", []list{{"file usr/lib/a=1", "link lib=/usr/lib"}, {"file lib/.wh.a"}}, []string{"link lib=/usr/lib", "dir usr", "dir usr/lib"}},
		{"whiteout through a link that is gone", []list{{"file usr/lib/a=1", "file usr/lib/b=2", "link lib=/usr/lib"}, {"file lib/.wh.a", "file .wh.lib", "file lib/.wh.b"}},
			[]string{"dir usr", "dir usr/lib", "file usr/lib/b=2"}},
		{"opaque directory for a link", []list{{"file t/keep=1", "link l=/t"}, {"dir l", "file l/.wh..wh..opq", "file l/new=2"}},
			[]string{"dir l", "file l/new=2", "dir t", "file t/keep=1"}},
		{"opaque directory for a link, the mark first", []list{{"file t/keep=1", "link l=t"}, {"file l/.wh..wh..opq", "dir l", "file l/new=2"}},
			[]string{"dir l", "file l/new=2", "dir t", "file t/keep=1"}},
		{"opaque directory for a link on the way", []list{{"file t/d/keep=1", "link l=t"}, {"dir l", "dir l/d", "file l/d/.wh..wh..opq", "file l/d/new=2"}},
			[]string{"dir l", "dir l/d", "file l/d/new=2", "dir t", "dir t/d", "file t/d/keep=1"}},
		{"opaque link for a directory", []list{{"file t/keep=1", "file d/old=1"}, {"link d=t", "file d/.wh..wh..opq", "file d/new=2"}},
			[]string{"link d=t", "dir t", "file t/keep=1", "file t/new=2"}},
		{"opaque link", []list{{"file t/old=1", "link l=/t"}, {"file l/.wh..wh..opq", "file l/new=2"}}, []string{"link l=/t", "dir t", "file t/new=2"}},
		{"whiteout in a directory for a link", []list{{"file t/keep=1", "link l=t"}, {"dir l", "file l/.wh.keep"}}, []string{"dir l", "dir t", "file t/keep=1"}},
		{"whiteout below a link for a file", []list{{"file t/keep=1", "link l=t"}, {"file l=2", "file l/.wh.keep"}}, []string{"file l=2", "dir t", "file t/keep=1"}},
		{"whiteout of a link after what came through it", []list{{"file t/keep=1", "link l=t"}, {"file l/new=2", "file .wh.l"}}, []string{"dir t", "file t/keep=1", "file t/new=2"}},
		{"whiteouts of one directory", []list{{"file d/old=1", "dir d/e"}, {"file d/.wh..wh..opq", "file .wh.d"}}, nil},
		{"opaque again", []list{{"file d/e/old=1"}, {"file d/e/new=2", "file d/.wh..wh..opq", "file d/e/more=2", "file d/.wh.e", "file .wh.d"}},
			[]string{"dir d", "dir d/e", "file d/e/more=2", "file d/e/new=2"}},
		{"link out", []list{{"link d=../../../etc"}, {"file d/passwd=2"}}, []string{"link d=../../../etc", "dir etc", "file etc/passwd=2"}},
		{"link of its own layer", []list{{"link d=e", "file d/f=1"}}, []string{"link d=e", "dir e", "file e/f=1"}},
		{"hard link to a lower layer", []list{{"file a/f=1"}, {"hard b/g=a/f"}}, []string{"dir a", "file a/f=1", "dir b", "hard b/g=a/f"}},
		{"hard link to what goes", []list{{"file f=1", "dir d", "file d/x=2"}, {"file .wh.f", "hard g=f", "file .wh.d", "hard y=d/x"}, {"hard z=g"}},
			[]string{"file g=1", "file y=2", "hard z=g"}},
		{"hard link to what is replaced", []list{{"file f=1"}, {"hard g=f", "file f=2"}}, []string{"file f=2", "file g=1"}},
		{"one name of two goes", []list{{"file a=1", "hard b=a"}, {"file .wh.a"}}, []string{"file b=1"}},
		{"one name of two is replaced", []list{{"file a=1", "hard b=a"}, {"file a=2"}}, []string{"file a=2", "file b=1"}},
		{"twice in a layer", []list{{"file a=1", "file a=2", "dir d", "file d/f=1", "dir d"}}, []string{"file a=2", "dir d", "file d/f=1"}},
		{"absolute names", []list{{"dir /d", "file /d/f=1", "hard /g=/d/f"}}, []string{"dir d", "file d/f=1", "hard g=d/f"}},
		{"empty layer", []list{{"file a=1"}, {}}, []string{"file a=1"}},
		{"back again", []list{{"file d/a=1"}, {"file .wh.d"}, {"dir d", "file d/b=3"}}, []string{"dir d", "file d/b=3"}},
	} {
		for _, packed := range []string{"plain", "gzip", "zstd"} {
			t.Run(c.name+", "+packed, func(t *testing.T) {
				im := ocitest.Image{}
				for _, l := range c.layers {
					im.Layers = append(im.Layers, ocitest.Tar(t, l...))
					im.Pack = append(im.Pack, map[string]func(testing.TB, []byte) []byte{"gzip": ocitest.Gzip, "zstd": ocitest.Zstd}[packed])
				}
				src := open(t, layout(t, im), "", fromoci.Options{})
				if diff := cmp.Diff(c.want, show(t, src.Tree)); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestMetadata(t *testing.T) {
	at := time.Unix(1234567890, 987654321)
	lower := ocitest.Tar(t, "dir ./", "dir ./d",
		tar.Header{Typeflag: tar.TypeDir, Name: "e", Mode: 0o1777, Uid: 3, Gid: 4, ModTime: at, Format: tar.FormatPAX, PAXRecords: map[string]string{"SCHILY.xattr.user.old": "1"}})
	upper := ocitest.Tar(t,
		tar.Header{Typeflag: tar.TypeDir, Name: "./d", Mode: 0o700, Uid: 1, Gid: 2, ModTime: at, Format: tar.FormatPAX},
		tar.Header{Typeflag: tar.TypeReg, Name: "e/ping", Mode: 0o755, Format: tar.FormatPAX, ModTime: at, PAXRecords: map[string]string{
			"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00 \x00\x00", "SCHILY.xattr.security.selinux": "x"}}, "x",
		tar.Header{Typeflag: tar.TypeChar, Name: "null", Mode: 0o666, Devmajor: 1, Devminor: 3, ModTime: at, Format: tar.FormatPAX},
		"dir n/o")
	src := open(t, layout(t, ocitest.Image{Layers: [][]byte{lower, upper}, Pack: []func(testing.TB, []byte) []byte{ocitest.Gzip}}), "", fromoci.Options{})
	want := []string{
		`. dir 0755 0:0 100.0`,
		`d dir 0700 1:2 1234567890.987654321`,
		`e dir 01777 3:4 1234567890.987654321 user.old="1"`,
		`e/ping file 0755 0:0 1234567890.987654321 security.capability="\x01\x00\x00\x02\x00 \x00\x00"`,
		`n dir 0755 0:0 1234567890.987654321`,
		`n/o dir 0755 0:0 100.0`,
		`null char 0666 0:0 1234567890.987654321`,
	}
	if err := src.Tree.Seal(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for path, n := range src.Tree.All() {
		line := fmt.Sprintf("%s %s 0%o %d:%d %d.%d", path, n.Mode.TypeName(), uint32(n.Mode.Perm()), n.UID, n.GID, n.ModTime.Sec, n.ModTime.Nsec)
		if n.Attrs != nil {
			for _, x := range n.Attrs.Xattrs {
				line += fmt.Sprintf(" %s=%q", x.Name, x.Value)
			}
		}
		got = append(got, line)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := src.Report.Counts; n.Files != 1 || n.Dirs != 5 || n.Devices != 1 {
		t.Errorf("counts %+v", n)
	}
}

// What is hidden by upper layers does not go into the temporary file, and what is not compressed
// needs none.
func TestSpool(t *testing.T) {
	big := strings.Repeat("x", 100_000)
	im := ocitest.Image{
		Layers: [][]byte{
			ocitest.Tar(t, "file a="+big, "file d/b="+big, "file d/e/c="+big, "file o/x="+big, "file kept=12345"),
			ocitest.Tar(t, "file a=1", "file d/.wh.e", "file o/.wh..wh..opq"), ocitest.Tar(t, "file .wh.d"),
		},
		Pack: []func(testing.TB, []byte) []byte{ocitest.Gzip, ocitest.Gzip, ocitest.Gzip},
	}
	tmp := t.TempDir()
	src := open(t, layout(t, im), "", fromoci.Options{TmpDir: tmp})
	if src.Report.Spool != 6 {
		t.Errorf("%d bytes in the temporary file", src.Report.Spool)
	}
	if names, err := os.ReadDir(tmp); err != nil || len(names) > 0 {
		t.Errorf("%v in the temporary folder, %v", names, err)
	}
	im.Pack = nil
	if src := open(t, layout(t, im), "", fromoci.Options{TmpDir: filepath.Join(tmp, "none")}); src.Report.Spool != 0 {
		t.Errorf("plain: %d bytes in the temporary file", src.Report.Spool)
	}
	im.Pack = []func(testing.TB, []byte) []byte{ocitest.Gzip}
	_, err := fromoci.OpenLayout(t.Context(), layout(t, im), "", fromoci.Options{Decompress: decompress, SpoolLimit: 400_000})
	if err == nil || !strings.Contains(err.Error(), "too large") || len(cli.Hints(err)) != 1 {
		t.Errorf("over the limit: %v", err)
	}
}

func TestSparse(t *testing.T) {
	for _, version := range []string{"gnu", "0.0", "0.1", "1.0"} {
		data, err := os.ReadFile(filepath.Join("../fromtar/testdata", "sparse-"+version+".tar"))
		if err != nil {
			t.Fatal(err)
		}
		plain := open(t, layout(t, ocitest.Image{Layers: [][]byte{data}}), "", fromoci.Options{})
		packed := open(t, layout(t, ocitest.Image{Layers: [][]byte{data, ocitest.Tar(t, tar.Header{Typeflag: tar.TypeReg, Name: "other", ModTime: time.Unix(1, 0)}, "1")}, Pack: []func(testing.TB, []byte) []byte{ocitest.Zstd}}), "", fromoci.Options{})
		if err := packed.Tree.Root.Remove("other"); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(treetest.List(t, plain.Tree), treetest.List(t, packed.Tree)); diff != "" {
			t.Errorf("%s: %s", version, diff)
		}
		holes := 0
		for _, n := range packed.Tree.Nodes() {
			if n.Content != nil && len(treetest.Extents(t, n)) > 1 {
				holes++
			}
		}
		if holes == 0 {
			t.Errorf("%s: no holes", version)
		}
	}
}

func TestHostile(t *testing.T) {
	deep := strings.Repeat("d/", 3000)
	for _, c := range []struct {
		name    string
		members []any
		want    string
	}{
		{"dots", []any{"file ../x=1"}, `member "../x" at byte 0: ".." in a name`},
		{"dots inside", []any{"file a/../../x=1"}, `".." in a name`},
		{"whiteout of nothing", []any{"file a/.wh."}, `member "a/.wh.": whiteout: bad name ""`},
		{"whiteout of dots", []any{"file .wh..."}, `member ".wh...": whiteout: bad name ".."`},
		{"whiteout of a dot", []any{"file .wh.."}, `member ".wh..": whiteout: bad name "."`},
		{"below a whiteout", []any{"file .wh.a/b=1"}, `member ".wh.a/b": it lies below a whiteout`},
		{"below a file", []any{"file a=1", "file a/b=2"}, `"a/b": it lies below "a", which is a file`},
		{"loop", []any{"link a=b", "link b=a", "file a/x=1"}, `"a/x": "a": too many links`},
		{"hard link to nothing", []any{"hard a=b"}, `"a": hard link to "b": neither`},
		{"hard link to a directory", []any{"dir d", "hard a=d"}, `hard link to "d", which is a directory`},
		{"hard link to the root", []any{"hard a=/"}, `hard link`},
		{"hard link out", []any{"hard a=../../etc/passwd"}, `".." in a name`},
		{"root as file", []any{"file .=1"}, `the root must be a directory`},
		{"root as link", []any{"link .=/etc"}, `the root must be a directory`},
		{"root as hard link", []any{"file a=1", "hard .=a"}, `the root must be a directory`},
		{"deep", []any{"dir " + deep, "link l=" + deep[:4000], "file l/" + deep + "x=1"}, "nested deeper"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := layout(t, ocitest.Image{Layers: [][]byte{ocitest.Tar(t, "file base=1"), ocitest.Tar(t, c.members...)}})
			src, err := fromoci.OpenLayout(t.Context(), dir, "", fromoci.Options{})
			if err == nil {
				src.Close()
				t.Fatal("it is read")
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "layer 2 of 2 (sha256:") {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// All that is wrong with members is told, layer by layer.
func TestFaults(t *testing.T) {
	dir := layout(t, ocitest.Image{Layers: [][]byte{ocitest.Tar(t, "file ../a=1", "hard x=y"), ocitest.Tar(t, "file .wh.", "hard u=v")}})
	_, err := fromoci.OpenLayout(t.Context(), dir, "", fromoci.Options{})
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("%v", err)
	}
}

func TestDamage(t *testing.T) {
	one, two := ocitest.Tar(t, "file a=1", "dir d"), ocitest.Tar(t, "file b="+strings.Repeat("2", 5000))
	im := ocitest.Image{Layers: [][]byte{one, two}, Pack: []func(testing.TB, []byte) []byte{ocitest.Gzip, nil}}
	parts := im.Parts(t)
	blob := func(dir string, b ocitest.Blob) string {
		return filepath.Join(dir, "blobs", strings.Replace(b.Descriptor["digest"].(string), ":", "/", 1))
	}
	change := func(name string, f func([]byte) []byte) func(string) {
		return func(dir string) {
			if name[0] != '/' {
				name = filepath.Join(dir, name)
			}
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			ocitest.Write(t, name, f(data))
		}
	}
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[(at+len(b))%len(b)] ^= 1; return b }
	}
	for _, c := range []struct {
		name  string
		wreck func(dir string)
		want  string
	}{
		{"missing layer", func(dir string) { os.Remove(blob(dir, parts.Layers[0])) }, "the layout lacks this blob"},
		{"missing config", func(dir string) { os.Remove(blob(dir, parts.Config)) }, "config: sha256:"},
		{"missing manifest", func(dir string) { os.Remove(blob(dir, parts.Manifest)) }, "manifest: sha256:"},
		{"missing index", func(dir string) { os.Remove(dir + "/index.json") }, "index.json"},
		{"missing marker", func(dir string) { os.Remove(dir + "/oci-layout") }, "no OCI layout"},
		{"cut layer", func(dir string) { os.Truncate(blob(dir, parts.Layers[1]), 1000) }, "is cut after 1000 of"},
		{"flipped in gzip", func(dir string) { change(blob(dir, parts.Layers[0]), flip(40))(dir) }, "layer 1 of 2 (sha256:"},
		{"flipped in gzip", func(dir string) { change(blob(dir, parts.Layers[0]), flip(40))(dir) }, "wrong digest"},
		{"flipped in gzip's head", func(dir string) { change(blob(dir, parts.Layers[0]), flip(0))(dir) }, "wrong digest"},
		{"flipped in tar", func(dir string) { change(blob(dir, parts.Layers[1]), flip(3))(dir) }, "wrong digest"},
		{"flipped in contents", func(dir string) { change(blob(dir, parts.Layers[1]), flip(2000))(dir) }, "wrong digest"},
		{"flipped in config", func(dir string) { change(blob(dir, parts.Config), flip(9))(dir) }, "config: wrong digest"},
		{"flipped in manifest", func(dir string) { change(blob(dir, parts.Manifest), flip(9))(dir) }, "manifest: wrong digest"},
		{"pipe for a blob", func(dir string) {
			os.Remove(blob(dir, parts.Layers[1]))
			os.Mkdir(blob(dir, parts.Layers[1]), 0o755)
		}, "not a regular file"},
		{"large index", change("index.json", func(b []byte) []byte { return append(b, make([]byte, 5<<20)...) }), "the limit is 4194304"},
		{"index with more after it", change("index.json", func(b []byte) []byte { return append(b, "{}"...) }), "something follows"},
		{"hostile digest", change("index.json", func(b []byte) []byte {
			return bytes.Replace(b, []byte("sha256:"), []byte("sha256:../../../"), 1)
		}), "hexadecimal digits in lower case must follow"},
		{"schema 1", change("index.json", func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"schemaVersion":2`), []byte(`"schemaVersion":1`), 1)
		}), "schema version 1"},
		{"no images", change("index.json", func([]byte) []byte { return []byte(`{"schemaVersion":2,"manifests":[]}`) }), "it holds no image"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := ocitest.Layout(t, parts.All(), parts.Manifest.Descriptor)
			c.wreck(dir)
			src, err := fromoci.OpenLayout(t.Context(), dir, "", fromoci.Options{Decompress: decompress})
			if err == nil {
				src.Close()
				t.Fatal("it is read")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// Documents that lie about what they name.
func TestLies(t *testing.T) {
	one, two := ocitest.Tar(t, "file a=1"), ocitest.Tar(t, "file b=2")
	good := ocitest.Image{Layers: [][]byte{one, two}, Pack: []func(testing.TB, []byte) []byte{ocitest.Gzip}}.Parts(t)
	swapped := ocitest.Image{Layers: [][]byte{two, one}, Pack: []func(testing.TB, []byte) []byte{nil, ocitest.Gzip}}.Parts(t)
	short := ocitest.Image{Layers: [][]byte{one}}.Parts(t)
	layers := []ocitest.Object{good.Layers[0].Descriptor, good.Layers[1].Descriptor}
	manifest := func(config ocitest.Blob, layers ...ocitest.Object) ocitest.Object {
		return ocitest.Object{"schemaVersion": 2, "config": config.Descriptor, "layers": layers}
	}
	for _, c := range []struct {
		name     string
		manifest ocitest.Object
		want     string
	}{
		{"order of the config", manifest(swapped.Config, layers...), "which should be OCI layout"},
		{"number of layers", manifest(short.Config, layers...), "the manifest has 2 layers, the config 1"},
		{"no layers", manifest(good.Config), "0 layers"},
		{"size of a layer", manifest(good.Config, ocitest.With(layers[0], "size", 5), layers[1]), "longer than the 5 bytes"},
		{"negative size", manifest(good.Config, ocitest.With(layers[0], "size", -5), layers[1]), "a size of -5 bytes"},
		{"unknown digest", manifest(good.Config, ocitest.With(layers[0], "digest", "md5:00"), layers[1]), "layers[0]: digest"},
		{"encrypted", manifest(good.Config, ocitest.With(layers[0], "mediaType", "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"), layers[1]), "it is encrypted"},
		{"chart", manifest(good.Config, ocitest.With(layers[0], "mediaType", "application/vnd.cncf.helm.chart.content.v1.tar+gzip"), layers[1]), "not that of a layer"},
		{"artifact", ocitest.With(manifest(good.Config, layers...), "artifactType", "application/x"), `an artifact of type "application/x"`},
		{"config that is none", manifest(good.Manifest, layers...), `rootfs.type is ""`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := ocitest.JSON(t, ocitest.ManifestType, c.manifest)
			blobs := append(append(good.All(), swapped.Config, short.Config), m)
			src, err := fromoci.OpenLayout(t.Context(), ocitest.Layout(t, blobs, m.Descriptor), "", fromoci.Options{Decompress: decompress})
			if err == nil {
				src.Close()
				t.Fatal("it is read")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// image returns the parts of an image whose one file says for what platform it is.
func forPlatform(t *testing.T, os, arch, variant string) (*ocitest.Parts, ocitest.Object) {
	p := ocitest.Image{OS: os, Architecture: arch, Variant: variant, Layers: [][]byte{ocitest.Tar(t, "file f="+os+"/"+arch+"/"+variant)}}.Parts(t)
	return p, ocitest.With(p.Manifest.Descriptor, "platform", ocitest.Object{"os": os, "architecture": arch, "variant": variant})
}

func TestPlatforms(t *testing.T) {
	var blobs []ocitest.Blob
	var list []ocitest.Object
	for _, x := range [][3]string{{"linux", "arm64", "v8"}, {"linux", "arm", "v5"}, {"linux", "arm", "v7"}, {"linux", "amd64", ""}, {"windows", "amd64", ""}, {"linux", "riscv64", ""}} {
		p, d := forPlatform(t, x[0], x[1], x[2])
		blobs, list = append(blobs, p.All()...), append(list, d)
	}
	attestation := ocitest.With(ocitest.With(list[0], "annotations", ocitest.Object{"vnd.docker.reference.type": "attestation-manifest"}),
		"platform", ocitest.Object{"os": "unknown", "architecture": "unknown"})
	inner := ocitest.JSON(t, ocitest.IndexType, ocitest.Object{"schemaVersion": 2, "manifests": append(list[2:], attestation)})
	outer := ocitest.JSON(t, ocitest.IndexType, ocitest.Object{"schemaVersion": 2, "manifests": []ocitest.Object{list[0], list[1], inner.Descriptor}})
	nested := ocitest.Layout(t, append(blobs, inner, outer), ocitest.Named(outer.Descriptor, "all"))
	flat := ocitest.Layout(t, blobs, list...)
	untold := []ocitest.Object{}
	for _, d := range list {
		untold = append(untold, ocitest.With(d, "platform", nil))
	}
	silent := ocitest.Layout(t, blobs, untold...)
	for _, c := range []struct {
		platform fromoci.Platform
		want     string
	}{
		{"", "linux/amd64/"}, {"linux/arm64", "linux/arm64/v8"}, {"linux/arm64/v8", "linux/arm64/v8"}, {"linux/arm", "linux/arm/v7"},
		{"linux/arm/v5", "linux/arm/v5"}, {"windows/amd64", "windows/amd64/"}, {"linux/riscv64", "linux/riscv64/"},
	} {
		for _, dir := range []string{nested, flat, silent} {
			src := open(t, dir, "", fromoci.Options{Platform: c.platform})
			if got := contents(t, src.Tree.Lookup("f")); got != c.want {
				t.Errorf("%s: %s", c.platform, got)
			}
		}
	}
	_, err := fromoci.OpenLayout(t.Context(), nested, "all", fromoci.Options{Platform: "linux/s390x"})
	if hints := cli.Hints(err); err == nil || len(hints) != 1 || !strings.Contains(hints[0], "fromoci.platform linux/amd64, linux/arm/v5, linux/arm/v7, linux/arm64/v8, linux/riscv64, windows/amd64") {
		t.Errorf("%v, %q", err, hints)
	}
	for _, bad := range []fromoci.Platform{"linux", "linux/", "a/b/c/d"} {
		if _, err := fromoci.OpenLayout(t.Context(), flat, "", fromoci.Options{Platform: bad}); err == nil {
			t.Errorf("platform %q", bad)
		}
	}
}

func TestNames(t *testing.T) {
	a := ocitest.Image{Layers: [][]byte{ocitest.Tar(t, "file f=a")}}.Parts(t)
	b := ocitest.Image{Layers: [][]byte{ocitest.Tar(t, "file f=b")}}.Parts(t)
	c := ocitest.Image{Layers: [][]byte{ocitest.Tar(t, "file f=c")}}.Parts(t)
	dir := ocitest.Layout(t, append(append(a.All(), b.All()...), c.All()...),
		ocitest.Named(a.Manifest.Descriptor, "1.0"), ocitest.Named(b.Manifest.Descriptor, "2.0"),
		ocitest.With(c.Manifest.Descriptor, "annotations", ocitest.Object{"io.containerd.image.name": "docker.io/library/c:3", "org.opencontainers.image.ref.name": "3"}))
	for ref, want := range map[string]string{"1.0": "a", "2.0": "b", "3": "c", "docker.io/library/c:3": "c", b.Manifest.Descriptor["digest"].(string): "b"} {
		if got := contents(t, open(t, dir, ref, fromoci.Options{}).Tree.Lookup("f")); got != want {
			t.Errorf("%s: %s", ref, got)
		}
	}
	for _, ref := range []string{"", "nope"} {
		_, err := fromoci.OpenLayout(t.Context(), dir, ref, fromoci.Options{})
		if hints := cli.Hints(err); err == nil || len(hints) != 1 || !strings.Contains(hints[0], "there are: 1.0, 2.0, docker.io/library/c:3 or 3") {
			t.Errorf("%q: %v, %q", ref, err, hints)
		}
	}
	same := ocitest.Layout(t, append(a.All(), b.All()...), a.Manifest.Descriptor, b.Manifest.Descriptor)
	_, err := fromoci.OpenLayout(t.Context(), same, "", fromoci.Options{})
	if hints := cli.Hints(err); err == nil || len(hints) != 1 || !strings.Contains(hints[0], a.Manifest.Descriptor["digest"].(string)) {
		t.Errorf("%v, %q", err, hints)
	}
}

// Names of others cannot pass for lines of ours.
func TestNamesWithLines(t *testing.T) {
	im := ocitest.Image{Layers: [][]byte{ocitest.Tar(t, "file f=a")}}
	p := im.Parts(t)
	named := ocitest.Layout(t, p.All(), ocitest.Named(p.Manifest.Descriptor, "a\nb"))
	platform := ocitest.Layout(t, p.All(), ocitest.With(p.Manifest.Descriptor, "platform", ocitest.Object{"os": "a\nb", "architecture": "c"}))
	own := ocitest.Image{OS: "a\nb", Layers: im.Layers}.Parts(t)
	saved := filepath.Join(t.TempDir(), "a.tar")
	ocitest.Write(t, saved, ocitest.DockerSave(t, im, "a\nb:1"))
	for name, open := range map[string]func() (*fromoci.Source, error){
		"name": func() (*fromoci.Source, error) { return fromoci.OpenLayout(t.Context(), named, "c", fromoci.Options{}) },
		"platform": func() (*fromoci.Source, error) {
			return fromoci.OpenLayout(t.Context(), platform, "", fromoci.Options{})
		},
		"config": func() (*fromoci.Source, error) {
			return fromoci.OpenLayout(t.Context(), ocitest.Layout(t, own.All(), own.Manifest.Descriptor), "", fromoci.Options{})
		},
		"tag": func() (*fromoci.Source, error) {
			return fromoci.OpenArchive(t.Context(), saved, "c", fromoci.Options{})
		},
	} {
		_, err := open()
		if hints := cli.Hints(err); len(hints) != 1 || !strings.Contains(hints[0], `a\nb`) {
			t.Errorf("%s: %v, %q", name, err, hints)
		}
	}
}

func TestNestedTooDeep(t *testing.T) {
	p, d := forPlatform(t, "linux", "amd64", "")
	blobs := p.All()
	for range 8 {
		b := ocitest.JSON(t, ocitest.IndexType, ocitest.Object{"schemaVersion": 2, "manifests": []ocitest.Object{d}})
		blobs, d = append(blobs, b), b.Descriptor
	}
	_, err := fromoci.OpenLayout(t.Context(), ocitest.Layout(t, blobs, d), "", fromoci.Options{})
	if err == nil || !strings.Contains(err.Error(), "nested deeper") {
		t.Error(err)
	}
	// Many that lead to many cost no more than a bound.
	wide := []ocitest.Object{}
	for range 3000 {
		wide = append(wide, ocitest.With(d, "annotations", nil))
	}
	b := ocitest.JSON(t, ocitest.IndexType, ocitest.Object{"schemaVersion": 2, "manifests": wide})
	_, err = fromoci.OpenLayout(t.Context(), ocitest.Layout(t, append(blobs, b), b.Descriptor), "", fromoci.Options{})
	if err == nil {
		t.Error("no bound")
	}
}

func TestArchives(t *testing.T) {
	im := ocitest.Image{
		Layers: [][]byte{ocitest.Tar(t, "dir d", "file d/f=1", "file g=2"), ocitest.Tar(t, "file d/.wh.f")},
		Pack:   []func(testing.TB, []byte) []byte{ocitest.Gzip}, Config: ocitest.Object{"Cmd": []string{"/bin/sh"}},
	}
	p := im.Parts(t)
	files := ocitest.LayoutFiles(t, p.All(), p.Manifest.Descriptor)
	docker := ocitest.DockerSave(t, im, "example:1", "localhost:5000/x/example:2")
	want := []string{"dir d", "file g=2"}
	for name, data := range map[string][]byte{
		"oci": ocitest.Archive(t, files), "oci.gz": ocitest.Gzip(t, ocitest.Archive(t, files, "index.json")),
		"docker": docker, "docker.zst": ocitest.Zstd(t, docker),
	} {
		path := filepath.Join(t.TempDir(), name)
		ocitest.Write(t, path, data)
		opts := fromoci.Options{Decompress: decompress}
		fromFile, err := fromoci.OpenArchive(t.Context(), path, "", opts)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		fromPipe, err := fromoci.ReadArchive(t.Context(), bytes.NewReader(data), "", opts)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, src := range []*fromoci.Source{fromFile, fromPipe} {
			if diff := cmp.Diff(want, show(t, src.Tree)); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
			if string(src.Image.Config["Cmd"]) != `["/bin/sh"]` {
				t.Errorf("%s: config %s", name, src.Image.Config)
			}
			if err := src.Close(); err != nil {
				t.Error(err)
			}
		}
		unpacked, _, err := decompress(bytes.NewReader(data))
		if err != nil || !fromoci.IsArchive(unpacked) {
			t.Errorf("%s: not recognised, %v", name, err)
		}
	}
	for _, root := range [][]byte{ocitest.Tar(t, "dir ./", "dir ./bin"), ocitest.Tar(t, "file index.json=1", "file etc/passwd=2"), ocitest.Tar(t), []byte("nothing")} {
		if fromoci.IsArchive(bytes.NewReader(root)) {
			t.Errorf("%.20q: taken for an image", root)
		}
	}
	path := filepath.Join(t.TempDir(), "root.tar")
	ocitest.Write(t, path, ocitest.Tar(t, "dir bin"))
	if _, err := fromoci.OpenArchive(t.Context(), path, "", fromoci.Options{}); err == nil || !strings.Contains(err.Error(), "no archive of an image") {
		t.Error(err)
	}
}

func TestDockerNames(t *testing.T) {
	im := ocitest.Image{Layers: [][]byte{ocitest.Tar(t, "file f=1")}}
	path := filepath.Join(t.TempDir(), "a.tar")
	ocitest.Write(t, path, ocitest.DockerSave(t, im, "busybox:1.36", "localhost:5000/x/y:latest"))
	for ref, ok := range map[string]bool{
		"": true, "@0": true, "@1": false, "busybox:1.36": true, "library/busybox:1.36": true, "docker.io/library/busybox:1.36": true,
		"docker.io/busybox:1.36": true, "busybox": false, "localhost:5000/x/y": true, "other": false,
	} {
		src, err := fromoci.OpenArchive(t.Context(), path, ref, fromoci.Options{})
		if (err == nil) != ok {
			t.Errorf("%q: %v", ref, err)
		}
		if err == nil {
			src.Close()
		}
	}
	if _, err := fromoci.OpenArchive(t.Context(), path, "", fromoci.Options{Platform: "linux/arm64"}); err == nil || !strings.Contains(err.Error(), "not for the platform linux/arm64") {
		t.Error(err)
	}
}

// A layer that is in the archive once for each time that the image has it, under one name, and
// folders with an entry before each of their files.
func TestDockerNamesTwice(t *testing.T) {
	one, two := ocitest.Tar(t, "file a=1", "file b=1"), ocitest.Tar(t, "file a=2")
	p := ocitest.Image{Layers: [][]byte{one, two, one}}.Parts(t)
	reg := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644} }
	list := ocitest.JSON(t, "", []ocitest.Object{{"Config": "c.json", "RepoTags": nil, "Layers": []string{"l/1.tar", "l/2.tar", "l/1.tar"}}})
	data := ocitest.Tar(t, "dir l", reg("l/1.tar"), string(one), "dir l", reg("l/2.tar"), string(two), "dir l", reg("l/1.tar"), string(one),
		reg("c.json"), string(p.Config.Data), reg("manifest.json"), string(list.Data))
	src, err := fromoci.ReadArchive(t.Context(), bytes.NewReader(data), "", fromoci.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if diff := cmp.Diff([]string{"file a=1", "file b=1"}, show(t, src.Tree)); diff != "" {
		t.Error(diff)
	}
}

// A link in place of a layer, as older versions of Docker write it.
func TestDockerLinks(t *testing.T) {
	layer := ocitest.Tar(t, "file f=1")
	p := ocitest.Image{Layers: [][]byte{layer, layer}}.Parts(t)
	list := ocitest.JSON(t, "", []ocitest.Object{{"Config": "c.json", "RepoTags": nil, "Layers": []string{"a/layer.tar", "b/layer.tar"}}})
	reg := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644} }
	for target, want := range map[string]string{"../a/layer.tar": "", "../../../../etc/passwd": "does not exist", "layer.tar": "too many links"} {
		data := ocitest.Tar(t, reg("c.json"), string(p.Config.Data), reg("a/layer.tar"), string(layer), "link b/layer.tar="+target, reg("manifest.json"), string(list.Data))
		src, err := fromoci.ReadArchive(t.Context(), bytes.NewReader(data), "", fromoci.Options{})
		switch {
		case want == "" && err == nil:
			src.Close()
		case want == "" || err == nil || !strings.Contains(err.Error(), want):
			t.Errorf("%s: %v", target, err)
		}
	}
}

func TestExcludeAndOwners(t *testing.T) {
	lower := ocitest.Tar(t, "file a/x.log=1", "hard b=a/x.log", tar.Header{Typeflag: tar.TypeReg, Name: "c", Mode: 0o644, Uid: 5, Gid: 6}, "1")
	src := open(t, layout(t, ocitest.Image{Layers: [][]byte{lower}}), "", fromoci.Options{Exclude: []string{"*.log", "none"}, Owners: source.OwnersRoot})
	if diff := cmp.Diff([]string{"dir a", "file b=1", "file c=1"}, show(t, src.Tree)); diff != "" {
		t.Error(diff)
	}
	if n := src.Tree.Lookup("c"); n.UID != 0 || n.GID != 0 {
		t.Errorf("owner %d:%d", n.UID, n.GID)
	}
}

// A layer in place that changes while its contents are read.
func TestChanged(t *testing.T) {
	im := ocitest.Image{Layers: [][]byte{ocitest.Tar(t, "file f=12345")}}
	p := im.Parts(t)
	dir := ocitest.Layout(t, p.All(), p.Manifest.Descriptor)
	src, err := fromoci.OpenLayout(t.Context(), dir, "", fromoci.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	name := filepath.Join(dir, "blobs", strings.Replace(p.Layers[0].Descriptor["digest"].(string), ":", "/", 1))
	if err := os.Chtimes(name, time.Time{}, time.Unix(5, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := src.Tree.Lookup("f").Content.Open(); !errors.Is(err, source.ErrChanged) {
		t.Error(err)
	}
}

func TestInterrupted(t *testing.T) {
	im := ocitest.Image{Layers: [][]byte{ocitest.Tar(t, "file f="+strings.Repeat("x", 1<<20)), ocitest.Tar(t, "file g=1")}, Pack: []func(testing.TB, []byte) []byte{ocitest.Gzip, ocitest.Gzip}}
	dir := layout(t, im)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := fromoci.OpenLayout(ctx, dir, "", fromoci.Options{Decompress: decompress, Progress: func(int64, int64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
