//go:build linux

package smartos_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"imagetools/host"
	"imagetools/test/smartos"
)

// newVM is the payload that create-base-images sends.
func newVM(image string) host.NewVM {
	return host.NewVM{
		UUID: uuid.NewString(), Alias: "proto-zone", Brand: "joyent", ImageUUID: image, MaxPhysicalMemory: 512,
		Resolvers: []string{"9.9.9.9"}, NICs: []host.NIC{{NICTag: "admin", IPs: []string{"dhcp"}}},
	}
}

// script is one as base images are made with: it needs a real bash and the platform.
const script = `
set -o errexit
PATH=/opt/local/sbin:/opt/local/bin:$PATH
echo "step one: $1"
crle -c /var/ld/ld.config -l /lib:/usr/lib -s /lib/secure:/usr/lib/secure
pkg_add -u curl smtools
read -r line </etc/passwd # and not from standard input
if read -r line; then echo "there is input: $line"; exit 1; fi
useradd -u 500 -g staff -s /usr/bin/bash -m -d /home/build build
[[ -e /home/build && ! -w /usr/bin/bash || $EUID == 0 ]]
if touch /usr/bin/new 2>/dev/null; then echo "the platform can be written"; exit 1; fi
mkdir -p /usr/local/bin; echo local >/usr/local/bin/own
echo >/dev/null; echo made >/tmp/gone; echo made >/root/kept
echo "step two"
sm-prepare-image -y
`

// TestLifecycle is the way of a zone from an image to its end.
func TestLifecycle(t *testing.T) {
	smartos.Run(t, func(t *testing.T, m *smartos.Machine) {
		ctx := t.Context()
		h := &host.Host{}
		image := m.AddImage(t, smartos.Image{Type: "zone-dataset", Fill: smartos.MinimalSeed})
		m.AddPackages(t, "/opt/local", "/opt/local/etc", []string{"curl", "smtools"})
		before := m.ZFS(t, "list", "-H", "-t", "all", "-o", "name")

		vm := newVM(image)
		if uuids, err := h.VMsWithAlias(ctx, vm.Alias); err != nil || len(uuids) > 0 {
			t.Fatalf("before: %v, %v", uuids, err)
		}
		if err := h.CreateVM(ctx, vm); err != nil {
			t.Fatal(err)
		}
		got, err := h.FindVM(ctx, vm.Alias)
		if err != nil || got.UUID != vm.UUID || got.State != "running" || got.ImageUUID != image || got.ZFSFilesystem != "zones/"+vm.UUID {
			t.Fatalf("%+v, %v", got, err)
		}
		z, err := h.Zone(ctx, vm.UUID)
		if err != nil || z.Halted() || z.Root() != filepath.Join(got.Zonepath, "root") {
			t.Fatalf("%+v, %v", z, err)
		}
		if mounted := m.Mounted(t); !slices.Contains(mounted, filepath.Join(z.Root(), "usr")) {
			t.Errorf("mounted is %v", mounted)
		}

		bootstrap(t, m, h, z.Name, "/opt/local", "/opt/local/etc")
		var live strings.Builder
		out, err := h.LoginScript(ctx, host.Login{Zone: z.Name, Args: []string{"it's $1"}, Live: &live}, "first", script)
		if err != nil || out.Stdout != "step one: it's $1\nstep two\n" || live.String() != out.Stdout {
			t.Fatalf("%+v, %v; live %q", out, err, live.String())
		}
		if err := h.WaitHalted(ctx, z.Name); err != nil {
			t.Fatal(err)
		}
		wantCalls := []string{
			"crle -c /var/ld/ld.config -l /lib:/usr/lib -s /lib/secure:/usr/lib/secure", "pkg_add -u curl smtools",
			"useradd -u 500 -g staff -s /usr/bin/bash -m -d /home/build build", "sm-prepare-image -y",
		}
		if calls := m.ZoneCalls(t, vm.UUID); !slices.Equal(calls, wantCalls) {
			t.Errorf("calls in the zone: %q", calls)
		}
		checkHalted(t, m, z)
		if _, err := h.Login(ctx, host.Login{Zone: z.Name, Args: []string{"true"}}); err == nil || !strings.Contains(err.Error(), "only to running zones") {
			t.Errorf("login to a halted zone: %v", err)
		}

		if err := h.StartVM(ctx, vm.UUID); err != nil {
			t.Error(err)
		}
		if err := h.HaltZone(ctx, z.Name); err != nil {
			t.Error(err)
		}
		if err := h.HaltZone(ctx, z.Name); err == nil || !strings.Contains(err.Error(), "already halted") {
			t.Errorf("halted twice: %v", err)
		}
		if err := errors.Join(h.StopVM(ctx, vm.UUID), h.StartVM(ctx, vm.UUID), h.DeleteVM(ctx, vm.UUID)); err != nil {
			t.Error(err)
		}
		if err := h.DeleteVM(ctx, vm.UUID); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("deleted twice: %v", err)
		}
		if _, err := h.VM(ctx, vm.UUID); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("of a deleted one: %v", err)
		}
		if after := m.ZFS(t, "list", "-H", "-t", "all", "-o", "name"); after != before {
			t.Errorf("datasets\n%s\nthen\n%s", before, after)
		}
	})
}

