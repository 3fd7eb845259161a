//go:build linux

package smartos_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"imagetools/base"
	"imagetools/host"
	"imagetools/test/smartos"
)

// baseSet runs create-base-images for one release.
type baseSet struct {
	m        *smartos.Machine
	output   string
	args     []string
	datasets string // that there are without zones
}

// command is a run with further arguments.
func (s *baseSet) command(args ...string) *exec.Cmd {
	return exec.Command(s.m.Tool, append(slices.Clone(s.args), args...)...)
}

// ended checks that no zone is there.
func (s *baseSet) ended(t *testing.T, said string) {
	t.Helper()
	if zones := s.m.Must(t, "vmadm", "lookup"); zones != "" {
		t.Errorf("zones are left: %s, after %s", zones, said)
	}
	for _, name := range strings.Fields(s.m.ZFS(t, "list", "-H", "-t", "all", "-o", "name")) {
		if !slices.Contains(strings.Fields(s.datasets), name) && !strings.Contains(said, "zfs destroy -r "+name) {
			t.Errorf("%s is left, after %s", name, said)
		}
	}
}

// TestCreateBaseImages makes the images of a release with failures and interruptions on the way.
func TestCreateBaseImages(t *testing.T) {
	smartos.Run(t, func(t *testing.T, m *smartos.Machine) {
		img := base.Standard.Image(smartos.BaseImages[2].Config) // has all packages
		s := &baseSet{m: m, output: filepath.Join(m.Dir, "output")}
		s.args = []string{"create-base-images", "-b", "2024Q4", "-r", "24.4.1", "-s", "lts", "--bootstrap", kit(t, m, img),
			"--seed", installSeed(t, m, "joyent"), "-o", s.output}
		s.datasets = m.ZFS(t, "list", "-H", "-t", "all", "-o", "name")
		t.Run("refusals", s.testRefusals)
		t.Run("dry run", s.testDryRun)
		t.Run("interrupted", s.testInterrupted)
		t.Run("goes on", s.testGoesOn)
		t.Run("damaged", s.testDamaged)
		t.Run("left zone", s.testLeft)
		t.Run("kept zone", s.testKept)
	})
}

