package source

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"imagetools/host"
	"imagetools/source/content"
	"imagetools/tree"
	"imagetools/tree/fromdir"
	treesource "imagetools/tree/source"
)

// Dir is a directory, which may be a dataset of a store.
type Dir struct {
	Path    string
	Dataset *host.StoreDataset // nil if it is a path only

	opts *Options
}

// String names the directory or the dataset.
func (d *Dir) String() string {
	if d.Dataset != nil {
		return d.Dataset.String()
	}
	return quoted(d.Path)
}

// Files is the path of the directory.
func (d *Dir) Files() []string {
	if d.Dataset != nil {
		return nil
	}
	return []string{d.Path}
}

// Tree reads the directory.
func (d *Dir) Tree(ctx context.Context) (*Tree, error) {
	whole, look := d.opts.whole()
	if d.Dataset != nil {
		whole, look = true, false
	}
	path, note := d.Path, ""
	if look {
		level, err := content.LevelOfDir(path)
		if err != nil {
			return nil, err
		}
		switch level.Kind {
		case content.Dataset:
			whole, note = true, levelNote(path, level)
		case content.Rootfs:
			note = levelNote(path, level)
			path = filepath.Join(path, filepath.FromSlash(level.Path))
		case content.Elsewhere, content.Mibe:
			return nil, &content.LevelError{Name: path, IsDir: true, Level: level}
		}
	}
	t, metalog, err := d.read(ctx, path)
	if err != nil {
		return nil, err
	}
	if note != "" {
		t.Report.Note("%s", note)
	}
	if look {
		if err := t.checkContainer(path, false); err != nil {
			return nil, err
		}
	}
	if !whole {
		if err := t.under(metalog); err != nil {
			return nil, err
		}
	}
	return t, t.seal()
}

// read reads the directory at a path, with the METALOG that is found.
func (d *Dir) read(ctx context.Context, path string) (*Tree, content.Metalog, error) {
	owners, err := d.opts.owners()
	if err != nil {
		return nil, content.Metalog{}, err
	}
	t := &Tree{What: fmt.Sprintf("directory %q", path)}
	var found content.Metalog
	metalog := d.opts.Metalog
	if d.Dataset != nil {
		t.What = fmt.Sprintf("dataset %s (%q)", d.Dataset.Name, path)
		metalog = cmp.Or(metalog, d.Dataset.Metalog)
	} else if metalog == "" {
		if found, err = content.FindMetalog(path); err != nil {
			return nil, found, err
		}
		metalog = found.Path
	} else if metalog != NoMetalog {
		if found, err = content.NamedMetalog(path, metalog); err != nil {
			return nil, found, err
		}
	}
	read := fromdir.Options{Owners: owners, Exclude: d.opts.Exclude, Budget: d.opts.Budget}
	read.Progress = func(names int) { d.opts.count("looking at names", int64(names)) }
	if metalog != "" && metalog != NoMetalog {
		f, err := os.Open(metalog)
		if err != nil {
			return nil, found, fmt.Errorf("METALOG: %w", err)
		}
		defer f.Close()
		read.Metalog, read.MetalogName, read.MetalogPrefix = f, metalog, found.Prefix
	}
	if t.Tree, t.Report, err = fromdir.Read(ctx, path, read); err != nil {
		return nil, found, err
	}
	if read.Metalog != nil {
		t.Report.Note("owners, modes and devices are from %q", filepath.Clean(metalog))
	}
	t.Metalog = found
	return t, found, nil
}

// seal seals the tree, or closes it.
func (t *Tree) seal() error {
	if err := t.Tree.Seal(); err != nil {
		t.Close()
		return fmt.Errorf("%s: %w", t.What, err)
	}
	return nil
}

// under puts the root file system into a dataset. If a METALOG describes that dataset, its top is
// what the METALOG says.
func (t *Tree) under(metalog content.Metalog) (err error) {
	if t.Tree, err = t.Tree.Under("root"); err != nil || metalog.Prefix != "root" {
		return err
	}
	if top := metalog.Top; top != nil {
		n := t.Tree.Root
		n.Mode, n.UID, n.GID, n.ModTime = n.Mode.Type()|top.Mode, top.UID, top.GID, top.Time
		if len(top.Xattrs) > 0 || top.ACL != nil {
			n.Attrs = &tree.Attrs{Xattrs: top.Xattrs, ACL: top.ACL}
		}
	}
	if len(metalog.Beside) > 0 {
		text := fmt.Sprintf("is part of a dataset, as %q says, of which the image lacks %s; use the directory of all of it as SOURCE", metalog.Path, strings.Join(metalog.Beside, ", "))
		if metalog.Dataset != "" {
			text = fmt.Sprintf("is part of the dataset %q, of which the image lacks %s; use %[1]s as SOURCE for all of it", metalog.Dataset, strings.Join(metalog.Beside, ", "))
		}
		t.Report.Warn("root", text)
		t.Report.Sort()
	}
	return nil
}

// survey counts what is in a tree that was in an image.
func survey(rep *treesource.Report, t *tree.Tree) {
	linked := map[*tree.Node]bool{}
	for _, n := range t.Nodes() {
		if n.Links > 1 && !n.IsDir() {
			linked[n] = false
		}
	}
	rep.Survey(t, linked)
}
