//go:build linux

// Package smartos gives a test a machine that looks like SmartOS to the programs under test:
//
//	func TestBase(t *testing.T) {
//		smartos.Run(t, func(t *testing.T, m *smartos.Machine) {
//			image := m.AddImage(t, smartos.Image{Type: "zone-dataset", Fill: smartos.MinimalSeed})
//			// imagetools, vmadm, zoneadm, zlogin, imgadm, sysinfo and zfs are on PATH
//		})
//	}
//
// ZFS is real: that of zfs-fuse, with a pool of its own. The other programs are those of the
// package standin: zones are clones of their image, their programs run by chroot, and what
// they see of the platform is read-only and Debian's, with stand-ins among it. Scripts are
// run by a real bash then, but GNU's tools stand where SmartOS has those of illumos.
//
// All happens in mount and process namespaces of its own: neither mount nor process nor dataset
// outlives the test, however it ends. It needs root, /dev/fuse and what test/oracle/install
// installs, and else is skipped or fails as the tests of package oracle do.
package smartos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"imagetools/internal/required"
	"imagetools/test/oracle"
)

// session is set, to the shared folder, for the copy of a test program that runs on the machine;
// checkout to the folder of the module.
const (
	session  = "IMAGETOOLS_SMARTOS_SESSION"
	checkout = "IMAGETOOLS_SMARTOS_CHECKOUT"
)

// limit is how long a test may take.
const limit = 10 * time.Minute

// Machine is a SmartOS as tests see it.
type Machine struct {
	Dir  string // for files of the test
	Tool string // the program imagetools
	// Checkout is the folder of the module, to be read.
	Checkout string

	state string // of the stand-ins
	mnt   string // where datasets are mounted
}

// hostPrograms are the stand-ins on the host.
var hostPrograms = []string{"vmadm", "zoneadm", "zlogin", "imgadm", "sysinfo"}

// Run runs a test on a machine of its own, in a copy of this test program. At its end no call
// may have been refused, and no zone may be there.
func Run(t *testing.T, test func(t *testing.T, m *Machine)) {
	t.Helper()
	RunThen(t, test, func(*testing.T, string) {})
}

