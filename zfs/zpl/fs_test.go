package zpl_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"imagetools/tree"
	"imagetools/zfs/stream"
	"imagetools/zfs/zap"
	"imagetools/zfs/zpl"
)

var le = binary.LittleEndian

// object is what a stream says of one object.
type object struct {
	stream.Object
	bonus, spill []byte
	blocks       map[uint64][]byte
}

// fileSystem is a stream read back.
type fileSystem struct {
	begin   stream.Begin
	objects map[uint64]*object
	lengths map[uint64]int // of attributes, by number
	names   map[uint64]string
	layouts map[string][]uint64
	master  map[string]uint64
}

// parse reads a stream of version 5 and its tables.
func parse(data []byte) (*fileSystem, error) {
	fs := &fileSystem{objects: make(map[uint64]*object)}
	r := stream.NewReader(bytes.NewReader(data))
	var check stream.Checker
	for {
		rec, err := r.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = check.Check(rec)
		}
		if err != nil {
			return nil, err
		}
		payload, err := r.Payload()
		if err != nil {
			return nil, err
		}
		payload = bytes.Clone(payload)
		switch rec := rec.(type) {
		case *stream.Begin:
			fs.begin = *rec
		case *stream.Object:
			fs.objects[rec.Object] = &object{Object: *rec, bonus: payload[:rec.BonusLen], blocks: make(map[uint64][]byte)}
		case *stream.Write:
			fs.objects[rec.Object].blocks[rec.Offset] = payload
		case *stream.Spill:
			fs.objects[rec.Object].spill = payload
		}
	}
	if r.Position() != int64(len(data)) {
		return nil, fmt.Errorf("%d bytes behind the stream", int64(len(data))-r.Position())
	}
	var err error
	if fs.master, err = fs.numbers(1); err != nil || fs.master["VERSION"] != 5 {
		return fs, err
	}
	tables, err := fs.numbers(fs.master["SA_ATTRS"])
	if err != nil {
		return nil, err
	}
	registry, err := fs.numbers(tables["REGISTRY"])
	if err != nil {
		return nil, err
	}
	fs.lengths, fs.names, fs.layouts = make(map[uint64]int), make(map[uint64]string), make(map[string][]uint64)
	for name, v := range registry {
		fs.lengths[v&0xFFFF], fs.names[v&0xFFFF] = int(v>>24&0xFFFF), name
	}
	return fs, fs.zap(tables["LAYOUTS"], func(e zap.Entry) error { fs.layouts[e.Name] = e.Values; return nil })
}

func (fs *fileSystem) zap(n uint64, fn func(zap.Entry) error) error {
	o := fs.objects[n]
	if o == nil {
		return fmt.Errorf("no object %d", n)
	}
	err := zap.Read(func(i uint64) ([]byte, error) {
		b, ok := o.blocks[i*uint64(o.BlockSize)]
		if !ok {
			return nil, errors.New("no such block")
		}
		return b, nil
	}, le, fn)
	if err != nil {
		return fmt.Errorf("object %d: %w", n, err)
	}
	return nil
}

func (fs *fileSystem) numbers(n uint64) (map[string]uint64, error) {
	m := make(map[string]uint64)
	return m, fs.zap(n, func(e zap.Entry) error { m[e.Name] = e.Values[0]; return nil })
}

// attrs are the attributes of an object by name, from bonus and spill.
func (fs *fileSystem) attrs(n uint64) (map[string][]byte, error) {
	o := fs.objects[n]
	if o == nil {
		return nil, fmt.Errorf("no object %d", n)
	}
	out := make(map[string][]byte)
	for _, b := range [][]byte{o.bonus, o.spill} {
		if b == nil {
			continue
		}
		info := le.Uint16(b[4:])
		layout, ok := fs.layouts[fmt.Sprint(info&0x3FF)]
		if !ok || le.Uint32(b) != 0x2F505A {
			return nil, fmt.Errorf("object %d: attributes % x", n, b[:8])
		}
		pos, varying := int(info>>10)*8, 0
		for _, a := range layout {
			size := fs.lengths[a]
			if size == 0 {
				size = int(le.Uint16(b[6+2*varying:]))
				varying++
			}
			pos = (pos + 7) &^ 7
			out[fs.names[a]] = b[pos:][:size]
			pos += size
		}
	}
	return out, nil
}

