// Package mtree reads and writes mtree(5) specifications. The METALOG of an unprivileged BSD build is
// one: it has a line for each path with its type, owner, mode, time, link target, device number and
// extended attributes.
//
//	r := mtree.NewReader(f, "METALOG")
//	for {
//		e, err := r.Next()
//		if err == io.EOF {
//			break
//		}
//		...
//	}
//
// The reader accepts both forms, also mixed: full paths ("./etc/motd type=file …"), and the hierarchy
// with "/set", "/unset" and "..". A name without a slash belongs to the current directory; type=dir
// enters a directory and ".." leaves it. A comment begins with '#' at the start of a line or after a
// blank. A backslash at the end of a line continues it. Names and values are decoded as unvis(3) does.
//
// # Meanings that differ between programs
//
//   - time=12.5 means 12 seconds and 5 nanoseconds, as for NetBSD, FreeBSD and libarchive. libarchive and
//     old BSDs write it without leading zeros.
//   - device=FORMAT,MAJOR,MINOR means the two numbers, whatever the format. A single number is split as
//     NetBSD and Linux do.
//   - Modes are octal.
//   - If a path has several lines, the reader returns each of them. Later lines should win.
//
// Two keywords are not part of every mtree(8): xattr.NAME=BASE64, which go-mtree also has, and
// acl=TYPE:FLAGS:MASK:ID,…, an NFSv4 ACL in the form of [AppendACL].
//
// Checksums, sizes, flags, tags and link counts are accepted and ignored. Unknown keywords are errors.
package mtree

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"imagetools/internal/plain"
	"imagetools/tree"
)

// Fields says which parts of an [Entry] are given.
type Fields uint16

// Parts of an [Entry].
const (
	HasType Fields = 1 << iota
	HasMode
	HasUID
	HasGID
	HasUname
	HasGname
	HasTime
	HasSize
	HasLink
	HasDevice
	Optional // the path need not exist
	NoChange // the path must exist, and keeps the attributes that it has
)

// Entry is what one line says about a path.
type Entry struct {
	Path         string // clean, relative to the root, "." for the root itself
	Line         int    // where its line begins
	Has          Fields
	Type         tree.Mode // one of the tree.Type constants
	Mode         tree.Mode // permission bits
	UID, GID     uint32
	Uname, Gname string
	Time         tree.Time
	Size         int64
	Link         string // target of a symbolic link
	Device       tree.Device
	Xattrs       []tree.Xattr
	ACL          []tree.ACE // nil if the line gives none
}

// Merge takes over what a later line says about the same path.
func (e *Entry) Merge(later *Entry) {
	e.Line = later.Line
	for _, pair := range [2][2]Fields{{HasUID, HasUname}, {HasGID, HasGname}} {
		if later.Has&(pair[0]|pair[1]) != 0 {
			e.Has &^= pair[0] | pair[1]
		}
	}
	e.Has |= later.Has
	set(later, HasType, &e.Type, later.Type)
	set(later, HasMode, &e.Mode, later.Mode)
	set(later, HasUID, &e.UID, later.UID)
	set(later, HasGID, &e.GID, later.GID)
	set(later, HasUname, &e.Uname, later.Uname)
	set(later, HasGname, &e.Gname, later.Gname)
	set(later, HasTime, &e.Time, later.Time)
	set(later, HasSize, &e.Size, later.Size)
	set(later, HasLink, &e.Link, later.Link)
	set(later, HasDevice, &e.Device, later.Device)
	if len(later.Xattrs) > 0 {
		all := NewXattrs(e.Xattrs)
		all.Set(later.Xattrs)
		e.Xattrs = all.List()
	}
	if later.ACL != nil {
		e.ACL = later.ACL
	}
}

func set[T any](later *Entry, f Fields, to *T, value T) {
	if later.Has&f != 0 {
		*to = value
	}
}

// LineError is a fault of one line, or several joined.
type LineError struct {
	Name string // of the file
	Line int
	Err  error
}

func (e *LineError) Error() string {
	return fmt.Sprintf("%s:%d: %s", e.Name, e.Line, strings.ReplaceAll(e.Err.Error(), "\n", "; "))
}
func (e *LineError) Unwrap() error { return e.Err }

// MaxLine bounds a line with its continuations, in bytes.
const MaxLine = 4 << 20

// Reader reads entries. It is not safe for concurrent use.
type Reader struct {
	r    *bufio.Reader
	name string
	line int // of the last line read
	set  Entry
	dir  []int // lengths of dirPath in the directories above the current one
	top  bool  // the entry "." has been met and not left

	dirPath string // the current directory with a slash at its end; empty for the root
	buf     []byte
	err     error

	copied int // attributes
}

