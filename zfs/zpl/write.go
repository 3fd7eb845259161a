package zpl

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"imagetools/tree"
	"imagetools/zfs/objset"
	"imagetools/zfs/sa"
	"imagetools/zfs/stream"
	"imagetools/zfs/zap"
)

// checksumFletcher4 is what real senders put into WRITE records.
const checksumFletcher4 = 7

// writeBuffer gathers records: most files are small.
const writeBuffer = 64 << 10

// Write writes the stream to w, reading all contents again. Each record is checked against
// what receivers rely on before it is written. A file whose contents are not those that were
// digested is reported as [tree.ErrChanged] with its path; what was written until then is no
// stream.
func (p *Plan) Write(ctx context.Context, w io.Writer) error {
	buf := bufio.NewWriterSize(w, writeBuffer)
	sw := &writer{p: p, out: stream.NewWriter(buf)}
	if err := sw.all(ctx); err != nil {
		return err
	}
	return buf.Flush()
}

// writer writes one plan.
type writer struct {
	p     *Plan
	out   *stream.Writer
	check stream.Checker
}

func (w *writer) all(ctx context.Context) error {
	if err := w.begin(); err != nil {
		return err
	}
	if w.p.inc != nil {
		if err := w.changes(ctx); err != nil {
			return err
		}
		return w.record(&stream.End{ToGUID: w.p.guid}, nil)
	}
	if err := w.fixed(); err != nil {
		return err
	}
	for _, n := range w.p.special[1:] {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := w.node(n); err != nil {
			return fmt.Errorf("%q: %w", n.Path(), err)
		}
	}
	for _, x := range w.p.xattrs {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := w.xattrs(x); err != nil {
			return fmt.Errorf("%q: extended attributes: %w", x.node.Path(), err)
		}
	}
	for _, n := range w.p.acls {
		if err := w.aclObject(n); err != nil {
			return fmt.Errorf("%q: ACL: %w", n.Path(), err)
		}
	}
	if err := w.files(ctx); err != nil {
		return err
	}
	return w.record(&stream.End{ToGUID: w.p.guid}, nil)
}

func (w *writer) record(rec stream.Record, payload []byte) error {
	if err := w.check.Check(rec); err != nil {
		return fmt.Errorf("internal error: %w", err)
	}
	return w.out.WriteRecord(rec, payload)
}

func (w *writer) begin() error {
	b := &stream.Begin{
		HeaderType: stream.Substream, CreationTime: uint64(w.p.created), Objset: stream.ObjsetZFS,
		Flags: stream.FlagSpillBlock, ToGUID: w.p.guid, ToName: w.p.opts.Name,
	}
	if w.p.opts.Version >= 5 {
		b.Features = stream.FeatureSASpill
	}
	if w.p.inc != nil {
		w.p.inc.begin(b, &w.p.opts.Origin.s.Begin)
	}
	return w.record(b, nil)
}

// fixed writes the objects that every file system has, the root directory among them.
func (w *writer) fixed() error {
	v4 := w.p.opts.Version == 4
	master := zap.Entries{
		zap.Uint64("VERSION", uint64(w.p.opts.Version)), zap.Uint64("ROOT", rootObject),
		zap.Uint64("DELETE_QUEUE", deleteQueue), zap.Uint64("casesensitivity", 0),
		zap.Uint64("normalization", 0), zap.Uint64("utf8only", 0),
	}
	if !v4 {
		master = append(master, zap.Uint64("SA_ATTRS", saMaster))
	}
	if err := w.zap(stream.Object{Object: masterNode, ObjType: stream.ObjMasterNode}, master, nil, nil); err != nil {
		return err
	}
	if err := w.zap(stream.Object{Object: deleteQueue, ObjType: stream.ObjUnlinkedSet}, zap.Entries{}, nil, nil); err != nil {
		return err
	}
	if err := w.node(w.p.tree.Root); err != nil {
		return fmt.Errorf("root directory: %w", err)
	}
	if v4 {
		return nil
	}
	tables := zap.Entries{zap.Uint64("REGISTRY", saRegistry), zap.Uint64("LAYOUTS", saLayouts)}
	if err := w.zap(stream.Object{Object: saMaster, ObjType: stream.ObjSAMasterNode}, tables, nil, nil); err != nil {
		return err
	}
	if err := w.zap(stream.Object{Object: saRegistry, ObjType: stream.ObjSARegistration}, sa.Registry(), nil, nil); err != nil {
		return err
	}
	return w.zap(stream.Object{Object: saLayouts, ObjType: stream.ObjSALayouts}, sa.Layouts(), nil, nil)
}

