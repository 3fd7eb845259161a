package source

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"imagetools/fault"
	"imagetools/source/content"
	"imagetools/tree"
	"imagetools/tree/fromoci"
	"imagetools/tree/fromtar"
)

// Tar is a tar, compressed or not, or what can be nothing else.
type Tar struct {
	path  string
	found *content.Finding // nil if it was not looked at
	opts  *Options
}

// NewTar returns the tar at a path, which is not looked at; "-" is standard input.
func NewTar(path string, opts Options) *Tar { return &Tar{path: path, opts: &opts} }

// String names the tar by its path.
func (t *Tar) String() string { return quoted(t.path) }

// Path is that of the tar; "-" is standard input.
func (t *Tar) Path() string { return t.path }

// Files is the path of the tar.
func (t *Tar) Files() []string { return []string{t.path} }

// Tree reads the tar.
func (t *Tar) Tree(ctx context.Context) (_ *Tree, err error) {
	if m := t.opts.Metalog; m != "" && m != NoMetalog {
		return nil, fault.Askedf("%s %q: only a directory has one, a tar holds owners and modes itself", t.opts.called("Metalog"), m)
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	read, err := t.Read(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			read.Close()
		}
	}()
	whole, look := t.opts.whole()
	if look {
		if err := read.checkContainer(t.path, true); err != nil {
			return nil, err
		}
		if whole, err = read.relevel(strings.TrimPrefix(t.path, "-")); err != nil {
			return nil, err
		}
	}
	if !whole {
		if err := read.under(content.Metalog{}); err != nil {
			return nil, err
		}
	}
	return read, read.seal()
}

// check refuses what is recognised as something other than a root file system in a tar.
func (t *Tar) check() error {
	f := t.found
	switch {
	case f == nil || f.Kind == content.Tree || f.Kind == content.Unknown:
		return nil
	case f.Kind == content.Container:
		return fault.With(errors.New("standard input is the archive of a container image, not a root file system"), WayContainer, "docker-archive:-")
	case f.Kind == content.Nothing:
		return nil // what reads it says what is wrong
	}
	name := t.path
	if name == "-" {
		name = stdin
	}
	return &content.NotReadError{Name: name, Finding: f}
}

// Read reads the tar as it is: not sealed, and with its root at the top.
func (t *Tar) Read(ctx context.Context) (*Tree, error) {
	owners, err := t.opts.owners()
	if err != nil {
		return nil, err
	}
	read := fromtar.Options{Owners: owners, Exclude: t.opts.Exclude, TmpDir: t.opts.TmpDir, Budget: t.opts.Budget, Decompress: t.opts.decompress}
	out := &Tree{What: fmt.Sprintf("tar %q", t.path)}
	var src *fromtar.Source
	if t.path == "-" {
		out.What = "tar from standard input"
		in, err := t.opts.stdin()
		if err != nil {
			return nil, err
		}
		src, err = fromtar.Read(ctx, in, read)
		if err != nil {
			return nil, err
		}
	} else if src, err = fromtar.Open(ctx, t.path, read); err != nil {
		return nil, err
	}
	out.Tree, out.Report, out.closer = src.Tree, src.Report, src
	return out, nil
}

// relevel makes the tree of an archive that of its root file system, wherever that is in it. whole
// tells that it is a dataset. name is the path of the archive, empty for standard input.
func (t *Tree) relevel(name string) (whole bool, err error) {
	level := content.LevelOfTree(t.Tree)
	switch level.Kind {
	case content.Dataset:
		t.Report.Note("%s", levelNote(name, level))
		return true, nil
	case content.Rootfs:
		t.Report.Note("%s", levelNote(name, level))
		t.Tree.Unseal()
		dir, base := path.Split(level.Path)
		root := t.Tree.Lookup(level.Path)
		if err := t.Tree.Lookup(strings.TrimSuffix(dir, "/")).Remove(base); err != nil {
			return false, err
		}
		t.Tree = &tree.Tree{Root: root}
		return false, nil
	case content.Elsewhere, content.Mibe:
		return false, &content.LevelError{Name: name, Level: level}
	}
	return false, nil
}

func levelNote(name string, level content.Level) string {
	if name = fmt.Sprintf("%q", name); name == `""` {
		name = stdin
	}
	if level.Kind == content.Dataset {
		return fmt.Sprintf("%s is a whole dataset, whose root file system is in root/, and is read as one", name)
	}
	return fmt.Sprintf("%s is not a root file system: only the one in %q in it becomes the image", name, level.Path)
}

// checkContainer refuses a tree that is no root file system but a container image in pieces, which
// its first names did not tell.
func (t *Tree) checkContainer(name string, isTar bool) error {
	kind, at := fromoci.Held(t.Tree)
	if kind == "" {
		return nil
	}
	what := map[string]string{"oci": "an OCI layout", "docker": "what docker save writes"}[kind]
	err := fmt.Errorf("%s: not a root file system: %q holds %s", t.What, at, what)
	if at == "." {
		err = fmt.Errorf("%s: not a root file system: it holds %s", t.What, what)
	}
	switch {
	case isTar && at == ".":
		return fault.With(err, WayContainer, kind+"-archive:"+name)
	case isTar:
		return fault.With(err, WayContainerTar, kind)
	case kind == "oci":
		return fault.With(err, WayContainer, "oci:"+filepath.Join(name, at))
	}
	return fault.With(err, WayContainerTar, kind)
}
