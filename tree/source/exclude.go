package source

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// Excludes decides which paths of a source are left out. Its patterns are globs:
//
//   - A pattern without a slash matches the last element of a path, at any depth:
//     "*.o", "core".
//   - A pattern with a slash matches a whole path below the root of the source, whether it
//     begins with "/" or not: "var/cache/*", "/tmp".
//   - A slash at the end makes a pattern match directories only; it does not count as a
//     slash for the first two rules: ".git/".
//   - "*" matches any bytes but '/', "?" one character but '/', "[a-z]" one of a range and
//     "[!a-z]" or "[^a-z]" one outside, "\x" the character x itself.
//   - "**" matches any bytes, '/' too; "**/" any number of directories, none as well:
//     "**/test/*.c" matches test/a.c and x/y/test/a.c.
//
// A directory that matches is left out with all that lies below. The root never matches. A
// nil *Excludes leaves nothing out. Safe for concurrent use.
type Excludes struct {
	patterns []pattern
}

type pattern struct {
	text    string
	base    bool // matches the last element
	dirOnly bool
	glob    glob
	used    *atomic.Bool
}

// NewExcludes compiles patterns. Every malformed one is reported.
func NewExcludes(patterns []string) (*Excludes, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	e := &Excludes{}
	var faults []error
	for _, text := range patterns {
		p := pattern{text: text, used: new(atomic.Bool)}
		rest, dir := strings.CutSuffix(text, "/")
		p.dirOnly = dir
		p.base = !strings.Contains(rest, "/")
		rest = strings.TrimPrefix(strings.TrimPrefix(rest, "."+"/"), "/")
		g, err := compile(rest)
		if err == nil && rest == "" {
			err = errors.New("empty")
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("exclude %q: %w", text, err))
			continue
		}
		p.glob = g
		e.patterns = append(e.patterns, p)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return e, nil
}

// Match reports whether path itself, not a directory above it, matches a pattern.
func (e *Excludes) Match(path string, isDir bool) bool {
	if e == nil {
		return false
	}
	found := false
	for i := range e.patterns {
		p := &e.patterns[i]
		if p.dirOnly && !isDir {
			continue
		}
		s := path
		if p.base {
			s = path[strings.LastIndexByte(path, '/')+1:]
		}
		if p.glob.match(s) {
			p.used.Store(true) // of every pattern that matches, hence no early return
			found = true
		}
	}
	return found
}

// Covers reports whether path or a directory above it matches a pattern.
func (e *Excludes) Covers(path string, isDir bool) bool {
	if e == nil {
		return false
	}
	found := false
	for i := range e.patterns {
		if p := &e.patterns[i]; p.covers(path, isDir) {
			p.used.Store(true)
			found = true
		}
	}
	return found
}

// covers reports whether the pattern matches path or a directory above it, in one pass over it.
func (p *pattern) covers(path string, isDir bool) bool {
	if !p.base {
		return p.glob.matchTo(path, func(end int) bool {
			return end < len(path) && path[end] == '/' || end == len(path) && (isDir || !p.dirOnly)
		})
	}
	for rest, more := path, true; more; {
		var name string
		name, rest, more = strings.Cut(rest, "/")
		if (more || isDir || !p.dirOnly) && p.glob.match(name) {
			return true
		}
	}
	return false
}

// Unused are the patterns that have matched nothing so far.
func (e *Excludes) Unused() []string {
	if e == nil {
		return nil
	}
	var unused []string
	for _, p := range e.patterns {
		if !p.used.Load() {
			unused = append(unused, p.text)
		}
	}
	return unused
}

// NoteUnused puts the patterns that matched nothing into the report.
func (e *Excludes) NoteUnused(r *Report) {
	for _, p := range e.Unused() {
		r.Note("exclude %q matched nothing", p)
	}
}

// A glob is a compiled pattern.
type glob []token

type token struct {
	kind  tokenKind
	lit   string // of tokLiteral
	class []rang // of tokClass
	not   bool   // of tokClass
}

type tokenKind uint8

const (
	tokLiteral tokenKind = iota
	tokOne               // ?
	tokClass             // [...]
	tokStar              // *
	tokDeep              // **
	tokDirs              // **/ at the start of an element
)

type rang struct{ lo, hi rune }

