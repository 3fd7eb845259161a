package image_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"imagetools/compress"
	"imagetools/image"
	"imagetools/manifest"
	"imagetools/tree"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
)

// makeImage makes the image web-1.0 of files, whose names end in '/' for directories, and
// returns the paths of both its files.
func makeImage(t *testing.T, opts manifest.Options, files map[string]string) (stream, text string) {
	t.Helper()
	tr := tree.New()
	for _, path := range sortedKeys(files) {
		dir := tr.Root
		parts := strings.Split(strings.TrimSuffix(path, "/"), "/")
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
		n := tree.NewDir(0o755)
		if !strings.HasSuffix(path, "/") {
			n = &tree.Node{Mode: tree.TypeFile | 0o644, Size: int64(len(files[path])), Content: tree.Bytes(files[path])}
		}
		if err := dir.Add(parts[len(parts)-1], n); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.Seal(); err != nil {
		t.Fatal(err)
	}
	opts.Name, opts.Version, opts.Description = "web", "1.0", "a test"
	res, err := image.Create(context.Background(), tr, image.Options{
		Dir: t.TempDir(), Compression: compress.Gzip, Now: time.Unix(1e9, 0), Manifest: opts,
	})
	if err != nil {
		t.Fatal(err)
	}
	return res.Image, res.ManifestPath
}

func sortedKeys(m map[string]string) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func faults(t *testing.T, paths ...string) string {
	t.Helper()
	res, err := image.Verify(context.Background(), paths, image.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range res.Faults {
		b.WriteString(f.Severity.String() + ": " + filepath.Base(f.File) + ": " + f.Path + ": " + f.Message + "\n")
	}
	for _, n := range res.Notes {
		b.WriteString("note: " + n + "\n")
	}
	return b.String()
}

// good is what an image for brand joyent has at least.
var good = map[string]string{
	"root/var/zoneinit/zoneinit.json": `{"features": {"var_svc_provisioning": true}}`, "root/etc/svc/repository.db": "x", "root/var/adm/": "",
}

func with(files map[string]string) map[string]string {
	all := map[string]string{}
	for _, m := range []map[string]string{good, files} {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

func TestVerifySound(t *testing.T) {
	t.Parallel()
	file, text := makeImage(t, manifest.Options{}, good)
	for _, path := range []string{file, text} {
		if got := faults(t, path); got != "" {
			t.Errorf("%s: %s", path, got)
		}
	}
}

func TestVerifyManifest(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, old, new string
		want           []string
	}{
		{"size", `"size": `, `"size": 1`, []string{"damage: web-1.0.json: : 16:7: files[0].size: 1"}},
		{"digest", `"sha1": "`, `"sha1": "0`, []string{"files[0].sha1: 0"}},
		{"compression", `"gzip"`, `"bzip2"`, []string{`files[0].compression: "bzip2", the file is compressed with gzip`}},
		{"guid", `"dataset_guid": "`, `"dataset_guid": "1`, []string{"files[0].dataset_guid: 1"}},
		{"type", `"zone-dataset"`, `"zvol"`, []string{`type: "zvol", the stream holds a file system`}},
		{"origin", `"type"`, `"origin": "01234567-89ab-cdef-0123-456789abcdef", "type"`, []string{"warning: web-1.0.json: : 11:3: origin: ", "the stream is a full one"}},
		{"unknown field", `"type"`, `"channel": 1, "type"`, []string{"channel"}},
		{"no JSON", `"v"`, `"v`, []string{"damage: web-1.0.json"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, path := makeImage(t, manifest.Options{}, good)
			text := read(path)
			if !strings.Contains(text, test.old) {
				t.Fatalf("no %s in %s", test.old, text)
			}
			write(t, path, strings.Replace(text, test.old, test.new, 1))
			got := faults(t, path)
			for _, want := range test.want {
				if !strings.Contains(got, want) {
					t.Errorf("got\n%swant %q", got, want)
				}
			}
			if strings.Count(got, "damage: ") > 1 {
				t.Errorf("got\n%swant one that is damage", got)
			}
		})
	}
}

// What is private is told with its path; what only looks so is not.
func TestVerifyLeaks(t *testing.T) {
	t.Parallel()
	private := map[string]string{
		"config/metadata.json": "{}", "config/tags.json": "{}",
		"root/etc/ssh/ssh_host_rsa_key": "k", "root/var/ssh/ssh_host_ed25519_key": "k",
		"root/root/.bash_history": "ls", "root/home/u/.psql_history": "x", "root/home/u/.lesshst": "x", "root/root/.viminfo": "x",
		"root/root/.ssh/known_hosts": "h", "root/home/u/.ssh/id_ed25519": "k", "root/var/svc/provisioning": "",
		"root/var/svc/provision_success": "", "root/etc/machine-id": strings.Repeat("0", 33),
	}
	files := with(private)
	for _, path := range []string{
		"root/usr/lib/ssh_host_rsa_key", "root/etc/ssh/ssh_host_rsa_key.pub", "root/home/u/.ssh/id_ed25519.pub", "root/home/u/.ssh/authorized_keys",
		"root/usr/share/metadata.json", "root/usr/bin/history", "config/hosts", "root/usr/include/id_map.h",
	} {
		files[path] = "x"
	}
	files["root/home/v/.bash_history"] = ""
	file, _ := makeImage(t, manifest.Options{}, files)
	got := faults(t, file)
	for path := range private {
		if strings.Count(got, "warning: web-1.0.zfs.gz: "+path+": ") != 1 {
			t.Errorf("%s is not told", path)
		}
	}
	if n := strings.Count(got, "\n"); n != len(private) {
		t.Errorf("%d faults, want %d:\n%s", n, len(private), got)
	}
	file, _ = makeImage(t, manifest.Options{}, with(map[string]string{"root/etc/machine-id": "uninitialized\n"}))
	if got := faults(t, file); got != "" {
		t.Errorf("a machine id that is filled at boot: %s", got)
	}
}

func TestVerifyProvisioning(t *testing.T) {
	t.Parallel()
	root := map[string]string{"root/etc/motd": ""}
	for _, test := range []struct {
		name  string
		opts  manifest.Options
		files map[string]string
		want  string
	}{
		{"no root", manifest.Options{}, map[string]string{"etc/": ""}, "damage: web-1.0.zfs.gz: root: not found: zones will not boot"},
		{"root is a file", manifest.Options{}, map[string]string{"root": ""}, "damage: web-1.0.zfs.gz: root: not a directory: zones will not boot"},
		{"joyent", manifest.Options{}, root, "warning: web-1.0.zfs.gz: root/var/zoneinit/zoneinit.json: not found: vmadm refuses"},
		{"old", manifest.Options{}, with(map[string]string{"root/root/zoneinit.d/04-mdata.sh": ""}), ""},
		{"another brand", manifest.Options{Base: &manifest.Manifest{Requirements: &manifest.Requirements{Brand: "sngl"}}}, root, ""},
		{"lx", manifest.Options{Type: manifest.TypeLX}, root, "warning: web-1.0.zfs.gz: root/sbin/init: not found"},
	} {
		t.Run(test.name, func(t *testing.T) {
			file, _ := makeImage(t, test.opts, test.files)
			if got := faults(t, file); !strings.HasPrefix(got, test.want) || (got == "") != (test.want == "") {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// edit unpacks the stream of an image, has fn change its records, and writes it, not
// compressed, without a manifest.
func edit(t *testing.T, file string, fn func(rec stream.Record)) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	r, w := stream.NewReader(plain), stream.NewWriter(&out)
	for {
		rec, err := r.Next()
		if err != nil {
			break
		}
		payload, err := r.Payload()
		if err != nil {
			t.Fatal(err)
		}
		fn(rec)
		if err := w.WriteRecord(rec, payload); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "edited.zfs")
	write(t, path, out.String())
	return path
}

func TestVerifyStream(t *testing.T) {
	t.Parallel()
	file, _ := makeImage(t, manifest.Options{}, good)
	same := func(stream.Record) {}
	begin := func(fn func(*stream.Begin)) func(stream.Record) {
		return func(rec stream.Record) {
			if b, ok := rec.(*stream.Begin); ok {
				fn(b)
			}
		}
	}
	for _, test := range []struct {
		name, path, want string
	}{
		{"plain", edit(t, file, same), ""},
		{"features", edit(t, file, begin(func(b *stream.Begin) { b.Features |= stream.FeatureLargeBlocks })), "warning: edited.zfs: : platforms before 20141201"},
		{"for OpenZFS alone", edit(t, file, begin(func(b *stream.Begin) { b.Features |= stream.FeatureZstd })), "warning: edited.zfs: : no SmartOS platform"},
		{"incremental", edit(t, file, begin(func(b *stream.Begin) { b.FromGUID = 5 })), "without the flag CLONE"},
		{"without origin", edit(t, file, begin(func(b *stream.Begin) { b.FromGUID = 5 })), "warning: edited.zfs: : incomplete: snapshot \"image@final\" is incremental: its origin, guid 0x5, is missing"},
		{"the rest of a send", edit(t, file, begin(func(b *stream.Begin) { b.Features |= stream.FeatureResuming })), "warning: edited.zfs: : incomplete: snapshot \"image@final\": the first part"},
	} {
		if got := faults(t, test.path); !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
	twice := edit(t, file, same)
	write(t, twice, read(twice)+read(twice))
	if got := faults(t, twice); !strings.Contains(got, "the stream has 2 snapshots") {
		t.Errorf("two streams: %s", got)
	}
	behind := edit(t, file, same)
	write(t, behind, read(behind)+"more")
	if got := faults(t, behind); !strings.HasPrefix(got, "damage: edited.zfs: : 4 bytes follow the end of the stream") {
		t.Errorf("bytes behind the end: %s", got)
	}
	write(t, behind, read(edit(t, file, same))+strings.Repeat("\x00", 512))
	if got := faults(t, behind); !strings.HasPrefix(got, "warning: edited.zfs: : 512 bytes follow the end of the stream") {
		t.Errorf("zeros behind the end: %s", got)
	}
}

// A file that is cut, and one that is changed where gzip sees it first.
func TestVerifyCompressed(t *testing.T) {
	t.Parallel()
	file, text := makeImage(t, manifest.Options{}, good)
	data := read(file)
	write(t, file, data[:len(data)-20])
	got := faults(t, text)
	for _, want := range []string{"damage: web-1.0.zfs.gz: : ", "files[0].size", "files[0].sha1"} {
		if !strings.Contains(got, want) {
			t.Errorf("cut: got %s, want %q", got, want)
		}
	}
	changed := []byte(data)
	changed[len(changed)-6] ^= 1 // of the CRC
	write(t, file, string(changed))
	if got := faults(t, file); !strings.HasPrefix(got, "damage: web-1.0.zfs.gz: : ") || strings.Count(got, "damage") != 2 {
		t.Errorf("changed: got %s, want the file's own fault and that of its digest", got)
	}
}

// Many faults are counted, few are told.
func TestVerifyLimit(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for i := range 50 {
		files["root/home/"+string(rune('a'+i%26))+strings.Repeat("x", i)+"/.bash_history"] = "x"
	}
	file, _ := makeImage(t, manifest.Options{Base: &manifest.Manifest{Requirements: &manifest.Requirements{Brand: "sngl"}}}, files)
	res, err := image.Verify(context.Background(), []string{file}, image.VerifyOptions{Limit: 7})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Faults) != 7 || res.Count[zpl.Warning] != 50 {
		t.Errorf("%d faults told, %d counted", len(res.Faults), res.Count[zpl.Warning])
	}
}

func TestVerifyUnreadable(t *testing.T) {
	t.Parallel()
	if _, err := image.Verify(context.Background(), []string{filepath.Join(t.TempDir(), "none")}, image.VerifyOptions{}); err == nil {
		t.Error("a file that is not there was verified")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	file, _ := makeImage(t, manifest.Options{}, good)
	if _, err := image.Verify(ctx, []string{file}, image.VerifyOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after the context ended", err)
	}
}
