package seed

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"imagetools/tree"
	"imagetools/tree/source"
)

// copyProto takes etc and var of the build as they are.
func (b *builder) copyProto(s *Step) error {
	l := &layer{}
	if err := errors.Join(l.lay(b.root, b.build.proto.Root, ""), l.conflicts.Err()); err != nil {
		return err
	}
	b.root.ModTime = b.time
	s.Did = fmt.Sprintf("%q: %d names of etc, %d of var", b.opts.Places.Proto, count(b.find("etc")), count(b.find("var")))
	return nil
}

// count is the number of names below a directory.
func count(dir *tree.Node) int {
	n := len(dir.Entries())
	for _, e := range dir.Entries() {
		n += count(e.Node)
	}
	return n
}

// layOverlay puts the overlay's etc over that of proto.
func (b *builder) layOverlay(s *Step) error {
	s.Did = "none"
	if b.build.overlay != nil {
		l := &layer{}
		if err := errors.Join(l.lay(b.root, b.build.overlay.Root, ""), l.conflicts.Err()); err != nil {
			return err
		}
		b.warnOfLinks(l.sorted())
		s.Did = fmt.Sprintf("%q: %d new names of etc, %d in place of others", b.opts.Places.Overlay, l.added, len(l.replaced))
		s.Paths = l.replaced
	}
	// Users that are removed later own files all the same, and the names of passwd and group are
	// read when the first is asked for: so now is the time to ask.
	b.names = source.NewNames(b.tree)
	_, err := b.names.User("root")
	if err == nil {
		_, err = b.names.Group("root")
	}
	return err
}

// warnOfLinks tells of links that directories took the place of.
func (b *builder) warnOfLinks(l *layer) {
	for _, path := range l.forLinks {
		b.warnings.Warn(path, "was a link; a directory replaces it, and where it led nothing is written")
	}
}

// makeDirectories adds what every zone needs and no build has in etc or var.
func (b *builder) makeDirectories(s *Step) error {
	for _, d := range []struct {
		path string
		mode tree.Mode
	}{{"home", 0o755}, {"root", 0o755}, {"var/ssh", 0o755}, {"tmp", 0o1777}} {
		if b.find(d.path) == nil {
			s.Paths = append(s.Paths, d.path)
		}
		dir, err := b.mkdirAll(d.path)
		if err != nil {
			return err
		}
		dir.Mode = dir.Mode.Type() | d.mode
	}
	s.Did = "made, and bin -> " + binTarget
	return b.add(b.root, "bin", &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: binTarget})
}

const binTarget = "./usr/bin"

// unpackBootstrap lays the tar over the seed. Directories that are there keep owner and mode.
func (b *builder) unpackBootstrap(s *Step) error {
	l := &layer{keepDirs: true, changed: b.time}
	if err := errors.Join(l.lay(b.root, b.opts.Bootstrap.Root, ""), l.conflicts.Err()); err != nil {
		return err
	}
	b.warnOfLinks(l.sorted())
	s.Did = fmt.Sprintf("%s: %d new names, %d in place of others", b.opts.BootstrapName, l.added, len(l.replaced))
	s.Paths = l.replaced
	return nil
}

// removeScripts removes the scripts of run level 2: services do what they did.
func (b *builder) removeScripts(s *Step) error {
	var scripts []string
	if dir := b.find("etc/rc2.d"); dir != nil {
		for _, e := range dir.Entries() {
			if strings.HasPrefix(e.Name, "S") {
				scripts = append(scripts, "etc/rc2.d/"+e.Name)
			}
		}
	}
	slices.Sort(scripts)
	return b.removePaths(s, scripts...)
}

// removeIssue removes the text that the platform shows before a login.
func (b *builder) removeIssue(s *Step) error {
	return b.removePaths(s, "etc/issue")
}

// removeCrontab removes root's crontab, which is for a head node.
func (b *builder) removeCrontab(s *Step) error {
	return b.removePaths(s, "etc/cron.d/crontabs/root")
}

// removePaths removes those paths that are there and are no directories.
func (b *builder) removePaths(s *Step, paths ...string) error {
	for _, path := range paths {
		if n := b.find(path); n == nil || n.IsDir() {
			continue
		}
		i := strings.LastIndexByte(path, '/')
		dir := b.find(path[:i])
		if err := dir.Remove(path[i+1:]); err != nil {
			return err
		}
		dir.ModTime = b.time
		s.Paths = append(s.Paths, path)
	}
	s.Did = "removed"
	if s.Paths == nil {
		s.Did = "not there"
	}
	return nil
}

// addRepository puts the SMF repository where svc.configd and vmadm look for it. illumos gives
// it mode 0600; the classic seeds have 0444, and svc.configd, as root, writes to both.
func (b *builder) addRepository(s *Step) error {
	s.Did = fmt.Sprintf("%d KiB", (len(b.opts.Repository)+1023)>>10)
	if b.opts.RepositoryNote != "" {
		s.Did += ", " + b.opts.RepositoryNote
	}
	s.Paths = []string{"etc/svc/repository.db"}
	return b.put("etc/svc/repository.db", 0o444, b.opts.Repository)
}
