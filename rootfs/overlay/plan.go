package overlay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"imagetools/fault"

	"imagetools/rootfs"
	"imagetools/tree"
)

// Plan is what layers change in a root.
type Plan struct {
	root   *rootfs.FS
	expand *expander
	steps  []step
	loose  []*item // that are writable by more than their owner, by their modes on disk
}

// Change is one path that an overlay changes.
type Change struct {
	Path  string // in the root, without a slash in front
	Layer string // name of the layer that it comes from
	What  string // such as "new file", or "content, mode 0600 (was 0644)"
}

func (c Change) String() string { return fmt.Sprintf("%q: %s", c.Path, c.What) }

// step is a change with what carries it out.
type step struct {
	Change
	item *item
	do   func(*Plan, *item) error
}

// NewPlan compares layers, the last of which wins, with a root. It changes nothing. All faults
// come joined: options, undefined variables with file and line, and what stands in the way.
// The layers must not be changed until the plan is carried out.
func NewPlan(root *rootfs.FS, layers []*Layer, opts Options) (*Plan, error) {
	expand, optsErr := opts.expander()
	items, err := merge(layers)
	if err = errors.Join(optsErr, err, opts.checkPlaces(items)); err != nil {
		return nil, err
	}
	p := &planner{Plan: Plan{root: root, expand: expand}, faults: fault.Faults{Limit: maxFaults}}
	for i, it := range items {
		p.look(it, fmt.Sprintf("%09d", i))
	}
	if err := p.faults.Err(); err != nil {
		if p.undefined {
			err = fault.WithHint(err, "define the variable, name it to be kept, or write @@NAME@@ for the text itself")
		}
		return nil, err
	}
	return &p.Plan, nil
}

// Changes lists what Apply will change, directories before what they hold. It is empty if the
// root has all that the layers have.
func (p *Plan) Changes() []Change {
	list := make([]Change, len(p.steps))
	for i, s := range p.steps {
		list[i] = s.Change
	}
	return list
}

// Warnings names what is carried and is probably not meant: files and directories that group or
// others can write, by the mode that they have on disk.
func (p *Plan) Warnings() []string {
	if len(p.loose) == 0 {
		return nil
	}
	first := p.loose[0]
	more := ""
	if n := len(p.loose) - 1; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return []string{fmt.Sprintf("overlay %q: %q%s can be written by group or others (mode %04o), as in a checkout under umask 002; "+
		"sshd takes no keys from such files: use chmod -R go-w, or a METALOG", first.layer.Name, "/"+first.path, more, uint32(first.node.Mode.Perm()))}
}

// isLoose tells whether an item has a mode of the disk that lets more than its owner write it.
func (it *item) isLoose() bool {
	const sticky, goWrite = 0o1000, 0o022
	mode := it.node.Mode.Perm()
	return !it.stated && it.node.Mode.Type() != tree.TypeSymlink && mode&goWrite != 0 && !(it.node.IsDir() && mode&sticky != 0)
}

// Apply carries the plan out, and tells of each change when it is made. After an error those
// told of stay; a new plan goes on from there.
func (p *Plan) Apply(ctx context.Context, told func(Change)) error {
	for _, s := range p.steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.do(p, s.item); err != nil {
			return s.item.layer.fail(err)
		}
		if told != nil {
			told(s.Change)
		}
	}
	return nil
}

// planner makes a plan.
type planner struct {
	Plan
	faults    fault.Faults
	undefined bool
	blocked   string // a directory that cannot be had
}

// look finds out what an item changes. Faults are ordered by key.
func (p *planner) look(it *item, key string) {
	var data []byte
	if it.node.Mode.Type() == tree.TypeFile {
		var missing []undefined
		var err error
		if data, missing, err = p.content(it); err != nil {
			p.faults.Add(key, it.layer.fault(it.from, "%w", err))
			return
		}
		for _, m := range missing {
			p.undefined = true
			p.faults.Add(key, it.layer.fail(fmt.Errorf("%s:%d: undefined variable @%s@", it.from, m.line, m.name)))
		}
	}
	if p.blocked != "" && strings.HasPrefix(it.path, p.blocked+"/") {
		return // told once, for the directory
	}
	what, do, err := p.compare(it, data)
	if err == nil && len(what) > 0 {
		if err = p.root.CheckChange(it.path); errors.Is(err, fs.ErrNotExist) {
			err = nil // in a directory that is new as well
		}
	}
	if err != nil {
		p.faults.Add(key, it.layer.fail(err))
		if it.node.IsDir() {
			p.blocked = it.path
		}
		return
	}
	if len(what) > 0 {
		if it.isLoose() {
			p.loose = append(p.loose, it)
		}
		p.steps = append(p.steps, step{Change{it.path, it.layer.Name, strings.Join(what, ", ")}, it, do})
	}
}

