package todir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"imagetools/internal/durable"
	"imagetools/tree"
)

// bufferSize is how much of a file is read and written at once.
const bufferSize = 512 << 10

// makeDirs makes the directories, all with mode 0700.
func (x *extractor) makeDirs(ctx context.Context) error {
	for _, d := range x.plan.dirs[1:] {
		if err := ctx.Err(); err != nil {
			return err
		}
		parent, err := x.dirs.get(d.parent)
		if err != nil {
			return err
		}
		err = again(func() error { return unix.Mkdirat(parent.fd, d.name, 0o700) })
		x.dirs.put(parent)
		if err != nil {
			return fail("make directory", d.path(), err)
		}
	}
	x.meter.add(len(x.plan.dirs))
	return nil
}

// fill makes the files, several at once. They are begun in the order of the plan.
func (x *extractor) fill(ctx context.Context, workers int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(workers, len(x.plan.entries)) {
		group.Go(func() {
			w := worker{extractor: x}
			defer func() { x.xattrsLeft(w.xattrs, w.special) }()
			for {
				i := int(next.Add(1)) - 1
				if i >= len(x.plan.entries) || ctx.Err() != nil {
					return
				}
				if err := w.entry(ctx, x.plan.entries[i]); err != nil {
					cancel(err)
					return
				}
				x.meter.add(1)
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}

// xattrsLeft takes over what a worker has counted.
func (x *extractor) xattrsLeft(xattrs, special int) {
	x.meter.mu.Lock()
	defer x.meter.mu.Unlock()
	x.report.Xattrs += xattrs
	x.report.Special += special
}

// worker makes one file at a time.
type worker struct {
	*extractor
	buf     []byte
	xattrs  int // extended attributes that were not set
	special int // devices and the like that were not made
}

// entry makes what stands for e on disk.
func (w *worker) entry(ctx context.Context, e entry) error {
	typ := e.node.Mode.Type()
	special := typ != tree.TypeFile && typ != tree.TypeSymlink
	standIn := false
	if special && !w.makes(e.node) {
		w.special++
		if standIn = w.plan.names[e.node] > 1; !standIn {
			w.xattrs += len(xattrs(e.node))
			return nil
		}
	}
	d, err := w.dirs.get(e.dir)
	if err != nil {
		return err
	}
	defer w.dirs.put(d)
	switch {
	case typ == tree.TypeFile, standIn:
		err = w.file(ctx, d, e)
	case typ == tree.TypeSymlink:
		err = w.symlink(d, e)
	default:
		err = w.device(d, e)
	}
	if err == nil {
		err = setTimes(d.fd, e.name, e.node.ModTime)
		if err != nil {
			err = fail("set time of", e.path(), err)
		}
	}
	return err
}

// makes tells whether a device, socket or FIFO is made on disk.
func (x *extractor) makes(n *tree.Node) bool {
	if n.Mode.Type() == tree.TypeFIFO {
		return canMake(n)
	}
	return x.opts.Devices && canMake(n)
}

// mode is what n gets on disk.
func (x *extractor) mode(n *tree.Node) uint32 {
	perm := uint32(n.Mode.Perm())
	switch {
	case x.opts.SameOwner:
		return perm
	case n.IsDir():
		return perm&0o755 | 0o500
	}
	return perm&0o755 | 0o400
}

func xattrs(n *tree.Node) []tree.Xattr {
	if n.Attrs == nil {
		return nil
	}
	return n.Attrs.Xattrs
}

// setXattrs calls set for the attributes that may be on disk, and returns how many are not.
func (x *extractor) setXattrs(n *tree.Node, set func(name string, value []byte) error) (left int) {
	for _, a := range xattrs(n) {
		if !x.opts.SameOwner && !strings.HasPrefix(a.Name, "user.") || set(a.Name, a.Value) != nil {
			left++
		}
	}
	return left
}

// file makes a regular file, or the empty one that stands for a device.
func (w *worker) file(ctx context.Context, d *openDir, e entry) (err error) {
	n := e.node
	mode := w.mode(n)
	if n.Mode.Type() != tree.TypeFile {
		mode &= 0o755
	}
	first := mode
	if w.opts.SameOwner {
		first = 0o600 // until it has its owner
	}
	f, err := create(d.fd, e.name, first)
	if err != nil {
		return fail("create", e.path(), err)
	}
	defer func() {
		if e2 := f.close(); err == nil && e2 != nil {
			err = fail("close", e.path(), e2)
		}
	}()
	if n.Size > 0 {
		if err := w.contents(ctx, f, e); err != nil {
			return err
		}
	}
	if w.opts.SameOwner {
		if err := unix.Fchown(int(f), int(n.UID), int(n.GID)); err != nil {
			return failOwner(e.path(), n, err)
		}
	}
	if len(xattrs(n)) > 0 {
		w.xattrs += w.setXattrs(n, func(name string, value []byte) error { return setXattr(int(f), name, value) })
	}
	if w.opts.SameOwner || mode&w.umask != 0 {
		if err := unix.Fchmod(int(f), mode); err != nil {
			return fail("set mode of", e.path(), err)
		}
	}
	if err := w.sync.file(int(f)); err != nil {
		return fail("sync", e.path(), err)
	}
	return nil
}

// contents copies the data of a file and leaves its holes.
func (w *worker) contents(ctx context.Context, f newFile, e entry) (err error) {
	size := e.node.Size
	src, err := e.node.Content.Open()
	if err != nil {
		return fmt.Errorf("extract %q: %w", e.path(), err)
	}
	defer func() {
		if e2 := src.Close(); err == nil && e2 != nil {
			err = fmt.Errorf("extract %q: %w", e.path(), e2)
		}
	}()
	if w.buf == nil {
		w.buf = make([]byte, bufferSize)
	}
	var done int64 // bytes of the file on disk
	for off := int64(0); off < size; {
		start, end, err := src.NextData(off)
		if err == io.EOF {
			break
		}
		if err == nil && (start < off || end <= start) {
			err = fmt.Errorf("data from byte %d to %d is said to follow byte %d", start, end, off)
		}
		if err != nil {
			return fmt.Errorf("extract %q: %w", e.path(), err)
		}
		off = min(end, size)
		for at := start; at < off; {
			if err := ctx.Err(); err != nil {
				return err
			}
			p := w.buf[:min(int64(len(w.buf)), off-at)]
			n, err := src.ReadAt(p, at)
			if n < len(p) {
				if err == nil || err == io.EOF {
					err = fmt.Errorf("at byte %d: %w", at+int64(n), io.ErrUnexpectedEOF)
				}
				return fmt.Errorf("extract %q: %w", e.path(), err)
			}
			if err := f.writeAt(p, at); err != nil {
				return fail("write", e.path(), err)
			}
			at += int64(n)
			done = at
		}
	}
	if done < size {
		if err := f.truncate(size); err != nil {
			return fail("write", e.path(), err)
		}
	}
	return nil
}

// newFile is the descriptor of a file that is being made. An os.File costs eight more system
// calls for each.
type newFile int

// create makes a file in a directory. O_EXCL follows no link, and the tree has checked that
// the name is one.
func create(dir int, name string, mode uint32) (f newFile, err error) {
	err = again(func() error {
		fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
		f = newFile(fd)
		return err
	})
	return f, err
}

func (f newFile) writeAt(p []byte, off int64) error {
	for len(p) > 0 {
		n, err := unix.Pwrite(int(f), p, off)
		if err != nil && err != unix.EINTR {
			return err
		}
		if n > 0 {
			p, off = p[n:], off+int64(n)
		}
	}
	return nil
}

func (f newFile) truncate(size int64) error {
	return again(func() error { return unix.Ftruncate(int(f), size) })
}

// close closes the file. It is closed even if a signal interrupts that.
func (f newFile) close() error {
	if err := unix.Close(int(f)); err != unix.EINTR {
		return err
	}
	return nil
}

func (w *worker) symlink(d *openDir, e entry) error {
	err := again(func() error { return symlinkAt(e.node.Target, d.fd, e.name) })
	if errors.Is(err, errors.ErrUnsupported) { // then from the top
		err = w.place.root.Symlink(e.node.Target, e.path())
	}
	if err != nil {
		return fail("create", e.path(), err)
	}
	return w.dress(d, e)
}

// device makes a device, a socket or a FIFO.
func (w *worker) device(d *openDir, e entry) error {
	if err := makeNode(d.fd, e.name, e.node); err != nil {
		return fail("create "+e.node.Mode.TypeName(), e.path(), err)
	}
	if err := w.dress(d, e); err != nil {
		return err
	}
	if err := durable.ChmodAt(d.fd, e.name, w.mode(e.node)); err != nil {
		return fail("set mode of", e.path(), err)
	}
	return nil
}

// dress sets owner and attributes of what cannot be opened.
func (w *worker) dress(d *openDir, e entry) error {
	n := e.node
	if !w.opts.SameOwner {
		w.xattrs += len(xattrs(n)) // the namespace user is for files and directories
		return nil
	}
	err := again(func() error {
		return unix.Fchownat(d.fd, e.name, int(n.UID), int(n.GID), unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		return failOwner(e.path(), n, err)
	}
	w.xattrs += w.setXattrs(n, func(name string, value []byte) error { return setXattrAt(d.fd, e.name, name, value) })
	return nil
}

// makeLinks gives files their further names.
func (x *extractor) makeLinks(ctx context.Context) error {
	for _, l := range x.plan.links {
		if err := ctx.Err(); err != nil {
			return err
		}
		from, err := x.dirs.get(l.first.dir)
		if err != nil {
			return err
		}
		to, err := x.dirs.get(l.dir)
		if err != nil {
			x.dirs.put(from)
			return err
		}
		err = x.link(from, to, l)
		x.dirs.put(from)
		x.dirs.put(to)
		if err != nil {
			return fail(fmt.Sprintf("link %q to", l.path()), l.first.path(), err)
		}
		x.meter.add(1)
	}
	return nil
}

func (x *extractor) link(from, to *openDir, l link) error {
	err := again(func() error { return linkAt(from.fd, l.first.name, to.fd, l.name) })
	if errors.Is(err, errors.ErrUnsupported) { // then from the top
		return x.place.root.Link(l.first.path(), l.path())
	}
	return err
}

// meter counts names for the caller.
type meter struct {
	progress func(names int)
	mu       sync.Mutex
	names    int
}

func (m *meter) add(n int) {
	if m.progress == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.names
	if m.names += n; before/256 != m.names/256 {
		m.progress(m.names)
	}
}

func (m *meter) done() {
	if m.progress != nil {
		m.progress(m.names)
	}
}