// content is the data of a file object.
func (o *object) content(size uint64) []byte {
	data := make([]byte, size)
	for at, b := range o.blocks {
		if at < size {
			copy(data[at:], b)
		}
	}
	return data
}

// verify compares a file system with the tree that it was made of, and finds all else that
// the kernel takes on trust: every object reached, links, parents, sizes, types of entries.
func (fs *fileSystem) verify(t *tree.Tree) error {
	reached := map[uint64]bool{1: true, fs.master["DELETE_QUEUE"]: true, 4: true, 5: true, 6: true}
	byNode := make(map[*tree.Node]uint64)
	if queue, err := fs.numbers(fs.master["DELETE_QUEUE"]); err != nil || len(queue) != 0 {
		return fmt.Errorf("delete queue %v, %v", queue, err)
	}
	var visit func(dir *tree.Node, path string, n, parent uint64) error
	check := func(node *tree.Node, path string, n, parent uint64) error {
		if had, ok := byNode[node]; ok {
			if had != n {
				return fmt.Errorf("%s: objects %d and %d for one file", path, had, n)
			}
			return nil
		}
		byNode[node] = n
		if reached[n] {
			return fmt.Errorf("%s: object %d is something else, too", path, n)
		}
		reached[n] = true
		a, err := fs.attrs(n)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		number := func(name string) uint64 { return le.Uint64(a[name]) }
		size := uint64(node.Size)
		switch node.Mode.Type() {
		case tree.TypeDir:
			size = uint64(len(node.Entries()) + 2)
		case tree.TypeSymlink:
			size = uint64(len(node.Target))
			if string(a["ZPL_SYMLINK"]) != node.Target {
				return fmt.Errorf("%s: target %q", path, a["ZPL_SYMLINK"])
			}
		case tree.TypeChar, tree.TypeBlock:
			if got := number("ZPL_RDEV"); got != uint64(node.Device.Major)<<32|uint64(node.Device.Minor) {
				return fmt.Errorf("%s: device %#x", path, got)
			}
		case tree.TypeFile:
			var want []byte
			if node.Content != nil {
				f, err := node.Content.Open()
				if err != nil {
					return err
				}
				want = make([]byte, node.Size)
				if n, err := f.ReadAt(want, 0); n < len(want) {
					return err
				}
				f.Close()
			}
			if !bytes.Equal(fs.objects[n].content(size), want) {
				return fmt.Errorf("%s: other contents", path)
			}
			if size > 128<<10 && fs.objects[n].BlockSize != 128<<10 {
				return fmt.Errorf("%s: blocks of %d bytes", path, fs.objects[n].BlockSize)
			}
		}
		for name, want := range map[string]uint64{
			"ZPL_MODE": uint64(node.Mode), "ZPL_SIZE": size, "ZPL_LINKS": uint64(node.Links), "ZPL_PARENT": parent,
			"ZPL_UID": uint64(node.UID), "ZPL_GID": uint64(node.GID), "ZPL_GEN": 1,
		} {
			if got := number(name); got != want {
				return fmt.Errorf("%s: %s is %#x, want %#x", path, name, got, want)
			}
		}
		for _, name := range []string{"ZPL_ATIME", "ZPL_MTIME", "ZPL_CTIME", "ZPL_CRTIME"} {
			if sec, nsec := int64(le.Uint64(a[name])), le.Uint64(a[name][8:]); sec != node.ModTime.Sec || nsec != uint64(node.ModTime.Nsec) {
				return fmt.Errorf("%s: %s is %d.%d", path, name, sec, nsec)
			}
		}
		aces := 0
		for b := a["ZPL_DACL_ACES"]; len(b) > 0; aces++ {
			step := 8
			if who := le.Uint16(b[2:]) & 0x7040; who != 0x1000 && who != 0x2040 && who != 0x4000 {
				step = 16
			}
			if step > len(b) {
				return fmt.Errorf("%s: ACL % x", path, a["ZPL_DACL_ACES"])
			}
			b = b[step:]
		}
		if uint64(aces) != number("ZPL_DACL_COUNT") {
			return fmt.Errorf("%s: %d ACEs, DACL_COUNT %d", path, aces, number("ZPL_DACL_COUNT"))
		}
		return fs.verifyXattrs(node, path, n, a, reached)
	}
	visit = func(dir *tree.Node, path string, n, parent uint64) error {
		if err := check(dir, path, n, parent); err != nil {
			return err
		}
		entries, err := fs.numbers(n)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if len(entries) != len(dir.Entries()) {
			return fmt.Errorf("%s: %d entries, want %d", path, len(entries), len(dir.Entries()))
		}
		for _, e := range dir.Entries() {
			v, ok := entries[e.Name]
			path := path + "/" + e.Name
			if !ok || v>>60 != uint64(e.Node.Mode.Type()>>12) {
				return fmt.Errorf("%s: entry %#x", path, v)
			}
			walk := check
			if e.Node.IsDir() {
				walk = visit
			}
			if err := walk(e.Node, path, v&(1<<48-1), n); err != nil {
				return err
			}
		}
		return nil
	}
	root := fs.master["ROOT"]
	if err := visit(t.Root, "", root, root); err != nil {
		return err
	}
	for n := range fs.objects {
		if !reached[n] {
			return fmt.Errorf("object %d is in no directory", n)
		}
	}
	return nil
}

