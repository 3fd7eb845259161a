package zpl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"imagetools/tree"
	"imagetools/zfs/sa"
)

// Options say how a tree becomes a file system. The zero value is what SmartOS images need.
type Options struct {
	// Version of the ZPL: 5, which 0 stands for, or 4 for pools older than version 24.
	Version int
	// Name of the snapshot in the stream, "image@final" if empty; receivers use what is
	// behind the '@'. At most 223 bytes.
	Name string
	// Created is the creation time of the snapshot, in seconds since 1970, and no time in
	// the file system is later. nil stands for the newest modification time in the tree; with an
	// Origin, whose time may not be later, for that if it is.
	Created *int64
	// Origin is the file system that the new one builds on: the stream holds what differs from
	// it, and becomes a clone of its snapshot. nil is for a full stream. Its Version is kept; it
	// is 4 or 5, little-endian, with case and normalization as they were stored.
	Origin *FS
	// XattrNames decides the names of extended attributes.
	XattrNames XattrNames
	// Progress, if set, is called now and then with how many bytes of contents of all were
	// read; first while they are digested, then while they are written.
	Progress func(phase Phase, done, total int64)
}

// XattrNames is a way to spell the names of extended attributes.
type XattrNames int

const (
	// XattrNamesLinux keeps full names, such as "user.note": what Linux stores.
	XattrNamesLinux XattrNames = iota
	// XattrNamesIllumos leaves out "user.", which illumos does not know.
	XattrNamesIllumos
)

// Phase tells what a [Plan] is doing.
type Phase int

// The phases, in order.
const (
	Digesting Phase = iota
	Writing
)

// Object numbers that every file system of ours has.
const (
	masterNode   = 1
	deleteQueue  = 2
	rootObject   = 3
	saMaster     = 4 // as are the next two, in version 5 only
	saRegistry   = 5
	saLayouts    = 6
	firstRegular = 7
)

const (
	defaultName = "image@final"
	maxSnapName = 223 // tools that strip holes write a checksum behind this (zfs-stream §2.2)
	maxObjects  = 1<<32 - 1
)

// Plan is a file system about to be written: all is known of it but the bytes.
type Plan struct {
	opts    Options
	tree    *tree.Tree
	nodes   []*tree.Node // by ID
	objects []uint32     // object number by ID
	special []*tree.Node // directories and special files, in the order of their objects
	files   []*file      // regular files, in the order of their objects
	xattrs  []xattrDir   // in the order of their objects
	xattrOf map[uint32]uint64
	acls    []*tree.Node // with an ACL object of their own, version 4 only
	aclOf   map[uint32]uint64

	inc    *increment // nil for a full stream
	encode func([]sa.Value) (bonus, spill []byte, err error)

	guid    uint64
	created int64
}

// xattrDir is the hidden directory of a node's extended attributes: object for itself, those
// after it for the attributes.
type xattrDir struct {
	node   *tree.Node
	object uint64
}

// NewPlan reads the contents of every file of a sealed tree to digest them, on all cores,
// and lays out the objects. Errors name the path.
func NewPlan(ctx context.Context, t *tree.Tree, opts Options) (*Plan, error) {
	if err := t.CheckSealed(); err != nil {
		return nil, fmt.Errorf("zpl: %w", err)
	}
	p := &Plan{opts: opts, tree: t, xattrOf: make(map[uint32]uint64), aclOf: make(map[uint32]uint64)}
	if err := p.setOrigin(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOrigin, err)
	}
	if err := p.checkOptions(); err != nil {
		return nil, fmt.Errorf("zpl: %w", err)
	}
	p.collect()
	p.setCreated()
	if err := p.checkAttrs(); err != nil {
		return nil, err
	}
	p.objects = make([]uint32, len(p.nodes))
	if p.inc != nil {
		if err := p.match(ctx); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrOrigin, err)
		}
	}
	if err := p.digest(ctx); err != nil {
		return nil, err
	}
	if p.inc != nil {
		if err := p.settle(ctx); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrOrigin, err)
		}
	} else if err := p.number(); err != nil {
		return nil, fmt.Errorf("zpl: %w", err)
	}
	p.setGUID()
	return p, nil
}

func (p *Plan) checkOptions() error {
	if p.opts.Version == 0 {
		p.opts.Version = 5
	}
	if p.opts.Version != 4 && p.opts.Version != 5 {
		return fmt.Errorf("version %d: 4 and 5 are possible", p.opts.Version)
	}
	if p.opts.Name == "" {
		p.opts.Name = defaultName
	}
	fs, snap, ok := strings.Cut(p.opts.Name, "@")
	if p.opts.Created != nil && *p.opts.Created < 0 {
		return fmt.Errorf("creation time %d: before 1970", *p.opts.Created)
	}
	if !ok || fs == "" || snap == "" || strings.ContainsAny(snap, "@/\x00") || len(p.opts.Name) > maxSnapName {
		return fmt.Errorf("snapshot name %q: DATASET@SNAPSHOT of at most %d bytes is needed", p.opts.Name, maxSnapName)
	}
	return nil
}

// GUID is the guid of the snapshot: a hash over the path, the metadata and the digest of the
// contents of every entry, and over the options. It is never 0.
func (p *Plan) GUID() uint64 { return p.guid }

// Objects is the number of objects in the file system.
func (p *Plan) Objects() int {
	n := len(p.special) + len(p.files) + p.fixedObjects()
	for _, x := range p.xattrs {
		n += 1 + len(x.node.Attrs.Xattrs)
	}
	return n + len(p.acls)
}

func (p *Plan) fixedObjects() int {
	if p.opts.Version == 4 {
		return 2
	}
	return 5
}

