package main

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"imagetools/source/content"
	"imagetools/tree"
)

// findDir looks at which level of a directory its root file system is: at becomes the place of
// that. whole tells that it is a dataset, note what is to be said.
func (p *place) findDir() (whole bool, note string, err error) {
	level, err := content.LevelOfDir(p.path)
	if err != nil {
		return false, "", err
	}
	switch level.Kind {
	case content.Dataset:
		return true, levelNote(p.path, level), nil
	case content.Rootfs:
		note = levelNote(p.path, level)
		p.path = filepath.Join(p.path, filepath.FromSlash(level.Path))
		return false, note, nil
	case content.Elsewhere, content.Mibe:
		return false, "", &content.LevelError{Name: p.path, IsDir: true, Level: level}
	}
	return false, "", nil
}

// relevel makes the tree of an archive that of its root file system, wherever that is in it. whole
// tells that it is a dataset. name is the path of the archive, empty for standard input.
func (s *openedSource) relevel(name string) (whole bool, err error) {
	level := content.LevelOfTree(s.Tree)
	switch level.Kind {
	case content.Dataset:
		s.rep.Note("%s", levelNote(name, level))
		return true, nil
	case content.Rootfs:
		s.rep.Note("%s", levelNote(name, level))
		s.Tree.Unseal()
		dir, base := path.Split(level.Path)
		root := s.Tree.Lookup(level.Path)
		if err := s.Tree.Lookup(strings.TrimSuffix(dir, "/")).Remove(base); err != nil {
			return false, err
		}
		s.Tree = &tree.Tree{Root: root}
		return false, nil
	case content.Elsewhere, content.Mibe:
		return false, &content.LevelError{Name: name, Level: level}
	}
	return false, nil
}

func levelNote(name string, level content.Level) string {
	if name = fmt.Sprintf("%q", name); name == `""` {
		name = "standard input"
	}
	if level.Kind == content.Dataset {
		return fmt.Sprintf("%s is a whole dataset, whose root file system is in root/, and is read as with --as-dataset", name)
	}
	return fmt.Sprintf("%s is not a root file system: only the one in %q in it becomes the image", name, level.Path)
}

// under puts the root file system into a dataset. If a METALOG describes that dataset, its top is
// what the METALOG says.
func (s *openedSource) under(metalog content.Metalog) (err error) {
	if s.Tree, err = s.Tree.Under("root"); err != nil || metalog.Prefix != "root" {
		return err
	}
	if top := metalog.Top; top != nil {
		n := s.Tree.Root
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
		s.rep.Warn("root", text)
		s.rep.Sort()
	}
	return nil
}
