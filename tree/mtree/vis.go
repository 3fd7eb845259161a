package mtree

import (
	"errors"
	"fmt"
	"strings"
)

// unvis decodes what vis(3) encodes: octal (\040), C (\n), caret (\^A) and meta (\M-a)
// escapes, and hexadecimal ones (\x20).
func unvis(s string) (string, error) {
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return strings.Clone(s), nil // s is a part of a line, which may be long
	}
	out := append(make([]byte, 0, len(s)), s[:i]...)
	for i < len(s) {
		if s[i] != '\\' {
			out = append(out, s[i])
			i++
			continue
		}
		c, n, err := unescape(s[i:])
		if err != nil {
			return "", err
		}
		if c >= 0 {
			out = append(out, byte(c))
		}
		i += n
	}
	return string(out), nil
}

var cEscapes = map[byte]int{
	'n': '\n', 'r': '\r', 'b': '\b', 'a': 7, 'v': '\v', 't': '\t', 'f': '\f', 's': ' ', 'E': 033,
}

// unescape decodes the escape at the start of s: the byte, or -1 for none, and its length.
func unescape(s string) (c, n int, err error) {
	bad := func(n int) (int, int, error) {
		return 0, 0, fmt.Errorf("bad escape %q", s[:min(n, len(s))])
	}
	if len(s) < 2 {
		return 0, 0, errors.New("a backslash at the end")
	}
	at := func(i int) byte {
		if i < len(s) {
			return s[i]
		}
		return 0
	}
	switch c := s[1]; {
	case c >= '0' && c <= '7':
		v, i := 0, 1
		for i < 4 && at(i) >= '0' && at(i) <= '7' {
			v = v<<3 | int(at(i)-'0')
			i++
		}
		if v > 255 {
			return bad(i)
		}
		return v, i, nil
	case c == 'x':
		v, i := 0, 2
		for i < 4 {
			d := strings.IndexByte("0123456789abcdef", at(i)|0x20)
			if at(i) == 0 || d < 0 || at(i) < '0' {
				break
			}
			v = v<<4 | d
			i++
		}
		if i == 2 {
			return bad(3)
		}
		return v, i, nil
	case c == '^' && len(s) > 2:
		return control(s[2]), 3, nil
	case c == 'M' && at(2) == '-' && len(s) > 3:
		return 0x80 | int(s[3]), 4, nil
	case c == 'M' && at(2) == '^' && len(s) > 3:
		return 0x80 | control(s[3]), 4, nil
	case c == '^' || c == 'M':
		return bad(4)
	case c == '$':
		return -1, 2, nil // VIS hides nothing here
	case cEscapes[c] != 0:
		return cEscapes[c], 2, nil
	case c > ' ' && c < 0x7f:
		return int(c), 2, nil
	}
	return bad(2)
}

func control(c byte) int {
	if c == '?' {
		return 0x7f
	}
	return int(c & 0x1f)
}

// appendVis encodes s so that it is one word and no comment (VIS_OCTAL, VIS_WHITE and
// VIS_GLOB of vis(3)); extra are further bytes to encode.
func appendVis(dst []byte, s, extra string) []byte {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`\#*?[`, c) >= 0 || strings.IndexByte(extra, c) >= 0 {
			dst = append(dst, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
			continue
		}
		dst = append(dst, c)
	}
	return dst
}