// checkHalted looks for what of the platform a halted zone holds, and for what the script made.
func checkHalted(t *testing.T, m *smartos.Machine, z *host.Zone) {
	t.Helper()
	if mounted := m.Mounted(t); mounted != nil {
		t.Errorf("mounted in a halted zone: %v", mounted)
	}
	for name, want := range map[string]bool{
		"usr/bin": false, "lib64": false, "dev/null": false, "tmp/gone": false, "proc/self": false,
		"bin": true, "usr": true, "root/kept": true, "opt/local/bin/curl": true, "var/ld/ld.config": true, "home/build": true, "local/bin/own": true,
		"var/svc/provision_success": false, // sm-prepare-image removed it
	} {
		if _, err := os.Lstat(filepath.Join(z.Root(), name)); (err == nil) != want {
			t.Errorf("%s: %v, want it there: %v", name, err, want)
		}
	}
}

// bootstrap unpacks the kit of pkgsrc in a zone.
func bootstrap(t *testing.T, m *smartos.Machine, h *host.Host, zone, prefix, sysconfdir string) {
	t.Helper()
	kit, err := os.Open(m.Bootstrap(t, prefix, sysconfdir))
	if err != nil {
		t.Fatal(err)
	}
	defer kit.Close()
	if _, err := h.Login(t.Context(), host.Login{Zone: zone, Args: []string{"gtar", "-xzpf", "-", "-C", "/"}, Stdin: kit}); err != nil {
		t.Fatal(err)
	}
}

// TestSngl runs a zone whose /usr is its own, filled by the bootstrap.
func TestSngl(t *testing.T) {
	smartos.Run(t, func(t *testing.T, m *smartos.Machine) {
		ctx := t.Context()
		h := &host.Host{}
		vm := newVM(m.AddImage(t, smartos.Image{Type: "zone-dataset", Fill: func(t *testing.T, dir string) {
			smartos.MinimalSeed(t, dir)
			bin := filepath.Join(dir, "root/bin")
			if err := errors.Join(os.Remove(bin), os.Symlink("system/usr/bin", bin)); err != nil {
				t.Fatal(err)
			}
		}}))
		vm.Brand = "sngl"
		m.AddPackages(t, "/usr", "/etc", []string{"postfix"})
		if err := h.CreateVM(ctx, vm); err != nil {
			t.Fatal(err)
		}
		z, err := h.Zone(ctx, vm.UUID)
		if err != nil {
			t.Fatal(err)
		}
		bootstrap(t, m, h, z.Name, "/usr", "/etc")
		out, err := h.LoginScript(ctx, host.Login{Zone: z.Name}, "sngl", `
			set -o errexit
			pkg_add -u postfix
			echo "a b" >/etc/postfix/virtual
			postmap hash:/etc/postfix/virtual
			pkg_info -qE postfix
			pkg_info -E rsyslog || crle -c /var/ld/64/ld.config -64 -l /system/lib/64:/system/usr/lib/64 -s /system/lib/secure/64
			command -v bash`)
		if err != nil || out.Stdout != "/system/usr/bin/bash\n" {
			t.Errorf("%+v, %v", out, err)
		}
		if err := h.StopVM(ctx, vm.UUID); err != nil {
			t.Error(err)
		}
		for name, want := range map[string]bool{
			"system/usr": false, "lib/x86_64-linux-gnu": false, "usr/bin/bash": false, "usr/sbin/pkg_add": true, "usr/sbin/postmap": true, "etc/postfix/virtual.db": true,
			"var/db/pkg/postfix-1.0": true,
		} {
			if _, err := os.Lstat(filepath.Join(z.Root(), name)); (err == nil) != want {
				t.Errorf("%s: %v, want it there: %v", name, err, want)
			}
		}
		if err := h.DeleteVM(ctx, vm.UUID); err != nil {
			t.Error(err)
		}
	})
}

