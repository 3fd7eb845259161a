package lx_test

import (
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"imagetools/rootfs/lx"
	"imagetools/rootfs/rootfstest"
	"imagetools/tree"
)

// Where there are no file capabilities, ping is set-uid root, and nothing else is.
func TestPing(t *testing.T) {
	root := rootfstest.NewTree(t)
	rootfstest.Fill(t, root, []txtar.File{
		{Name: "etc/os-release", Data: []byte("ID=debian\nVERSION_ID=12\n")}, {Name: "bin -> usr/bin"},
		{Name: "usr/bin/ping", Data: []byte("x")}, {Name: "usr/bin/ping4 -> ping"}, {Name: "usr/bin/ping6", Data: []byte("x")},
		{Name: "sbin/ping -> ../bin/busybox"}, {Name: "usr/bin/busybox", Data: []byte("x")},
	})
	for _, p := range []string{"/usr/bin/ping", "/usr/bin/busybox"} {
		check(t, root.Chmod(p, 0o755))
	}
	check(t, root.Chmod("/usr/bin/ping6", 0o644))
	check(t, root.Chown("/usr/bin/ping", 5, 6))
	for i := range 2 {
		said, err := run(t, root, &lx.Step{})
		check(t, err)
		if told := strings.Contains(said, "/usr/bin/ping: mode 4755"); told != (i == 0) {
			t.Errorf("run %d: %s", i, said)
		}
	}
	for p, want := range map[string]tree.Mode{"/usr/bin/ping": 0o4755, "/usr/bin/ping6": 0o644, "/usr/bin/busybox": 0o755} {
		info, err := root.Stat(p)
		if err != nil || info.Mode.Perm() != want || p == "/usr/bin/ping" && (info.UID != 0 || info.GID != 6) {
			t.Errorf("%s: %+v, %v", p, info, err)
		}
	}
	check(t, root.Chmod("/usr/bin/ping", 0o755))
	said, err := run(t, root, &lx.Step{Skip: []string{"ping"}})
	check(t, err)
	if strings.Contains(said, "ping") {
		t.Error("a step that is left out was done")
	}
}
