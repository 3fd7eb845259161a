package todir

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"imagetools/tree"
	"imagetools/tree/posixacl"
)

// canMake tells whether the host can hold n, a device, socket or FIFO.
func canMake(n *tree.Node) bool {
	if n.Device == nil {
		return true
	}
	dev := unix.Mkdev(n.Device.Major, n.Device.Minor)
	return dev == uint64(int(dev)) && unix.Major(dev) == n.Device.Major && unix.Minor(dev) == n.Device.Minor && dev>>32 == 0
}

// makeNode makes a device, socket or FIFO.
func makeNode(fd int, name string, n *tree.Node) error {
	var dev uint64
	if n.Device != nil {
		dev = unix.Mkdev(n.Device.Major, n.Device.Minor)
	}
	return unix.Mknodat(fd, name, uint32(n.Mode.Type())|0o600, int(dev))
}

func linkAt(from int, name string, to int, further string) error {
	return unix.Linkat(from, name, to, further, 0)
}

func symlinkAt(target string, dir int, name string) error { return unix.Symlinkat(target, dir, name) }

func setXattr(fd int, name string, value []byte) error { return unix.Fsetxattr(fd, name, value, 0) }

// setXattrAt sets an attribute of what lies in a directory, a link's own.
func setXattrAt(dir int, name, attr string, value []byte) error {
	return unix.Lsetxattr(fmt.Sprintf("/proc/self/fd/%d/%s", dir, name), attr, value, 0)
}

// dropInherited takes the ACLs from a new directory that it has from the one above, which
// would spread to all that is made in it.
func dropInherited(dir *os.Root) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	for _, name := range []string{posixacl.Default, posixacl.Access} {
		err := unix.Fremovexattr(int(f.Fd()), name)
		if err != nil && err != unix.ENODATA && err != unix.ENOTSUP {
			return err
		}
	}
	return nil
}

// syncsEach tells whether each file is synced by itself: syncfs(2) reports that data could not
// be written since Linux 5.8 alone.
func syncsEach() bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return true
	}
	var major, minor int
	n, _ := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
	return n < 2 || major < 5 || major == 5 && minor < 8
}

// syncAll waits for the file system of an open directory, and reports what could not be
// written since that was opened.
func syncAll(fd int) error { return again(func() error { return unix.Syncfs(fd) }) }
