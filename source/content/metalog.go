package content

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"imagetools/host"
	"imagetools/tree"
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
	// Dataset is the path of the directory that the METALOG describes, empty if it is not known.
	Dataset string
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
		m.Dataset = at
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

// datasetRoot is where a dataset has its root file system.
const datasetRoot = "root"

// NamedMetalog is the METALOG in a file that was named for a directory. The directory is what the
// METALOG describes, or else its root file system, or part of it, as root/ is of an extracted image,
// whatever its name is now. If the METALOG fits neither, it is taken as one of the directory.
func NamedMetalog(dir, file string) (Metalog, error) {
	whole := Metalog{Path: file, Prefix: "."}
	if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
		return whole, nil // who reads it says what is wrong
	}
	prefixes, err := namedPrefixes(dir)
	if err != nil {
		return Metalog{}, err
	}
	for _, prefix := range prefixes {
		m, fits, err := fitting(dir, file, prefix)
		if err != nil {
			return Metalog{}, err
		}
		if fits && prefix == "." {
			return whole, nil
		}
		if fits {
			return *m, nil
		}
	}
	return whole, nil
}

// namedPrefixes are the paths in a METALOG that a directory may have.
func namedPrefixes(dir string) ([]string, error) {
	at, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	list, prefix := []string{"."}, "."
	for range maxAbove {
		prefix, at = path.Join(filepath.Base(at), prefix), filepath.Dir(at)
		list = append(list, prefix)
	}
	if !slices.Contains(list, datasetRoot) {
		list = append(list, datasetRoot)
	}
	return list, nil
}

// fitting reports whether the directories and files that a METALOG has below a path are in a
// directory.
func fitting(dir, file, prefix string) (_ *Metalog, fits bool, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, false, fmt.Errorf("METALOG: %w", err)
	}
	defer f.Close()
	m := &Metalog{Path: file, Prefix: prefix}
	own, _, _ := strings.Cut(prefix, "/")
	beside := map[string]bool{}
	lines := mtree.NewReader(bufio.NewReader(f), file)
	for {
		e, err := lines.Next()
		if err == io.EOF {
			break
		}
		if _, ok := errors.AsType[*mtree.LineError](err); ok {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		if e.Path == "." {
			m.Top = e
			continue
		}
		if first, _, _ := strings.Cut(e.Path, "/"); first != own && len(beside) < maxBeside {
			beside[first] = true
		}
		below, ok := e.Path, true
		if prefix != "." {
			below, ok = strings.CutPrefix(e.Path+"/", prefix+"/")
		}
		if !ok {
			continue
		}
		fits = true
		if e.Type == tree.TypeDir || e.Type == tree.TypeFile {
			if info, err := os.Lstat(filepath.Join(dir, below)); err != nil || info.IsDir() != (e.Type == tree.TypeDir) {
				return nil, false, nil
			}
		}
	}
	m.Beside = slices.Sorted(maps.Keys(beside))
	return m, fits || prefix == ".", nil
}

// maxBeside bounds how many names beside a directory are told.
const maxBeside = 100
