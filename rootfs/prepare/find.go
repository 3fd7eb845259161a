package prepare

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"imagetools/fault"

	"imagetools/rootfs"
	"imagetools/tree"
)

// finder makes a plan.
type finder struct {
	ctx   context.Context
	root  *rootfs.FS
	opts  Options
	fs    *rootfs.FS // that the rules are about: root or the dataset
	homes []string

	plan    Plan
	claimed map[string]bool // paths that a rule has decided on
	faults  fault.Faults
}

func (f *finder) fault(path string, err error) {
	if err != nil {
		f.faults.Add(path, err)
	}
}

func (f *finder) note(format string, args ...any) {
	f.plan.Notes = append(f.plan.Notes, fmt.Sprintf(format, args...))
}

// change plans a change.
func (f *finder) change(path string, action Action, what string, do func(*rootfs.FS, string) (bool, error)) {
	f.plan.Changes = append(f.plan.Changes, Change{path, action, what, f.fs, do})
}

// claim decides on a path, and tells whether it was still to be decided on.
func (f *finder) claim(path string) bool {
	if f.claimed[path] {
		return false
	}
	f.claimed[path] = true
	return true
}

// isClaimed tells whether a path, or a directory above it, is decided on.
func (f *finder) isClaimed(p string) bool {
	for ; len(p) > 1; p = path.Dir(p) {
		if f.claimed[p] {
			return true
		}
	}
	return false
}

func (f *finder) rules(list []rule) {
	for i := range list {
		for _, pattern := range list[i].patterns {
			if f.ctx.Err() != nil {
				return
			}
			f.rule(&list[i], pattern)
		}
	}
}

func (f *finder) rule(r *rule, pattern string) {
	if inHome, ok := strings.CutPrefix(pattern, "~"); ok {
		for _, home := range f.homes {
			f.rule(r, quote(home)+inHome)
		}
		return
	}
	if top, name, ok := strings.Cut(pattern, "/**"); ok {
		for _, dir := range f.glob(top) {
			f.below(r, dir, strings.TrimPrefix(name, "/"))
		}
		return
	}
	if r.action == Create {
		f.create(r, pattern)
		return
	}
	whole := strings.HasSuffix(pattern, "/")
	for _, p := range f.glob(pattern) {
		if f.fs != f.root {
			p = strings.TrimPrefix(p, "/")
		}
		if whole {
			if f.claim(p) {
				f.change(p, Remove, r.what, removeAll)
			}
			continue
		}
		info, err := f.fs.Lstat(p)
		f.fault(p, err)
		if err == nil {
			f.file(r, p, info)
		}
	}
}

func (f *finder) glob(pattern string) []string {
	paths, err := f.fs.Glob(pattern)
	f.fault(pattern, err)
	return paths
}

// quote makes a pattern of a path.
func quote(p string) string {
	return strings.TrimSuffix(strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(p), "/")
}

// below looks at the files below a directory that have a name, or any.
func (f *finder) below(r *rule, top, name string) {
	if info, err := f.fs.Stat(top); err != nil || info.Mode.Type() != tree.TypeDir {
		if !missing(err) {
			f.fault(top, err)
		}
		return
	}
	err := f.fs.Walk(top+"/", func(p string, info rootfs.Info) error {
		if err := f.ctx.Err(); err != nil {
			return err
		}
		if name != "" {
			if ok, err := path.Match(name, path.Base(p)); !ok || err != nil {
				return err
			}
		}
		f.file(r, p, info)
		return nil
	})
	f.fault(top, err)
}

// file plans what a rule says for a file. Directories, links and devices stay.
func (f *finder) file(r *rule, p string, info rootfs.Info) {
	kind := info.Mode.Type()
	switch {
	case f.isClaimed(p):
	case kind == tree.TypeSymlink && r.leak != untidy:
		f.noteLink(p, r.what)
	case kind == tree.TypeFile && info.Size < r.min:
	case r.action == Empty && kind == tree.TypeFile:
		f.claim(p)
		if info.Size > 0 {
			f.change(p, Empty, r.what, empty)
		}
	case r.action == Remove && (kind == tree.TypeFile || kind == tree.TypeFIFO || kind == tree.TypeSocket):
		f.claim(p)
		f.change(p, Remove, r.what, remove)
	}
}

// noteLink tells of a link in the place of a private file, unless it leads to none.
func (f *finder) noteLink(p, what string) {
	info, err := f.fs.Stat(p)
	if err != nil || info.Mode.Type() != tree.TypeFile || info.Size == 0 || !f.claim(p) {
		return
	}
	target, err := f.fs.Readlink(p)
	f.fault(p, err)
	f.note("%q may lead to %s; it is a link to %q, and both stay", p, what, target)
}

// create plans that a file is there, and empty, if its directory is.
func (f *finder) create(r *rule, p string) {
	info, err := f.fs.Stat(p)
	switch {
	case err == nil:
		f.claim(p)
		if info.Mode.Type() == tree.TypeFile && info.Size > 0 {
			f.change(p, Empty, r.what, empty)
		}
	case !missing(err):
		f.fault(p, err)
	default:
		if dir, err := f.fs.Stat(path.Dir(p)); err != nil || dir.Mode.Type() != tree.TypeDir {
			return
		}
		if _, err := f.fs.Lstat(p); err == nil {
			return // a link that leads nowhere
		}
		f.claim(p)
		f.change(p, Create, r.what+", which is to be there", makeFile(r.attr))
	}
}

// edit plans the rewriting of a file, if edit changes it.
func (f *finder) edit(p, what string, edit func([]byte) []byte) {
	old, err := f.fs.ReadFile(p, maxFile)
	if missing(err) {
		return
	}
	if err != nil {
		f.fault(p, err)
		return
	}
	if !slices.Equal(old, edit(old)) {
		f.change(p, Rewrite, what, rewrite(edit))
	}
}

// findHomes lists the homes of all users: each directory once, by its real path.
func (f *finder) findHomes() []string {
	homes := []string{"/root"}
	for _, pattern := range []string{"/home/*", "/export/home/*"} {
		homes = append(homes, f.glob(pattern)...)
	}
	homes = append(homes, f.usersHomes()...)
	links := f.fs.Resolver()
	var list []string
	for _, home := range homes {
		dir, err := links.Dir(home)
		if err == nil {
			list = append(list, dir)
		} else if !missing(err) {
			f.fault(home, err)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// usersHomes are the homes that /etc/passwd names.
func (f *finder) usersHomes() (homes []string) {
	text, err := optional(f.fs, "/etc/passwd")
	f.fault("/etc/passwd", err)
	for line := range strings.Lines(text) {
		if fields := strings.Split(strings.TrimSpace(line), ":"); len(fields) == 7 && path.IsAbs(fields[5]) {
			homes = append(homes, path.Clean(fields[5]))
		}
	}
	return homes
}

// noteKeys tells who can log in to all zones made from the image: those whose keys it holds.
func (f *finder) noteKeys() {
	for _, home := range f.homes {
		p := path.Join(home, ".ssh/authorized_keys")
		info, err := f.fs.Stat(p)
		if err == nil && info.Mode.Type() == tree.TypeFile && info.Size > 0 {
			f.note("%q stays: who has the keys in it can log in to all zones made from the image", p)
		} else if !missing(err) {
			f.fault(p, err)
		}
	}
}
