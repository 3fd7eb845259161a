package todir

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"imagetools/tree"
)

// canMake tells whether the host can hold n, a device, socket or FIFO. Here none is made:
// x/sys has mknod(2) and mkfifo(2) for paths only, not in a directory that is held open.
func canMake(*tree.Node) bool { return false }

func makeNode(int, string, *tree.Node) error { return errors.ErrUnsupported }

func linkAt(from int, name string, to int, further string) error {
	return unix.Linkat(from, name, to, further, 0)
}

func symlinkAt(target string, dir int, name string) error { return unix.Symlinkat(target, dir, name) }

// Attributes of a Linux tree mean nothing to the Finder, and fromdir does not read them here.
func setXattr(int, string, []byte) error { return errors.ErrUnsupported }

func setXattrAt(int, string, string, []byte) error { return errors.ErrUnsupported }

func dropInherited(*os.Root) error { return nil }

// syncsEach tells that each file is synced by itself: sync(2) does not wait.
func syncsEach() bool { return true }

func syncAll(int) error { return unix.Sync() }
