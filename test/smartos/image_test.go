//go:build linux

package smartos_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/host"
	"imagetools/manifest"
	"imagetools/test/smartos"
)

// originFields are of the manifest of the image that the zone is made of.
var originFields = map[string]any{
	"description": "origin", "users": []any{map[string]any{"name": "admin"}}, "generate_passwords": false, "traits": map[string]any{"a": true},
	"requirements": map[string]any{"networks": []any{}, "min_platform": map[string]any{"7.0": "20120101T000000Z"}},
}

// imager makes images of one zone.
type imager struct {
	m    *smartos.Machine
	h    *host.Host
	vm   host.NewVM
	root string // of the zone
}

// create runs create-image and returns its manifest, or what it said when it failed.
func (i *imager) create(t *testing.T, name string, args ...string) (*manifest.Manifest, string) {
	t.Helper()
	cmd := exec.Command(i.m.Tool, append([]string{"create-image", "-o", i.m.Dir, name}, args...)...)
	out, err := cmd.CombinedOutput()
	if left := i.m.ZFS(t, "list", "-H", "-r", "-t", "snapshot", "-o", "name", "zones/"+i.vm.UUID); left != "" {
		t.Errorf("%s %q: snapshots are left: %s", name, args, left)
	}
	if err != nil {
		return nil, string(out)
	}
	text, err := os.ReadFile(filepath.Join(i.m.Dir, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	made, err := manifest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return made, string(out)
}

// refused checks that no image is made.
func (i *imager) refused(t *testing.T, want string, args ...string) {
	t.Helper()
	if made, said := i.create(t, "no-1.0", args...); made != nil || !strings.Contains(said, want) {
		t.Errorf("create-image %q makes %v, says %q; want %q in it", args, made, said, want)
	}
	if files, err := filepath.Glob(filepath.Join(i.m.Dir, "no-*")); err != nil || files != nil {
		t.Errorf("create-image %q leaves %v, %v", args, files, err)
	}
}

// TestCreateImage makes full and incremental images of a zone, installs them and looks at what
// arrives.
func TestCreateImage(t *testing.T) {
	smartos.Run(t, func(t *testing.T, m *smartos.Machine) {
		ctx := t.Context()
		i := &imager{m: m, h: &host.Host{}}
		seed := m.AddImage(t, smartos.Image{Type: "zone-dataset", Fill: smartos.MinimalSeed, Manifest: originFields})
		i.vm = newVM(seed)
		i.vm.Alias, i.vm.NICs[0].IPs = "web", []string{"10.88.1.5/24"}
		if err := i.h.CreateVM(ctx, i.vm); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := i.h.DeleteVM(t.Context(), i.vm.UUID); err != nil {
				t.Error(err)
			}
		}()
		i.root = filepath.Join(m.Mountpoint(t, "zones/"+i.vm.UUID), "root")

		i.refused(t, "virtual machine "+i.vm.UUID+" (web): it is running", "web")
		i.refused(t, "hint: stop it first: vmadm stop "+i.vm.UUID, i.vm.UUID)
		if _, err := i.h.Login(ctx, host.Login{Zone: i.vm.UUID, Args: []string{"sh", "-c", "echo new >/root/new; rm /etc/hosts; echo listen 10.88.1.5 >/etc/app.conf"}}); err != nil {
			t.Fatal(err)
		}
		if err := i.h.StopVM(ctx, i.vm.UUID); err != nil {
			t.Fatal(err)
		}
		i.testBad(t, seed)
		i.testFull(t)
		i.testIncremental(t, seed)
		i.testNoOrigin(t)
	})
}

// testBad makes images of a zone that is not prepared, and asks for what cannot be.
func (i *imager) testBad(t *testing.T, seed string) {
	history := filepath.Join(i.root, "root/.bash_history")
	if err := os.WriteFile(history, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"remove /root/.bash_history", "remove config/metadata.json", "remove /var/svc/provision_success", "it holds the address 10.88.1.5 of this machine",
		"hint: imagetools prepare " + i.vm.UUID + " does what is to be done"} {
		i.refused(t, name, "web")
	}
	i.refused(t, "type \"lx-dataset\": a machine of brand joyent makes a zone-dataset", "web", "--type", "lx-dataset")
	i.refused(t, "is no virtual machine", "zones/"+seed, "--incremental")
	if made, said := i.create(t, "leaky-1.0", "-q", "--unprepared", "web"); made == nil || !strings.Contains(said, "warning") {
		t.Errorf("--unprepared makes %v, says %q", made, said)
	}
	if err := os.Mkdir("web", 0o777); err != nil {
		t.Fatal(err)
	}
	i.refused(t, `it is the virtual machine `+i.vm.UUID+` (web) and the path "./web"`, "web")
	if err := os.Remove("web"); err != nil {
		t.Fatal(err)
	}
	i.m.Must(t, i.m.Tool, "prepare", "web")
	text, err := os.ReadFile(filepath.Join(i.root, "etc/app.conf"))
	if err != nil || string(text) != "listen @PRIVATE_IP@\n" {
		t.Errorf("an address that vmadm knows: %q, %v", text, err)
	}
}

// testFull makes images whose manifest says all that imgadm create would say.
func (i *imager) testFull(t *testing.T) {
	no := false
	want := &manifest.Manifest{
		Type: manifest.TypeZone, OS: "smartos", Users: []manifest.User{{Name: "admin"}}, GeneratePasswords: &no, Traits: map[string]any{"a": true},
		Requirements: &manifest.Requirements{Networks: []manifest.Network{}, MinPlatform: map[string]string{"7.0": "20241212T000748Z"}},
		Description:  "mine",
	}
	check := func(made *manifest.Manifest, said string) {
		t.Helper()
		if made == nil {
			t.Fatal(said)
		}
		got := &manifest.Manifest{
			Type: made.Type, OS: made.OS, Users: made.Users, GeneratePasswords: made.GeneratePasswords, Traits: made.Traits,
			Requirements: made.Requirements, Description: made.Description, Origin: made.Origin,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	for name, source := range map[string]string{"alias-1.0": "web", "uuid-1.0": i.vm.UUID, "dataset-1.0": "zones/" + i.vm.UUID} {
		check(i.create(t, name, source, "--description", "mine"))
	}
	want.Requirements.MinPlatform = map[string]string{"7.0": "20200101T000000Z"}
	check(i.create(t, "flag-1.0", "web", "--description", "mine", "--min-platform", "7.0=20200101T000000Z"))
	want.Requirements.MinPlatform = map[string]string{"7.0": "20141030T081701Z"}
	check(i.create(t, "base-64-20.4.0", "web", "--description", "mine"))
	// A dataset that is no zone's, by decree: nothing is inherited.
	if made, said := i.create(t, "plain-1.0", "--pool", "zones", i.vm.UUID); made == nil || made.Users != nil {
		t.Errorf("%v: %s", made, said)
	}
	i.installed(t, "alias-1.0")
}

// installed installs an image and looks for what the zone holds in it.
func (i *imager) installed(t *testing.T, name string) string {
	t.Helper()
	base := filepath.Join(i.m.Dir, name)
	i.m.Must(t, "imgadm", "install", "-m", base+".json", "-f", base+".zfs.gz")
	var made struct{ UUID string }
	text, err := os.ReadFile(base + ".json")
	if err == nil {
		err = json.Unmarshal(text, &made)
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(i.m.Mountpoint(t, "zones/"+made.UUID), "root")
	if out, err := exec.Command("diff", "-r", "--no-dereference", i.root, dir).CombinedOutput(); err != nil {
		t.Errorf("%s differs from the zone: %v: %s", name, err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "root/new")); err != nil {
		t.Error(err)
	}
	return made.UUID
}

func (i *imager) testIncremental(t *testing.T, seed string) {
	made, said := i.create(t, "delta-1.0", "--incremental", "web")
	if made == nil || made.Origin != seed {
		t.Fatalf("%+v: %s", made, said)
	}
	full, err := os.Stat(filepath.Join(i.m.Dir, "alias-1.0.zfs.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if made.Files[0].Size >= full.Size() {
		t.Errorf("the increment has %d bytes, all of it %d", made.Files[0].Size, full.Size())
	}
	dry, err := exec.Command(i.m.Tool, "create-image", "-i", "web-1.0", "web", "--dry-run", "-o", "dry").Output()
	for _, want := range []string{"zfs send -i zones/" + seed + "@final zones/" + i.vm.UUID + "@imagetools-", "# written would be dry/web-1.0.zfs.gz"} {
		if err != nil || !strings.Contains(string(dry), want) {
			t.Errorf("the dry run says %q, %v; want %q in it", dry, err, want)
		}
	}
	image := i.installed(t, "delta-1.0")
	if origin := i.m.ZFS(t, "get", "-H", "-o", "value", "origin", "zones/"+image); origin != "zones/"+seed+"@final" {
		t.Errorf("it is received as a clone of %q", origin)
	}
}

// testNoOrigin has a zone whose image has lost the snapshot that an increment is made on.
func (i *imager) testNoOrigin(t *testing.T) {
	image := i.m.AddImage(t, smartos.Image{Type: "zone-dataset", Fill: smartos.MinimalSeed})
	i.m.ZFS(t, "destroy", "zones/"+image+"@final")
	of := &imager{m: i.m, h: i.h, vm: newVM(image)}
	if err := i.h.CreateVM(t.Context(), of.vm); err != nil {
		t.Fatal(err)
	}
	if err := i.h.StopVM(t.Context(), of.vm.UUID); err != nil {
		t.Error(err)
	}
	of.refused(t, `snapshot "zones/`+image+`@final" does not exist`, "-i", "--unprepared", of.vm.UUID)
	if err := i.h.DeleteVM(t.Context(), of.vm.UUID); err != nil {
		t.Error(err)
	}
}
