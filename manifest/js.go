// SPDX-License-Identifier: MIT

package manifest

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The functions here give decoded JSON the meaning it has as a JavaScript value, because the rules
// of imgmanifest are written in JavaScript and lean on its conversions (ECMA-262, section 7.1).
// Values are nil, bool, string, json.Number, []any and map[string]any.

// errThrow stands for the TypeError of an object that hides its own toString or valueOf.
var errThrow = errors.New("object cannot be converted")

// objectMembers are the names every JavaScript object answers to. A look-up in an object literal
// finds them, so imgmanifest accepts them as type and os.
var objectMembers = []string{
	"__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__", "__proto__",
	"constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString",
	"toString", "valueOf",
}

func number(n json.Number) float64 {
	f, _ := strconv.ParseFloat(string(n), 64) // out of range: ±Inf, as in JavaScript
	return f
}

// truthy is ToBoolean.
func truthy(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case json.Number:
		return number(v) != 0
	}
	return true
}

// isObject reports typeof v === "object", which is true for null and arrays.
func isObject(v any) bool {
	switch v.(type) {
	case nil, []any, map[string]any:
		return true
	}
	return false
}

// toString is ToString.
func toString(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "null", nil
	case bool:
		return strconv.FormatBool(v), nil
	case string:
		return v, nil
	case json.Number:
		return formatNumber(number(v)), nil
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			if e == nil {
				continue
			}
			s, err := toString(e)
			if err != nil {
				return "", err
			}
			parts[i] = s
		}
		return strings.Join(parts, ","), nil
	case map[string]any:
		// A toString member is no function, and the inherited valueOf gives the object back.
		if _, ok := v["toString"]; ok {
			return "", errThrow
		}
		return "[object Object]", nil
	}
	panic("manifest: internal error: value is not decoded JSON")
}

// toNumber is ToNumber.
func toNumber(v any) (float64, error) {
	switch v := v.(type) {
	case nil:
		return 0, nil
	case bool:
		if v {
			return 1, nil
		}
		return 0, nil
	case json.Number:
		return number(v), nil
	}
	s, err := toString(v)
	if err != nil {
		return 0, err
	}
	return stringToNumber(s), nil
}

// stringToNumber is StringToNumber: blanks around it are dropped, nothing is zero, and what is no
// number is NaN.
func stringToNumber(s string) float64 {
	s = strings.TrimFunc(s, func(r rune) bool {
		switch r {
		case '\t', '\n', '\v', '\f', '\r', ' ', 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0xfeff:
			return true
		}
		return r >= 0x2000 && r <= 0x200a
	})
	if s == "" {
		return 0
	}
	if len(s) > 2 && s[0] == '0' {
		base := map[byte]float64{'x': 16, 'X': 16, 'o': 8, 'O': 8, 'b': 2, 'B': 2}[s[1]]
		if base != 0 {
			return digits(s[2:], base)
		}
	}
	switch strings.TrimLeft(s, "+-") {
	case "Infinity":
		if len(s) > len("Infinity")+1 {
			return math.NaN() // two signs
		}
		if s[0] == '-' {
			return math.Inf(-1)
		}
		return math.Inf(1)
	}
	for _, c := range s {
		// Leaves out what only Go reads as a number: underscores, hex floats, "inf", "nan".
		if (c < '0' || c > '9') && !strings.ContainsRune("+-.eE", c) {
			return math.NaN()
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return math.NaN()
	}
	return f
}

func digits(s string, base float64) float64 {
	f := 0.0
	for _, c := range []byte(strings.ToLower(s)) {
		i := strings.IndexByte("0123456789abcdef", c)
		if i < 0 || float64(i) >= base {
			return math.NaN()
		}
		f = f*base + float64(i)
	}
	return f
}

// formatNumber is Number::toString for base 10: the shortest digits that give f back, plain
// from 1e-6 up to 1e21.
func formatNumber(f float64) string {
	switch {
	case f == 0:
		return "0"
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 0):
		return strings.TrimPrefix(strconv.FormatFloat(f, 'f', -1, 64), "+") + "inity"
	}
	if a := math.Abs(f); a >= 1e-6 && a < 1e21 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	s := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, exp, _ := strings.Cut(s, "e")
	return mantissa + "e" + exp[:1] + strings.TrimLeft(exp[1:], "0")
}

// isWhole reports whether f is a finite whole number of any sign.
func isWhole(f float64) bool {
	return !math.IsInf(f, 0) && f == math.Trunc(f) // NaN differs from itself
}

