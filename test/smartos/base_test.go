//go:build linux

package smartos_test

import (
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"imagetools/base"
	"imagetools/host"
	"imagetools/test/oracle"
	"imagetools/test/smartos"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestMakeBaseImages makes the images of smartos.MakeBaseImages, which runs it.
func TestMakeBaseImages(t *testing.T) {
	to := os.Getenv(smartos.MakingBaseImages)
	if to == "" {
		return // TestBaseImages has it run
	}
	smartos.RunThen(t, func(t *testing.T, m *smartos.Machine) {
		seeds := map[string]string{"joyent": installSeed(t, m, "joyent"), "sngl": installSeed(t, m, "sngl")}
		for _, b := range smartos.BaseImages {
			t.Run(b.Name, func(t *testing.T) { makeBaseImage(t, m, b, seeds) })
		}
	}, func(t *testing.T, dir string) {
		for _, b := range smartos.BaseImages {
			for _, name := range []string{b.NameVersion() + ".json", b.NameVersion() + ".zfs.gz", b.Name + ".calls"} {
				data, err := os.ReadFile(filepath.Join(dir, name))
				if err := errors.Join(err, os.WriteFile(filepath.Join(to, name), data, 0o666)); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// makeBaseImage goes all the way from a zone of a seed to the base image of that zone.
func makeBaseImage(t *testing.T, m *smartos.Machine, b smartos.BaseImage, seeds map[string]string) {
	img := base.Standard.Image(b.Config)
	bootstrap := kit(t, m, img)
	zone := newZone(t, m, img, seeds[img.Brand()])
	args := b.Args
	if args == nil {
		args = []string{"-c", img.Config.String(), "-n", img.Name, "-r", img.Release, "-z"}
	}
	args = append(append([]string{"install-base"}, args...), zone, "--bootstrap", bootstrap)
	if img.Arch == "sngl" {
		args = append(args, "--cacert", cacert(t, m))
	}
	said := m.Must(t, m.Tool, args...)
	if want := "imagetools create-image " + b.NameVersion() + " " + zone; !strings.HasSuffix(said, want) {
		t.Errorf("install-base says %q", said)
	}
	calls := strings.Join(m.ZoneCalls(t, zone), "\n") + "\n"
	if err := os.WriteFile(filepath.Join(m.Dir, b.Name+".calls"), []byte(calls), 0o666); err != nil {
		t.Fatal(err)
	}
	m.Must(t, m.Tool, "create-image", "-q", "-o", m.Dir, b.NameVersion(), zone)
	m.Must(t, "vmadm", "delete", zone)
}

// TestBaseImages looks at images that were made from end to end, and at how they were made.
func TestBaseImages(t *testing.T) {
	judge := oracle.RequireJudge(t)
	dir := smartos.MakeBaseImages(t)
	tool := filepath.Join(t.TempDir(), "imagetools")
	if out, err := exec.Command("go", "build", "-o", tool, "imagetools/cmd/imagetools").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, b := range smartos.BaseImages {
		t.Run(b.Name, func(t *testing.T) {
			calls, err := os.ReadFile(filepath.Join(dir, b.Name+".calls"))
			if err != nil {
				t.Fatal(err)
			}
			golden(t, b.Name+".calls", string(calls))
			checkImage(t, judge, tool, b.Name, filepath.Join(dir, b.NameVersion()))
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got; -update writes it):\n%s", name, diff)
	}
}

// buildFiles are files that a whole build has.
//
//go:embed testdata/build.txtar
var buildFiles string

// installSeed makes a seed image for zones of a brand, and has imgadm install it. It returns its
// UUID.
func installSeed(t *testing.T, m *smartos.Machine, brand string) string {
	t.Helper()
	name := brand + "-1.0"
	build, store := filepath.Join(m.Dir, brand+"-live"), filepath.Join(m.Dir, "store")
	m.Must(t, "cp", "-R", "--no-preserve=mode", filepath.Join(m.Checkout, "doc/smartos-live"), build)
	for _, f := range txtar.Parse([]byte(buildFiles)).Files {
		path := filepath.Join(build, "proto", f.Name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, f.Data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"create-seed", "-q", "--store", store, build, name}
	if brand == "sngl" {
		args = append(args, "--bootstrap", usrKit(t, m))
	}
	m.Must(t, m.Tool, args...)
	m.Must(t, m.Tool, "create-image", "-q", "--zpl", "4", "--store", store, "-o", m.Dir, name, filepath.Join(store, name))
	image := filepath.Join(m.Dir, name)
	m.Must(t, "imgadm", "install", "-m", image+".json", "-f", image+".zfs.gz")
	var made struct{ UUID string }
	text, err := os.ReadFile(image + ".json")
	if err := errors.Join(err, json.Unmarshal(text, &made)); err != nil {
		t.Fatal(err)
	}
	return made.UUID
}

// usrKit is a bootstrap for seeds of zones whose /usr is their own: a shell for scripts.
func usrKit(t *testing.T, m *smartos.Machine) string {
	t.Helper()
	bin, kit := filepath.Join(m.Dir, "kit/usr/bin"), filepath.Join(m.Dir, "usr.tar.gz")
	if err := errors.Join(os.MkdirAll(bin, 0o755), os.Symlink("/system/usr/bin/sh", filepath.Join(bin, "sh"))); err != nil {
		t.Fatal(err)
	}
	m.Must(t, "tar", "-C", filepath.Join(m.Dir, "kit"), "-czf", kit, "usr")
	return kit
}

// newZone makes a zone of the seed.
func newZone(t *testing.T, m *smartos.Machine, img *base.Image, seed string) string {
	t.Helper()
	vm := newVM(seed)
	vm.Brand, vm.Alias = img.Brand(), img.Name
	if err := (&host.Host{}).CreateVM(t.Context(), vm); err != nil {
		t.Fatal(err)
	}
	return vm.UUID
}

// kit writes the bootstrap of an image, and the packages that can be added after it.
func kit(t *testing.T, m *smartos.Machine, img *base.Image) string {
	t.Helper()
	m.RemovePackages(t)
	prefix, sysconfdir := img.Variables["IMAGE_PREFIX"], img.Variables["IMAGE_SYSCONFDIR"]
	m.AddPackages(t, prefix, sysconfdir, img.Packages)
	if img.Arch == "sngl" {
		sysconfdir = "" // a kit of its time has no certificates
	}
	return m.Bootstrap(t, prefix, sysconfdir)
}

func cacert(t *testing.T, m *smartos.Machine) string {
	t.Helper()
	path := filepath.Join(m.Dir, "cacert.pem")
	if err := os.WriteFile(path, []byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// checkImage has the judge receive an image, and compares what it finds with what our reader
// finds, and with the golden list.
func checkImage(t *testing.T, judge *oracle.Judge, tool, name, image string) {
	t.Helper()
	dir := t.TempDir()
	stream, ours := filepath.Join(dir, "stream"), filepath.Join(dir, "extracted")
	if out, err := exec.Command("sh", "-c", `gzip -dc "$1" >"$2"`, "sh", image+".zfs.gz", stream).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	judged := judge.Receive(t, []string{stream}, oracle.JudgeOptions{Foreign: true, NoZDB: true})
	if out, err := exec.Command(tool, "extract", "-q", "--same-owner", "--devices", "-C", ours, image+".json").CombinedOutput(); err != nil {
		t.Fatalf("extract: %v: %s", err, out)
	}
	got, err := oracle.ListDir(ours, oracle.DirOptions{Computed: true})
	if err != nil {
		t.Fatal(err)
	}
	// cp of the stand-in for pkg_add sets ACLs that say no more than modes; not every disk keeps those.
	if diff := oracle.Diff(judged, got, oracle.DiffOptions{IgnoreRoot: true, IgnoreXattrs: true}); diff != "" {
		t.Errorf("our reader sees another image than the judge:\n%s", diff)
	}
	golden(t, name+".files", strings.Join(smartos.Lines(judged), "\n")+"\n")
	if name == "base" || name == "sngl" {
		golden(t, name+".txtar", string(txtar.Format(texts(t, ours))))
	}
}

// texts are the files that edits may have changed.
func texts(t *testing.T, dir string) *txtar.Archive {
	t.Helper()
	a := &txtar.Archive{}
	for _, top := range []string{"root/etc", "root/opt/local/etc", "root/var/spool/cron"} {
		err := filepath.WalkDir(filepath.Join(dir, top), func(path string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist): // no sysconfdir of its own
				return nil
			case err != nil:
				return err
			case slices.Contains([]string{"openssl", "skel", "ssl", "svc"}, d.Name()):
				return fs.SkipDir
			case !d.Type().IsRegular():
				return nil
			}
			data, err := os.ReadFile(path)
			if err == nil && len(data) > 0 {
				a.Files = append(a.Files, txtar.File{Name: strings.TrimPrefix(path, dir+"/root/"), Data: data})
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return a
}
