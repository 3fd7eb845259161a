package overlay

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"imagetools/tree"
)

// item is what the layers together have at a path of the root.
type item struct {
	path   string // in the root
	layer  *Layer
	from   string // path in the layer; empty for a directory on the way to its place
	node   *tree.Node
	stated bool // a METALOG gives its mode or owner
}

// merge lays the layers over one another. The items come sorted, directories before what they
// hold.
func merge(layers []*Layer) ([]*item, error) {
	all := make(map[string]*item)
	for _, l := range layers {
		at, err := l.at()
		if err != nil {
			return nil, err
		}
		for i := range len(at) + 1 {
			if i > 0 && (i == len(at) || at[i] == '/') {
				put(all, &item{path: at[:i], layer: l, node: tree.NewDir(0o755)})
			}
		}
		for path, n := range l.Tree.All() {
			if path != "." {
				put(all, &item{path: strings.TrimPrefix(at+"/"+path, "/"), layer: l, from: path, node: n, stated: l.stated[path]})
			}
		}
	}
	paths := slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
	})
	items := make([]*item, len(paths))
	for i, path := range paths {
		items[i] = all[path]
	}
	return items, nil
}

// put adds an item of a later layer. A directory that is one already changes its mode only if
// that is stated, or was not before.
func put(all map[string]*item, later *item) {
	before := all[later.path]
	if before != nil && before.node.IsDir() {
		switch {
		case !later.node.IsDir():
			removeBelow(all, later.path)
		case !later.stated && (before.stated || later.from == ""):
			return
		}
	}
	all[later.path] = later
}

func removeBelow(all map[string]*item, dir string) {
	for path := range all {
		if strings.HasPrefix(path, dir+"/") {
			delete(all, path)
		}
	}
}

// checkPlaces reports what hides the scripts and directories of the options.
func (o *Options) checkPlaces(items []*item) error {
	all := make(map[string]*item, len(items))
	for _, it := range items {
		all[it.path] = it
	}
	var faults []error
	for _, script := range o.Scripts {
		p := strings.Trim(script, "/")
		faults = append(faults, onTheWay(all, p, script))
		if it := all[p]; it != nil && it.node.Mode.Type() != tree.TypeFile {
			faults = append(faults, it.hides(script))
		}
	}
	for _, dir := range o.Dirs {
		p := strings.Trim(dir, "/")
		faults = append(faults, onTheWay(all, p, dir))
		if it := all[p]; it != nil && !it.node.IsDir() {
			faults = append(faults, it.hides(dir))
		}
	}
	return errors.Join(faults...)
}

// onTheWay reports what is no directory, and above a path of somebody's.
func onTheWay(all map[string]*item, p, whose string) error {
	for i := range len(p) {
		if it := all[p[:i]]; p[i] == '/' && it != nil && !it.node.IsDir() {
			return it.hides(whose)
		}
	}
	return nil
}

// hides is the fault of an item in the place of something that is needed.
func (it *item) hides(what string) error {
	return it.layer.fail(fmt.Errorf("%q: a %s in the place of %q, which is needed while the image is made", "/"+it.path, it.node.Mode.TypeName(), what))
}
