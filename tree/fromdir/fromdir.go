// Package fromdir reads a directory of the host into a tree: types, modes, owners, times with
// nanoseconds, hard links, devices, sockets and FIFOs. On Linux it also reads extended attributes. File
// contents are read later, from the directory.
//
//	t, report, err := fromdir.Read(ctx, "rootfs", fromdir.Options{})
//	...
//	err = t.Seal()
//
// The tree is not sealed, so that the caller can put it under another root ([tree.Tree.Under]) before
// [tree.Tree.Seal].
//
// Symbolic links are kept and never followed; only dir itself may be one. Directories on other file
// systems are read with a warning.
//
// # Changes during reading
//
// The walk records the inode, size and modification time of each file. Opening a file that differs fails
// with [source.ErrChanged]. Closing a file that changed while it was open fails too, and so does a
// directory whose entries change during the walk.
//
// # Extended attributes
//
// On Linux fromdir reads the namespaces user, security and trusted, and the two POSIX ACLs. Only root can
// see trusted attributes. It omits security.selinux and attributes that file systems generate, such as
// system.nfs4_acl and btrfs.compression: they describe the host, not the tree. On other hosts no
// attributes are read, and the report contains a note.
package fromdir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"imagetools/fault"

	"golang.org/x/sys/unix"

	"imagetools/internal/budget"
	"imagetools/tree"
	"imagetools/tree/source"
)

// Options say how a directory is read. The zero value reads all of it, with the owners by
// the rule [source.OwnersAuto].
type Options struct {
	// Metalog is an mtree(5) specification (see package mtree) that wins over the disk in
	// types, modes, owners, times, device numbers, link targets and extended attributes.
	// Devices, FIFOs, sockets and symbolic links that only it names are created; other paths
	// must be on disk, unless their line says optional. A device, FIFO, socket or link may
	// be an empty regular file on disk. Names that it gives no owner are 0:0 (on disk's with
	// source.OwnersDisk) and keep the mode on disk.
	Metalog     io.Reader
	MetalogName string // for messages; "METALOG" if empty
	// MetalogPrefix is the path in the specification that stands for dir; "" and "." are its top.
	// What is not below it is not looked at.
	MetalogPrefix string

	Owners   source.Owners
	Exclude  []string // globs, see [source.Excludes]
	NoXattrs bool
	Budget   *budget.Budget // for what is held; nil is the default

	// Progress, if set, is told now and then how many names were read. Calls do not overlap.
	Progress func(names int)

	// Workers is how many directories, or parts of large ones, are read at once; 0 stands
	// for a number that suits the machine. The result is the same for any.
	Workers int
}

// Read walks dir. Faults of single files (unreadable, changed, of unknown type, set-id with
// an owner that would change) are joined, up to 20, and so are those of the METALOG.
func Read(ctx context.Context, dir string, opts Options) (*tree.Tree, *source.Report, error) {
	owners, err := source.ParseOwners(string(opts.Owners))
	if err != nil {
		return nil, nil, err
	}
	excludes, err := source.NewExcludes(opts.Exclude)
	if err != nil {
		return nil, nil, err
	}
	w := &walker{
		excludes: excludes,
		xattrs:   !opts.NoXattrs && haveXattrs,
		euid:     os.Geteuid(),
		report:   &source.Report{},
		tree:     tree.New(),
		progress: opts.Progress,
		budget:   budget.Or(opts.Budget),
		top:      dir,
	}
	if !opts.NoXattrs && !haveXattrs {
		w.report.Note("extended attributes and ACLs are not read on %s", runtime.GOOS)
	}
	if err := w.walk(ctx, dir, opts.Workers); err != nil {
		return nil, nil, err
	}
	linked := w.joinLinks()
	if err := w.faults.Err(); err != nil {
		return nil, nil, err
	}

	var faults error
	if opts.Metalog != nil {
		faults, err = w.metalog(opts.Metalog, cmp.Or(opts.MetalogName, "METALOG"), opts.MetalogPrefix, owners)
		if err != nil {
			return nil, nil, err
		}
	} else if owners == source.OwnersRoot || owners == source.OwnersAuto && w.uids.single && w.uids.uid != 0 {
		if owners == source.OwnersAuto {
			w.report.Note("every file belongs to uid %d: owners become 0:0", w.uids.uid)
		}
		w.own()
		faults = w.checkSetIDs()
	}
	if faults != nil {
		return nil, nil, faults
	}
	w.excludes.NoteUnused(w.report)
	w.report.Survey(w.tree, linked)
	return w.tree, w.report, nil
}