// compare says what is different in the root, and what is to be done about it.
func (p *planner) compare(it *item, data []byte) (what []string, do func(*Plan, *item) error, err error) {
	info, err := p.root.Lstat(it.path)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return nil, nil, err
	}
	switch it.node.Mode.Type() {
	case tree.TypeDir:
		return p.compareDir(it, info, missing)
	case tree.TypeSymlink:
		what, err = p.compareLink(it, info, missing)
		return what, (*Plan).link, err
	}
	what, err = p.compareFile(it, info, missing, data)
	return what, (*Plan).file, err
}

func (p *planner) compareDir(it *item, info rootfs.Info, missing bool) ([]string, func(*Plan, *item) error, error) {
	if missing {
		return []string{"new directory"}, (*Plan).mkdir, nil
	}
	if info.Mode.Type() == tree.TypeSymlink {
		var err error
		info, err = p.root.Stat(it.path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("%q: a dir in the overlay, and a link to nowhere in the root", it.path)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if info.Mode.Type() != tree.TypeDir {
		return nil, nil, it.inTheWay(info)
	}
	if !it.stated {
		return nil, nil, nil
	}
	return it.attributes(info), (*Plan).setDir, nil
}

func (p *planner) compareLink(it *item, info rootfs.Info, missing bool) ([]string, error) {
	switch {
	case missing:
		return []string{fmt.Sprintf("new link to %q", it.node.Target)}, nil
	case info.Mode.Type() == tree.TypeFile:
		return []string{fmt.Sprintf("link to %q instead of a file", it.node.Target)}, nil
	case info.Mode.Type() != tree.TypeSymlink:
		return nil, it.inTheWay(info)
	}
	target, err := p.root.Readlink(it.path)
	if err != nil {
		return nil, err
	}
	var what []string
	if target != it.node.Target {
		what = append(what, fmt.Sprintf("link to %q (was %q)", it.node.Target, target))
	}
	info.Mode = it.node.Mode // a link has none of its own
	return append(what, it.attributes(info)...), nil
}

func (p *planner) compareFile(it *item, info rootfs.Info, missing bool, data []byte) ([]string, error) {
	switch {
	case missing:
		return []string{"new file"}, nil
	case info.Mode.Type() == tree.TypeSymlink:
		return []string{"file instead of a link"}, nil
	case info.Mode.Type() != tree.TypeFile:
		return nil, it.inTheWay(info)
	}
	var what []string
	same := info.Size == int64(len(data))
	if same {
		old, err := p.root.ReadFile(it.path, maxFile)
		if err != nil {
			return nil, err
		}
		same = bytes.Equal(old, data)
	}
	if !same {
		what = append(what, "content")
	}
	return append(what, it.attributes(info)...), nil
}

func (it *item) inTheWay(info rootfs.Info) error {
	return fmt.Errorf("%q: a %s in the overlay, and a %s in the root", it.path, it.node.Mode.TypeName(), info.Mode.TypeName())
}

// attributes are the differences in mode and owner.
func (it *item) attributes(info rootfs.Info) (what []string) {
	if mode := it.node.Mode.Perm(); info.Mode.Perm() != mode {
		what = append(what, fmt.Sprintf("mode %04o (was %04o)", uint32(mode), uint32(info.Mode.Perm())))
	}
	if info.UID != it.node.UID || info.GID != it.node.GID {
		what = append(what, fmt.Sprintf("owner %d:%d (was %d:%d)", it.node.UID, it.node.GID, info.UID, info.GID))
	}
	return what
}

func (it *item) attr() *rootfs.Attr {
	return &rootfs.Attr{Mode: it.node.Mode.Perm(), UID: it.node.UID, GID: it.node.GID}
}

// content is a file of a layer with its variables filled in, and those that cannot be.
func (p *Plan) content(it *item) (_ []byte, _ []undefined, err error) {
	if it.node.Size == 0 {
		return nil, nil, nil
	}
	f, err := it.node.Content.Open()
	if err != nil {
		return nil, nil, err
	}
	data := make([]byte, it.node.Size) // at most maxFile; checked when the layer was read
	_, err = io.ReadFull(io.NewSectionReader(f, 0, it.node.Size), data)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, nil, err
	}
	return p.expand.expand(data)
}

func (p *Plan) mkdir(it *item) error { return p.root.Mkdir(it.path, it.attr()) }

func (p *Plan) setDir(it *item) error {
	return errors.Join(p.root.Chown(it.path, it.node.UID, it.node.GID), p.root.Chmod(it.path, it.node.Mode.Perm()))
}

func (p *Plan) link(it *item) error {
	err := p.root.Remove(it.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return p.root.Symlink(it.node.Target, it.path, it.attr())
}

func (p *Plan) file(it *item) error {
	data, _, err := p.content(it)
	if err != nil {
		return err
	}
	return p.root.PutFile(it.path, data, it.attr())
}