// zap writes an object that is a ZAP, of an inode if there is one. Of one that is old on the
// origin, blocks that it has are left out.
func (w *writer) zap(o stream.Object, src zap.Source, in *inode, old *objset.Object) error {
	z, err := zap.Build(src, salt(o.Object))
	if err != nil {
		return err
	}
	o.BlockSize = uint32(z.BlockSize)
	spill, err := w.object(&o, in)
	if err != nil {
		return err
	}
	was := w.p.oldBlocks(&o, old)
	offset := uint64(0)
	for block, err := range z.Blocks() {
		if err != nil {
			return err
		}
		same, err := was.has(offset, block)
		if err == nil && !same {
			err = w.block(o.Object, o.ObjType, offset, block)
		}
		if err != nil {
			return err
		}
		offset += uint64(z.BlockSize)
	}
	if err := w.free(o.Object, span{int64(offset), was.end(), true}); err != nil {
		return err
	}
	return w.spill(o.Object, spill)
}

// free frees the blocks of a span that is not empty.
func (w *writer) free(object uint64, s span) error {
	if s.end <= s.off {
		return nil
	}
	return w.record(&stream.Free{Object: object, Offset: uint64(s.off), Length: uint64(s.end - s.off), ToGUID: w.p.guid}, nil)
}

// salt of a ZAP: any number will do that is not 0 and depends on nothing but the object.
func salt(object uint64) uint64 { return object*0x9E3779B97F4A7C15 | 1 }

// object writes an OBJECT record, with the inode as its bonus, and returns the spill block
// that must follow the data.
func (w *writer) object(o *stream.Object, in *inode) (spill []byte, err error) {
	o.DnSlots, o.ToGUID = max(o.DnSlots, 1), w.p.guid
	var bonus []byte
	switch {
	case in == nil:
	case w.p.opts.Version == 4:
		o.BonusType = stream.ObjZnode
		bonus = in.znode()
	default:
		o.BonusType = stream.ObjSA
		if bonus, spill, err = w.p.encode(in.attributes()); err != nil {
			return nil, err
		}
		if spill != nil {
			o.Flags |= stream.FlagObjectSpill
		}
	}
	o.BonusLen = uint32(len(bonus))
	return spill, w.record(o, bonus)
}

func (w *writer) block(object uint64, typ uint32, offset uint64, data []byte) error {
	var sum stream.Checksum
	sum.Update(data, binary.LittleEndian)
	return w.summed(object, typ, offset, data, sum)
}

// summed writes a block whose checksum is known.
func (w *writer) summed(object uint64, typ uint32, offset uint64, data []byte, sum stream.Checksum) error {
	rec := &stream.Write{
		Object: object, ObjType: typ, Offset: offset, LogicalSize: uint64(len(data)),
		ToGUID: w.p.guid, ChecksumType: checksumFletcher4,
	}
	if err := w.check.Check(rec); err != nil {
		return fmt.Errorf("internal error: %w", err)
	}
	return w.out.WriteSummed(rec, data, sum)
}

func (w *writer) spill(object uint64, data []byte) error {
	if data == nil {
		return nil
	}
	return w.record(&stream.Spill{Object: object, Length: uint64(len(data)), ToGUID: w.p.guid}, data)
}

// inode describes a node of the tree.
func (p *Plan) inode(n *tree.Node) *inode {
	in := &inode{
		mode: n.Mode, gen: p.generation(), uid: n.UID, gid: n.GID, time: p.time(n),
		links: uint64(n.Links), parent: uint64(p.objects[p.tree.Root.ID]),
		xattrDir: p.xattrOf[n.ID], target: n.Target, aclObject: p.aclOf[n.ID],
	}
	if n.Parent() != nil {
		in.parent = uint64(p.objects[n.Parent().ID])
	}
	switch n.Mode.Type() {
	case tree.TypeFile:
		in.size = uint64(n.Size)
	case tree.TypeDir:
		in.size = uint64(len(n.Entries())) + 2
	case tree.TypeSymlink:
		in.size = uint64(len(n.Target))
	case tree.TypeChar, tree.TypeBlock:
		in.rdev = illumosDevice(n.Device)
	}
	if n.Attrs != nil && len(n.Attrs.ACL) > 0 {
		in.acl = n.Attrs.ACL
	} else {
		in.acl, in.trivial = trivialACL(n.Mode), true
	}
	return in
}

// node writes a directory or a special file.
func (w *writer) node(n *tree.Node) error {
	in := w.p.inode(n)
	o := stream.Object{Object: uint64(w.p.objects[n.ID]), ObjType: in.objectType(), BlockSize: stream.MinBlockSize}
	if n.IsDir() {
		return w.zap(o, &directory{n.Entries(), w.p.objects, [1]uint64{}}, in, nil)
	}
	data := w.p.targetBlock(n, stream.MinBlockSize)
	if data != nil {
		o.BlockSize = uint32(len(data))
	}
	spill, err := w.object(&o, in)
	if err != nil {
		return err
	}
	if data != nil {
		if err := w.block(o.Object, o.ObjType, 0, data); err != nil {
			return err
		}
	}
	return w.spill(o.Object, spill)
}