// units counts the UTF-16 code units of s, which is what JavaScript calls its length.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// longerThan is v.length > limit. It fails for null, which has no properties at all.
func longerThan(v any, limit int) (bool, error) {
	switch v := v.(type) {
	case nil:
		return false, errThrow
	case string:
		return units(v) > limit, nil
	case []any:
		return len(v) > limit, nil
	case map[string]any:
		length, ok := v["length"]
		if !ok {
			return false, nil
		}
		// ToPrimitive with the hint number asks valueOf before toString; a valueOf member that
		// is no function is passed over.
		f, err := toNumber(length)
		return f > float64(limit), err
	}
	return false, nil
}

// stringifiedLen is JSON.stringify(v).length.
func stringifiedLen(v any) int {
	switch v := v.(type) {
	case nil:
		return len("null")
	case bool:
		return len(strconv.FormatBool(v))
	case json.Number:
		f := number(v)
		if math.IsInf(f, 0) {
			return len("null")
		}
		return len(formatNumber(f))
	case string:
		n := 2
		for _, r := range v {
			switch {
			case strings.ContainsRune("\"\\\b\f\n\r\t", r):
				n += 2
			case r < ' ':
				n += len(`\u0000`)
			default:
				n += utf16.RuneLen(r)
			}
		}
		return n
	case []any:
		n := 2 + max(0, len(v)-1)
		for _, e := range v {
			n += stringifiedLen(e)
		}
		return n
	case map[string]any:
		n := 2 + max(0, len(v)-1)
		for k, e := range v {
			n += stringifiedLen(k) + 1 + stringifiedLen(e)
		}
		return n
	}
	panic("manifest: internal error: value is not decoded JSON")
}

// urlScheme returns the scheme, with its colon and in lower case, that Node's url.parse sees in s;
// "" for none. It fails where url.parse throws: user information with a broken percent escape,
// and a host with a stray square bracket.
func urlScheme(s string) (string, error) {
	s = strings.TrimFunc(s, func(r rune) bool { return r < 33 || r == 0xa0 || r == 0xfeff })
	if i := strings.IndexAny(s, "?#"); i < 0 {
		s = strings.ReplaceAll(s, `\`, "/")
	} else {
		s = strings.ReplaceAll(s[:i], `\`, "/") + s[i:]
	}
	colon := strings.IndexByte(s, ':')
	if colon < 1 || strings.ContainsFunc(s[:colon], notSchemeChar) {
		return "", nil
	}
	given := s[:colon+1]
	scheme, rest := strings.ToLower(given), s[colon+1:]
	if scheme != "http:" && scheme != "https:" {
		return scheme, nil // refused whatever follows
	}
	after, slashes := strings.CutPrefix(rest, "//")
	if !slashes && given == scheme {
		return scheme, nil // no host; a scheme in capitals has one even without slashes
	}
	return scheme, checkAuthority(after)
}

func notSchemeChar(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return !strings.ContainsRune(".+-", r)
}

// checkAuthority takes what follows the two slashes of a URL.
func checkAuthority(s string) error {
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		s = s[:i]
	}
	s = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(s)
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		if !decodable(s[:at]) {
			return errThrow
		}
		s = s[at+1:]
	}
	if i := strings.IndexAny(s, " \"%';<>\\^`{|}"); i >= 0 {
		s = s[:i]
	}
	host := s
	if i := strings.LastIndexByte(s, ':'); i >= 0 && strings.Trim(s[i+1:], "0123456789") == "" {
		host = s[:i] // a port, which may be empty
	}
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		if units(host) <= maxHostUnits && strings.ContainsAny(host, "\x00@") {
			return errThrow
		}
		return nil
	}
	host, _, _ = strings.Cut(host, ":")
	if units(host) <= maxHostUnits && strings.ContainsAny(host, "[]") {
		return errThrow
	}
	return nil
}

// url.parse takes a longer host for none at all.
const maxHostUnits = 255

// decodable reports whether decodeURIComponent takes s: every percent sign begins an escape, and
// the escaped bytes of each run are UTF-8 by themselves.
func decodable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		var run []byte
		for i+2 < len(s) && s[i] == '%' {
			b, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return false
			}
			run = append(run, byte(b))
			i += 3
		}
		if len(run) == 0 || !utf8.Valid(run) || i < len(s) && s[i] == '%' {
			return false
		}
		i--
	}
	return true
}

func isObjectMember(name string) bool { return slices.Contains(objectMembers, name) }
