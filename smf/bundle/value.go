package bundle

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"imagetools/smf"
)

// maxServiceName leaves room for the name that a service has while svccfg imports it.
const maxServiceName = smf.MaxName - len("TEMP/")

// types are the types of values by their names in manifests.
var types = map[string]smf.Type{
	"boolean": smf.Boolean, "count": smf.Count, "integer": smf.Integer, "time": smf.Timestamp,
	"opaque": smf.Opaque, "astring": smf.AString, "ustring": smf.UString, "uri": smf.URI,
	"fmri": smf.FMRI, "host": smf.Host, "hostname": smf.Hostname, "net_address": smf.NetAddress,
	"net_address_v4": smf.NetAddressV4, "net_address_v6": smf.NetAddressV6,
}

// value brings a value into the form of the database.
func value(typ smf.Type, s string) (string, error) {
	switch typ {
	case smf.Boolean:
		if s != "true" && s != "false" {
			return "", errors.New("true or false is expected")
		}
		return bit(s), nil
	case smf.Count:
		n, err := unsigned(s, 10)
		return strconv.FormatUint(n, 10), err
	case smf.Integer:
		if s == "" {
			return "0", nil // svccfg takes that
		}
		n, err := signed(s, 10)
		return strconv.FormatInt(n, 10), err
	case smf.Timestamp:
		return timestamp(s)
	case smf.Opaque:
		if len(s)%2 != 0 || strings.Trim(s, "0123456789abcdefABCDEF") != "" {
			return "", errors.New("an even number of hexadecimal digits is expected")
		}
		return strings.ToLower(s), nil
	case smf.URI:
		return s, checkURI(s)
	case smf.FMRI:
		return s, checkFMRI(s)
	}
	return s, nil
}

// space is what isspace(3C) tells.
const space = blanks + "\v\f"

// number cuts what strtol(3C) skips, blanks and a sign. It finds the base, if that is 0, by
// a 0x or 0 before the digits.
func number(s string, base int) (neg bool, digits string, _ int) {
	s = strings.TrimLeft(s, space)
	neg = strings.HasPrefix(s, "-")
	if neg || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	if base == 0 {
		base = 10
		if rest, ok := strings.CutPrefix(strings.ToLower(s), "0x"); ok && rest != "" {
			return neg, rest, 16
		}
		if len(s) > 1 && s[0] == '0' {
			base = 8
		}
	}
	return neg, s, base
}

func magnitude(digits string, base int) (uint64, error) {
	n, err := strconv.ParseUint(digits, base, 64)
	if errors.Is(err, strconv.ErrRange) {
		return 0, errors.New("a number of at most 64 bits is expected")
	}
	if err != nil {
		return 0, errors.New("a number is expected")
	}
	return n, nil
}

// unsigned reads a number as strtoull(3C) does: of a negative one it takes the complement.
func unsigned(s string, base int) (uint64, error) {
	neg, digits, base := number(s, base)
	n, err := magnitude(digits, base)
	if neg {
		n = -n
	}
	return n, err
}

// signed reads a number as strtoll(3C) does.
func signed(s string, base int) (int64, error) {
	neg, digits, base := number(s, base)
	n, err := magnitude(digits, base)
	switch {
	case err != nil:
		return 0, err
	case neg && n <= 1<<63:
		return int64(-n), nil
	case !neg && n < 1<<63:
		return int64(n), nil
	}
	return 0, errors.New("a number of at most 64 bits with its sign is expected")
}

// timestamp is seconds, with a fraction of nine digits unless that is 0.
func timestamp(s string) (string, error) {
	seconds, fraction, ok := strings.Cut(s, ".")
	sec, err := signed(seconds, 10)
	if err != nil {
		return "", errors.New("seconds are expected, with or without a fraction")
	}
	if ok && (fraction == "" || len(fraction) > 9 || strings.Trim(fraction, "0123456789") != "") {
		return "", errors.New("a fraction of one to nine digits is expected")
	}
	if strings.Trim(fraction, "0") == "" {
		return strconv.FormatInt(sec, 10), nil
	}
	return fmt.Sprintf("%d.%s%s", sec, fraction, strings.Repeat("0", 9-len(fraction))), nil
}

// checkURI finds a URI (RFC 2396, appendix B) without a path, which libscf refuses.
func checkURI(s string) error {
	path := s
	if i := strings.IndexAny(path, ":/?#"); i > 0 && path[i] == ':' {
		path = path[i+1:]
	}
	if rest, ok := strings.CutPrefix(path, "//"); ok {
		if path = ""; strings.ContainsAny(rest, "/?#") {
			path = rest[strings.IndexAny(rest, "/?#"):]
		}
	}
	if path == "" || path[0] == '?' || path[0] == '#' {
		return errors.New("a URI with a path is expected")
	}
	return nil
}

const nameForm = "letters, digits, - and _ are expected, first a letter; one comma may be in it"

// checkName holds a name to the rules of svc.configd.
func checkName(s string) error {
	if len(s) > smf.MaxName {
		return fmt.Errorf("a name of %d bytes: the limit is %d", len(s), smf.MaxName)
	}
	if !smf.IsName(s) {
		return errors.New(nameForm)
	}
	return nil
}

// checkPath is checkName for each part of the name of a service. Of parts before a slash
// uu_check_name leaves out the last letter, and so refuses those that have no other.
func checkPath(s string) error {
	parts := strings.Split(s, "/")
	for i, part := range parts {
		if i < len(parts)-1 && len(part) == 1 {
			return fmt.Errorf("svccfg refuses parts of one letter, such as %q, before a slash", part)
		}
		if err := checkName(part); err != nil {
			return err
		}
	}
	return nil
}

// serviceName checks the name of a service, and tells if it is of use.
func (p *parser) serviceName(line int, name string) bool {
	err := checkPath(name)
	if err == nil && len(name) > maxServiceName {
		err = fmt.Errorf("a name of %d bytes: the limit is %d", len(name), maxServiceName)
	}
	if err != nil {
		p.fault(line, "service %q: %v", name, err)
	}
	return err == nil
}
