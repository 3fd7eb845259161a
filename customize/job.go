package customize

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"imagetools/base"
	"imagetools/internal/lines"
	"imagetools/rootfs"
	"imagetools/tree"
	"imagetools/tree/source"
)

// job is one run of a step. After the first error its methods do nothing.
type job struct {
	root    *rootfs.FS
	img     *base.Image
	opts    Options
	changes []Change
	err     error
}

func (j *job) noZone() bool                { return !j.opts.Zone }
func (j *job) installed(pkg string) bool   { return slices.Contains(j.opts.Packages, pkg) }
func (j *job) variable(name string) string { return j.img.Variables[name] }
func (j *job) prefix() string              { return j.variable("IMAGE_PREFIX") }
func (j *job) sysconf(path string) string  { return j.variable("IMAGE_SYSCONFDIR") + "/" + path }

// missing tells whether err says that a path does not exist.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, tree.ErrNotDir) }

// done notes what was changed, or that it was not.
func (j *job) done(err error, path, text string) {
	if j.err = err; err == nil {
		j.changes = append(j.changes, Change{path, text})
	}
}

// absent tells whether path is to be made: whether look, which is Stat or Lstat, does not find
// it.
func (j *job) absent(look func(string) (rootfs.Info, error), path string) bool {
	if j.err != nil {
		return false
	}
	_, err := look(path)
	if !missing(err) {
		j.err = err
		return false
	}
	return true
}

// maxFile bounds the files that are edited; the largest of a seed has 30 KiB.
const maxFile = 8 << 20

const seed = "the seed"

// read returns a file that must exist: owner, such as "the seed", brings it.
func (j *job) read(path, owner string) []byte {
	if j.err != nil {
		return nil
	}
	data, err := j.root.ReadFile(path, maxFile)
	if missing(err) {
		err = source.WithHint(fmt.Errorf("edit %q: %w", path, fs.ErrNotExist), owner+" should have brought it")
	}
	j.err = err
	return data
}

// edit changes the lines of a file that must exist.
func (j *job) edit(path, owner string, change func(*lines.Text)) {
	before := j.read(path, owner)
	if j.err != nil {
		return
	}
	text := lines.Parse(before)
	change(text)
	if after := text.Bytes(); j.err == nil && !bytes.Equal(before, after) {
		j.done(j.root.WriteFile(path, after, nil), path, summary(text.Changes()))
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

// put makes path a file of that content, in the place of whatever file or link is there.
func (j *job) put(path string, content []byte, attr rootfs.Attr) {
	if j.err != nil {
		return
	}
	info, err := j.root.Lstat(path)
	if err == nil && info.Mode.Type() == tree.TypeFile && info.Size == int64(len(content)) {
		var old []byte
		old, err = j.root.ReadFile(path, info.Size)
		if err == nil && bytes.Equal(old, content) {
			j.own(path, attr)
			return
		}
	}
	if err != nil && !missing(err) {
		j.err = err
		return
	}
	j.done(j.root.PutFile(path, content, &attr), path, "written")
}

// own sets mode and owner of a file or directory.
func (j *job) own(path string, attr rootfs.Attr) {
	if j.err != nil {
		return
	}
	info, err := j.root.Stat(path)
	if err != nil {
		j.err = err
		return
	}
	if info.UID != attr.UID || info.GID != attr.GID {
		j.done(j.root.Chown(path, attr.UID, attr.GID), path, fmt.Sprintf("owner %d:%d", attr.UID, attr.GID))
	}
	if j.err == nil && info.Mode.Perm() != attr.Mode {
		j.done(j.root.Chmod(path, attr.Mode), path, fmt.Sprintf("mode %04o", uint32(attr.Mode)))
	}
}

// create makes a file that does not exist.
func (j *job) create(path, content string) {
	if j.absent(j.root.Stat, path) {
		j.done(j.root.WriteFile(path, []byte(content), nil), path, "created")
	}
}

// mkdir makes a directory that does not exist, and those above it.
func (j *job) mkdir(path string) {
	if j.absent(j.root.Stat, path) {
		j.done(j.root.MkdirAll(path, nil), path, "created")
	}
}

// symlink makes a link that does not exist.
func (j *job) symlink(target, path string, attr rootfs.Attr) {
	if j.absent(j.root.Lstat, path) {
		j.done(j.root.Symlink(target, path, &attr), path, "link to "+target)
	}
}

// remove takes away a file, or a directory with all that is in it.
func (j *job) remove(path string) {
	if !j.absent(j.root.Lstat, path) && j.err == nil {
		j.done(j.root.RemoveAll(path), path, "removed")
	}
}

// list is ReadDir.
func (j *job) list(dir string) []rootfs.Info {
	if j.err != nil {
		return nil
	}
	list, err := j.root.ReadDir(dir)
	j.err = err
	return list
}

// copy copies a file, link or directory, and gives the copy to an owner. change may alter the
// content of a file.
func (j *job) copy(info rootfs.Info, from, to string, uid, gid uint32, change func(path string, content []byte) []byte) {
	if j.err != nil {
		return
	}
	attr := rootfs.Attr{Mode: info.Mode.Perm(), UID: uid, GID: gid}
	switch info.Mode.Type() {
	case tree.TypeDir:
		j.mkdir(to)
		j.own(to, attr)
		for _, child := range j.list(from) {
			j.copy(child, from+"/"+child.Name, to+"/"+child.Name, uid, gid, change)
		}
	case tree.TypeSymlink:
		target, err := j.root.Readlink(from)
		if err != nil {
			j.err = err
			return
		}
		if old, err := j.root.Readlink(to); err == nil && old == target {
			return
		}
		j.remove(to)
		j.symlink(target, to, attr)
	default:
		content := j.read(from, seed)
		j.put(to, change(to, content), attr)
	}
}