// TestRefusals is what the programs do not take, as host tells it.
func TestRefusals(t *testing.T) {
	smartos.Run(t, func(t *testing.T, m *smartos.Machine) {
		ctx := t.Context()
		h := &host.Host{}
		seed := m.AddImage(t, smartos.Image{Type: "zone-dataset", Fill: smartos.MinimalSeed})
		bare := m.AddImage(t, smartos.Image{Type: "zone-dataset", Fill: func(t *testing.T, dir string) {
			if err := os.MkdirAll(filepath.Join(dir, "root/var/svc"), 0o755); err != nil {
				t.Fatal(err)
			}
		}})
		linux := m.AddImage(t, smartos.Image{Type: "lx-dataset", Fill: smartos.MinimalSeed})
		for _, test := range []struct {
			edit func(*host.NewVM)
			want string
		}{
			{func(vm *host.NewVM) { vm.Brand = "magic" }, "Invalid brand while validating payload: magic"},
			{func(vm *host.NewVM) { vm.Resolvers = []string{"nowhere"}; vm.MaxPhysicalMemory = -1 }, "Invalid value(s) for: max_physical_memory, resolvers"},
			{func(vm *host.NewVM) { vm.NICs = append(vm.NICs, vm.NICs[0]) }, "Invalid value(s) for: nics"},
			{func(vm *host.NewVM) { vm.ImageUUID = vm.UUID }, "Invalid value(s) for: image_uuid"},
			{func(vm *host.NewVM) { vm.ImageUUID = linux }, "type lx-dataset, brand joyent"},
			{func(vm *host.NewVM) { vm.Brand, vm.ImageUUID = "lx", linux }, "Missing required properties: kernel_version"},
			{func(vm *host.NewVM) { vm.ImageUUID = bare }, "does not support the provisioning marker"},
			{func(vm *host.NewVM) { vm.UUID, vm.ImageUUID, vm.Alias = "A", "B", "~c" }, "alias \"~c\""},
		} {
			vm := newVM(seed)
			test.edit(&vm)
			if err := h.CreateVM(ctx, vm); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q in it", err, test.want)
			}
			if host.IsUUID(vm.UUID) { // one that failed late is there
				if err := h.DeleteVM(ctx, vm.UUID); (err == nil) != (vm.ImageUUID == bare) {
					t.Errorf("%s: delete: %v", test.want, err)
				}
			}
		}
		if refused := m.Refused(t); refused != nil {
			t.Errorf("bad payloads are in the contract: %v", refused)
		}
		testBadCalls(ctx, t, m, h, seed)
		testPlainVmadm(t, m, seed)
	})
}

