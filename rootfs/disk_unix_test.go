package rootfs_test

import (
	"net"
	"os"
	"syscall"
	"testing"

	"imagetools/tree"
)

// makeSpecial makes a special file; false says that this user, or this system, cannot.
func makeSpecial(t testing.TB, path string, mode tree.Mode) bool {
	t.Helper()
	switch mode {
	case tree.TypeSocket:
		t.Chdir(t.TempDir()) // a socket's path must be short
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: "s", Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		if err := os.Rename("s", path); err != nil {
			t.Fatal(err)
		}
		l.Close()
		return true
	case tree.TypeChar, tree.TypeBlock:
		if os.Geteuid() != 0 {
			return false
		}
	}
	if err := syscall.Mknod(path, uint32(mode)|0o600, 1<<8|3); err != nil {
		t.Fatal(err)
	}
	return true
}