// NewReader returns a reader of the specification in r. name stands in error messages.
func NewReader(r io.Reader, name string) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 64<<10), name: name}
}

// Next returns the entry of the next line that has one. A [*LineError] is about one line:
// the next call goes on after it. io.EOF is the end; it and every other error stay.
func (r *Reader) Next() (*Entry, error) {
	for r.err == nil {
		line, text, err := r.readLine()
		if err != nil {
			r.err = err
			break
		}
		e, err := r.parse(line, text)
		if err != nil {
			return nil, &LineError{r.name, line, err}
		}
		if e != nil {
			return e, nil
		}
	}
	return nil, r.err
}

// readLine returns a line without its end, continuations joined, and its first number.
func (r *Reader) readLine() (int, string, error) {
	r.buf = r.buf[:0]
	first := r.line + 1
	for {
		part, err := r.r.ReadSlice('\n')
		if len(r.buf)+len(part) > MaxLine {
			return 0, "", fmt.Errorf("%s:%d: line longer than %d bytes", r.name, first, MaxLine)
		}
		r.buf = append(r.buf, part...)
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err != nil && err != io.EOF:
			return 0, "", fmt.Errorf("%s:%d: %w", r.name, first, err)
		case err == io.EOF && len(r.buf) == 0:
			return 0, "", io.EOF
		}
		r.line++
		r.buf = trimEnd(r.buf)
		slashes := 0
		for slashes < len(r.buf) && r.buf[len(r.buf)-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 1 && !isComment(r.buf) {
			r.buf = r.buf[:len(r.buf)-1]
			if err == nil {
				continue
			}
		}
		return first, string(r.buf), nil
	}
}

func trimEnd(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		b = b[:n-1]
	}
	if n := len(b); n > 0 && b[n-1] == '\r' {
		b = b[:n-1]
	}
	return b
}

func isComment(b []byte) bool {
	for _, c := range b {
		switch c {
		case ' ', '\t':
			continue
		case '#':
			return true
		}
		return false
	}
	return false
}

func (r *Reader) parse(line int, text string) (*Entry, error) {
	words := strings.FieldsFunc(text, func(c rune) bool { return c == ' ' || c == '\t' })
	if i := slices.IndexFunc(words, func(w string) bool { return w[0] == '#' }); i >= 0 {
		words = words[:i]
	}
	if len(words) == 0 {
		return nil, nil
	}
	first, words := words[0], words[1:]
	switch first {
	case "/set":
		set := r.set
		err := r.apply(&set, words)
		r.set = set
		return nil, err
	case "/unset":
		return nil, r.unset(words)
	case "..":
		switch {
		case len(words) > 0:
			return nil, errors.New(`".." with keywords`)
		case len(r.dir) > 0:
			last := len(r.dir) - 1
			r.dir, r.dirPath = r.dir[:last], r.dirPath[:r.dir[last]]
		case r.top:
			r.top = false
		default:
			return nil, errors.New(`".." at the root`)
		}
		return nil, nil
	}
	if strings.HasPrefix(first, "/") {
		return nil, fmt.Errorf("%s: neither a command nor a path relative to the root", plain.Name(first))
	}
	path, here, err := r.path(first)
	e := r.set
	e.Path, e.Line = path, line
	err = errors.Join(err, r.apply(&e, words))
	if here && e.Has&HasType != 0 && e.Type == tree.TypeDir { // even on a fault: what follows lies in it
		if path == "." {
			r.top, r.dir, r.dirPath = true, nil, ""
		} else if path != "" {
			r.dir, r.dirPath = append(r.dir, len(r.dirPath)), path+"/"
		}
	}
	if err != nil {
		return nil, err
	}
	if e.Has&NoChange != 0 {
		e.leave(slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, "type=") }))
	}
	return &e, nil
}

// leave drops what a line with the keyword nochange does not say: attributes, its own and those of
// /set, of which it keeps the type alone if that is its own.
func (e *Entry) leave(typed bool) {
	keep := NoChange | Optional
	if typed {
		keep |= HasType
	}
	e.Has &= keep
	e.Xattrs, e.ACL = nil, nil
}

