package lx_test

import (
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"imagetools/rootfs/lx"
	"imagetools/rootfs/rootfstest"
)

// A root is a Linux by what it holds, and no other system is one.
func TestRecognize(t *testing.T) {
	for _, test := range []struct {
		files []txtar.File
		linux bool
		name  string
	}{
		{[]txtar.File{{Name: "etc/os-release", Data: []byte("ID=debian\nVERSION_ID=12\n")}}, true, "debian 12"},
		{[]txtar.File{{Name: "etc/os-release -> ../usr/lib/os-release"}, {Name: "usr/lib/os-release", Data: []byte("ID=nixos\n")}}, true, "nixos"},
		{[]txtar.File{{Name: "etc/redhat-release", Data: []byte("CentOS 5.11")}}, true, "centos 5.11"},
		{[]txtar.File{{Name: "lib/ld-musl-x86_64.so.1"}}, true, "an unknown Linux"},
		{[]txtar.File{{Name: "etc/os-release", Data: []byte("ID=smartos\n")}}, false, ""},
		{[]txtar.File{{Name: "etc/os-release", Data: []byte("ID=freebsd\n")}}, false, ""},
		{[]txtar.File{{Name: "var/svc/manifest/"}, {Name: "etc/ld.so.conf"}}, false, ""},
		{[]txtar.File{{Name: "etc/motd"}}, false, ""},
		{nil, false, ""},
	} {
		root := rootfstest.NewTree(t)
		rootfstest.Fill(t, root, test.files)
		d, linux, err := lx.Recognize(root)
		if err != nil || linux != test.linux || d.Name != test.name {
			t.Errorf("%v: %+v, %v, %v", test.files, d, linux, err)
		}
	}
}
