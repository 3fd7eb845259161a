package todir

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"imagetools/tree"
)

// canMake tells whether the host can hold n, a device, socket or FIFO. A socket is made by
// bind(3SOCKET) alone.
func canMake(n *tree.Node) bool { return n.Mode.Type() != tree.TypeSocket }

// makeNode makes a device or FIFO. A dev_t is 32 bits of each number (sys/mkdev.h,
// NBITSMINOR64).
func makeNode(fd int, name string, n *tree.Node) error {
	var dev uint64
	if n.Device != nil {
		dev = uint64(n.Device.Major)<<32 | uint64(n.Device.Minor)
	}
	return unix.Mknodat(fd, name, uint32(n.Mode.Type())|0o600, int(dev))
}

// linkAt and symlinkAt have no call in x/sys here.
func linkAt(int, string, int, string) error { return errors.ErrUnsupported }

func symlinkAt(string, int, string) error { return errors.ErrUnsupported }

// Attributes here are files in a hidden directory, which x/sys does not reach.
func setXattr(int, string, []byte) error { return errors.ErrUnsupported }

func setXattrAt(int, string, string, []byte) error { return errors.ErrUnsupported }

// dropInherited has nothing to do: fromdir reads no ACLs here, and chmod(2) brings them in
// line with the mode.
func dropInherited(*os.Root) error { return nil }

func syncsEach() bool { return false }

// syncAll asks for all file systems to be written; ZFS waits for it.
func syncAll(int) error {
	unix.Sync()
	return nil
}