func (fs *fileSystem) verifyXattrs(node *tree.Node, path string, n uint64, a map[string][]byte, reached map[uint64]bool) error {
	b, has := a["ZPL_XATTR"]
	if want := node.Attrs != nil && len(node.Attrs.Xattrs) > 0; has != want {
		return fmt.Errorf("%s: extended attributes: %v, want %v", path, has, want)
	}
	if !has {
		return nil
	}
	dir := le.Uint64(b)
	reached[dir] = true
	da, err := fs.attrs(dir)
	if err != nil {
		return err
	}
	entries, err := fs.numbers(dir)
	if err != nil {
		return err
	}
	if le.Uint64(da["ZPL_PARENT"]) != n || le.Uint64(da["ZPL_LINKS"]) != 2 || le.Uint64(da["ZPL_SIZE"]) != uint64(len(entries)+2) ||
		le.Uint64(da["ZPL_FLAGS"])&1 == 0 || len(entries) != len(node.Attrs.Xattrs) {
		return fmt.Errorf("%s: directory of extended attributes: %v", path, da)
	}
	for _, x := range node.Attrs.Xattrs {
		file := entries[x.Name] & (1<<48 - 1)
		reached[file] = true
		fa, err := fs.attrs(file)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", path, x.Name, err)
		}
		if size := le.Uint64(fa["ZPL_SIZE"]); entries[x.Name]>>60 != 8 || size != uint64(len(x.Value)) ||
			!bytes.Equal(fs.objects[file].content(size), x.Value) || le.Uint64(fa["ZPL_PARENT"]) != dir ||
			le.Uint64(fa["ZPL_LINKS"]) != 1 || le.Uint64(fa["ZPL_FLAGS"])&1 == 0 {
			return fmt.Errorf("%s: extended attribute %s: %v", path, x.Name, fa)
		}
	}
	return nil
}

// maker builds trees.
type maker struct {
	t    testing.TB
	tree *tree.Tree
}

func newTree(t testing.TB) *maker { return &maker{t, tree.New()} }

func (m *maker) add(path string, n *tree.Node) *tree.Node {
	m.t.Helper()
	dir, name := m.tree.Root, path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir, name = m.tree.Lookup(path[:i]), path[i+1:]
	}
	if err := dir.Add(name, n); err != nil {
		m.t.Fatal(err)
	}
	return n
}

func (m *maker) seal() *tree.Tree {
	m.t.Helper()
	if err := m.tree.Seal(); err != nil {
		m.t.Fatal(err)
	}
	return m.tree
}

func file(data []byte) *tree.Node {
	return &tree.Node{Mode: tree.TypeFile | 0o644, Size: int64(len(data)), Content: tree.Bytes(data), ModTime: tree.Time{Sec: 1e9, Nsec: 5}}
}

func link(target string) *tree.Node {
	return &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: target}
}

// noise is data that is no hole.
func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*i>>3 + i>>7 + 1)
	}
	return b
}