// testBadCalls makes calls that are in no contract, on the host and in a zone.
func testBadCalls(ctx context.Context, t *testing.T, m *smartos.Machine, h *host.Host, seed string) {
	vm := newVM(seed)
	if err := h.CreateVM(ctx, vm); err != nil {
		t.Fatal(err)
	}
	bootstrap(t, m, h, vm.UUID, "/opt/local", "")
	zone := func(args ...string) []string { return append([]string{"zlogin", vm.UUID}, args...) }
	for _, call := range [][]string{
		{"vmadm", "get"}, {"vmadm", "explode", vm.UUID}, {"vmadm", "stop", "-x", vm.UUID}, {"zoneadm", "list"}, {"zoneadm", "-z", vm.UUID, "uninstall"},
		{"imgadm", "list"}, {"sysinfo", "-p"}, {"zlogin", vm.UUID}, {"zlogin", "-S", vm.UUID, "true"},
		zone("svcadm enable -x system/log"), zone("svccfg import /nowhere"), zone("/opt/local/sbin/pkg_add"), zone("crle -u"), zone("shutdown -y -g0 -i6"), zone("useradd -z x"),
	} {
		if _, err := h.Query(ctx, call[0], call[1:]...); err == nil {
			t.Errorf("%q succeeded", call)
		}
		if refused := m.Refused(t); len(refused) != 1 {
			t.Errorf("%q: refused is %q", call, refused)
		}
	}
	// Nothing is fetched without certificates.
	if _, err := h.Login(ctx, host.Login{Zone: vm.UUID, Args: []string{"/opt/local/sbin/pkg_add", "-u", "curl"}}); err == nil || len(m.Refused(t)) != 1 {
		t.Errorf("pkg_add without certificates: %v", err)
	}
	certificate := "/opt/local/etc/" + smartos.RootCertificate
	if _, err := h.Login(ctx, host.Login{Zone: vm.UUID, Args: []string{"sh", "-c", `mkdir -p "${0%/*}"; echo x >"$0"`, certificate}}); err != nil {
		t.Fatal(err)
	}
	// What real programs refuse is in the contract.
	if err := os.WriteFile(filepath.Join(m.Packages(), "fail"), []byte("svcadm\npkg_add broken\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	m.AddPackage(t, "broken", nil)
	for _, command := range []string{"/opt/local/sbin/pkg_add nowhere", "/opt/local/sbin/pkg_add broken", "svcadm refresh system/log", "exit 7"} {
		_, err := h.Login(ctx, host.Login{Zone: vm.UUID, Args: []string{"sh", "-c", command}})
		failed, ok := errors.AsType[*host.CommandError](err)
		if want := map[bool]int{true: 7, false: 1}[command == "exit 7"]; !ok || failed.ExitCode() != want {
			t.Errorf("%s: %v", command, err)
		}
	}
	// zlogin that is killed leaves the zone, whose end is the end of what runs there.
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := h.Login(short, host.Login{Zone: vm.UUID, Args: []string{"sh", "-c", `trap "" TERM; echo $$ >/root/pid; sleep 1000`}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("cancelled login: %v", err)
	}
	if err := h.WaitHalted(short, vm.UUID); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a running zone: %v", err)
	}
	if err := h.DeleteVM(ctx, vm.UUID); err != nil {
		t.Error(err)
	}
	if _, err := h.InstalledImage(ctx, vm.UUID, "zones"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("image that is not installed: %v", err)
	}
	if p, err := h.Platform(ctx); err != nil || p.SDCVersion != "7.0" || p.Stamp != "20241212T000748Z" {
		t.Errorf("platform %+v, %v", p, err)
	}
	m.SetPlatform(t, "", "today")
	if p, err := h.Platform(ctx); err == nil {
		t.Errorf("a strange platform is taken for %+v", p)
	}
}

// testPlainVmadm calls vmadm as scripts do: the payload in a file, and a UUID that it makes up.
func testPlainVmadm(t *testing.T, m *smartos.Machine, seed string) {
	lookup := func() (string, error) {
		out, err := exec.Command("vmadm", "lookup", "-1", "alias=plain").CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	if said, err := lookup(); err == nil || said != "Requested unique lookup but found 0 results." {
		t.Errorf("lookup of none: %q, %v", said, err)
	}
	payload := filepath.Join(m.Dir, "payload")
	if err := os.WriteFile(payload, []byte(`{"image_uuid": "`+seed+`", "alias": "plain", "autoboot": false}`), 0o666); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("vmadm", "create", "-f", payload).CombinedOutput()
	uuid, lookupErr := lookup()
	if err != nil || lookupErr != nil || !host.IsUUID(uuid) || string(out) != "Successfully created VM "+uuid+"\n" {
		t.Errorf("%q, %v; then %q, %v", out, err, uuid, lookupErr)
	}
	if found := m.Must(t, "vmadm", "lookup", "-j", "alias=~^pl", "state=stopped"); !strings.Contains(found, uuid) {
		t.Errorf("lookup -j prints %s", found)
	}
	m.Must(t, "vmadm", "delete", uuid)
}