// walker is the state of one walk. What follows mu is shared by the workers under it.
type walker struct {
	excludes *source.Excludes
	xattrs   bool
	euid     int
	tree     *tree.Tree
	budget   *budget.Budget
	top      string // that is walked

	progress func(names int)

	mu     sync.Mutex
	wake   *sync.Cond
	seen   int    // names
	queue  []task // last in, first out: keeps it short
	busy   int
	err    error // ends the walk
	faults fault.Faults
	report *source.Report
	links  []linkName
	setids []setID
	uids   owner
}

// A task is a directory to open and read, or the names from to to of one that is open.
type task struct {
	dir      *listing
	from, to int
}

// listing is a directory while it is read.
type listing struct {
	host  *hostDir
	node  *tree.Node
	path  string // from the root of the tree; "" for the root itself
	full  string // on the host
	stat  unix.Stat_t
	file  *os.File // open, to read the names
	fd    int      // of file
	names []string
	nodes []tree.Node // one for each name
	kinds []kind      // likewise
	subs  []*listing  // likewise; nil unless a directory
	left  atomic.Int32
}

type kind uint8

const (
	dropped kind = iota // excluded, or at fault
	kept
	link // one of several names, added at the end
)

// linkName is one name of a file that has several on disk.
type linkName struct {
	dev, ino uint64
	dir      *tree.Node
	path     string
	name     string
	node     *tree.Node
}

// setID is a set-id file that does not belong to root on disk.
type setID struct {
	path     string
	mode     tree.Mode
	uid, gid uint32
	user     bool // the METALOG names its user, or its mode
	group    bool // likewise its group
}

// owner tells whether all files seen belong to one user.
type owner struct {
	any, single bool
	uid         uint32
}

func (o *owner) add(uid uint32) {
	o.single = !o.any || o.single && o.uid == uid
	o.any, o.uid = true, uid
}

// chunk is how many names of a directory one task covers.
const chunk = 1024

func (w *walker) walk(ctx context.Context, dir string, workers int) error {
	w.wake = sync.NewCond(&w.mu)
	if trimmed := strings.TrimRight(dir, "/"); trimmed != "" {
		dir = trimmed
	} else if dir != "" {
		dir = "/."
	}
	root := &listing{host: &hostDir{name: dir}, node: w.tree.Root, full: dir}
	if err := w.readRoot(root); err != nil {
		return err
	}
	w.queue = []task{{dir: root}}
	if workers <= 0 {
		workers = max(4, 2*runtime.GOMAXPROCS(0))
	}
	var group sync.WaitGroup
	for range workers {
		group.Go(func() { w.work(ctx) })
	}
	group.Wait()
	for _, t := range w.queue { // after an error
		if t.dir.file != nil {
			t.dir.file.Close()
		}
	}
	return w.err
}

// readRoot fills the root of the tree from dir.
func (w *walker) readRoot(l *listing) error {
	info, err := os.Stat(l.full) // the one link that is followed
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &os.PathError{Op: "read", Path: l.full, Err: unix.ENOTDIR}
	}
	if err := retry(func() error { return unix.Stat(l.full, &l.stat) }); err != nil {
		return &os.PathError{Op: "stat", Path: l.full, Err: err}
	}
	fill(l.node, &l.stat)
	w.uids.add(l.node.UID)
	if w.xattrs {
		attrs, err := readXattrs(l.full+"/.", -1, ".")
		if err != nil {
			return fmt.Errorf("%q: %w", l.full, err)
		}
		l.node.Attrs = attrs
	}
	return nil
}

// work takes tasks until there are none and nobody can make new ones.
func (w *walker) work(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		for len(w.queue) == 0 && w.busy > 0 && w.err == nil {
			w.wake.Wait()
		}
		if w.err == nil {
			w.err = ctx.Err()
		}
		if len(w.queue) == 0 || w.err != nil {
			w.wake.Broadcast()
			return
		}
		t := w.queue[len(w.queue)-1]
		w.queue = w.queue[:len(w.queue)-1]
		w.busy++
		w.mu.Unlock()
		f := findings{w: w}
		f.do(t)
		w.mu.Lock()
		w.busy--
		if w.seen += f.names; w.progress != nil {
			w.progress(w.seen)
		}
		w.take(&f)
		if w.busy == 0 || len(f.tasks) > 0 {
			w.wake.Broadcast()
		}
	}
}

// findings are what one task found; the walker takes them over under its lock.
type findings struct {
	w        *walker
	names    int
	tasks    []task
	faults   []pathFault
	warnings []source.Warning
	links    []linkName
	setids   []setID
	uids     owner
	err      error // ends the walk
}

type pathFault struct {
	path string
	err  error
}

