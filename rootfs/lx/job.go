package lx

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"imagetools/rootfs"
	"imagetools/rootfs/edit"
	"imagetools/tree"
)

// job is one run of a part. After the first error its methods do nothing.
type job struct {
	edit.Editor
	ctx   context.Context
	root  *edit.Root
	found Distribution
}

func (j *job) profile() Profile        { return j.found.Profile }
func (j *job) is(list ...Profile) bool { return slices.Contains(list, j.profile()) }

func (j *job) note(format string, args ...any) {
	if j.Err == nil {
		j.Log.Note(fmt.Sprintf(format, args...))
	}
}

// real is the path without links on the way, as far as it exists.
func (j *job) real(p string) string {
	real, err := j.Root.Real(p)
	if err == nil {
		return real
	}
	if dir := path.Dir(p); edit.Missing(err) && dir != p {
		return path.Join(j.real(dir), path.Base(p))
	}
	return p // what is done there has the error
}

// exists tells whether a path leads to something.
func (j *job) exists(p string) bool { return j.Err == nil && !j.Absent(j.Root.Stat, p) && j.Err == nil }

// named tells whether there is a name, be it a link that leads nowhere.
func (j *job) named(p string) bool { return j.Err == nil && !j.Absent(j.Root.Lstat, p) && j.Err == nil }

// dir makes a directory that does not exist, and each above it.
func (j *job) dir(p string) {
	if p == "/" || j.exists(p) || j.Err != nil {
		return
	}
	j.dir(path.Dir(p))
	j.Mkdir(j.real(p))
}

// file makes a file that has no name yet, in a directory that may have to be made.
func (j *job) file(p, content string, mode tree.Mode) {
	if !j.named(p) {
		j.own(p, content, mode)
	}
}

// own makes a file that is ours, in the place of whatever file or link is there.
func (j *job) own(p, content string, mode tree.Mode) {
	j.dir(path.Dir(p))
	j.Put(j.real(p), []byte(content), rootfs.Attr{Mode: mode})
}

// link makes a link where there is no name yet.
func (j *job) link(target, p string) {
	j.dir(path.Dir(p))
	j.Symlink(target, j.real(p), rootfs.Attr{})
}

// remove takes away a file, or a directory with all that is in it.
func (j *job) remove(p string) {
	if j.named(p) {
		j.Remove(j.real(p))
	}
}

// empty takes away all that is in a directory.
func (j *job) empty(p string) {
	if !j.named(p) {
		return
	}
	info, err := j.Root.Lstat(p)
	if err != nil || info.Mode.Type() != tree.TypeDir {
		j.Err = err
		return
	}
	for _, entry := range j.List(p) {
		j.remove(p + "/" + entry.Name)
	}
}

// text returns the start of a file, and nothing of what is none.
func (j *job) text(p string) string {
	text, err := readText(j.Root, p)
	if j.Err == nil {
		j.Err = err
	}
	return text
}

// executable has everybody execute a file.
func (j *job) executable(p string) {
	if !j.exists(p) {
		return
	}
	info, err := j.Root.Stat(p)
	if err != nil {
		j.Err = err
		return
	}
	j.Own(j.real(p), rootfs.Attr{Mode: info.Mode.Perm() | 0o111, UID: info.UID, GID: info.GID})
}

// fields are the words of a line that is no comment.
func fields(line string) []string {
	line, _, _ = strings.Cut(line, "#")
	return strings.Fields(line)
}
