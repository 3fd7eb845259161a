package fromoci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"imagetools/tree"
	"imagetools/tree/fromtar"
)

// Whiteouts, names that take away what lower layers have (OCI image-spec, layer.md). The ones that
// begin with asidePrefix are left from the file system they come from, and mean nothing here.
const (
	whiteoutPrefix = ".wh."
	asidePrefix    = ".wh..wh."
	opaqueName     = ".wh..wh..opq"
	linksFolder    = ".wh..wh.plnk" // of files with several names
)

// change is one member of a layer: a node, a hard link, or a name taken away.
type change struct {
	path string     // of the node or link; of what is taken away
	node *tree.Node // nil unless it is a node
	link string     // where a hard link leads
	kind changeKind
}

type changeKind uint8

const (
	addNode changeKind = iota
	addLink
	takeAway   // path and all below it
	takeBelow  // all below path
	besideTree // a node that only hard links bring into the tree
)

// changeOf reads the name of a member. The second result is false for what means nothing.
func changeOf(m *fromtar.Member) (change, bool, error) {
	c := change{path: m.Path, node: m.Node, link: m.Link}
	if m.Node == nil {
		c.kind = addLink
	}
	if !strings.Contains(m.Path, whiteoutPrefix) {
		return c, true, nil
	}
	var dir, name string
	for rest := m.Path; ; {
		part, more, found := strings.Cut(rest, "/")
		if !found {
			name = part
			break
		}
		switch {
		case part == linksFolder:
			if m.Node != nil && !m.Node.IsDir() {
				c.kind = besideTree
				return c, true, nil
			}
			return c, false, nil
		case strings.HasPrefix(part, asidePrefix):
			return c, false, nil
		case strings.HasPrefix(part, whiteoutPrefix):
			return c, false, errors.New("it lies below a whiteout")
		}
		dir = m.Path[:len(m.Path)-len(more)]
		rest = more
	}
	if !strings.HasPrefix(name, whiteoutPrefix) {
		return c, true, nil
	}
	c.node, c.link = nil, ""
	if name == opaqueName {
		c.kind, c.path = takeBelow, strings.TrimSuffix(dir, "/")
		if c.path == "" {
			c.path = "."
		}
		return c, true, nil
	}
	if strings.HasPrefix(name, asidePrefix) {
		return c, false, nil
	}
	name = name[len(whiteoutPrefix):]
	if err := tree.CheckName(name); err != nil {
		return c, false, fmt.Errorf("whiteout: %w", err)
	}
	c.kind, c.path = takeAway, dir+name
	return c, true, nil
}

// changeCost is what a change takes in a list that grows, without its strings and its node.
const changeCost = 144

// layer is a layer that was read.
type layer struct {
	source  layerSource
	name    string   // in messages
	changes []change // in the order of the archive; those without meaning have an empty path
	members *fromtar.Members
	twin    *layer // an upper one that is the same, which is read in its place; nil if there is none
}

// scan reads a layer, passing each member on. keep tells whether the contents of a member that is
// a file are wanted.
func (r *reader) scan(ctx context.Context, l *layer, keep func(i int, c *change) bool, pass func(i int, c *change)) error {
	u, err := unpack(ctx, l.source, &r.opts, r.limit, r.progress)
	if err != nil {
		return fmt.Errorf("%s: %w", l.name, err)
	}
	err = r.members(ctx, l, u, keep, pass)
	// What is wrong with the blob explains what is wrong in it.
	if end := u.finish(); end != nil && (err == nil || errors.Is(end, ErrDigest)) {
		err = fmt.Errorf("%s: %w", l.name, r.explain(l, end))
	}
	r.limit = u.limit
	return errors.Join(err, u.close())
}

// explain adds to the error of a layer what the other layers tell of it.
func (r *reader) explain(l *layer, err error) error {
	if diff, ok := errors.AsType[*diffError](err); ok {
		for _, other := range r.layers {
			if other != l && other.source.diffID == diff.got {
				return fmt.Errorf("%w, which should be %s: the layers are in another order than in the config", err, other.name)
			}
		}
	}
	return err
}

func (r *reader) members(ctx context.Context, l *layer, u *unpacking, keep func(int, *change) bool, pass func(int, *change)) error {
	var file tree.Content
	if u.plain && l.source.place != nil && r.placed < maxPlaced {
		var err error
		if file, err = l.source.place(); err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		r.placed++
	}
	members, err := fromtar.NewMembers(ctx, u, fromtar.MembersOptions{
		Name: l.name, Owners: r.opts.Owners, NoXattrs: r.opts.NoXattrs, Report: r.report, Budget: r.opts.Budget,
		Fault: func(err error) { r.fault(l, err) },
	})
	if err != nil {
		return err
	}
	if l.members == nil {
		l.members = members
	}
	for i := 0; ; i++ {
		m, err := members.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		c, ok, err := changeOf(m)
		if err == nil && m.Path == "." && (m.Node == nil || !m.Node.IsDir()) {
			err = errors.New("the root must be a directory")
		}
		if err != nil {
			r.fault(l, fmt.Errorf("%s: member %q: %w", l.name, m.Path, err))
			ok = false
		}
		if !ok {
			pass(i, &change{})
			continue
		}
		if err := r.opts.Budget.Hold(changeCost+int64(len(c.path)+len(c.link)), "members of layers"); err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		if n := c.node; n != nil && n.Size > 0 {
			at, inOnePiece := members.Data()
			if file != nil && inOnePiece {
				n.Content = &section{file, at, n.Size}
			} else if keep(i, &c) {
				if err := members.Keep(r.spool); err != nil {
					return err
				}
			}
		}
		pass(i, &c)
	}
}
