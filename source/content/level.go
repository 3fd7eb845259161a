package content

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"imagetools/fault"
	"imagetools/host"
	"imagetools/tree"
)

// Level says where in a source its root file system is.
type Level struct {
	Kind LevelKind
	Path string // of the root in the source, "." for the source itself; empty if there is none
}

// LevelKind is what a source is by the names in it.
type LevelKind int

// The kinds of levels.
const (
	Undecided LevelKind = iota // a few files: nothing tells
	Root                       // the root itself
	Dataset                    // a whole dataset, such as an extracted image: the root is root/
	Rootfs                     // an export of LXC, LXD or a runtime of containers: the root is rootfs/
	Elsewhere                  // a directory with a root in some directory of another name
	Mibe                       // a repository of mibe, which is a recipe for an image
)

// maxLevels is how deep a root is looked for.
const maxLevels = 4

// rootNames are directories that nothing but a root file system has together.
var rootNames = []string{"bin", "etc", "lib", "sbin", "usr", "var"}

// datasetNames are what the top of a zone's dataset may have beside root/.
var datasetNames = []string{"root", "config", "cores", "site", "local", "ccs", "lastbooted", "dev", "archive"}

// names lists a directory of a source by its path, "." for the top: each name with its type.
type names func(dir string) (map[string]fs.FileMode, error)

// LevelOfDir looks for the root file system in a directory. Only directories are read, and no link
// is followed.
func LevelOfDir(dir string) (Level, error) {
	metalog, err := host.Metalog(dir)
	if err != nil {
		return Level{}, err
	}
	return level(func(sub string) (map[string]fs.FileMode, error) {
		entries, err := os.ReadDir(filepath.Join(dir, filepath.FromSlash(sub)))
		found := make(map[string]fs.FileMode, len(entries))
		for _, e := range entries {
			found[e.Name()] = e.Type()
		}
		if sub != "." && (errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist)) {
			err = nil // reading the tree says so
		}
		return found, err
	}, metalog != "")
}

// LevelOfTree looks for the root file system in a tree that was read of an archive.
func LevelOfTree(t *tree.Tree) Level {
	l, _ := level(func(dir string) (map[string]fs.FileMode, error) {
		found := map[string]fs.FileMode{}
		if n := t.Lookup(dir); n != nil && n.IsDir() {
			for _, e := range n.Entries() {
				switch e.Node.Mode.Type() {
				case tree.TypeDir:
					found[e.Name] = fs.ModeDir
				case tree.TypeFile:
					found[e.Name] = 0
				default:
					found[e.Name] = fs.ModeIrregular
				}
			}
		}
		return found, nil
	}, false) // which cannot fail
	return l
}

// level looks for the root from the top on. marked says that a METALOG describes the content.
func level(list names, marked bool) (Level, error) {
	top, err := list(".")
	if err != nil {
		return Level{}, err
	}
	isRecipe := isMibe(top)
	switch {
	case !isRecipe && countRoot(top) > 0:
		return Level{Root, "."}, nil
	case isRecipe:
		return Level{Mibe, ""}, nil
	}
	if top["root"].IsDir() {
		below, err := list("root")
		if err != nil {
			return Level{}, err
		}
		known := !slices.ContainsFunc(keys(top), func(name string) bool { return !slices.Contains(datasetNames, name) })
		if countRoot(below) > 0 && (known || marked) || known && marked {
			return Level{Dataset, "root"}, nil
		}
	}
	return search(list, top)
}

// search looks for the one root below the top, level by level.
func search(list names, top map[string]fs.FileMode) (Level, error) {
	type dir struct {
		path  string
		names map[string]fs.FileMode
	}
	const most = 1000 // directories that are looked into
	seen := 0
	level := []dir{{".", top}}
	for range maxLevels {
		var next []dir
		var found []string
		for _, d := range level {
			for _, name := range keys(d.names) {
				if !d.names[name].IsDir() || seen == most {
					continue
				}
				seen++
				sub := path.Join(d.path, name)
				entries, err := list(sub)
				if err != nil {
					return Level{}, err
				}
				if n := countRoot(entries); n > 1 || n > 0 && name == "rootfs" {
					found = append(found, sub)
				}
				next = append(next, dir{sub, entries})
			}
		}
		if len(found) == 1 && path.Base(found[0]) == "rootfs" {
			return Level{Rootfs, found[0]}, nil
		}
		if len(found) > 0 {
			return Level{Elsewhere, found[0]}, nil
		}
		for _, d := range next {
			if isMibe(d.names) {
				return Level{Mibe, d.path}, nil
			}
		}
		level = next
	}
	return Level{}, nil
}

func keys(m map[string]fs.FileMode) []string {
	list := make([]string, 0, len(m))
	for name := range m {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// countRoot is how many names of a root file system there are, as directories or links to such.
func countRoot(m map[string]fs.FileMode) int {
	n := 0
	for _, name := range rootNames {
		if mode, ok := m[name]; ok && !mode.IsRegular() {
			n++
		}
	}
	return n
}

// isMibe recognizes a repository of mibe: its manifest beside what it copies, installs or runs.
func isMibe(m map[string]fs.FileMode) bool {
	isFile := func(name string) bool { mode, ok := m[name]; return ok && mode.IsRegular() }
	signs := 0
	for _, name := range []string{"customize", "packages", "copy.tar.gz"} {
		if isFile(name) {
			signs++
		}
	}
	if m["copy"].IsDir() {
		signs++
	}
	if isFile("manifest") || isFile("manifest.json") {
		signs++
	}
	return signs > 1 && countRoot(m) == 0
}

// LevelError says that a source is no root file system, and what it is.
type LevelError struct {
	Name  string // path of the source; empty for standard input
	IsDir bool
	Level Level
}

// Error names what the source is.
func (e *LevelError) Error() string {
	name := stdin
	if e.Name != "" {
		name = fmt.Sprintf("%q", e.Name)
	}
	if e.Level.Kind == Mibe {
		return fmt.Sprintf("%s: a mibe repository, not a root file system: mibe copies its files into a zone and runs its scripts there", name)
	}
	return fmt.Sprintf("%s: not a root file system; the root file system is in %q in it", name, clip(e.Level.Path))
}

// WayOut is to use the root file system that was found.
func (e *LevelError) WayOut() (fault.Way, []string) {
	switch {
	case e.Level.Kind == Mibe:
		return WayMibe, []string{path.Join(e.Name, e.Level.Path, "copy")}
	case e.IsDir:
		return WayLevel, []string{path.Join(e.Name, e.Level.Path)}
	}
	return WayUnpack, nil
}
