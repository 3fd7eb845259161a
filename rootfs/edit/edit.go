// Package edit changes root file systems in steps, and reports what it changed.
//
//	report, err := edit.Run(ctx, root, edit.Watch{}, &overlay.Step{Layers: layers}, &prepare.Step{})
//	for _, c := range report.Changes {
//		fmt.Println(c)
//	}
//
// A [Step] is one kind of change: an overlay, edits of base images, the adaption to the LX brand,
// the removal of machine-specific data. [Run] runs steps on a [Root], which is a directory on
// disk or a tree. All steps have one [Report], which has one JSON form.
//
// Most steps change files by an [Editor]:
//
//	e := &edit.Editor{Root: root.FS, Log: log}
//	e.Put("/etc/product", text, rootfs.Attr{Mode: 0o644})
//	e.Edit("/etc/hosts", "the seed", func(t *lines.Text) { ... })
//	return e.Err
//
// It logs no change of a file that is as it should be.
package edit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"imagetools/fault"

	"imagetools/internal/lines"
	"imagetools/rootfs"
	"imagetools/tree"
)

// Editor changes files below a root. After the first error its methods do nothing.
type Editor struct {
	Root *rootfs.FS
	Log  *Log
	Err  error // the first
}

// Missing tells whether err says that a path does not exist.
func Missing(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, tree.ErrNotDir) }

// Done logs what was changed, or that it was not.
func (e *Editor) Done(err error, path, text string) {
	if e.Err = err; err == nil {
		e.Log.Change(path, text)
	}
}

// Absent tells whether path is to be made: whether look, which is Stat or Lstat, does not find
// it.
func (e *Editor) Absent(look func(string) (rootfs.Info, error), path string) bool {
	if e.Err != nil {
		return false
	}
	_, err := look(path)
	if !Missing(err) {
		e.Err = err
		return false
	}
	return true
}

// maxFile bounds the files that are edited; the largest of a seed has 30 KiB.
const maxFile = 8 << 20

// Read returns a file that must exist: owner, such as "the seed", brings it.
func (e *Editor) Read(path, owner string) []byte {
	if e.Err != nil {
		return nil
	}
	data, err := e.Root.ReadFile(path, maxFile)
	if Missing(err) {
		err = fault.WithHint(fmt.Errorf("edit %q: %w", path, fs.ErrNotExist), owner+" should have brought it")
	}
	e.Err = err
	return data
}

// Edit changes the lines of a file that must exist: owner brings it, see Read.
func (e *Editor) Edit(path, owner string, change func(*lines.Text)) {
	before := e.Read(path, owner)
	if e.Err != nil {
		return
	}
	text := lines.Parse(before)
	change(text)
	if after := text.Bytes(); e.Err == nil && !bytes.Equal(before, after) {
		e.Done(e.Root.WriteFile(path, after, nil), path, summary(text.Changes()))
	}
}

// EditAny changes the lines of a file if there is one.
func (e *Editor) EditAny(path string, change func(*lines.Text)) {
	info, err := e.Root.Stat(path)
	if err == nil && info.Mode.Type() == tree.TypeFile {
		e.Edit(path, "nothing", change)
	} else if e.Err == nil && !Missing(err) {
		e.Err = err
	}
}

// summary shortens a list of changed lines.
func summary(changes []string) string {
	const most, width = 3, 60
	var short []string
	for _, c := range changes[:min(len(changes), most)] {
		c = strings.ToValidUTF8(strings.TrimSpace(c), "?")
		if r := []rune(c); len(r) > width {
			c = string(r[:width]) + "…"
		}
		short = append(short, c)
	}
	s := strings.Join(short, ", ")
	if more := len(changes) - most; more > 0 {
		s += fmt.Sprintf(", and %d more", more)
	}
	return s
}

// Put makes path a file of that content, in the place of whatever file or link is there.
func (e *Editor) Put(path string, content []byte, attr rootfs.Attr) {
	if e.Err != nil {
		return
	}
	info, err := e.Root.Lstat(path)
	if err == nil && info.Mode.Type() == tree.TypeFile && info.Size == int64(len(content)) {
		var old []byte
		old, err = e.Root.ReadFile(path, info.Size)
		if err == nil && bytes.Equal(old, content) {
			e.Own(path, attr)
			return
		}
	}
	if err != nil && !Missing(err) {
		e.Err = err
		return
	}
	e.Done(e.Root.PutFile(path, content, &attr), path, "written")
}

// Own sets mode and owner of a file or directory.
func (e *Editor) Own(path string, attr rootfs.Attr) {
	if e.Err != nil {
		return
	}
	info, err := e.Root.Stat(path)
	if err != nil {
		e.Err = err
		return
	}
	if info.UID != attr.UID || info.GID != attr.GID {
		e.Done(e.Root.Chown(path, attr.UID, attr.GID), path, fmt.Sprintf("owner %d:%d", attr.UID, attr.GID))
	}
	if e.Err == nil && info.Mode.Perm() != attr.Mode {
		e.Done(e.Root.Chmod(path, attr.Mode), path, fmt.Sprintf("mode %04o", uint32(attr.Mode)))
	}
}

// Create makes a file that does not exist.
func (e *Editor) Create(path, content string) {
	if e.Absent(e.Root.Stat, path) {
		e.Done(e.Root.WriteFile(path, []byte(content), nil), path, "created")
	}
}

// Mkdir makes a directory that does not exist, and those above it.
func (e *Editor) Mkdir(path string) {
	if e.Absent(e.Root.Stat, path) {
		e.Done(e.Root.MkdirAll(path, nil), path, "created")
	}
}

// Symlink makes a link that does not exist.
func (e *Editor) Symlink(target, path string, attr rootfs.Attr) {
	if e.Absent(e.Root.Lstat, path) {
		e.Done(e.Root.Symlink(target, path, &attr), path, "link to "+target)
	}
}

// Remove takes away a file, or a directory with all that is in it.
func (e *Editor) Remove(path string) {
	if !e.Absent(e.Root.Lstat, path) && e.Err == nil {
		e.Done(e.Root.RemoveAll(path), path, "removed")
	}
}

// List is ReadDir.
func (e *Editor) List(dir string) []rootfs.Info {
	if e.Err != nil {
		return nil
	}
	list, err := e.Root.ReadDir(dir)
	e.Err = err
	return list
}

// Copy copies a file, link or directory, and gives the copy to an owner. change may alter the
// content of a file.
func (e *Editor) Copy(info rootfs.Info, from, to string, uid, gid uint32, change func(path string, content []byte) []byte) {
	if e.Err != nil {
		return
	}
	attr := rootfs.Attr{Mode: info.Mode.Perm(), UID: uid, GID: gid}
	switch info.Mode.Type() {
	case tree.TypeDir:
		e.Mkdir(to)
		e.Own(to, attr)
		for _, child := range e.List(from) {
			e.Copy(child, from+"/"+child.Name, to+"/"+child.Name, uid, gid, change)
		}
	case tree.TypeSymlink:
		target, err := e.Root.Readlink(from)
		if err != nil {
			e.Err = err
			return
		}
		if old, err := e.Root.Readlink(to); err == nil && old == target {
			return
		}
		e.Remove(to)
		e.Symlink(target, to, attr)
	default:
		content := e.Read(from, "the seed")
		e.Put(to, change(to, content), attr)
	}
}