// path decodes a name or path and makes it relative to the root. here says that it is a
// name in the current directory.
func (r *Reader) path(word string) (path string, here bool, err error) {
	text, err := unvis(word)
	if err != nil {
		return "", false, err
	}
	here = !strings.Contains(word, "/")
	var parts []string
	if here {
		if text == "." {
			return ".", true, nil
		}
		if err := tree.CheckName(text); err != nil {
			return "", true, err
		}
		if len(r.dir) >= maxDepth {
			return "", true, fmt.Errorf("directories nested deeper than %d", maxDepth)
		}
		if path = r.dirPath + text; len(path) > maxHere {
			return "", true, fmt.Errorf("a path of %d bytes: for more than %d, each line must have the whole path", len(path), maxHere)
		}
		return path, true, nil
	} else {
		for part := range strings.SplitSeq(text, "/") {
			if part != "" && part != "." {
				parts = append(parts, part)
			}
		}
		if len(parts) == 0 {
			return ".", false, nil
		}
	}
	for _, part := range parts {
		if err := tree.CheckName(part); err != nil {
			return "", here, err
		}
	}
	if len(parts) > maxDepth {
		return "", here, fmt.Errorf("directories nested deeper than %d", maxDepth)
	}
	return strings.Join(parts, "/"), here, nil
}

// Bounds of what a hierarchy can make of short lines: the nesting of directories, and the bytes
// of a path.
const (
	maxDepth = 4096
	maxHere  = 16 << 10
)

func (r *Reader) unset(words []string) error {
	var faults []error
	for _, w := range words {
		switch {
		case w == "all":
			r.set = Entry{}
		case fieldOf[w] != 0:
			r.set.Has &^= fieldOf[w]
		case strings.HasPrefix(w, "xattr.") || w == "xattr" || w == "xattrs":
			r.set.Xattrs = nil
		case w == "acl":
			r.set.ACL = nil
		case !ignored[w]:
			faults = append(faults, fmt.Errorf("unknown keyword %s", plain.Name(w)))
		}
	}
	return errors.Join(faults...)
}

var fieldOf = map[string]Fields{
	"type": HasType, "mode": HasMode, "uid": HasUID, "gid": HasGID, "uname": HasUname, "gname": HasGname,
	"time": HasTime, "tar_time": HasTime, "size": HasSize, "link": HasLink, "device": HasDevice, "optional": Optional, "nochange": NoChange,
}

// ignored are the keywords of NetBSD, FreeBSD, libarchive and go-mtree that say nothing
// about the tree to be made.
var ignored = map[string]bool{
	"cksum": true, "md5": true, "md5digest": true, "rmd160": true, "rmd160digest": true, "ripemd160digest": true,
	"sha1": true, "sha1digest": true, "sha256": true, "sha256digest": true, "sha384": true, "sha384digest": true,
	"sha512": true, "sha512digest": true, "sha512256": true, "sha512256digest": true,
	"flags": true, "nlink": true, "tags": true, "contents": true, "content": true, "inode": true, "resdevice": true,
	"ignore": true,
}

// line is an entry while its line is read.
type line struct {
	*Entry
	own *Xattrs // of the line itself
}

// maxCopied is how many attributes all lines that have some of their own may have, with those of
// /set, which are copied for them.
const maxCopied = 4 << 20

// maxWordFaults is how many words of one line are told that are at fault; others are counted.
const maxWordFaults = 10

// apply takes over the keywords of a line. A name of a user or group displaces a number
// from /set, and the other way round.
func (r *Reader) apply(entry *Entry, words []string) error {
	e := line{Entry: entry}
	var faults []error
	var own Fields
	bad := 0
	for _, word := range words {
		key, value, given := strings.Cut(word, "=")
		field, err := e.keyword(key, value, given)
		if err != nil {
			if len(faults) < maxWordFaults {
				faults = append(faults, err)
			}
			bad++
			continue
		}
		own |= field
	}
	if more := bad - len(faults); more > 0 {
		faults = append(faults, fmt.Errorf("and %d more", more))
	}
	if e.own != nil {
		all := NewXattrs(e.Xattrs)
		all.Set(e.own.List())
		e.Xattrs = all.List()
		if r.copied += len(e.Xattrs); r.copied > maxCopied {
			faults = append(faults, fmt.Errorf("more than %d extended attributes, with those of /set", maxCopied))
		}
	}
	e.Has |= own
	for _, pair := range [2][2]Fields{{HasUID, HasUname}, {HasGID, HasGname}} {
		switch own & (pair[0] | pair[1]) {
		case pair[0]:
			e.Has &^= pair[1]
		case pair[1]:
			e.Has &^= pair[0]
		}
	}
	return errors.Join(faults...)
}

