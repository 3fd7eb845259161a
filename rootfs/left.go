package rootfs

import (
	"fmt"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"imagetools/internal/durable"
	"imagetools/tree"
)

// What is new gets its name when it is complete. Until then it has a temporary one
// (durable.ChangeName), and its directory a shared lock. If the process is killed the name stays;
// the next one that changes something in the directory, and finds it without a lock, removes it.

// leftovers are where killed processes left what they were making.
type leftovers struct {
	seen map[[2]uint64]bool // directories that were looked at, by device and inode
	note func(text string)
}

// OnLeft has a function told what killed processes left in directories that are changed, and that
// it was removed.
func (f *FS) OnLeft(note func(text string)) {
	if d, ok := f.top.(*diskDir); ok {
		d.left.note = note
	}
}

// lockWaits are how often a lock is tried that somebody else is in the way of, who looks for
// what was left. The owner of the root can hold one as long as he likes, which is no reason to wait.
const (
	lockTries = 20
	lockPause = time.Millisecond
)

// begin locks the directory for what is made in it, and removes what was left there before.
func (d *diskDir) begin() (end func(), err error) {
	if err := d.clean(); err != nil {
		return nil, err
	}
	for range lockTries {
		if durable.LockShared(d.fd) == nil {
			return func() { durable.Unlock(d.fd) }, nil
		}
		time.Sleep(lockPause)
	}
	return func() {}, nil
}

// clean removes what was left in the directory, once.
func (d *diskDir) clean() error {
	self, err := d.self()
	if err != nil {
		return err
	}
	key := [2]uint64{self.dev, self.ino}
	if d.left.seen[key] || !durable.TryLock(d.fd) {
		return nil // also where there are no locks: nobody knows who is at work
	}
	defer durable.Unlock(d.fd)
	names, err := d.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if durable.IsChangeName(name) {
			d.removeLeft(name)
		}
	}
	if d.left.seen == nil {
		d.left.seen = make(map[[2]uint64]bool)
	}
	d.left.seen[key] = true
	return nil
}

// removeLeft removes what the caller himself could have made, if it goes.
func (d *diskDir) removeLeft(name string) {
	info, err := d.lstat(name)
	if err != nil || info.UID != 0 {
		return
	}
	flags := 0
	switch info.Mode.Type() {
	case tree.TypeDir:
		flags = unix.AT_REMOVEDIR // an empty one
	case tree.TypeFile, tree.TypeSymlink:
	default:
		return
	}
	if again(func() error { return unix.Unlinkat(d.fd, name, flags) }) == nil && d.left.note != nil {
		d.left.note(fmt.Sprintf("a run that was killed left %q: removed", path.Join(d.path(), name)))
	}
}

// path is that of the directory in the root.
func (d *diskDir) path() string {
	if d.above == nil {
		return "/"
	}
	return path.Join(d.above.path(), d.name)
}
