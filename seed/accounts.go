package seed

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"imagetools/tree"
)

// accountFile is the form of a file with a line for each user or group, fields between colons,
// the name first: passwd(5), group(5) and shadow(5).
type accountFile struct {
	path   string
	fields int
	ids    []int // numbers of fields that hold an id
}

var (
	passwdFile = accountFile{"etc/passwd", 7, []int{2, 3}}
	groupFile  = accountFile{"etc/group", 4, []int{2}}
	shadowFile = accountFile{"etc/shadow", 9, nil}
)

// clashing are the users and groups of the platform that packages of pkgsrc make themselves,
// with other numbers.
var clashing = []string{"lp", "gdm", "mysql", "openldap", "webservd", "postgres"}

// check says what is wrong about a line.
func (f *accountFile) check(line string) error {
	fields := strings.Split(line, ":")
	if len(fields) != f.fields {
		return fmt.Errorf("%d fields, not %d", len(fields), f.fields)
	}
	if fields[0] == "" {
		return errors.New("no name")
	}
	for _, i := range f.ids {
		if id, err := strconv.ParseUint(fields[i], 10, 32); err != nil || id > tree.MaxOwner {
			return fmt.Errorf("id %q", fields[i])
		}
	}
	return nil
}

// id is the number of a good line.
func (f *accountFile) id(line string) uint64 {
	id, _ := strconv.ParseUint(strings.Split(line, ":")[2], 10, 32)
	return id
}

// nameOf is the first field of a line.
func nameOf(line string) string {
	name, _, _ := strings.Cut(line, ":")
	return name
}

// removeAccounts removes the clashing users and groups. Broken lines are kept, with a warning.
func (b *builder) removeAccounts(s *Step) error {
	for _, f := range []accountFile{passwdFile, shadowFile, groupFile} {
		lines, ok, err := b.text(f.path)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		b.warnOfLines(&f, lines)
		kept := slices.DeleteFunc(lines, func(line string) bool {
			return f.check(line) == nil && slices.Contains(clashing, nameOf(line))
		})
		if len(kept) < len(lines) {
			b.rewrite(f.path, kept)
			s.Paths = append(s.Paths, f.path)
		}
	}
	s.Did = "without " + strings.Join(clashing, ", ")
	if s.Paths == nil {
		s.Did = "nothing to do: none of " + strings.Join(clashing, ", ")
	}
	return nil
}

// maxLineWarnings is how many broken lines of a file are told one by one.
const maxLineWarnings = 20

// warnOfLines tells of broken lines.
func (b *builder) warnOfLines(f *accountFile, lines []string) {
	broken := 0
	for i, line := range lines {
		err := f.check(line)
		if err == nil {
			continue
		}
		if broken++; broken <= maxLineWarnings {
			b.warnings.Warn(f.path, fmt.Sprintf("line %d is kept as it is: %v", i+1, err))
		}
	}
	if more := broken - maxLineWarnings; more > 0 {
		b.warnings.Warn(f.path, fmt.Sprintf("so are %d more broken lines", more))
	}
}

// sortAccounts brings users and groups into the order of their numbers.
func (b *builder) sortAccounts(s *Step) error {
	for _, f := range []accountFile{passwdFile, groupFile} {
		lines, ok, err := b.text(f.path)
		if err != nil {
			return err
		}
		if ok && f.sort(lines) {
			b.rewrite(f.path, lines)
			s.Paths = append(s.Paths, f.path)
		}
	}
	s.Did = "by id"
	if s.Paths == nil {
		s.Did = "nothing to do: sorted by id"
	}
	return nil
}

// sort sorts good lines by id and tells whether that changed anything. Lines of the same id
// stay in order, since the first is what getpwuid(3) finds. Broken lines stay where they are:
// a comment at the top, an entry of NIS ("+::::") at the end.
func (f *accountFile) sort(lines []string) bool {
	var places []int
	var good []string
	for i, line := range lines {
		if f.check(line) == nil {
			places = append(places, i)
			good = append(good, line)
		}
	}
	byID := func(a, b string) int { return cmp.Compare(f.id(a), f.id(b)) }
	if slices.IsSortedFunc(good, byID) {
		return false
	}
	slices.SortStableFunc(good, byID)
	for i, line := range good {
		lines[places[i]] = line
	}
	return true
}

// editUserAttr takes the rights of the printer administrator, who is no user any more, and of
// the account admin, which no build has, out of user_attr(5).
func (b *builder) editUserAttr(s *Step) error {
	const path = "etc/user_attr"
	lines, ok, err := b.text(path)
	if err != nil || !ok {
		s.Did = "not there"
		return err
	}
	kept := slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return nameOf(line) == "lp" || nameOf(line) == "admin" })
	if len(kept) == len(lines) {
		s.Did = "nothing to do: no lp, no admin"
		return nil
	}
	b.rewrite(path, kept)
	s.Did, s.Paths = "without lp and admin", []string{path}
	return nil
}

// noPassword is what no password matches. Unlike "*LK*" it lets cron and ssh keys work.
const noPassword = "NP"

// lockRoot locks root's password, be the line broken or not: that of a build is known to
// everyone.
func (b *builder) lockRoot(s *Step) error {
	if b.opts.KeepRootPassword {
		s.Did = "kept"
		return nil
	}
	lines, ok, err := b.text(shadowFile.path)
	if err != nil {
		return err
	}
	if n := b.find(shadowFile.path); n != nil && !ok {
		return fmt.Errorf("%q: a %s, so that root's password cannot be locked", shadowFile.path, n.Mode.TypeName())
	}
	found, changed := false, false
	for i, line := range lines {
		fields := strings.Split(line, ":")
		if fields[0] != "root" {
			continue
		}
		found = true
		if len(fields) > 1 && fields[1] != noPassword {
			fields[1], changed = noPassword, true
			lines[i] = strings.Join(fields, ":")
		}
	}
	switch {
	case !found:
		s.Did = "nothing to do: no root in etc/shadow"
	case !changed:
		s.Did = "nothing to do: locked"
	default:
		b.rewrite(shadowFile.path, lines)
		s.Did, s.Paths = "locked ("+noPassword+")", []string{shadowFile.path}
	}
	return nil
}
