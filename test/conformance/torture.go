// Package conformance holds what real ZFS must agree to: it makes streams and images of hard
// cases and has every judge of package oracle receive them.
package conformance

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"imagetools/test/oracle/listing"
	"imagetools/tree"
)

// sparse is the contents of a file that is mostly hole: data by offset, each of any length.
type sparse struct {
	size int64
	data map[int64][]byte
}

func (s sparse) Open() (tree.File, error) { return s, nil }
func (s sparse) Close() error             { return nil }

func (s sparse) ReadAt(p []byte, off int64) (int, error) {
	n := int(min(int64(len(p)), s.size-off))
	clear(p[:n])
	for start, data := range s.data {
		if end := start + int64(len(data)); start < off+int64(n) && end > off {
			from := max(start, off)
			copy(p[from-off:n], data[from-start:])
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (s sparse) extents() (out []listing.Extent) {
	for start, data := range s.data {
		out = append(out, listing.Extent{Offset: start, Length: int64(len(data))})
	}
	slices.SortFunc(out, func(a, b listing.Extent) int { return int((a.Offset - b.Offset) >> 1) })
	return out
}

func (s sparse) NextData(off int64) (int64, int64, error) {
	for _, e := range s.extents() {
		if end := e.Offset + e.Length; end > off {
			return max(e.Offset, off), end, nil
		}
	}
	return 0, 0, io.EOF
}

// builder adds nodes by path.
type builder struct {
	t   *tree.Tree
	err error
	n   int64
}

func (b *builder) add(path string, n *tree.Node) *tree.Node {
	dir, name := b.t.Root, path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir, name = b.t.Lookup(path[:i]), path[i+1:]
	}
	if n.ModTime == (tree.Time{}) {
		b.n++
		n.ModTime = tree.Time{Sec: 1_400_000_000 + b.n, Nsec: uint32(b.n * 7919 % 1_000_000_000)}
	}
	if b.err == nil {
		b.err = dir.Add(name, n)
	}
	return n
}

func (b *builder) dir(path string) *tree.Node { return b.add(path, tree.NewDir(0o755)) }

func (b *builder) file(path string, data []byte) *tree.Node {
	return b.add(path, &tree.Node{Mode: tree.TypeFile | 0o644, Size: int64(len(data)), Content: tree.Bytes(data)})
}

func (b *builder) link(path, target string) {
	b.add(path, &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: target})
}

// pattern is n bytes that are never zero and differ from block to block.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*131+i>>9*17) | 1
	}
	return p
}