// collect sorts the nodes of the tree into regular files and others, in walk order.
func (p *Plan) collect() {
	p.nodes = p.tree.Nodes()
	seen := make([]bool, len(p.nodes))
	var visit func(dir *tree.Node)
	visit = func(dir *tree.Node) {
		for _, e := range dir.Entries() {
			if n := e.Node; !seen[n.ID] {
				seen[n.ID] = true
				if n.Mode.Type() == tree.TypeFile {
					p.files = append(p.files, &file{node: n, name: e.Name})
				} else {
					p.special = append(p.special, n)
				}
			}
			if e.Node.IsDir() {
				visit(e.Node)
			}
		}
	}
	p.special = append(p.special, p.tree.Root)
	visit(p.tree.Root)
}

// checkAttrs refuses, before anything is read, what the file system has no form for.
func (p *Plan) checkAttrs() error {
	for _, n := range p.nodes {
		if n.Attrs == nil {
			continue
		}
		seen := make(map[string]string, len(n.Attrs.Xattrs))
		for _, x := range n.Attrs.Xattrs {
			name := p.xattrName(x.Name)
			other, twice := seen[name]
			if err := tree.CheckName(name); err != nil { // "user.", "user..."
				return fmt.Errorf("%q: extended attribute %q: %w", n.Path(), x.Name, err)
			}
			if twice {
				return fmt.Errorf("%q: extended attributes %q and %q: both would be named %q", n.Path(), other, x.Name, name)
			}
			seen[name] = x.Name
		}
		for i, a := range n.Attrs.ACL {
			if err := checkACE(a); err != nil {
				return fmt.Errorf("%q: ACL entry %d: %w", n.Path(), i, err)
			}
		}
	}
	return nil
}

// xattrName is the name of an extended attribute in the file system.
func (p *Plan) xattrName(name string) string {
	if p.opts.XattrNames == XattrNamesIllumos {
		return strings.TrimPrefix(name, "user.")
	}
	return name
}

func (p *Plan) setCreated() {
	if p.opts.Created != nil {
		p.created = *p.opts.Created
		return
	}
	p.created = 0 // at least: snapshots have no time before 1970
	if p.inc != nil {
		p.created = p.inc.created
	}
	for _, n := range p.nodes {
		p.created = max(p.created, n.ModTime.Sec)
	}
}

// time is the modification time of a node, no later than the snapshot if its time was given.
func (p *Plan) time(n *tree.Node) tree.Time {
	if p.opts.Created != nil && n.ModTime.Sec >= *p.opts.Created {
		return tree.Time{Sec: *p.opts.Created}
	}
	return n.ModTime
}

var elfMagic = []byte("\x7fELF")

// digest reads all contents.
func (p *Plan) digest(ctx context.Context) error {
	report := p.reporter(Digesting, p.files)
	var d digester
	var f fingerprint
	var bytes int64 // of the present file that are written
	var basis func(*file) *basis
	if p.inc != nil {
		basis = p.basis
	}
	return readContents(ctx, p.files, true, basis, func(pc *piece) error {
		f.add(pc)
		d.add(pc)
		if bytes += pc.written(); pc.base != nil {
			pc.base.add(pc)
		}
		if pc.last {
			pc.file.digest, pc.file.print = d.sum(), uint64(f)
			if p.inc != nil {
				p.inc.count.Bytes += p.compared(pc.file, pc.base, bytes)
				bytes = 0
			}
		}
		report(pc)
		return nil
	})
}

// reporter returns a function that reports progress by the pieces of files that pass.
func (p *Plan) reporter(phase Phase, files []*file) func(*piece) {
	if p.opts.Progress == nil {
		return func(*piece) {}
	}
	var total, before, reported int64 // before: bytes of the files before this one
	for _, f := range files {
		total += f.node.Size
	}
	return func(pc *piece) {
		done := before + pc.off + int64(pc.n)
		if pc.last {
			before += pc.file.node.Size
			done = before
		}
		if done-reported >= 1<<20 {
			reported = done
			p.opts.Progress(phase, done, total)
		}
	}
}

// order sorts regular files by kind: ELF files, then the others by extension; then by name.
func order(a, b *file) int {
	if a.elf != b.elf {
		if a.elf {
			return -1
		}
		return 1
	}
	if !a.elf {
		if c := strings.Compare(extension(a.name), extension(b.name)); c != 0 {
			return c
		}
	}
	return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.node.ID, b.node.ID))
}

func extension(name string) string {
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		return name[i+1:]
	}
	return ""
}

// number gives every node its object: directories and special files, extended attributes,
// regular files.
func (p *Plan) number() error {
	slices.SortFunc(p.files, order)
	next := uint64(firstRegular)
	for _, n := range p.special {
		if n == p.tree.Root {
			p.objects[n.ID] = rootObject
			continue
		}
		p.objects[n.ID] = uint32(next)
		next++
	}
	for _, n := range p.nodes {
		if n.Attrs != nil && len(n.Attrs.Xattrs) > 0 {
			p.xattrs = append(p.xattrs, xattrDir{n, next})
			p.xattrOf[n.ID] = next
			next += 1 + uint64(len(n.Attrs.Xattrs))
		}
	}
	if p.opts.Version == 4 {
		for _, n := range p.nodes {
			if n.Attrs != nil && len(appendACL(nil, n.Attrs.ACL)) > inlineACLLength {
				p.acls = append(p.acls, n)
				p.aclOf[n.ID] = next
				next++
			}
		}
	}
	for _, f := range p.files {
		p.objects[f.node.ID] = uint32(next)
		next++
	}
	if next > maxObjects {
		return errors.New("too many files")
	}
	return nil
}