func (w *walker) take(f *findings) {
	w.err = cmp.Or(w.err, f.err)
	w.queue = append(w.queue, f.tasks...)
	for _, x := range f.faults {
		w.faults.Add(x.path, x.err)
	}
	w.report.Warnings = append(w.report.Warnings, f.warnings...)
	w.links = append(w.links, f.links...)
	w.setids = append(w.setids, f.setids...)
	if f.uids.any {
		if !f.uids.single {
			w.uids.single = false
		} else {
			w.uids.add(f.uids.uid)
		}
	}
}

func (f *findings) fault(path string, err error) { f.faults = append(f.faults, pathFault{path, err}) }

func (f *findings) do(t task) {
	l := t.dir
	if t.to == 0 {
		if err := l.open(); err != nil {
			f.fault(l.path, err)
			return
		}
		n := len(l.names)
		l.left.Store(int32(max(1, (n+chunk-1)/chunk)))
		for from := chunk; from < n; from += chunk {
			f.tasks = append(f.tasks, task{l, from, min(n, from+chunk)})
		}
		t.to = min(n, chunk)
		if len(f.tasks) > 0 { // let others begin
			f.w.mu.Lock()
			f.w.queue = append(f.w.queue, f.tasks...)
			f.w.wake.Broadcast()
			f.w.mu.Unlock()
			f.tasks = nil
		}
	}
	for i := t.from; i < t.to && f.err == nil; i++ {
		f.entry(l, i)
	}
	if l.left.Add(-1) == 0 {
		f.finish(l)
	}
}

// open reads the names of a directory.
func (l *listing) open() error {
	flags := unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC | unix.O_NONBLOCK
	if l.host.parent != nil {
		flags |= unix.O_NOFOLLOW
	}
	fd, err := openPath(l.full, flags)
	if err != nil {
		return openError(l.full, err)
	}
	var st unix.Stat_t
	if err = retry(func() error { return unix.Fstat(fd, &st) }); err != nil {
		unix.Close(fd)
		return &os.PathError{Op: "stat", Path: l.full, Err: err}
	}
	if st.Dev != l.stat.Dev || st.Ino != l.stat.Ino {
		unix.Close(fd)
		return fmt.Errorf("%q: %w", l.full, source.ErrChanged)
	}
	l.file, l.fd = os.NewFile(uintptr(fd), l.full), fd
	if l.names, err = l.file.Readdirnames(-1); err != nil {
		l.file.Close()
		return fmt.Errorf("read directory %q: %w", l.full, errors.Unwrap(err))
	}
	l.nodes = make([]tree.Node, len(l.names))
	l.kinds = make([]kind, len(l.names))
	l.subs = make([]*listing, len(l.names))
	return nil
}

// entry reads the metadata of one name.
func (f *findings) entry(l *listing, i int) {
	f.names++
	w, name := f.w, l.names[i]
	var st unix.Stat_t
	if err := lstatAt(l.fd, name, &st); err != nil {
		f.fault(join(l.path, name), openError(l.full+"/"+name, err))
		return
	}
	n := &l.nodes[i]
	fill(n, &st)
	if w.excludes != nil && w.excludes.Match(join(l.path, name), n.IsDir()) {
		return
	}
	l.kinds[i] = kept
	f.uids.add(n.UID)
	switch n.Mode.Type() {
	case tree.TypeDir:
		l.subs[i] = &listing{
			host: &hostDir{parent: l.host, name: name}, node: n,
			path: join(l.path, name), full: l.full + "/" + name, stat: st,
		}
		if st.Dev != l.stat.Dev {
			f.warnings = append(f.warnings, source.Warning{Path: join(l.path, name),
				Text: "another file system is mounted here; its files are read, too"})
		}
	case tree.TypeFile:
		n.Content = newFile(l.host, name, &st)
		n.Size = st.Size
		if n.Mode&(tree.SetUID|tree.SetGID) != 0 && (n.UID != 0 || n.GID != 0) {
			f.setids = append(f.setids, setID{path: join(l.path, name), mode: n.Mode, uid: n.UID, gid: n.GID})
		}
		if w.euid != 0 && n.Mode&0o444 != 0o444 && unix.Faccessat(l.fd, name, unix.R_OK, unix.AT_EACCESS) == unix.EACCES {
			f.fault(join(l.path, name), fmt.Errorf("open %q: %w", l.full+"/"+name, unix.EACCES))
		}
	case tree.TypeSymlink:
		target, err := readlinkAt(l.fd, l.full, name, st.Size)
		if err != nil {
			f.fault(join(l.path, name), openError(l.full+"/"+name, err))
		}
		n.Target = target
	case tree.TypeChar, tree.TypeBlock:
		n.Device = device(uint64(st.Rdev))
	case tree.TypeFIFO, tree.TypeSocket:
	default:
		f.fault(join(l.path, name), fmt.Errorf("%q: %s: an image cannot hold it", l.full+"/"+name, n.Mode.TypeName()))
	}
	if w.xattrs {
		attrs, err := readXattrs(l.full+"/"+name, l.fd, name)
		if err != nil {
			f.fault(join(l.path, name), fmt.Errorf("%q: %w", l.full+"/"+name, err))
		}
		n.Attrs = attrs
	}
	cost := n.Cost() + tree.NameCost(name) + contentCost
	if st.Nlink > 1 && !n.IsDir() {
		cost += linkCost + int64(len(l.path)+len(name))
		l.kinds[i] = link
		f.links = append(f.links, linkName{
			dev: uint64(st.Dev), ino: uint64(st.Ino), dir: l.node, path: join(l.path, name), name: name, node: n,
		})
	}
	if err := w.budget.HoldFile(cost, "files and their attributes"); err != nil {
		f.err = fmt.Errorf("read %q: %w", w.top, err)
	}
}

