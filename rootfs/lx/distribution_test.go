package lx_test

import (
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"imagetools/rootfs/lx"
	"imagetools/rootfs/rootfstest"
)

func TestDetect(t *testing.T) {
	release := func(text string) txtar.File { return txtar.File{Name: "etc/os-release", Data: []byte(text)} }
	file := func(name, text string) txtar.File { return txtar.File{Name: name, Data: []byte(text)} }
	for _, tt := range []struct {
		name             string
		files            []txtar.File
		profile          lx.Profile
		kernel, platform string
	}{
		{"nothing", nil, lx.Generic, "5.10.0", "20210826T002459Z"},
		{"Debian 9", []txtar.File{release("ID=debian\nVERSION_ID=\"9\"\n")}, lx.Debian, "4.9.0", "20150316T201553Z"},
		{"Debian 10", []txtar.File{release("ID=debian\nVERSION_ID=\"10\"\n")}, lx.Debian, "4.19.0", "20190912T024836Z"},
		{"Debian sid", []txtar.File{release("ID=debian\n")}, lx.Debian, "5.10.0", "20210826T002459Z"},
		{"Debian 99", []txtar.File{release("ID=debian\nVERSION_ID=99\n")}, lx.Debian, "6.12.0", "20210826T002459Z"},
		{"Debian 1", []txtar.File{release("ID=debian\nVERSION_ID=1\n")}, lx.Debian, "3.2.0", "20150316T201553Z"},
		{"Debian 7 without os-release", []txtar.File{file("etc/debian_version", "7.11\n")}, lx.Debian, "3.2.0", "20150316T201553Z"},
		{"Ubuntu 20.10 is no 20.1", []txtar.File{release("ID=ubuntu\nVERSION_ID=\"20.10\"\n")}, lx.Ubuntu, "5.4.0", "20190912T024836Z"},
		{"Mint", []txtar.File{release("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\nVERSION_ID=22\n")}, lx.Ubuntu, "5.10.0", "20210826T002459Z"},
		{"Alma 8", []txtar.File{release("ID=\"almalinux\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"8.10\"\n")}, lx.RHEL, "4.18.0", "20190912T024836Z"},
		{"Amazon 2", []txtar.File{release("ID=\"amzn\"\nID_LIKE=\"centos rhel fedora\"\nVERSION_ID=\"2\"\n")}, lx.RHEL, "4.14.0", "20190912T024836Z"},
		{"Fedora 41", []txtar.File{release("ID=fedora\nVERSION_ID=41\n")}, lx.RHEL, "6.11.0", "20210826T002459Z"},
		{"CentOS 6", []txtar.File{file("etc/redhat-release", "CentOS release 6.10 (Final)\n")}, lx.RHEL, "2.6.32", "20150316T201553Z"},
		{"Alpine edge", []txtar.File{release("ID=alpine\nVERSION_ID=3.22_alpha20250108\n")}, lx.Alpine, "6.12.0", "20210826T002459Z"},
		{"capitals", []txtar.File{release("ID=Arch\n")}, lx.Arch, "5.10.0", "20210826T002459Z"},
		{"below /usr", []txtar.File{file("usr/lib/os-release", "ID=void\n")}, lx.Void, "5.10.0", "20210826T002459Z"},
		{"without ID", []txtar.File{release("NAME=x\n"), file("etc/alpine-release", "3.4.0")}, lx.Alpine, "3.14.0", "20150316T201553Z"},
		{"a directory", []txtar.File{{Name: "etc/os-release/"}}, lx.Generic, "5.10.0", "20210826T002459Z"},
		{"a loop", []txtar.File{{Name: "etc/os-release -> os-release"}}, lx.Generic, "5.10.0", "20210826T002459Z"},
		{"too large", []txtar.File{release("ID=debian\n" + string(make([]byte, 1<<17)))}, lx.Generic, "5.10.0", "20210826T002459Z"},
		{"a large number", []txtar.File{release("ID=debian\nVERSION_ID=99999999999999999999999\n")}, lx.Debian, "6.12.0", "20210826T002459Z"},
	} {
		root := rootfstest.NewTree(t)
		rootfstest.Fill(t, root, tt.files)
		d, err := lx.Detect(root)
		if err != nil || d.Profile != tt.profile || d.KernelVersion() != tt.kernel || d.MinPlatform() != tt.platform {
			t.Errorf("%s: %+v, kernel %s, platform %s, %v; want %s, %s, %s", tt.name, d, d.KernelVersion(), d.MinPlatform(), err, tt.profile, tt.kernel, tt.platform)
		}
		if err := lx.CheckKernelVersion(d.KernelVersion()); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestParseProfile(t *testing.T) {
	for _, p := range lx.Profiles() {
		if got, err := lx.ParseProfile(string(p)); got != p || err != nil || p.Covers() == "" {
			t.Errorf("ParseProfile(%q) = %q, %v, covers %q", p, got, err, p.Covers())
		}
	}
	for _, s := range []string{"", "auto", "Debian"} {
		if got, err := lx.ParseProfile(s); err == nil {
			t.Errorf("ParseProfile(%q) = %q", s, got)
		}
	}
	for s, ok := range map[string]bool{"6.1.0": true, "5": true, "4.19": true, "": false, "6.1.0-1": false, "6.1.0.1": false, "v6": false, "123456": false, "6..1": false} {
		if err := lx.CheckKernelVersion(s); (err == nil) != ok {
			t.Errorf("CheckKernelVersion(%q) = %v", s, err)
		}
	}
}
