package lx_test

import (
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"imagetools/rootfs"
	"imagetools/rootfs/lx"
	"imagetools/rootfs/rootfstest"
	"imagetools/tree"
)

// FuzzSteps has any text in the files that steps look into: what is done twice is as done once.
func FuzzSteps(f *testing.F) {
	for _, text := range []string{
		"ID=debian\nVERSION_ID=\"12\"\n", "/dev/sda1 / ext4 defaults 0 1\r\nnone / zfs defaults 1 1\nproc /proc proc # x",
		"#PasswordAuthentication = yes\nMatch all\nPasswordAuthentication yes\nUsePrivilegeSeparation sandbox",
		"#!/bin/sh\nexit 0\nexit 1", "export VIRTUALIZATION=0\nVIRTUALIZATION=2\n", "CentOS release 6.10 (Final)", "\x7fELF\x02\x02\x01",
	} {
		for i := range uint8(8) {
			f.Add(text, i)
		}
	}
	profiles := lx.Profiles()
	f.Fuzz(func(t *testing.T, text string, profile uint8) {
		root := rootfs.NewTree(tree.New(), rootfstest.Now)
		defer root.Close()
		var files []txtar.File
		for _, name := range []string{"etc/os-release", "etc/fstab", "etc/ssh/sshd_config", "etc/rc.local", "etc/rc.d/rc.local", "etc/rc.conf",
			"etc/lsb-release", "etc/redhat-release", "etc/resolv.conf", "etc/hosts", "etc/hostname", "etc/shadow", "bin/sh", "etc/sv/sshd/run"} {
			files = append(files, txtar.File{Name: name, Data: []byte(text)})
		}
		rootfstest.Fill(t, root, files)
		step := &lx.Step{Profile: profiles[int(profile)%len(profiles)]}
		if _, err := run(t, root, step); err != nil {
			t.Fatal(err)
		}
		once, _ := rootfstest.Snapshot(t, root)
		again, err := run(t, root, step)
		if err != nil || strings.Contains(again, "\t") {
			t.Fatalf("again: %v\n%s", err, again)
		}
		if twice, _ := rootfstest.Snapshot(t, root); once != twice {
			t.Errorf("once\n%s\ntwice\n%s", once, twice)
		}
	})
}