// What is held of a file for its content, and until all names of one that has several are known.
const (
	contentCost = 48
	linkCost    = 96
)

// finish puts the names into the tree and the subdirectories into the queue, when the last
// part of a directory is read.
func (f *findings) finish(l *listing) {
	for i, name := range l.names {
		if l.kinds[i] != kept {
			continue
		}
		if err := l.node.Add(name, &l.nodes[i]); err != nil {
			f.fault(join(l.path, name), fmt.Errorf("in directory %q: %w", l.full, err))
			continue
		}
		if l.nodes[i].IsDir() {
			f.tasks = append(f.tasks, task{dir: l.subs[i]})
		}
	}
	var st unix.Stat_t
	err := retry(func() error { return unix.Fstat(l.fd, &st) })
	if err == nil && st.Mtim != l.stat.Mtim {
		err = source.ErrChanged
	}
	if err = cmp.Or(err, l.file.Close()); err != nil {
		f.fault(l.path, fmt.Errorf("%q: %w", l.full, err))
	}
	l.names, l.nodes, l.kinds, l.subs, l.file = nil, nil, nil, nil, nil
}

// joinLinks makes one node of all names of a file: that of the first path. It returns the
// nodes that have several names.
func (w *walker) joinLinks() map[*tree.Node]bool {
	slices.SortFunc(w.links, func(a, b linkName) int {
		return cmp.Or(cmp.Compare(a.dev, b.dev), cmp.Compare(a.ino, b.ino), strings.Compare(a.path, b.path))
	})
	linked := make(map[*tree.Node]bool)
	for i, x := range w.links {
		n := x.node
		if i > 0 && w.links[i-1].dev == x.dev && w.links[i-1].ino == x.ino {
			n = w.links[i-1].node
			if n.Size != x.node.Size || n.ModTime != x.node.ModTime || n.Mode != x.node.Mode {
				w.faults.Add(x.path, fmt.Errorf("%q: %w", x.path, source.ErrChanged))
			}
			w.links[i].node = n
			linked[n] = false
		}
		if err := x.dir.Add(x.name, n); err != nil {
			w.faults.Add(x.path, err)
		}
	}
	w.links = nil
	return linked
}

// own makes every owner 0:0.
func (w *walker) own() {
	var visit func(n *tree.Node)
	visit = func(n *tree.Node) {
		n.UID, n.GID = 0, 0
		for _, e := range n.Entries() {
			visit(e.Node)
		}
	}
	visit(w.tree.Root)
}

// checkSetIDs reports the set-id files whose owner on disk was replaced by root without
// the METALOG saying so.
func (w *walker) checkSetIDs() error {
	var faults fault.Faults
	for _, s := range w.setids {
		uid, gid := s.uid, s.gid
		if s.user {
			uid = 0
		}
		if s.group {
			gid = 0
		}
		if source.SetIDChange(s.mode, uid, gid, 0, 0) {
			faults.Add(s.path, source.SetIDError(s.path, s.mode, s.uid, s.gid))
		}
	}
	return faults.Err()
}

// fill copies what lstat(2) tells of any file.
func fill(n *tree.Node, st *unix.Stat_t) {
	n.Mode = tree.Mode(st.Mode) & (tree.TypeMask | tree.PermMask)
	n.UID, n.GID = st.Uid, st.Gid
	n.ModTime = tree.Time{Sec: int64(st.Mtim.Sec), Nsec: uint32(st.Mtim.Nsec)}
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
