package lx_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"imagetools/rootfs"
	"imagetools/rootfs/lx"
	"imagetools/rootfs/rootfstest"
)

// What the maker of a root has put in the way leads nowhere out of it.
func TestHostile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("owners on disk need root")
	}
	dir := t.TempDir()
	outside := filepath.Join(dir, "outside")
	check(t, os.MkdirAll(filepath.Join(outside, "systemd"), 0o755))
	check(t, os.WriteFile(filepath.Join(outside, "fstab"), []byte("/dev/sda1 / ext4 defaults 0 1\n"), 0o644))
	inside := filepath.Join(dir, "root")
	check(t, os.Mkdir(inside, 0o755))
	root, err := rootfs.OpenDir(inside)
	check(t, err)
	defer root.Close()
	up := strings.Repeat("../", 20) + strings.TrimPrefix(outside, "/")
	rootfstest.Fill(t, root, []txtar.File{
		{Name: "etc/os-release", Data: []byte("ID=debian\nVERSION_ID=12\n")},
		{Name: outside + "/systemd/"}, // in the root, where its links lead
		{Name: "etc/fstab -> " + up + "/fstab"},
		{Name: "etc/motd -> " + outside + "/fstab"},
		{Name: "etc/systemd -> " + up + "/systemd"},
		{Name: "etc/ssh -> " + outside},
		{Name: "native -> " + up},
		{Name: "var -> " + outside},
		{Name: "usr/lib/systemd/systemd"},
		{Name: "boot -> " + up},
		{Name: "dev -> " + outside},
	})
	list := func() string {
		out, err := exec.Command("find", outside, "-printf", "%p %s %m %T@\n").Output()
		check(t, err)
		return string(out)
	}
	before := list()
	step := &lx.Step{Skip: []string{"prepare"}} // which takes away what lies in /tmp, as this does
	for range 2 {
		_, err := run(t, root, step)
		check(t, err)
	}
	if after := list(); after != before {
		t.Errorf("outside of the root there was\n%s\nand is\n%s", before, after)
	}
	if _, err := root.Stat(outside + "/ld/ld.config"); err != nil {
		t.Errorf("in the root nothing was made where its links lead: %v", err)
	}
}

// What is in the place of a file or directory and is none of either is a fault, and no file
// is lost.
func TestInTheWay(t *testing.T) {
	for _, tt := range []struct{ name, fault string }{
		{"native", `lx step native: make directory "/native/dev": "/native": not a directory`},
		{"etc/fstab/", `lx step fstab: read "/etc/fstab": is a directory`},
		{"etc/product/x", `lx step product: write "/etc/product": is a directory`},
	} {
		root := rootfstest.NewTree(t)
		rootfstest.Fill(t, root, []txtar.File{{Name: tt.name, Data: []byte("x")}})
		_, err := run(t, root, &lx.Step{})
		if err == nil || !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("%s: the error is %v, want %s", tt.name, err, tt.fault)
		}
		if _, err := root.Lstat(strings.TrimSuffix(tt.name, "/")); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestForeignPrograms(t *testing.T) {
	header := "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00"
	for machine, want := range map[string]bool{"\x3e\x00": false, "\x03\x00": false, "\xb7\x00": true} {
		root := rootfstest.NewTree(t)
		rootfstest.Fill(t, root, []txtar.File{{Name: "bin/sh", Data: []byte(header + machine)}})
		said, err := run(t, root, &lx.Step{})
		check(t, err)
		if got := strings.Contains(said, "/bin/sh is for EM_AARCH64; the brand runs programs for x86 alone"); got != want {
			t.Errorf("of a program for %q:\n%s", machine, said)
		}
	}
}

// Shells take the scripts that a root gets.
func TestScripts(t *testing.T) {
	root := rootfstest.NewTree(t)
	fixture(t, root, "alpine")
	_, err := run(t, root, &lx.Step{})
	check(t, err)
	for _, path := range []string{"/lib/smartdc/lx-zone", "/sbin/shutdown", "/etc/local.d/lx-zone.start"} {
		text, err := root.ReadFile(path, 1<<16)
		check(t, err)
		cmd := exec.Command("sh", "-n")
		cmd.Stdin = strings.NewReader(string(text))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("sh -n %s: %v, %s", path, err, out)
		}
	}
}