// RunThen is Run for a test with a second part, which is not on the machine and gets what the
// first left in Machine.Dir.
func RunThen(t *testing.T, test func(t *testing.T, m *Machine), then func(t *testing.T, dir string)) {
	t.Helper()
	if dir := os.Getenv(session); dir != "" {
		syscall.Umask(0o022)
		// The session sets PATH; the stand-ins come before it.
		t.Setenv("PATH", filepath.Join(dir, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
		m := &Machine{
			Dir: filepath.Join(dir, "test"), Tool: filepath.Join(dir, "bin", "imagetools"), Checkout: os.Getenv(checkout),
			state: filepath.Join(dir, "state"), mnt: filepath.Join(os.Getenv("work"), "mnt"),
		}
		test(t, m)
		m.checkEnd(t)
		return
	}
	fuse := oracle.RequireZFSFuse(t)
	platform, err := prepare()
	if err != nil {
		oracle.Unavailable(t, err)
	}
	dir := t.TempDir()
	if err := build(dir, platform); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	env := []string{session + "=" + dir, checkout + "=" + root, "STANDIN_STATE=" + filepath.Join(dir, "state")}
	out, err := fuse.Shell(ctx, env, self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout="+limit.String(),
		"-test.testlogfile=", dir, platform, root)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("on the machine:\n%s", out)
	then(t, filepath.Join(dir, "test"))
}

// prepare returns the folder with the platform of zones.
func prepare() (string, error) { return required.Prepare("test/smartos/prepare") }

func moduleRoot() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	return strings.TrimSpace(string(out)), err
}

// build fills the folder that is shared with the copy on the machine.
func build(dir, platform string) error {
	bin, state := filepath.Join(dir, "bin"), filepath.Join(dir, "state")
	var faults []error
	for _, d := range []string{bin, filepath.Join(dir, "test"), state, filepath.Join(state, "images"),
		filepath.Join(state, "vms"), filepath.Join(state, "zones"), filepath.Join(state, "packages")} {
		faults = append(faults, os.Mkdir(d, 0o777))
	}
	faults = append(faults, os.Symlink(platform, filepath.Join(state, "platform")))
	for _, name := range hostPrograms {
		faults = append(faults, os.Symlink(filepath.Join(state, "standin"), filepath.Join(bin, name)))
	}
	for out, pkg := range map[string]string{filepath.Join(state, "standin"): "./test/smartos/standin", filepath.Join(bin, "imagetools"): "./cmd/imagetools"} {
		cmd := exec.Command("go", "build", "-o", out, pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		root, err := moduleRoot()
		if err != nil {
			return err
		}
		cmd.Dir = root
		if text, err := cmd.CombinedOutput(); err != nil {
			faults = append(faults, fmt.Errorf("go build %s: %w: %s", pkg, err, text))
		}
	}
	return errors.Join(append(faults, writeSysinfo(state, "7.0", "20241212T000748Z"))...)
}

func writeSysinfo(state, version, stamp string) error {
	text, err := json.MarshalIndent(map[string]string{"Live Image": stamp, "SDC Version": version, "System Type": "SunOS"}, "", "  ")
	return errors.Join(err, os.WriteFile(filepath.Join(state, "sysinfo.json"), append(text, '\n'), 0o666))
}

// SetPlatform changes what sysinfo tells.
func (m *Machine) SetPlatform(t *testing.T, version, stamp string) {
	t.Helper()
	if err := writeSysinfo(m.state, version, stamp); err != nil {
		t.Fatal(err)
	}
}

// Packages is the folder of what pkg_add adds: a folder with the name of each package, which
// holds what it has below /. The file fail in it names calls that are to fail, one a line: a
// program, and perhaps one of its arguments. Calls that the file hold names in the same way do
// not go on as long as it does.
func (m *Machine) Packages() string { return filepath.Join(m.state, "packages") }

// ZFS runs zfs and returns what it prints.
func (m *Machine) ZFS(t *testing.T, args ...string) string {
	t.Helper()
	return m.Must(t, "zfs", args...)
}

// Must runs a program, which must succeed, and returns its standard output.
func (m *Machine) Must(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", program, strings.Join(args, " "), err, &stderr)
	}
	return strings.TrimSpace(string(out))
}

// Image is an image that imgadm is to know.
type Image struct {
	UUID     string         // made up if empty
	Manifest map[string]any // with what the following do not say
	Type     string
	// Fill makes the contents of its dataset.
	Fill func(t *testing.T, dir string)
}

// AddImage installs an image, and returns its UUID.
func (m *Machine) AddImage(t *testing.T, image Image) string {
	t.Helper()
	if image.UUID == "" {
		image.UUID = uuid.NewString()
	}
	manifest := map[string]any{"v": 2, "uuid": image.UUID, "name": "seed", "version": "20141030", "type": image.Type, "os": "smartos"}
	for field, value := range image.Manifest {
		manifest[field] = value
	}
	dataset := "zones/" + image.UUID
	m.ZFS(t, "create", dataset)
	image.Fill(t, m.Mountpoint(t, dataset))
	m.ZFS(t, "snapshot", dataset+"@final")
	text, err := json.Marshal(map[string]any{"manifest": manifest, "zpool": "zones"})
	if err := errors.Join(err, os.WriteFile(filepath.Join(m.state, "images", "zones-"+image.UUID+".json"), text, 0o666)); err != nil {
		t.Fatal(err)
	}
	return image.UUID
}

// Mountpoint is where a dataset is mounted.
func (m *Machine) Mountpoint(t *testing.T, dataset string) string {
	t.Helper()
	return m.ZFS(t, "get", "-H", "-o", "value", "mountpoint", dataset)
}

// Calls are the calls of programs on the host, the latest last.
func (m *Machine) Calls(t *testing.T) []string {
	t.Helper()
	return lines(t, filepath.Join(m.state, "calls"))
}

// ZoneCalls are the calls of stand-ins in a zone, the latest last.
func (m *Machine) ZoneCalls(t *testing.T, uuid string) []string {
	t.Helper()
	return lines(t, filepath.Join(m.state, "zones", uuid, "calls"))
}

// Refused are the calls that are in no contract, with the reason. They are told once.
func (m *Machine) Refused(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(m.state, "zones", "*", "refused"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, path := range append(paths, filepath.Join(m.state, "refused")) {
		all = append(all, lines(t, path)...)
		os.Remove(path)
	}
	return all
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })
}

// Mounted are the mount points below those of the datasets: what running zones have.
func (m *Machine) Mounted(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	datasets := strings.Fields(m.ZFS(t, "list", "-H", "-o", "mountpoint"))
	var below []string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(fields[1], m.mnt+"/") && !slices.Contains(datasets, fields[1]) {
			below = append(below, fields[1])
		}
	}
	return below
}

func (m *Machine) checkEnd(t *testing.T) {
	t.Helper()
	if refused := m.Refused(t); refused != nil {
		t.Errorf("calls were refused:\n%s", strings.Join(refused, "\n"))
	}
	if zones, err := filepath.Glob(filepath.Join(m.state, "vms", "*.json")); err != nil || zones != nil {
		t.Errorf("zones are left: %v, %v", zones, err)
	}
	if mounted := m.Mounted(t); mounted != nil {
		t.Errorf("mounts are left: %v", mounted)
	}
}
