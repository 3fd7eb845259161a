package seed

import (
	"regexp"
)

// i386Test finds the command /bin/i386, which builds until 2015 ask for the processor. No zone
// has it.
var i386Test = regexp.MustCompile("(^|[\\s;&|!({`])/bin/i386($|[\\s;&|)}`])")

// uname is the question in a form that works everywhere.
const uname = "[ \"`uname -p`\" = i386 ]"

// editProfile rewrites that command in /etc/profile.
func (b *builder) editProfile(s *Step) error {
	const path = "etc/profile"
	lines, ok, err := b.text(path)
	if err != nil || !ok {
		s.Did = "not there"
		return err
	}
	edits := 0
	for i, line := range lines {
		if i386Test.MatchString(line) {
			lines[i] = i386Test.ReplaceAllString(line, "${1}"+uname+"${2}")
			edits++
		}
	}
	if edits == 0 {
		s.Did = "nothing to do: no line runs /bin/i386"
		return nil
	}
	b.rewrite(path, lines)
	s.Did, s.Paths = "asks uname -p where it ran /bin/i386", []string{path}
	return nil
}