func (e *line) keyword(key, value string, given bool) (Fields, error) {
	name, isXattr := strings.CutPrefix(key, "xattr.")
	if !isXattr {
		name, isXattr = strings.CutPrefix(key, "xattrs.")
	}
	field := fieldOf[key]
	switch {
	case isXattr:
		return 0, e.xattr(name, value)
	case key == "acl":
		return 0, e.acl(value)
	case key == "optional" || key == "nochange":
		return field, nil
	case ignored[key]:
		return 0, nil
	case field == 0:
		return 0, fmt.Errorf("unknown keyword %s", plain.Name(key))
	case !given || value == "":
		return 0, fmt.Errorf("keyword %q without a value", key)
	}
	before := *e.Entry // an earlier value, if this one is none
	var err error
	switch key {
	case "type":
		e.Type, err = parseType(value)
	case "mode":
		var n uint64
		n, err = strconv.ParseUint(value, 8, 32)
		if err == nil && n > uint64(tree.PermMask) {
			err = strconv.ErrRange
		}
		e.Mode = tree.Mode(n)
	case "uid":
		e.UID, err = parseID(value)
	case "gid":
		e.GID, err = parseID(value)
	case "uname":
		e.Uname, err = word(value)
	case "gname":
		e.Gname, err = word(value)
	case "time", "tar_time":
		e.Time, err = parseTime(value)
	case "size":
		var n uint64
		n, err = strconv.ParseUint(value, 10, 63)
		e.Size = int64(n)
	case "link":
		e.Link, err = word(value)
	case "device":
		e.Device, err = parseDevice(value)
	}
	if err != nil {
		*e.Entry = before
		if num, ok := errors.AsType[*strconv.NumError](err); ok {
			err = num.Err
		}
		return 0, fmt.Errorf("%s=%s: %w", key, clip(value), err)
	}
	return field, nil
}

// word decodes a value that may not be empty, as one of hidden characters alone is.
func word(value string) (string, error) {
	text, err := unvis(value)
	if err == nil && text == "" {
		err = errors.New("nothing is left when it is decoded")
	}
	return text, err
}

// clip keeps what an error message quotes short.
func clip(s string) string {
	if len(s) > 64 {
		s = s[:61] + "..."
	}
	return strings.Trim(strconv.QuoteToASCII(s), `"`)
}

var types = map[string]tree.Mode{
	"file": tree.TypeFile, "dir": tree.TypeDir, "link": tree.TypeSymlink, "char": tree.TypeChar,
	"block": tree.TypeBlock, "fifo": tree.TypeFIFO, "socket": tree.TypeSocket,
}

func parseType(s string) (tree.Mode, error) {
	if t, ok := types[s]; ok {
		return t, nil
	}
	return 0, errors.New("file, dir, link, char, block, fifo or socket are possible")
}

func parseID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err
}

// parseTime reads sec[.nsec]; see the package comment on nsec.
func parseTime(s string) (tree.Time, error) {
	secs, frac, hasFrac := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(secs, 10, 64)
	if err != nil {
		return tree.Time{}, err
	}
	t := tree.Time{Sec: sec}
	if hasFrac {
		n, err := strconv.ParseUint(frac, 10, 32)
		if err != nil {
			return tree.Time{}, err
		}
		if n > 999_999_999 {
			return tree.Time{}, errors.New("more than 999999999 nanoseconds")
		}
		t.Nsec = uint32(n)
	}
	return t, nil
}

// parseDevice reads FORMAT,MAJOR,MINOR or MAJOR,MINOR or one packed number.
func parseDevice(s string) (tree.Device, error) {
	parts := strings.Split(s, ",")
	if len(parts) > 1 && (parts[0] == "" || parts[0][0] < '0' || parts[0][0] > '9') {
		parts = parts[1:]
	}
	var n [2]uint32
	switch len(parts) {
	case 1, 2:
	case 3:
		return tree.Device{}, errors.New("unit and subunit are not supported: give major and minor")
	default:
		return tree.Device{}, errors.New("FORMAT,MAJOR,MINOR is expected")
	}
	for i, p := range parts {
		v, err := strconv.ParseUint(p, 0, 32)
		if err != nil {
			return tree.Device{}, err
		}
		n[i] = uint32(v)
	}
	if len(parts) == 1 {
		if strings.Contains(s, ",") {
			return tree.Device{}, errors.New("FORMAT,MAJOR,MINOR is expected")
		}
		d := n[0] // makedev(3) of NetBSD (sys/types.h) and Linux (sysmacros.h)
		return tree.Device{Major: d >> 8 & 0xfff, Minor: d&0xff | d>>12&0xfff00}, nil
	}
	return tree.Device{Major: n[0], Minor: n[1]}, nil
}

func (e *line) xattr(name, value string) error {
	name, err := unvis(name)
	if err != nil {
		return fmt.Errorf("extended attribute: %w", err)
	}
	if err := tree.CheckName(name); err != nil {
		return fmt.Errorf("extended attribute: %w", err)
	}
	data, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		if data, err = base64.RawStdEncoding.DecodeString(value); err != nil {
			return fmt.Errorf("extended attribute %q: %w", name, err)
		}
	}
	if e.own == nil {
		e.own = NewXattrs(nil)
	}
	e.own.Set([]tree.Xattr{{Name: name, Value: data}})
	return nil
}
