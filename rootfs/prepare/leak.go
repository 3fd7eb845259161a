package prepare

import (
	"path"
	"strings"
)

// Leak tells why a file had better not be in an image, empty if it may be. The path is that in
// the dataset, such as root/etc/ssh/ssh_host_rsa_key. Of what a plan takes away it knows what is
// private, by its path alone: a home is any directory, and public halves of keys are no leak.
func Leak(p string, size int64) string {
	in, inRoot := strings.CutPrefix(p, "root")
	for i := range leaks {
		l := &leaks[i]
		fits := p == l.pattern
		if inRoot && strings.HasPrefix(in, "/") {
			fits = l.fits(in)
		}
		if fits && (size > 0 || l.leak == mark) && size >= l.min {
			return l.what
		}
	}
	return ""
}

// LeakName tells whether [Leak] may have something to say of files with that name, wherever they
// are.
func LeakName(name string) bool {
	for i := range leaks {
		if leaks[i].fitsName(name) {
			return true
		}
	}
	return false
}

// leakPattern is a pattern of a rule about private files, with what makes looking fast. Only its
// last name may hold wildcards.
type leakPattern struct {
	*rule
	pattern string
	name    string // the last one
	literal string // what it begins with
}

var leaks = leakPatterns(datasetRules, everywhere, smartOSRules, linuxRules)

func leakPatterns(lists ...[]rule) (out []leakPattern) {
	for _, list := range lists {
		for i := range list {
			r := &list[i]
			if r.leak == untidy {
				continue
			}
			for _, p := range r.patterns {
				name := path.Base(p)
				literal := name
				if meta := strings.IndexAny(name, `*?[\`); meta >= 0 {
					literal = name[:meta]
				}
				out = append(out, leakPattern{r, p, name, literal})
			}
		}
	}
	return out
}

func (l *leakPattern) fitsName(name string) bool {
	if !strings.HasPrefix(name, l.literal) || strings.HasSuffix(name, ".pub") {
		return false
	}
	ok, _ := path.Match(l.name, name)
	return ok
}

// fits tells whether a path in the root, which begins with a slash, is one of the pattern's.
func (l *leakPattern) fits(in string) bool {
	dir, name := path.Split(in)
	if !l.fitsName(name) {
		return false
	}
	dir = strings.TrimSuffix(dir, "/")
	if home, ok := strings.CutPrefix(path.Dir(l.pattern), "~"); ok {
		return strings.HasSuffix(dir, home)
	}
	return dir == path.Dir(l.pattern)
}
