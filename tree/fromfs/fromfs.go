// Package fromfs reads any [fs.FS] into a tree: an embedded directory, a ZIP archive, a file system
// made in memory for a test, or the files of another image.
//
//	t, report, err := fromfs.Read(ctx, files, fromfs.Options{})
//	...
//	err = t.Seal()
//
// Names, types, modes, sizes and modification times are those of [fs.FileInfo]. Everything else is
// asked for by the small interfaces of package tree: [tree.OwnerInfo], [tree.LinkInfo],
// [tree.DeviceInfo], [tree.XattrInfo], [tree.ACLInfo] and [tree.ContentInfo]. A [tree.FS] implements
// all of them, so that the tree that is read from one is the same tree. Without them
//   - owners are 0:0,
//   - each name is a file of its own,
//   - there are no extended attributes and no ACLs.
//
// A file without a time, as in an embedded directory, has the time of Options.ModTime.
//
// What cannot be kept is an error with its path: devices without numbers, symbolic links of a file
// system that is no [fs.ReadLinkFS], modes such as [fs.ModeAppend], and names that no directory has.
//
// A directory of the host ([os.DirFS]) is refused, since its owners, hard links and attributes would
// be lost. Package fromdir reads it.
//
// # Contents
//
// Files are opened when a sink reads them. One that implements [io.ReaderAt] or [io.Seeker] is read
// in place; any other is read from its start, as often as a sink goes back. Holes are known of files
// with the method NextData of [tree.File].
//
// # Limits
//
// They are those of package tree. Memory is some 300 bytes for each file.
package fromfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"time"

	"imagetools/fault"

	"imagetools/internal/budget"
	"imagetools/internal/plain"
	"imagetools/tree"
	"imagetools/tree/source"
)

// Options say how a file system is read. The zero value reads all of it.
type Options struct {
	Exclude []string       // globs, see [source.Excludes]
	ModTime tree.Time      // of files that have no time; the zero value is 1970
	Budget  *budget.Budget // for what is held; nil is the default
}

// ErrHost says that a file is one of the host.
var ErrHost = errors.New("a file of the host, of which fs.FS tells too little: use package fromdir")

// maxDepth bounds the nesting of directories, as in a sealed tree.
const maxDepth = 4096

// Read reads a file system. The tree is not sealed. Faults of single files are joined, up to 20.
func Read(ctx context.Context, files fs.FS, opts Options) (*tree.Tree, *source.Report, error) {
	excludes, err := source.NewExcludes(opts.Exclude)
	if err != nil {
		return nil, nil, err
	}
	r := &reader{ctx: ctx, files: files, opts: opts, excludes: excludes, budget: budget.Or(opts.Budget), nodes: make(map[uint64]*tree.Node)}
	info, err := fs.Stat(files, ".")
	if err != nil {
		return nil, nil, fmt.Errorf("root directory: %w", err)
	}
	root, err := r.node(".", info)
	if err == nil && !root.IsDir() {
		err = errors.New("not a directory")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("root directory: %w", err)
	}
	if err := r.dir(root, "", 0); err != nil {
		return nil, nil, err
	}
	if err := r.faults.Err(); err != nil {
		return nil, nil, err
	}
	t, report, linked := &tree.Tree{Root: root}, &source.Report{}, make(map[*tree.Node]bool)
	for _, n := range r.nodes {
		linked[n] = false
	}
	report.Survey(t, linked)
	excludes.NoteUnused(report)
	return t, report, nil
}

type reader struct {
	ctx      context.Context
	files    fs.FS
	opts     Options
	excludes *source.Excludes
	budget   *budget.Budget
	nodes    map[uint64]*tree.Node // of files with several names, by inode
	faults   fault.Faults
}

// dir reads what is in a directory. Its path ends with a slash, or is empty for the root.
func (r *reader) dir(dir *tree.Node, path string, depth int) error {
	if depth >= maxDepth {
		return fmt.Errorf("%s: directories nested deeper than %d", plain.Name(path), maxDepth)
	}
	name := "."
	if path != "" {
		name = path[:len(path)-1]
	}
	list, err := fs.ReadDir(r.files, name)
	if err != nil {
		r.faults.Add(name, fmt.Errorf("%s: %w", plain.Name(name), err))
		return nil
	}
	for _, e := range list {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		if err := r.entry(dir, e, path, depth); err != nil {
			return err
		}
	}
	return nil
}

