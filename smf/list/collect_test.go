package list_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"imagetools/internal/cli"
	"imagetools/smf/list"
)

// build makes a smartos-live of files given as "path": "contents" and returns its roots.
func build(t *testing.T, files map[string]string) list.Roots {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return list.Roots{
		Generic: filepath.Join(dir, "overlay/generic"),
		Proto:   filepath.Join(dir, "proto"),
		SmartOS: filepath.Join(dir, "overlay/smartos"),
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

const (
	inGeneric = "overlay/generic/lib/svc/manifest/"
	inProto   = "proto/lib/svc/manifest/"
	inSmartOS = "overlay/smartos/lib/svc/manifest/"
)

func collect(t testing.TB, roots list.Roots, text string) ([]list.Manifest, error) {
	t.Helper()
	l, err := list.Parse("LIST", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	places, err := list.Open(roots)
	if err != nil {
		t.Fatal(err)
	}
	defer places.Close()
	return l.Collect(places)
}

func TestSearchOrder(t *testing.T) {
	roots := build(t, map[string]string{
		inGeneric + "a.xml": "generic", inProto + "a.xml": "proto", inSmartOS + "a.xml": "smartos",
		inProto + "b.xml": "proto", inSmartOS + "b.xml": "smartos",
		inSmartOS + "c.xml": "smartos",
		// ours is found first
		inGeneric + "system/mdata.xml": "generic",
		// no regular files, and so not there
		inGeneric + "d.xml/x": "", inProto + "d.xml": "proto",
		inGeneric + "e": "", inProto + "e/f.xml": "proto",
	})
	manifests, err := collect(t, roots, "a.xml enabled\nb.xml disabled\nc.xml x\nsystem/mdata.xml disabled\nd.xml enabled\ne/f.xml enabled\ng.xml enabled optional\na.xml disabled\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"generic: a.xml enabled generic\n",
		"proto: b.xml disabled proto\n",
		"smartos: c.xml disabled smartos\n",
		"imagetools: system/mdata.xml disabled",
		"proto: d.xml enabled proto\n",
		"proto: e/f.xml enabled proto\n",
		"absent: g.xml ",
		"generic: a.xml disabled generic\n",
	}
	for i, m := range manifests {
		if got := m.String() + " " + string(m.XML); !strings.HasPrefix(got, want[i]) {
			t.Errorf("%d: %s, want %s", i, got, want[i])
		}
	}
	if len(manifests) != len(want) {
		t.Errorf("%d manifests, want %d", len(manifests), len(want))
	}

	if manifests[0].Time.IsZero() || !manifests[3].Time.IsZero() {
		t.Errorf("times %v, and of our own %v", manifests[0].Time, manifests[3].Time)
	}

	roots.Own = t.TempDir()
	write(t, filepath.Join(roots.Own, "a.xml"), "own")
	manifests, err = collect(t, roots, "a.xml enabled\nsystem/mdata.xml enabled\n")
	if err != nil || manifests[0].String() != "manifest-dir: a.xml enabled" || manifests[1].String() != "generic: system/mdata.xml enabled" {
		t.Errorf("with a manifest folder: %v, %v", manifests, err)
	}
}

func TestEditsAsListed(t *testing.T) {
	const text = "<create_default_instance enabled='false'/>\n"
	manifests, err := collect(t, build(t, map[string]string{inProto + "a.xml": text}), "a.xml disabled\na.xml enabled\n")
	if err != nil || string(manifests[0].XML) != text || string(manifests[1].XML) != strings.Replace(text, "false", "true", 1) {
		t.Errorf("%q, %v", manifests, err)
	}
}

func TestNotFound(t *testing.T) {
	roots := build(t, map[string]string{inProto + "a.xml": ""})
	_, err := collect(t, roots, "gone.xml enabled\na.xml enabled\nalso/gone.xml disabled\n")
	want := "list \"LIST\": line 1: manifest \"gone.xml\": found nowhere\nlist \"LIST\": line 3: manifest \"also/gone.xml\": found nowhere"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want\n%s", err, want)
	}
	hints := cli.Hints(err)
	if len(hints) != 1 || !strings.Contains(hints[0], filepath.Join(roots.Proto, "lib/svc/manifest")) {
		t.Errorf("hints %q", hints)
	}
}

func TestLinks(t *testing.T) {
	roots := build(t, map[string]string{
		inGeneric + "keep":        "",
		inProto + "real/a.xml":    "a",
		inSmartOS + "dangling":    "smartos",
		"outside/secret.xml":      "secret",
		"proto/var/svc/other.xml": "other",
	})
	dir := filepath.Join(roots.Proto, "lib/svc/manifest")
	for name, target := range map[string]string{
		"inside.xml":    "real/a.xml",
		"folder":        "real",
		"outside.xml":   "../../../../outside/secret.xml",
		"absolute.xml":  filepath.Join(dir, "real/a.xml"),
		"elsewhere.xml": "../../../var/svc/other.xml",
		"dangling":      "nothing",
		"loop.xml":      "loop.xml",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	manifests, err := collect(t, roots, "inside.xml enabled\nfolder/a.xml enabled\ndangling enabled")
	if err != nil || string(manifests[0].XML) != "a\n" || string(manifests[1].XML) != "a\n" || manifests[2].Place != "smartos" {
		t.Errorf("links inside: %v, %v", manifests, err)
	}
	names := []string{"outside.xml", "absolute.xml", "elsewhere.xml", "loop.xml"}
	_, err = collect(t, roots, strings.Join(names, " enabled optional\n")+" enabled")
	if err == nil {
		t.Fatal("links that lead outside are followed")
	}
	for _, name := range names {
		if !strings.Contains(err.Error(), `manifest "`+name+`": `+dir+": ") {
			t.Errorf("%v\nwithout %s", err, name)
		}
	}
}

func TestRoots(t *testing.T) {
	roots := build(t, map[string]string{"proto/etc/passwd": ""})
	if _, err := list.Open(roots); !errors.Is(err, list.ErrNoManifests) {
		t.Errorf("Open(no build) = %v", err)
	}
	roots = build(t, map[string]string{inProto + "a.xml": ""})
	roots.Generic, roots.SmartOS = "", ""
	if _, err := collect(t, roots, "a.xml enabled"); err != nil {
		t.Error(err)
	}
	roots.Own = filepath.Join(t.TempDir(), "none")
	if _, err := list.Open(roots); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open(no such manifest folder) = %v", err)
	}
	roots = build(t, map[string]string{"proto/x": "", "outside/svc/manifest/a.xml": ""})
	if err := os.Symlink("../outside", filepath.Join(roots.Proto, "lib")); err != nil {
		t.Fatal(err)
	}
	if _, err := list.Open(roots); err == nil || errors.Is(err, list.ErrNoManifests) {
		t.Errorf("Open(proto with its lib elsewhere) = %v", err)
	}
}

func TestTooLarge(t *testing.T) {
	roots := build(t, map[string]string{inProto + "large.xml": strings.Repeat("x", 5<<20), inProto + "some.xml": strings.Repeat("x", 4<<20)})
	if _, err := collect(t, roots, "large.xml enabled"); err == nil || !strings.Contains(err.Error(), "no manifest") {
		t.Errorf("a manifest of 5 MiB: %v", err)
	}
	if _, err := collect(t, roots, strings.Repeat("some.xml enabled\n", 5)); err == nil || !strings.Contains(err.Error(), "line 4: all manifests") {
		t.Errorf("5 manifests of 4 MiB: %v", err)
	}
}

// TestDefault: the list that the program carries is one without faults or warnings, with our
// own manifest in it and no name twice.
func TestDefault(t *testing.T) {
	l, err := list.Parse("default", list.Default())
	if err != nil || len(l.Warnings) > 0 {
		t.Fatal(err, l.Warnings)
	}
	var names []string
	for _, e := range l.Entries {
		names = append(names, e.Name)
	}
	if !slices.Contains(names, "system/mdata.xml") {
		t.Error("no mdata")
	}
	slices.Sort(names)
	if n := len(slices.Compact(names)); n != len(l.Entries) {
		t.Errorf("%d entries with %d names", len(l.Entries), n)
	}
}
