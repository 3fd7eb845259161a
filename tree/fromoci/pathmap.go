package fromoci

import (
	"iter"
	"strings"
)

// pathMap is a map by path. It finds what all the folders on a path have in one pass over it:
// paths may have a length of a megabyte.
type pathMap[T any] struct {
	value T
	names map[string]*pathMap[T]
}

// at returns the place for the value of a path; "." is the top.
func (m *pathMap[T]) at(path string, meter *meter) *T { return &m.below(path, meter).value }

// below returns the map of what is at a path and below it.
func (m *pathMap[T]) below(path string, meter *meter) *pathMap[T] {
	if path == "." {
		return m
	}
	for part := range strings.SplitSeq(path, "/") {
		m = m.child(part, meter)
	}
	return m
}

// child is what is at a name and below it.
func (m *pathMap[T]) child(name string, meter *meter) *pathMap[T] {
	child := m.names[name]
	if child == nil {
		meter.hold(pathCost, "paths of layers")
		child = new(pathMap[T])
		if m.names == nil {
			m.names = make(map[string]*pathMap[T])
		}
		m.names[name] = child
	}
	return child
}

// along yields the values of the folders on a path, from the top, and of the path itself, each
// with what of the path is below it.
func (m *pathMap[T]) along(path string) iter.Seq2[T, string] {
	return func(yield func(T, string) bool) {
		for more := path != "."; m != nil && yield(m.value, path) && more; {
			var part string
			part, path, more = strings.Cut(path, "/")
			m = m.names[part]
		}
	}
}
