package zpl

import (
	"bytes"
	"context"
	"fmt"

	"imagetools/tree"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
)

// changes writes what differs from the origin, object by object.
func (w *writer) changes(ctx context.Context) error {
	inc := w.p.inc
	left := inc.changes
	// others writes the changes before a file whose contents are read.
	others := func(until *file) error {
		for ; len(left) > 0; left = left[1:] {
			c := &left[0]
			if c.what == changeFile && w.p.files[c.at] == until {
				return nil
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := w.change(c); err != nil {
				return err
			}
		}
		return nil
	}
	report := w.p.reporter(Writing, inc.files)
	var f changedFile
	err := readContents(ctx, inc.files, false, nil, func(pc *piece) error {
		if pc.first {
			if err := others(pc.file); err != nil {
				return err
			}
			left = left[1:]
			if err := f.begin(w, pc.file); err != nil {
				return err
			}
		}
		err := f.add(w, pc)
		report(pc)
		return err
	})
	if err != nil {
		return err
	}
	return others(nil)
}

// change writes an object of which no contents are read.
func (w *writer) change(c *change) error {
	var err error
	var n *tree.Node
	switch c.what {
	case changeNode:
		n = w.p.nodes[c.at]
		err = w.changedNode(n)
	case changeFile:
		file := w.p.files[c.at]
		n = file.node
		var f changedFile
		if err = f.begin(w, file); err == nil {
			err = f.end(w)
		}
	case changeXattrs:
		n = w.p.xattrs[c.at].node
		if err = w.xattrs(w.p.xattrs[c.at]); err != nil {
			err = fmt.Errorf("extended attributes: %w", err)
		}
	case changeACL:
		n = w.p.acls[c.at]
		if err = w.aclObject(n); err != nil {
			err = fmt.Errorf("ACL: %w", err)
		}
	case changeFree:
		f := w.p.inc.frees[c.at]
		return w.record(&stream.FreeObjects{First: f.first, Count: f.count, ToGUID: w.p.guid}, nil)
	case changeLayouts:
		o := stream.Object{Object: c.object, ObjType: stream.ObjSALayouts}
		return w.zap(o, w.p.inc.tables.Layouts(), nil, w.p.opts.Origin.s.Object(c.object))
	}
	if err != nil {
		return fmt.Errorf("%q: %w", n.Path(), err)
	}
	return nil
}

// old is the object that a node has on the origin and keeps, with its inode as it will be.
func (w *writer) old(n *tree.Node) (*objset.Object, *inode, error) {
	z, err := w.p.opts.Origin.Znode(uint64(w.p.objects[n.ID]))
	if err != nil {
		return nil, nil, err
	}
	in := w.p.inode(n)
	in.gen = z.Gen
	return w.p.opts.Origin.s.Object(z.Object), in, nil
}

// changedNode writes a directory or a special file.
func (w *writer) changedNode(n *tree.Node) error {
	if w.p.isNew(n) {
		return w.node(n)
	}
	old, in, err := w.old(n)
	if err != nil {
		return err
	}
	o := stream.Object{Object: old.Number, ObjType: in.objectType(), BlockSize: old.BlockSize, DnSlots: old.Slots}
	if n.IsDir() {
		return w.zap(o, &directory{n.Entries(), w.p.objects, [1]uint64{}}, in, old)
	}
	target := w.p.targetBlock(n, old.BlockSize)
	if target != nil {
		o.BlockSize = uint32(len(target))
	}
	spill, err := w.object(&o, in)
	if err != nil {
		return err
	}
	was := w.p.oldBlocks(&o, old)
	if target != nil {
		same, err := was.has(0, target)
		if err == nil && !same {
			err = w.block(o.Object, o.ObjType, 0, target)
		}
		if err != nil {
			return err
		}
	}
	if err := w.free(o.Object, span{int64(len(target)), was.end(), true}); err != nil {
		return err
	}
	return w.spill(o.Object, spill)
}

// oldBlocks are the blocks of an object that receivers keep, none if their size changes.
type oldBlocks struct {
	data *objset.Data
	o    *objset.Object
	buf  []byte
}

// oldBlocks returns the blocks of what is to become o.
func (p *Plan) oldBlocks(o *stream.Object, old *objset.Object) oldBlocks {
	if old == nil || old.BlockSize != o.BlockSize {
		return oldBlocks{}
	}
	return oldBlocks{p.opts.Origin.x.Data(old), old, make([]byte, o.BlockSize)}
}

// has tells whether a block is there.
func (b *oldBlocks) has(offset uint64, block []byte) (bool, error) {
	if b.o == nil || offset >= b.o.End() {
		return false, nil
	}
	if _, err := b.data.ReadAt(b.buf, int64(offset)); err != nil {
		return false, originError{err}
	}
	return bytes.Equal(b.buf, block), nil
}

// end is where they end.
func (b *oldBlocks) end() int64 {
	if b.o == nil {
		return 0
	}
	return roundUp(int64(min(b.o.End(), 1<<62)), int64(b.o.BlockSize))
}

// changedFile writes a regular file: its inode, then blocks that are freed or written, in order.
type changedFile struct {
	object stream.Object
	spill  []byte
	base   *basis
	next   int // of base.changed
	print  fingerprint
}

func (f *changedFile) begin(w *writer, file *file) error {
	n := file.node
	*f = changedFile{base: file.base}
	var in *inode
	if w.p.isNew(n) {
		in = w.p.inode(n)
		f.object = stream.Object{Object: uint64(w.p.objects[n.ID]), BlockSize: blockSizeOf(n.Size)}
	} else {
		old, was, err := w.old(n)
		if err != nil {
			return err
		}
		in = was
		f.object = stream.Object{Object: old.Number, BlockSize: old.BlockSize, DnSlots: old.Slots}
		if w.p.inc.is(n.ID, isRewritten) {
			f.object.BlockSize = blockSizeOf(n.Size)
		}
	}
	f.object.ObjType = in.objectType()
	var err error
	f.spill, err = w.object(&f.object, in)
	return err
}

// add writes what a piece has, and at the last one ends the file.
func (f *changedFile) add(w *writer, pc *piece) error {
	if !pc.hole {
		if err := f.write(w, pc); err != nil {
			return err
		}
	}
	if f.print.add(pc); !pc.last {
		return nil
	}
	if pc.file.kept == nil && uint64(f.print) != pc.file.print {
		return fmt.Errorf("%w: its contents differ from the first reading", tree.ErrChanged)
	}
	return f.end(w)
}

func (f *changedFile) write(w *writer, pc *piece) error {
	number, typ := f.object.Object, f.object.ObjType
	if f.base == nil {
		return w.summed(number, typ, uint64(pc.off), pc.data, pc.check)
	}
	end := pc.off + int64(len(pc.data))
	for ; f.next < len(f.base.changed); f.next++ {
		s := f.base.changed[f.next]
		switch {
		case s.off >= end:
			return nil
		case s.hole:
			if err := w.free(number, s); err != nil {
				return err
			}
			continue
		}
		for at := max(s.off, pc.off); at < min(s.end, end); at += f.base.block {
			data := pc.data[at-pc.off:][:f.base.block]
			var err error
			if len(data) == len(pc.data) {
				err = w.summed(number, typ, uint64(at), data, pc.check)
			} else {
				err = w.block(number, typ, uint64(at), data)
			}
			if err != nil {
				return err
			}
		}
		if s.end > end {
			return nil
		}
	}
	return nil
}

// end frees what is left to be freed, and writes the spill block.
func (f *changedFile) end(w *writer) error {
	if f.base != nil {
		for ; f.next < len(f.base.changed); f.next++ {
			if s := f.base.changed[f.next]; s.hole {
				if err := w.free(f.object.Object, s); err != nil {
					return err
				}
			}
		}
	}
	return w.spill(f.object.Object, f.spill)
}