// Torture is a tree of all that is hard. entries is how many names its largest directory has.
func Torture(entries int) (*tree.Tree, error) {
	b := &builder{t: tree.New()}
	b.t.Root.ModTime = tree.Time{Sec: 1_234_567_890, Nsec: 999_999_999}

	b.dir("sizes")
	for _, n := range []int{0, 1, 511, 512, 513, 4096, 131071, 131072, 131073, 262144, 262145, 1 << 20} {
		b.file(fmt.Sprintf("sizes/%d", n), pattern(n))
		b.file(fmt.Sprintf("sizes/zeros-%d", n), make([]byte, n))
	}

	b.dir("holes")
	const block = 128 << 10
	holes := map[string]sparse{
		"tib":    {1 << 40, map[int64][]byte{0: pattern(10), 5 << 30: pattern(block + 1), 1<<40 - 3: {1, 2, 3}}},
		"first":  {3 * block, map[int64][]byte{block: pattern(2 * block)}},
		"middle": {3 * block, map[int64][]byte{0: pattern(block), 2*block + 5: pattern(100)}},
		"last":   {3*block + 1, map[int64][]byte{0: pattern(block)}},
		"all":    {8 << 40, nil},
		"small":  {block, nil},
	}
	for _, name := range []string{"tib", "first", "middle", "last", "all", "small"} {
		s := holes[name]
		b.add("holes/"+name, &tree.Node{Mode: tree.TypeFile | 0o600, Size: s.size, Content: s})
	}

	b.dir("names")
	b.dir("names/" + strings.Repeat("d", 255))
	for _, name := range []string{strings.Repeat("n", 48), strings.Repeat("n", 49), strings.Repeat("n", 50),
		strings.Repeat("n", 255), "ümläut", "\xff\xfe not UTF-8", "new\nline", " blank ", "back\\slash", "-dash", "日本語"} {
		b.file("names/"+name, []byte(name))
	}
	b.dir("empty")
	b.dir("many")
	for i := range entries {
		b.file(fmt.Sprintf("many/entry number %d", i), []byte(fmt.Sprint(i)))
	}
	b.dir("full") // the largest micro ZAP
	for i := range 2047 {
		b.file(fmt.Sprintf("full/%d", i), nil)
	}
	deep := "deep"
	b.dir(deep)
	for range 60 {
		deep += "/d"
		b.dir(deep)
	}

	b.dir("links")
	for _, n := range []int{1, 55, 56, 57, 143, 144, 145, 300, 1000, 4095} {
		b.link(fmt.Sprintf("links/%d", n), strings.Repeat("t", n))
	}
	b.link("links/dangling", "../../../nowhere")
	hard := b.file("links/hard", []byte("many names"))
	for i := 1; i < 1000; i++ {
		b.add(fmt.Sprintf("links/hard%d", i), hard)
	}
	b.add("empty-hard", hard)

	b.dir("special")
	for i, d := range []tree.Device{{Major: 0, Minor: 0}, {Major: 13, Minor: 2}, {Major: 1<<32 - 1, Minor: 1<<32 - 1}, {Major: 4095, Minor: 1 << 20}} {
		b.add(fmt.Sprintf("special/char%d", i), &tree.Node{Mode: tree.TypeChar | 0o666, Device: &d})
		b.add(fmt.Sprintf("special/block%d", i), &tree.Node{Mode: tree.TypeBlock | 0o660, GID: 6, Device: &d})
	}
	b.add("special/fifo", &tree.Node{Mode: tree.TypeFIFO | 0o622})
	b.add("special/socket", &tree.Node{Mode: tree.TypeSocket | 0o755})

	b.dir("modes")
	for m := range tree.Mode(0o10000) {
		if m&0o777 != 0 && m&0o7000 != 0 && m&0o111 != m>>3&0o111 {
			continue // a part of the combinations with set-id bits will do
		}
		b.add(fmt.Sprintf("modes/%04o", uint32(m)), &tree.Node{Mode: tree.TypeFile | m})
		if m%37 == 0 {
			b.add(fmt.Sprintf("modes/d%04o", uint32(m)), tree.NewDir(m))
		}
	}

	b.dir("owners")
	for _, id := range []uint32{0, 1, 65534, 65535, 65536, tree.MaxOwner} {
		b.add(fmt.Sprintf("owners/%d", id), &tree.Node{Mode: tree.TypeFile | 0o600, UID: id, GID: id})
	}

	b.dir("times")
	for i, t := range []tree.Time{{Sec: 1}, {Sec: -1}, {Sec: -1, Nsec: 1}, {Sec: -1 << 40}, {Sec: 1 << 32, Nsec: 999_999_999}, {Sec: 1<<31 - 1, Nsec: 1}} {
		n := b.file(fmt.Sprintf("times/%d", i), nil)
		n.ModTime = t
	}

	b.dir("attrs")
	attrs := func(list ...tree.Xattr) *tree.Attrs { return &tree.Attrs{Xattrs: list} }
	big := slices.Repeat([]byte("value "), 10000)
	f := b.file("attrs/file", []byte("x"))
	f.Attrs = attrs(tree.Xattr{Name: "user.note", Value: []byte("kept")}, tree.Xattr{Name: "user.empty"},
		tree.Xattr{Name: "user.zeros", Value: make([]byte, 100)}, tree.Xattr{Name: "user.big", Value: big},
		tree.Xattr{Name: "security.capability", Value: []byte("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")})
	d := b.dir("attrs/dir")
	d.Attrs = attrs(tree.Xattr{Name: "user.on.dir", Value: []byte{0, 1, 2}})
	l := b.add("attrs/link", &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: strings.Repeat("long", 70)})
	l.Attrs = attrs(tree.Xattr{Name: "trusted.link", Value: []byte("y")})
	c := b.add("attrs/dev", &tree.Node{Mode: tree.TypeChar | 0o600, Device: &tree.Device{Major: 1, Minor: 3}})
	c.Attrs = attrs(tree.Xattr{Name: "trusted.dev", Value: []byte("z")})
	many := b.file("attrs/many", nil)
	many.Attrs = &tree.Attrs{}
	for i := range 300 {
		many.Attrs.Xattrs = append(many.Attrs.Xattrs, tree.Xattr{Name: fmt.Sprintf("user.%s.%d", strings.Repeat("n", i%50), i), Value: []byte{byte(i)}})
	}

	b.dir("acls")
	for _, n := range []int{1, 3, 6, 7, 9, 10, 50, 1024} {
		var acl []tree.ACE
		for i := range n {
			a := tree.ACE{Flags: tree.ACEEveryone, Mask: 0x120081}
			if i%2 == 1 {
				a = tree.ACE{Type: uint16(i / 2 % 2), Flags: uint16(i % 3 / 2 * tree.ACEIdentifierGroup), Mask: 0x1200a9, ID: uint32(1000 + i)}
			}
			acl = append(acl, a)
		}
		b.file(fmt.Sprintf("acls/file%d", n), []byte("acl")).Attrs = &tree.Attrs{ACL: acl}
		dirACL := slices.Clone(acl)
		for i := range dirACL {
			dirACL[i].Flags |= 3
		}
		b.dir(fmt.Sprintf("acls/dir%d", n)).Attrs = &tree.Attrs{ACL: dirACL}
		b.add(fmt.Sprintf("acls/link%d", n), &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: strings.Repeat("t", 40*n%4000), Attrs: &tree.Attrs{
			ACL: acl, Xattrs: []tree.Xattr{{Name: "trusted.both", Value: []byte("b")}}}})
		b.add(fmt.Sprintf("acls/dev%d", n), &tree.Node{Mode: tree.TypeBlock | 0o600, Device: &tree.Device{Major: 8, Minor: 1}, Attrs: &tree.Attrs{ACL: acl}})
	}
	if b.err != nil {
		return nil, b.err
	}
	return b.t, b.t.Seal()
}