// zoo has one of everything.
func zoo(t testing.TB) *tree.Tree {
	m := newTree(t)
	m.tree.Root.ModTime = tree.Time{Sec: -5, Nsec: 999999999}
	m.tree.Root.Attrs = &tree.Attrs{Xattrs: []tree.Xattr{{Name: "user.root", Value: []byte("r")}}}
	for _, n := range []int{0, 1, 511, 512, 513, 131071, 131072, 131073, 1 << 20} {
		m.add(fmt.Sprintf("file%d", n), file(noise(n)))
	}
	m.add("zeros", file(make([]byte, 300000)))
	sparse := make([]byte, 1<<20)
	copy(sparse[700000:], "\x7fELF in the middle")
	m.add("sparse.so", file(sparse))
	m.add("elf", file([]byte("\x7fELF and more")))
	d := m.add("dir", tree.NewDir(tree.SetGID|0o2755))
	d.UID, d.GID = 1<<31-1, 7
	m.add("dir/empty", tree.NewDir(0))
	m.add("dir/sub", tree.NewDir(0o1777))
	for i := range 2100 {
		m.add(fmt.Sprintf("dir/sub/%d", i), &tree.Node{Mode: tree.TypeFile})
	}
	hard := m.add("dir/hard", file([]byte("linked")))
	m.add("dir/sub/hard", hard)
	m.add("another", hard)
	for _, n := range []int{1, 143, 144, 145, 4095} {
		m.add(fmt.Sprintf("link%d", n), link(strings.Repeat("t", n)))
	}
	m.add("char", &tree.Node{Mode: tree.TypeChar | 0o600, Device: &tree.Device{Major: 1<<14 - 1, Minor: 1<<18 - 1}})
	m.add("block", &tree.Node{Mode: tree.TypeBlock | 0o600, Device: &tree.Device{Major: 8}})
	m.add("fifo", &tree.Node{Mode: tree.TypeFIFO | 0o4777})
	m.add("socket", &tree.Node{Mode: tree.TypeSocket | 0o6111})
	m.add(strings.Repeat("n", 255), file([]byte("x")))
	m.add("\xff\xfe not UTF-8", file([]byte("y")))
	acl := []tree.ACE{{Type: 0, Flags: 0, Mask: 0x1, ID: 1000}, {Type: 1, Flags: tree.ACEIdentifierGroup | 3, Mask: 2, ID: 1}}
	for range 20 {
		acl = append(acl, tree.ACE{Flags: tree.ACEEveryone, Mask: 0x120088})
	}
	x := []tree.Xattr{{Name: "user.b", Value: noise(65536)}, {Name: "user.a"}, {Name: "security.capability", Value: make([]byte, 20)}}
	for i, n := range []*tree.Node{file([]byte("f")), tree.NewDir(0o755), link(strings.Repeat("t", 3000)),
		{Mode: tree.TypeChar, Device: &tree.Device{Minor: 3}}, {Mode: tree.TypeFIFO}} {
		n.Attrs = &tree.Attrs{Xattrs: slices.Clone(x), ACL: acl}
		m.add(fmt.Sprintf("attrs%d", i), n)
	}
	return m.seal()
}

func write(t testing.TB, tr *tree.Tree, opts zpl.Options) (uint64, []byte) {
	t.Helper()
	p, err := zpl.NewPlan(context.Background(), tr, opts)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := p.Write(context.Background(), &out); err != nil {
		t.Fatal(err)
	}
	return p.GUID(), out.Bytes()
}

// What is written reads as the tree.
func TestWrite(t *testing.T) {
	t.Parallel()
	tr := zoo(t)
	p, err := zpl.NewPlan(t.Context(), tr, zpl.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for range 2 { // a plan can be written again
		out.Reset()
		if err := p.Write(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
	}
	fs, err := parse(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := fs.verify(tr); err != nil {
		t.Error(err)
	}
	if len(fs.objects) != p.Objects() {
		t.Errorf("Objects() = %d, the stream has %d", p.Objects(), len(fs.objects))
	}
	if b := fs.begin; b.ToGUID != p.GUID() || b.ToName != "image@final" || b.CreationTime != 1e9 || b.Flags != 8 || b.Features != 4 {
		t.Errorf("BEGIN %+v", b)
	}
}

// Version 4 keeps the rules of streams and has the same objects but the tables.
func TestWriteVersion4(t *testing.T) {
	t.Parallel()
	p, err := zpl.NewPlan(t.Context(), zoo(t), zpl.Options{Version: 4})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := p.Write(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	fs, err := parse(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if len(fs.objects) != p.Objects() {
		t.Errorf("Objects() = %d, the stream has %d", p.Objects(), len(fs.objects))
	}
	for n, o := range fs.objects {
		if o.BonusType != 0 && (o.BonusType != stream.ObjZnode || o.BonusLen < 264 || o.BonusLen > 320) || o.spill != nil {
			t.Errorf("object %d: %+v", n, o.Object)
		}
	}
}
