// Package compare finds the differences between two trees: names that only one of them has, and names
// whose attributes or contents differ.
//
//	for c, err := range compare.Diff(ctx, a, b, compare.Options{}) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(c)
//	}
//
// Contents are compared in pieces of 256 KiB, up to the first difference. Holes that both files have are
// skipped; a hole equals zeros. The only other memory is for the names of hard links.
package compare

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"imagetools/tree"
)

// Options say what does not count. The zero value compares everything.
type Options struct {
	IgnoreTimes  bool // modification times
	IgnoreOwners bool // uid and gid
}

// Kind is what happened to a name from the first tree to the second.
type Kind string

// Kinds of a [Change].
const (
	Added   Kind = "added"
	Removed Kind = "removed"
	Changed Kind = "changed"
)

// Change is one name that is not the same in both trees.
type Change struct {
	Path   string  `json:"path"` // below the root, "." for the root; any bytes, which JSON does not keep
	Kind   Kind    `json:"kind"`
	Type   string  `json:"type"`             // as mtree(5) spells it; of the second tree unless the name was removed
	Fields []Field `json:"fields,omitempty"` // what differs, of a name that changed
}

// String is the change on one line: "+", "-" or "~", the path in quotes, the fields.
func (c Change) String() string {
	sign := map[Kind]byte{Added: '+', Removed: '-', Changed: '~'}[c.Kind]
	var b strings.Builder
	fmt.Fprintf(&b, "%c %q", sign, c.Path)
	for i, f := range c.Fields {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " %s", f)
	}
	return b.String()
}

// Field is one thing that differs. Old and New are for people; "" is what is not there.
//
//	Name      Old and New
//	type      file, dir, link, char, block, fifo, socket
//	mode      0644
//	owner     0:0
//	mtime     as in RFC 3339, in UTC; beyond its years, seconds since 1970
//	size      bytes
//	content   none; Offset is the first byte that differs, within the size of both
//	target    of a link
//	device    major,minor
//	xattr     the value in quotes, cut after 64 bytes; Key is the name of the attribute
//	acl       entries of the NFSv4 ACL, in the form of mtree.AppendACL
//	links     the first of the names of the same file that both trees have, if it is another
type Field struct {
	Name   string `json:"name"`
	Key    string `json:"key,omitempty"`
	Old    string `json:"old,omitempty"`
	New    string `json:"new,omitempty"`
	Offset *int64 `json:"offset,omitempty"`
}

func (f Field) String() string {
	name := f.Name
	if f.Key != "" {
		name += fmt.Sprintf(" %q", f.Key)
	}
	if f.Offset != nil {
		return fmt.Sprintf("%s from byte %d", name, *f.Offset)
	}
	show := func(s string) string {
		switch {
		case s == "":
			return "none"
		case f.Name == "target" || f.Name == "links":
			return strconv.Quote(s)
		}
		return s
	}
	return fmt.Sprintf("%s %s -> %s", name, show(f.Old), show(f.New))
}

// Diff gives the changes from the sealed tree a to the sealed tree b in the order of their
// paths: that of [tree.Tree.All], a directory before what it holds. An error, of contents that
// cannot be read or of a context that is done, comes last; that of contents names the path and
// the tree.
func Diff(ctx context.Context, a, b *tree.Tree, opts Options) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		for _, t := range []*tree.Tree{a, b} {
			if err := t.CheckSealed(); err != nil {
				yield(Change{}, fmt.Errorf("compare: %w", err))
				return
			}
		}
		d := &differ{
			ctx: ctx, opts: opts, yield: yield,
			first: [2]map[*tree.Node]string{make(map[*tree.Node]string), make(map[*tree.Node]string)},
			met:   make(map[[2]*tree.Node]int64),
		}
		err := pairs(a.Root, b.Root, ".", d.group)
		if err == nil {
			err = pairs(a.Root, b.Root, ".", d.compare)
		}
		if err != nil && err != errStopped {
			yield(Change{}, err)
		}
	}
}

// errStopped says that the caller wants no more changes.
var errStopped = errors.New("stopped")

// pairs walks two trees at once and calls visit for every name with its node in either, nil
// where it is missing, until visit fails.
func pairs(a, b *tree.Node, path string, visit func(path string, a, b *tree.Node) error) error {
	if err := visit(path, a, b); err != nil {
		return err
	}
	var left, right []tree.Entry
	if a != nil {
		left = a.Entries()
	}
	if b != nil {
		right = b.Entries()
	}
	prefix := path + "/"
	if path == "." {
		prefix = ""
	}
	for len(left) > 0 || len(right) > 0 {
		var name string
		switch {
		case len(right) == 0, len(left) > 0 && left[0].Name <= right[0].Name:
			name = left[0].Name
		default:
			name = right[0].Name
		}
		var x, y *tree.Node
		if len(left) > 0 && left[0].Name == name {
			x, left = left[0].Node, left[1:]
		}
		if len(right) > 0 && right[0].Name == name {
			y, right = right[0].Node, right[1:]
		}
		if err := pairs(x, y, prefix+name, visit); err != nil {
			return err
		}
	}
	return nil
}

// differ is the state of one comparison.
type differ struct {
	ctx   context.Context
	opts  Options
	yield func(Change, error) bool
	first [2]map[*tree.Node]string // of files with several names, the first that both trees have
	met   map[[2]*tree.Node]int64  // pairs of such files whose contents were compared
	bufs  [2][]byte
	count int
}

// group notes the first name of files that have several. Names that only one tree has do not
// count: they are changes by themselves.
func (d *differ) group(path string, a, b *tree.Node) error {
	if a == nil || b == nil || a.IsDir() || b.IsDir() {
		return nil
	}
	for i, n := range [2]*tree.Node{a, b} {
		if n.Links > 1 && d.first[i][n] == "" {
			d.first[i][n] = path
		}
	}
	return nil
}

// compare reports the change of one name, if there is one.
func (d *differ) compare(path string, a, b *tree.Node) error {
	if d.count++; d.count%256 == 0 {
		if err := d.ctx.Err(); err != nil {
			return err
		}
	}
	c := Change{Path: path}
	switch {
	case b == nil:
		c.Kind, c.Type = Removed, a.Mode.TypeName()
	case a == nil:
		c.Kind, c.Type = Added, b.Mode.TypeName()
	default:
		c.Kind, c.Type, c.Fields = Changed, b.Mode.TypeName(), d.metadata(path, a, b)
		if a.Mode.Type() == tree.TypeFile && b.Mode.Type() == tree.TypeFile {
			at, err := d.contents(a, b)
			if err != nil {
				return fmt.Errorf("compare %q: %w", path, err)
			}
			if at >= 0 {
				c.Fields = append(c.Fields, Field{Name: "content", Offset: &at})
			}
		}
		if len(c.Fields) == 0 {
			return nil
		}
	}
	if !d.yield(c, nil) {
		return errStopped
	}
	return nil
}
