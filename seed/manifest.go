package seed

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"imagetools/fault"

	"imagetools/tree"
)

// Manifest is a list of what a build installs: manifest.gen, or one of the files it is made of.
//
// A line is one of (tools/builder and tools/build_manifest of smartos-live)
//
//	d PATH MODE USER GROUP      directory
//	f PATH MODE USER GROUP      file
//	s PATH=TARGET               symbolic link
//	h PATH=TARGET               hard link
//
// with blanks between fields; empty lines and those that begin with "#" say nothing.
type Manifest struct {
	Name    string // for messages
	Entries []Entry
}

// Entry is one line.
type Entry struct {
	Line        int
	Type        tree.Mode // TypeDir, TypeFile or TypeSymlink; 0 for a hard link
	Path        string    // below the root, clean
	Mode        tree.Mode // of a directory or file
	User, Group string    // likewise
	Target      string    // of a link, as it stands
}

// Limits of a manifest, or of all the files that it is made of. A full build's has 20,000 lines,
// 2 MiB.
const (
	maxManifest       = 32 << 20
	maxManifestLines  = 200_000
	maxManifestLine   = 64 << 10
	maxManifestFaults = 1000
)

// LineError is what is wrong about a line of a file.
type LineError struct {
	Name string
	Line int
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %v", e.Name, e.Line, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

// ParseManifest reads a manifest. Bad lines are reported together, up to 1000, each as a
// [*LineError].
func ParseManifest(name string, r io.Reader) (*Manifest, error) {
	m := &Manifest{Name: name}
	var faults fault.Faults
	faults.Limit = maxManifestFaults
	input := &io.LimitedReader{R: r, N: maxManifest + 1}
	lines := bufio.NewScanner(input)
	lines.Buffer(nil, maxManifestLine)
	number := 0
	for lines.Scan() {
		number++
		if number > maxManifestLines || input.N == 0 {
			faults.Add(fmt.Sprintf("%012d", number), fmt.Errorf("%s: over %d lines or %d MiB, far more than any build's", name, maxManifestLines, maxManifest>>20))
			break
		}
		e, err := parseEntry(lines.Text())
		if err != nil {
			faults.Add(fmt.Sprintf("%012d", number), &LineError{name, number, err})
			continue
		}
		if e != nil {
			e.Line = number
			m.Entries = append(m.Entries, *e)
		}
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = &LineError{name, number + 1, fmt.Errorf("longer than %d bytes", maxManifestLine)}
		}
		faults.Add(fmt.Sprintf("%012d", number+1), err)
	}
	return m, faults.Err()
}

func readManifest(path string) (m *Manifest, modified tree.Time, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, tree.Time{}, fmt.Errorf("manifest: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, tree.Time{}, err
	}
	t := info.ModTime()
	m, err = ParseManifest(path, f)
	return m, tree.Time{Sec: t.Unix(), Nsec: uint32(t.Nanosecond())}, err
}

// parseEntry reads a line; nil for one that says nothing.
func parseEntry(line string) (*Entry, error) {
	f := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' || r == '\r' })
	if len(f) == 0 || strings.HasPrefix(f[0], "#") {
		return nil, nil
	}
	e := &Entry{}
	want := 5
	switch f[0] {
	case "d":
		e.Type = tree.TypeDir
	case "f":
		e.Type = tree.TypeFile
	case "s":
		e.Type, want = tree.TypeSymlink, 2
	case "h":
		want = 2
	default:
		return nil, fmt.Errorf("type %q: it is d, f, s or h", f[0])
	}
	if len(f) != want {
		return nil, fmt.Errorf("%d fields: a line of type %s has %d", len(f), f[0], want)
	}
	name := f[1]
	if want == 2 {
		var ok bool
		if name, e.Target, ok = strings.Cut(name, "="); !ok || e.Target == "" {
			return nil, fmt.Errorf("link %q: PATH=TARGET is needed", f[1])
		}
	} else {
		mode, err := strconv.ParseUint(f[2], 8, 32)
		if err != nil || mode > uint64(tree.PermMask) {
			return nil, fmt.Errorf("mode %q: it is octal, at most 7777", f[2])
		}
		e.Mode, e.User, e.Group = tree.Mode(mode), f[3], f[4]
	}
	var err error
	e.Path, err = cleanPath(name)
	return e, err
}

// cleanPath returns a path below the root, without what has no meaning.
func cleanPath(s string) (string, error) {
	clean := strings.TrimPrefix(path.Clean("/"+s), "/")
	for name := range strings.SplitSeq(s, "/") {
		if name == "" || name == "." {
			continue
		}
		if err := tree.CheckName(name); err != nil {
			return "", fmt.Errorf("path %q: %w", s, err)
		}
	}
	if clean == "" {
		return "", fmt.Errorf("path %q: names nothing below the root", s)
	}
	return clean, nil
}
