package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"imagetools/compress"
	"imagetools/image"
	"imagetools/internal/cli"
	"imagetools/manifest"
	"imagetools/source"
	"imagetools/tree"
)

// call runs a command line and returns what it printed to standard error.
func call(t *testing.T, args ...string) (stderr string, code int) {
	t.Helper()
	var out bytes.Buffer
	env := &cli.Env{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: &out, Now: time.Now, Getenv: func(string) string { return "" }}
	code = run(context.Background(), env, name, args)
	return out.String(), code
}

// makeDisks makes an image of a disk, and increments, each on the one before. It returns the paths
// of the manifests.
func makeDisks(t *testing.T, dir string, disks ...[]byte) (paths []string) {
	t.Helper()
	origin := ""
	for i, d := range disks {
		version := string(rune('0' + i))
		opts := image.Options{
			Dir: dir, Compression: compress.Gzip, Now: time.Unix(1e9, 0),
			Manifest: manifest.Options{Name: "disk", Version: version, Type: manifest.TypeZvol, OS: "linux", Description: "a disk", NICDriver: "virtio", DiskDriver: "virtio", CPUType: "host",
				Base: &manifest.Manifest{Origin: origin}},
		}
		if i > 0 {
			o, err := image.Open(t.Context(), paths[i-1], image.OpenOptions{Origins: paths[:i-1]})
			if err != nil {
				t.Fatal(err)
			}
			defer o.Close()
			if opts.Volume.Origin, err = o.Volume(); err != nil {
				t.Fatal(err)
			}
		}
		f, err := tree.Bytes(d).Open()
		if err != nil {
			t.Fatal(err)
		}
		res, err := image.CreateVolume(t.Context(), f, int64(len(d)), opts)
		if err != nil {
			t.Fatal(err)
		}
		paths, origin = append(paths, res.ManifestPath), res.Manifest.UUID
	}
	return paths
}

// A chain of disks becomes the full image of the last one, found by the manifests or named.
func TestFlattenDisks(t *testing.T) {
	dir := t.TempDir()
	disks := [][]byte{make([]byte, 3<<20), make([]byte, 3<<20), make([]byte, 5<<20)}
	for i := range disks {
		disks[i][446+4], disks[i][446+12] = 0x83, 1 // an MBR with one partition of a sector
		copy(disks[i][510:], "\x55\xaa")
		copy(disks[i][1<<20:], strings.Repeat("data", i+1))
		copy(disks[i][i<<20|8192*i:], "more")
	}
	chain := makeDisks(t, filepath.Join(dir, "chain"), disks...)
	if stderr, code := call(t, append([]string{"verify", "--strict"}, chain...)...); code != 0 {
		t.Fatal(stderr)
	}
	found, err := source.Find(t.Context(), chain[2], source.Options{Origins: chain[:2]})
	if err != nil {
		t.Fatal(err)
	}
	d, err := found.(source.Disks).Disk(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d.Close(); d.Held <= 0 {
		t.Errorf("the index of a volume takes %d bytes", d.Held) // by which memory is limited
	}
	raw := filepath.Join(dir, "raw")
	if err := os.WriteFile(raw, disks[2], 0o644); err != nil {
		t.Fatal(err)
	}
	read := func(elem ...string) string {
		text, err := os.ReadFile(filepath.Join(append([]string{dir}, elem...)...))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if stderr, code := call(t, "create-image", "disk-2", raw, "--type", "zvol", "--os", "linux", "--description", "a disk", "-o", filepath.Join(dir, "want")); code != 0 {
		t.Fatal(stderr)
	}
	want := read("want", "disk-2.zvol.gz")
	for name, args := range map[string][]string{
		"found": {chain[2]},
		"named": {"--origin", strings.TrimSuffix(chain[0], ".json") + ".zvol.gz", "--origin", chain[1], strings.TrimSuffix(chain[2], ".json") + ".zvol.gz", "disk-2"},
	} {
		stderr, code := call(t, append([]string{"flatten", "-o", filepath.Join(dir, name)}, args...)...)
		if code != 0 || !strings.Contains(stderr, "note: it is an increment on "+chain[0]) && !strings.Contains(stderr, "note: it is an increment on "+args[1]) {
			t.Fatal(stderr)
		}
		if read(name, "disk-2.zvol.gz") != want {
			t.Errorf("%s: another image", name)
		}
		m, err := manifest.Parse([]byte(read(name, "disk-2.json")))
		if err != nil {
			t.Fatal(err)
		}
		full, err := manifest.Parse([]byte(read("want", "disk-2.json")))
		if err != nil {
			t.Fatal(err)
		}
		m.PublishedAt, full.PublishedAt = "", ""
		if m.UUID != full.UUID || m.Origin != "" || m.ImageSize != 5 || m.Description != "a disk" || m.NICDriver != "virtio" {
			t.Errorf("%s: manifest %+v", name, m)
		}
	}
	// An increment is a source of create-image, too.
	if stderr, code := call(t, "create-image", "disk-2", chain[2], "-o", filepath.Join(dir, "source")); code != 0 {
		t.Fatal(stderr)
	}
	if read("source", "disk-2.zvol.gz") != want {
		t.Error("create-image makes another image")
	}

	// Bad input.
	image1 := strings.TrimSuffix(chain[1], ".json") + ".zvol.gz"
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"other origin": {[]string{"--origin", chain[0], chain[2]}, "its source was not read: no snapshot in \"" + chain[0] + "\" has the guid "},
		"order":        {[]string{"--origin", chain[1], "--origin", chain[0], chain[2]}, "its source was not read"},
		"exists":       {[]string{"-o", filepath.Dir(chain[0]), chain[2]}, "exists already"},
		"no manifest":  {[]string{"--origin", chain[0], link(t, image1)}, "NAME-VERSION is missing: no manifest of "},
		"no origin":    {[]string{link(t, image1), "disk-1"}, "hint: imagetools flatten --origin names the image with the snapshot of guid "},
		"no image":     {[]string{raw}, "no ZFS send stream"},
		"a folder":     {[]string{dir}, "is a directory, not an image"},
		"nothing":      {[]string{filepath.Join(dir, "none")}, "no such file"},
	} {
		args := append([]string{"flatten", "-o", filepath.Join(dir, "bad")}, test.args...)
		stderr, code := call(t, args...)
		if code == 0 || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: %d, %s", name, code, stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "bad")); err == nil {
		t.Error("something was left behind")
	}
}

// link is another name of a file, in a folder of its own.
func link(t *testing.T, path string) string {
	t.Helper()
	other := filepath.Join(t.TempDir(), filepath.Base(path))
	if err := os.Link(path, other); err != nil {
		t.Fatal(err)
	}
	return other
}