func compile(s string) (glob, error) {
	var g glob
	var lit []byte
	flush := func() {
		if len(lit) > 0 {
			g = append(g, token{kind: tokLiteral, lit: string(lit)})
			lit = nil
		}
	}
	for i := 0; i < len(s); {
		switch c := s[i]; c {
		case '\\':
			if i+1 == len(s) {
				return nil, errors.New(`ends in a backslash`)
			}
			lit = append(lit, s[i+1])
			i += 2
		case '?':
			flush()
			g = append(g, token{kind: tokOne})
			i++
		case '*':
			atStart := i == 0 || s[i-1] == '/'
			flush()
			n := i
			for n < len(s) && s[n] == '*' {
				n++
			}
			switch {
			case n-i == 1:
				g = append(g, token{kind: tokStar})
			case atStart && n < len(s) && s[n] == '/':
				g = append(g, token{kind: tokDirs})
				n++
			default:
				g = append(g, token{kind: tokDeep})
			}
			i = n
		case '[':
			flush()
			t, n, err := compileClass(s[i:])
			if err != nil {
				return nil, err
			}
			g = append(g, t)
			i += n
		default:
			lit = append(lit, c)
			i++
		}
	}
	flush()
	return g, nil
}

// compileClass reads a class from the start of s and returns its length.
func compileClass(s string) (token, int, error) {
	t := token{kind: tokClass}
	i := 1
	if i < len(s) && (s[i] == '!' || s[i] == '^') {
		t.not = true
		i++
	}
	char := func() (rune, bool) {
		if i < len(s) && s[i] == '\\' {
			i++
		}
		if i >= len(s) {
			return 0, false
		}
		r, n := decode(s[i:])
		i += n
		return r, true
	}
	for first := true; ; first = false {
		if i >= len(s) {
			return t, 0, errors.New("a '[' without its ']'")
		}
		if s[i] == ']' && !first {
			return t, i + 1, nil
		}
		lo, ok := char()
		hi := lo
		if ok && i+1 < len(s) && s[i] == '-' && s[i+1] != ']' {
			i++
			hi, ok = char()
		}
		if !ok {
			return t, 0, errors.New("a '[' without its ']'")
		}
		if hi < lo {
			return t, 0, fmt.Errorf("range %q-%q is empty", lo, hi)
		}
		t.class = append(t.class, rang{lo, hi})
	}
}

// decode is utf8.DecodeRuneInString, with a byte that is no UTF-8 as a rune of its own
// above all others, since names need not be UTF-8.
func decode(s string) (rune, int) {
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && n <= 1 {
		return utf8.MaxRune + 1 + rune(s[0]), 1
	}
	return r, n
}

// match reports whether the glob matches all of s.
func (g glob) match(s string) bool {
	return g.matchTo(s, func(end int) bool { return end == len(s) })
}

// matchTo reports whether the glob matches the start of s to an end that is one. When an element fails, it goes back to
// the last "*", and if that cannot grow, to the last "**": what an earlier one of the same
// kind could still reach, the last one can reach too.
func (g glob) matchTo(s string, isEnd func(end int) bool) bool {
	type mark struct{ tok, pos int }
	star, deep := mark{tok: -1}, mark{tok: -1}
	tok, pos := 0, 0
	for {
		if tok == len(g) {
			if isEnd(pos) {
				return true
			}
		} else {
			switch t := &g[tok]; t.kind {
			case tokStar:
				star = mark{tok, pos}
				tok++
				continue
			case tokDeep, tokDirs:
				deep, star = mark{tok, pos}, mark{tok: -1}
				tok++
				continue
			case tokLiteral:
				if strings.HasPrefix(s[pos:], t.lit) {
					tok++
					pos += len(t.lit)
					continue
				}
			default:
				if pos < len(s) && s[pos] != '/' {
					if r, n := decode(s[pos:]); t.kind == tokOne || t.has(r) {
						tok++
						pos += n
						continue
					}
				}
			}
		}
		switch {
		case star.tok >= 0 && star.pos < len(s) && s[star.pos] != '/':
			star.pos++
			tok, pos = star.tok+1, star.pos
		case deep.tok >= 0 && deep.pos < len(s):
			if g[deep.tok].kind == tokDirs {
				i := strings.IndexByte(s[deep.pos:], '/')
				if i < 0 {
					return false
				}
				deep.pos += i + 1
			} else {
				deep.pos++
			}
			star = mark{tok: -1}
			tok, pos = deep.tok+1, deep.pos
		default:
			return false
		}
	}
}

func (t *token) has(r rune) bool {
	for _, c := range t.class {
		if c.lo <= r && r <= c.hi {
			return !t.not
		}
	}
	return t.not
}