// Expect is what a receiver must list of a sealed tree.
func Expect(t *tree.Tree) (listing.Listing, error) {
	out := listing.Listing{Entries: make(map[string]listing.Entry)}
	for path, n := range t.All() {
		e := listing.Entry{
			Path: listing.Escape(path), Type: n.Mode.TypeName(), Mode: uint32(n.Mode.Perm()),
			UID: uint64(n.UID), GID: uint64(n.GID), Size: n.Size, MtimeSec: n.ModTime.Sec,
			MtimeNsec: int64(n.ModTime.Nsec), Links: uint64(n.Links), Ino: uint64(n.ID) + 1, Target: listing.Escape(n.Target),
		}
		switch n.Mode.Type() {
		case tree.TypeSymlink:
			e.Type, e.Size = listing.Symlink, int64(len(n.Target))
		case tree.TypeDir:
			e.Size = int64(len(n.Entries())) + 2
		case tree.TypeChar, tree.TypeBlock:
			e.Rdev = listing.IllumosRdev(uint64(n.Device.Major), uint64(n.Device.Minor))
		case tree.TypeFile:
			var err error
			if e.SHA256, err = sum(n); err != nil {
				return out, fmt.Errorf("%q: %w", path, err)
			}
		}
		if n.Attrs != nil && len(n.Attrs.Xattrs) > 0 {
			e.Xattrs = make(map[string]string)
			for _, x := range n.Attrs.Xattrs {
				s, err := listing.Sum(bytes.NewReader(x.Value), int64(len(x.Value)), []listing.Extent{{Offset: 0, Length: int64(len(x.Value))}})
				if err != nil {
					return out, err
				}
				e.Xattrs[listing.Escape(x.Name)] = s
			}
		}
		out.Entries[e.Path] = e
	}
	return out, nil
}

func sum(n *tree.Node) (string, error) {
	switch c := n.Content.(type) {
	case nil:
		return listing.Sum(bytes.NewReader(nil), 0, nil)
	case sparse:
		return listing.Sum(c, c.size, c.extents())
	case tree.Bytes:
		return listing.Sum(bytes.NewReader(c), n.Size, []listing.Extent{{Offset: 0, Length: n.Size}})
	}
	return "", fmt.Errorf("contents of type %T", n.Content)
}