// run runs it and returns what it says and its status.
func (s *baseSet) run(t *testing.T, args ...string) (said string, status int) {
	t.Helper()
	cmd := s.command(args...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// testRefusals: whatever fails, no zone is left.
func (s *baseSet) testRefusals(t *testing.T) {
	fail := filepath.Join(s.m.Packages(), "fail")
	for _, tt := range []struct {
		fail string // programs in the zone
		args []string
		want []string
	}{
		{"", []string{"--memory", "-1"}, []string{"--memory -1: it is in MiB"}},
		{"", []string{"--nic-tag", "none"}, []string{"minimal-64-lts-24.4.1: vmadm create: exit status 1: Invalid value(s) for: nics"}},
		{"", []string{"--seed", "00000000-0000-4000-8000-000000000000"}, []string{`seed image "00000000-0000-4000-8000-000000000000" does not exist in the pool "zones"`, "hint: imgadm import"}},
		{"pkg_add smtools", nil, []string{"minimal-64-lts-24.4.1: zone", "script first: step packages: smtools: status 1; the last of what it said:\n  pkg_add: the test has it fail", `hint: the log is "`,
			"minimal-64-lts-24.4.1  failed\n", "base-64-lts-24.4.1     to do\n"}},
		{"usermod", nil, []string{"script second: step users: status 1"}},
		{"", []string{"--bootstrap-sha256", strings.Repeat("0", 64)}, []string{"bootstrap", "SHA-256 is", "not 0000"}},
	} {
		if err := os.WriteFile(fail, []byte(tt.fail+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
		said, status := s.run(t, tt.args...)
		s.ended(t, said)
		if want := map[bool]int{true: 2, false: 1}[slices.Contains(tt.args, "--memory")]; status != want {
			t.Errorf("%s %q: status %d, want %d", tt.fail, tt.args, status, want)
		}
		for _, want := range tt.want {
			if !strings.Contains(said, want) {
				t.Errorf("%s %q: it says\n%s\nwant %q in it", tt.fail, tt.args, said, want)
			}
		}
	}
	if err := os.Remove(fail); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(s.output); err == nil && len(files) > 0 {
		t.Errorf("files are left: %v", files)
	}
}

func (s *baseSet) testDryRun(t *testing.T) {
	calls := len(s.m.Calls(t))
	out, err := s.command("--dry-run", "--images", "minimal").Output()
	for _, want := range []string{
		"vmadm create <<'END'\n{", `"alias": "proto-minimal-64-lts-24.4.1-`, `"max_physical_memory": 512`, `"nic_tag": "admin"`, `"dhcp"`,
		"# put into the zone: /var/tmp/basesetup/bootstrap-2024Q4-x86_64.tar.gz: ", "'/usr/bin/bash /root/customize/first'\n",
		"# packages added by it: mozilla-rootcerts-openssl ", "# edit sshd\n", "'/usr/bin/bash /root/customize/second'\n",
		"imagetools create-image -o " + s.output + " minimal-64-lts-24.4.1 ", "vmadm delete ",
	} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%v, %s; want %q in it", err, out, want)
		}
	}
	for _, call := range s.m.Calls(t)[calls:] {
		if !strings.HasPrefix(call, "imgadm get ") && !strings.HasPrefix(call, "vmadm lookup ") {
			t.Errorf("the dry run calls %q", call)
		}
	}
	s.ended(t, string(out))
}

// testInterrupted interrupts it in the zone of the second image, and kills programs that it runs.
func (s *baseSet) testInterrupted(t *testing.T) {
	for _, step := range []string{"base-64-lts-24.4.1: zone", "overlay", "zone: packages", "edit sshd", "zone: users", "zone: prepare", "prepare: "} {
		said, status := runUntil(t, s.command(), step, interrupt)
		if status != 130 || !strings.Contains(said, "interrupted; no zone was left behind, and images that are done stay") {
			t.Errorf("%s: %d, %s", step, status, said)
		}
		s.ended(t, said)
	}
	for _, step := range []string{"base-64-lts-24.4.1: zone", "zone: packages"} { // vmadm, and zlogin
		said, status := runUntil(t, s.command(), step, killChild)
		if status != 1 || !strings.Contains(said, "signal: killed") {
			t.Errorf("%s: with its child killed: %d, %s", step, status, said)
		}
		s.ended(t, said)
	}
	if files, err := os.ReadDir(s.output); err != nil || len(files) != 2 {
		t.Errorf("%v, %v", files, err)
	}
}

// answer is that of --json.
type answer struct {
	Images []struct{ Name, Version, State, UUID, Image, Manifest, SHA1, Zone string }
}

// testGoesOn has the first image stay, and makes the others.
func (s *baseSet) testGoesOn(t *testing.T) {
	path := filepath.Join(s.output, "minimal-64-lts-24.4.1.zfs.gz")
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	// A run that was killed between the two may leave the one without the other.
	if err := os.WriteFile(filepath.Join(s.output, "base-64-lts-24.4.1.zfs.gz"), []byte("half"), 0o666); err != nil {
		t.Fatal(err)
	}
	out, err := s.command("--json").Output()
	if err != nil {
		t.Fatalf("%v: %s", err, err.(*exec.ExitError).Stderr)
	}
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatal(err)
	}
	states := ""
	for _, i := range a.Images {
		states += fmt.Sprintf("%s-%s %s; ", i.Name, i.Version, i.State)
		s.m.Must(t, "imgadm", "install", "-m", i.Manifest, "-f", i.Image)
		s.datasets += "\nzones/" + i.UUID + "\nzones/" + i.UUID + "@final"
		if i.UUID == "" || i.SHA1 == "" || i.Zone != "" {
			t.Errorf("%+v", i)
		}
	}
	if want := "minimal-64-lts-24.4.1 there already; base-64-lts-24.4.1 made; pkgbuild-lts-24.4.1 made; "; states != want {
		t.Errorf("states are %s, want %s", states, want)
	}
	if after, err := os.Stat(path); err != nil || !after.ModTime().Equal(before.ModTime()) || after.Sys().(*syscall.Stat_t).Ino != before.Sys().(*syscall.Stat_t).Ino {
		t.Errorf("the first image was made again: %v", err)
	}
	s.ended(t, string(out))
	said, status := s.run(t)
	if status != 0 || strings.Count(said, "there already") != 6 { // said, and in the table
		t.Errorf("once more: %d, %s", status, said)
	}
}

// testDamaged: files that are no image are not replaced, nor taken for one.
func (s *baseSet) testDamaged(t *testing.T) {
	path := filepath.Join(s.output, "minimal-64-lts-24.4.1.zfs.gz")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(path, text, 0o666); err != nil {
		t.Fatal(err)
	}
	said, status := s.run(t)
	if status != 1 || !strings.Contains(said, "it is there, and not sound") || !strings.Contains(said, "hint: remove both files") {
		t.Errorf("%d, %s", status, said)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// testLeft: the zone of a run that was killed is found by the next, and that of one that runs is
// let alone.
func (s *baseSet) testLeft(t *testing.T) {
	fails := []string{"--images", "minimal", "--bootstrap-sha256", strings.Repeat("0", 64)}
	zone := func() string { return s.m.Must(t, "vmadm", "lookup", "alias=~^proto-") }
	meanwhile := ""
	_, status := runUntil(t, s.command("--images", "minimal"), "overlay", func(pid int) {
		meanwhile, _ = s.run(t, append(fails, "--remove-stale")...)
		syscall.Kill(pid, syscall.SIGKILL)
	})
	left := zone()
	if status != -1 || !host.IsUUID(left) {
		t.Fatalf("killed, it ends with %d and leaves %q", status, left)
	}
	named := "zone " + left + " (proto-minimal-64-lts-24.4.1-" + left[:8] + "), made at "
	if !strings.Contains(meanwhile, named) || !strings.Contains(meanwhile, "is left alone: the process runs") {
		t.Errorf("while the process runs: %s", meanwhile)
	}
	said, _ := s.run(t, fails...)
	if !strings.Contains(said, named) || !strings.Contains(said, "was left behind; --remove-stale deletes it") || zone() != left {
		t.Errorf("then: %s; zone %s", said, zone())
	}
	out, err := s.command("--dry-run", "--remove-stale", "--images", "minimal").Output()
	if err != nil || !strings.HasPrefix(string(out), "vmadm delete "+left+"\n") || zone() != left {
		t.Errorf("the dry run: %v, %s; zone %s", err, out, zone())
	}
	said, _ = s.run(t, append(fails, "--remove-stale")...)
	if !strings.Contains(said, "note: "+named) || !strings.Contains(said, "was left behind and is deleted") {
		t.Errorf("with --remove-stale: %s", said)
	}
	s.ended(t, said)
}

func (s *baseSet) testKept(t *testing.T) {
	out, err := s.command("--keep-zone", "--images", "minimal", "--json").Output()
	var a answer
	if err != nil || json.Unmarshal(out, &a) != nil || len(a.Images) != 1 || !host.IsUUID(a.Images[0].Zone) {
		t.Fatalf("%v, %s", err, out)
	}
	// It is not taken for one that was left.
	if said, _ := s.run(t, "--images", "base", "--remove-stale"); strings.Contains(said, a.Images[0].Zone) {
		t.Errorf("a kept zone: %s", said)
	}
	s.m.Must(t, "vmadm", "delete", a.Images[0].Zone)
	s.ended(t, string(out))
}