// entry reads one name. An error ends the reading.
func (r *reader) entry(dir *tree.Node, e fs.DirEntry, above string, depth int) error {
	path := above + e.Name()
	if r.excludes.Match(path, e.IsDir()) {
		return nil
	}
	err := tree.CheckName(e.Name())
	var info fs.FileInfo
	if err == nil {
		info, err = e.Info()
	}
	var n *tree.Node
	if err == nil {
		n, err = r.node(path, info)
	}
	if err == nil {
		err = r.budget.Hold(tree.NameCost(e.Name()), "names in directories")
	}
	if err == nil {
		err = dir.Add(e.Name(), n)
	}
	switch {
	case errors.Is(err, budget.ErrExceeded):
		return fmt.Errorf("%s: %w", plain.Name(path), err)
	case err != nil:
		r.faults.Add(path, fmt.Errorf("%s: %w", plain.Name(path), err))
		return nil
	case n.IsDir():
		return r.dir(n, path+"/", depth+1)
	}
	return nil
}

// knownCost is what a file with several names takes in the map, contentCost what contents take.
const (
	knownCost   = 48
	contentCost = 96
)

// node makes the node of a file, or returns the one that another of its names has.
func (r *reader) node(path string, info fs.FileInfo) (*tree.Node, error) {
	links, linked := info.(tree.LinkInfo)
	linked = linked && !info.IsDir() && links.Links() > 1
	if linked {
		if n := r.nodes[links.Inode()]; n != nil {
			return n, nil
		}
	}
	n, err := r.newNode(path, info)
	if err != nil {
		return nil, err
	}
	cost := n.Cost() + int64(len(path)) + contentCost
	if linked {
		r.nodes[links.Inode()] = n
		cost += knownCost
	}
	return n, r.budget.HoldFile(cost, "files")
}

func (r *reader) newNode(path string, info fs.FileInfo) (*tree.Node, error) {
	if isHost(info.Sys()) {
		return nil, ErrHost
	}
	mode, ok := tree.ModeOf(info.Mode())
	if !ok {
		return nil, fmt.Errorf("mode %v: not one that a file in an image can have", info.Mode())
	}
	n := &tree.Node{Mode: mode}
	if info.IsDir() {
		n = tree.NewDir(mode)
	}
	n.ModTime = r.modTime(info.ModTime())
	if o, ok := info.(tree.OwnerInfo); ok {
		n.UID, n.GID = o.UID(), o.GID()
	}
	setAttrs(n, info)
	return n, r.setKind(n, path, info)
}

// setKind sets what only some types of files have.
func (r *reader) setKind(n *tree.Node, path string, info fs.FileInfo) error {
	switch n.Mode.Type() {
	case tree.TypeFile:
		n.Size = info.Size()
		if n.Size < 0 || n.Size > tree.MaxSize {
			return fmt.Errorf("size %d: out of range", n.Size)
		}
		if c, ok := info.(tree.ContentInfo); ok {
			n.Content = c.Content()
		} else {
			n.Content = &content{r.files, path, n.Size}
		}
	case tree.TypeSymlink:
		links, ok := r.files.(fs.ReadLinkFS)
		if !ok {
			return errors.New("a symbolic link, and the file system does not tell where it leads: it is no fs.ReadLinkFS")
		}
		target, err := links.ReadLink(path)
		if err != nil {
			return err
		}
		n.Target = target
		return tree.CheckTarget(target)
	case tree.TypeChar, tree.TypeBlock:
		d, ok := info.(tree.DeviceInfo)
		if !ok {
			return errors.New("a device, and the file system does not tell its number")
		}
		rdev, ok := d.Rdev()
		if !ok {
			return errors.New("a device without a number")
		}
		n.Device = &rdev
	}
	return nil
}

func (r *reader) modTime(t time.Time) tree.Time {
	if t.IsZero() {
		return r.opts.ModTime
	}
	return tree.Time{Sec: t.Unix(), Nsec: uint32(t.Nanosecond())}
}

func setAttrs(n *tree.Node, info fs.FileInfo) {
	var attrs tree.Attrs
	if x, ok := info.(tree.XattrInfo); ok {
		attrs.Xattrs = append(attrs.Xattrs, x.Xattrs()...)
	}
	if a, ok := info.(tree.ACLInfo); ok {
		attrs.ACL = append(attrs.ACL, a.ACL()...)
	}
	if len(attrs.Xattrs) > 0 || len(attrs.ACL) > 0 {
		n.Attrs = &attrs
	}
}

// isHost tells whether a file is one of the host: package os gives what the system told of it, which
// is a structure of package syscall.
func isHost(sys any) bool {
	t := reflect.TypeOf(sys)
	return t != nil && t.Kind() == reflect.Pointer && t.Elem().PkgPath() == "syscall"
}