// targetBlock is the block in which a version 4 symbolic link has a long target, of at least so
// many bytes; nil for what needs none.
func (p *Plan) targetBlock(n *tree.Node, least uint32) []byte {
	if p.opts.Version != 4 || len(n.Target) <= znodeMaxTarget {
		return nil
	}
	block := make([]byte, max(roundUp(int64(len(n.Target)), 512), int64(least)))
	copy(block, n.Target)
	return block
}

// directory is the entries of a directory as a [zap.Source].
type directory struct {
	entries []tree.Entry
	objects []uint32
	value   [1]uint64
}

func (d *directory) Len() int          { return len(d.entries) }
func (d *directory) Name(i int) string { return d.entries[i].Name }

// Value has the object in its low bits and the file type in the highest four.
func (d *directory) Value(i int) (int, []uint64) {
	n := d.entries[i].Node
	d.value[0] = dirent(n.Mode, uint64(d.objects[n.ID]))
	return 8, d.value[:]
}

func dirent(mode tree.Mode, object uint64) uint64 {
	return object | uint64(mode.Type()>>12)<<60
}

// Modes of the hidden directory of extended attributes and of the attributes in it, as real
// systems have them.
const (
	xattrDirMode  = tree.TypeDir | tree.Sticky | 0o777
	xattrFileMode = tree.TypeFile | 0o644
)

// xattrs writes the extended attributes of a node.
func (w *writer) xattrs(x xattrDir) error {
	list := x.node.Attrs.Xattrs
	names := make(zap.Entries, len(list))
	for i, a := range list {
		names[i] = zap.Uint64(w.p.xattrName(a.Name), dirent(xattrFileMode, x.object+1+uint64(i)))
	}
	dir := w.xattrInode(x.node, xattrDirMode)
	dir.size, dir.links, dir.parent = uint64(len(list))+2, 2, uint64(w.p.objects[x.node.ID])
	if err := w.zap(stream.Object{Object: x.object, ObjType: stream.ObjDirectory}, names, dir, nil); err != nil {
		return err
	}
	for i, a := range list {
		in := w.xattrInode(x.node, xattrFileMode)
		in.size, in.links, in.parent = uint64(len(a.Value)), 1, x.object
		o := stream.Object{Object: x.object + 1 + uint64(i), ObjType: stream.ObjPlainFile, BlockSize: blockSizeOf(int64(len(a.Value)))}
		if _, err := w.object(&o, in); err != nil {
			return err
		}
		data := make([]byte, o.BlockSize)
		copy(data, a.Value)
		if allZero(data) {
			continue
		}
		if err := w.block(o.Object, o.ObjType, 0, data); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) xattrInode(n *tree.Node, mode tree.Mode) *inode {
	return &inode{
		mode: mode, gen: w.p.generation(), uid: n.UID, gid: n.GID, time: w.p.time(n),
		acl: trivialACL(mode), trivial: true, isXattr: true,
	}
}

// aclObject writes an ACL that a version 4 znode has no room for.
func (w *writer) aclObject(n *tree.Node) error {
	aces := appendACL(nil, n.Attrs.ACL)
	data := make([]byte, roundUp(int64(len(aces)), 512))
	copy(data, aces)
	o := stream.Object{Object: w.p.aclOf[n.ID], ObjType: stream.ObjACL, BlockSize: uint32(len(data))}
	if _, err := w.object(&o, nil); err != nil {
		return err
	}
	return w.block(o.Object, o.ObjType, 0, data)
}

// files writes the regular files, block by block as they are read.
func (w *writer) files(ctx context.Context) error {
	report := w.p.reporter(Writing, w.p.files)
	var print fingerprint
	var current stream.Object
	var spill []byte
	return readContents(ctx, w.p.files, false, nil, func(pc *piece) error {
		f := pc.file
		if pc.first {
			in := w.p.inode(f.node)
			current = stream.Object{
				Object: uint64(w.p.objects[f.node.ID]), ObjType: in.objectType(), BlockSize: blockSizeOf(f.node.Size),
			}
			var err error
			if spill, err = w.object(&current, in); err != nil {
				return err
			}
		}
		if !pc.hole {
			if err := w.summed(current.Object, current.ObjType, uint64(pc.off), pc.data, pc.check); err != nil {
				return err
			}
		}
		if print.add(pc); pc.last {
			if f.kept == nil && uint64(print) != f.print {
				return fmt.Errorf("%w: its contents differ from the first reading", tree.ErrChanged)
			}
			if err := w.spill(current.Object, spill); err != nil {
				return err
			}
		}
		report(pc)
		return nil
	})
}
