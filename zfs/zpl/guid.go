package zpl

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"imagetools/tree"
)

// guidFormat is hashed first. It changes whenever the same tree gives another stream, so
// that one guid never stands for two.
const guidFormat = "imagetools file system stream 1"

// setGUID hashes all that decides the stream. Every field has a fixed size or a length before
// it, so that different trees cannot hash the same bytes.
func (p *Plan) setGUID() {
	h := guidHash{h: sha256.New()}
	h.text(guidFormat)
	if p.inc != nil { // and of contents, only what the origin has not
		h.text("on")
		h.numbers(p.opts.Origin.s.Begin.ToGUID)
	}
	h.text(p.opts.Name)
	h.numbers(uint64(p.opts.Version), uint64(p.opts.XattrNames), uint64(p.created))
	digests := make([]*digest, len(p.nodes))
	for _, f := range p.files {
		digests[f.node.ID] = &f.digest
	}
	seen := make([]bool, len(p.nodes))
	for path, n := range p.tree.All() {
		h.text(path)
		h.numbers(uint64(n.ID))
		if seen[n.ID] {
			continue // a further name
		}
		seen[n.ID] = true
		p.hashNode(&h, n, digests[n.ID])
	}
	h.flush()
	p.guid = binary.LittleEndian.Uint64(h.h.Sum(nil))
	if p.guid == 0 {
		p.guid = 1
	}
}

func (p *Plan) hashNode(h *guidHash, n *tree.Node, d *digest) {
	t := p.time(n)
	h.numbers(uint64(n.Mode), uint64(n.UID), uint64(n.GID), uint64(t.Sec), uint64(t.Nsec), uint64(n.Size))
	if n.Device != nil {
		h.numbers(illumosDevice(n.Device))
	}
	if n.Mode.Type() == tree.TypeSymlink {
		h.text(n.Target)
	}
	if d != nil {
		h.text(string(d[:]))
	}
	if n.Attrs == nil {
		h.numbers(0, 0)
		return
	}
	h.numbers(uint64(len(n.Attrs.Xattrs)), uint64(len(n.Attrs.ACL)))
	for _, x := range n.Attrs.Xattrs {
		h.text(x.Name)
		h.text(string(x.Value))
	}
	h.text(string(appendACL(nil, n.Attrs.ACL)))
}

type guidHash struct {
	h   hash.Hash
	buf []byte
}

func (g *guidHash) numbers(v ...uint64) {
	for _, x := range v {
		g.buf = binary.LittleEndian.AppendUint64(g.buf, x)
	}
	if len(g.buf) > 32<<10 {
		g.flush()
	}
}

func (g *guidHash) text(s string) {
	g.numbers(uint64(len(s)))
	g.buf = append(g.buf, s...)
}

func (g *guidHash) flush() {
	g.h.Write(g.buf)
	g.buf = g.buf[:0]
}
