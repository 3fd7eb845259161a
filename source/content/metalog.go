package content

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"imagetools/host"
	"imagetools/tree/mtree"
)

// Metalog is the METALOG that describes a directory.
type Metalog struct {
	Path   string // of the file; empty if there is none
	Prefix string // path of the directory in it, "." for its top
	// Top is what the METALOG says of its own top, and Beside the names that there are at that
	// beside the directory; both of a METALOG that describes more than the directory.
	Top    *mtree.Entry
	Beside []string
}

// maxAbove is how many directories above a source may be the one that a METALOG lies beside.
const maxAbove = 3

// FindMetalog finds the METALOG that describes a directory: DIR.mtree, or that of a directory above
// which it is part of, as root/ is of an extracted image. Such a METALOG must name something in the
// directory.
func FindMetalog(dir string) (Metalog, error) {
	file, err := host.Metalog(dir)
	if err != nil || file != "" {
		return Metalog{Path: file, Prefix: "."}, err
	}
	at, err := filepath.Abs(dir)
	if err != nil {
		return Metalog{}, err
	}
	prefix := "."
	for range maxAbove {
		prefix, at = path.Join(filepath.Base(at), prefix), filepath.Dir(at)
		if at == filepath.Dir(at) { // the top of the host
			break
		}
		if file, err = host.Metalog(at); err != nil {
			return Metalog{}, err
		}
		if file == "" {
			continue
		}
		m, err := describes(file, prefix)
		if err != nil || m == nil {
			return Metalog{}, err
		}
		return *m, m.lookBeside(at)
	}
	return Metalog{}, nil
}

// describes looks whether a METALOG names what is in a directory; nil if not. Faults of its lines are
// left to who applies it.
func describes(file, prefix string) (*Metalog, error) {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() { // a FIFO would be waited for
		return nil, err
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("METALOG: %w", err)
	}
	defer f.Close()
	m := &Metalog{Path: file, Prefix: prefix}
	lines := mtree.NewReader(bufio.NewReader(f), file)
	for {
		e, err := lines.Next()
		if _, ok := errors.AsType[*mtree.LineError](err); ok {
			continue
		}
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if e.Path == "." {
			m.Top = e
		}
		if e.Path == prefix || strings.HasPrefix(e.Path, prefix+"/") {
			return m, nil
		}
	}
}

// lookBeside lists what lies beside the directory at the top that the METALOG describes.
func (m *Metalog) lookBeside(top string) error {
	entries, err := os.ReadDir(top)
	if err != nil {
		return err
	}
	own, _, _ := strings.Cut(m.Prefix, "/")
	for _, e := range entries {
		if e.Name() != own {
			m.Beside = append(m.Beside, e.Name())
		}
	}
	slices.Sort(m.Beside)
	return nil
}
