package fromoci

import (
	"iter"
	"strings"
)

// pathMap is a map by path. It finds what all the folders on a path have in one pass over it:
// paths may have a length of a megabyte.
type pathMap[T any] struct {
	value T
	below map[string]*pathMap[T]
}

// at returns the place for the value of a path; "." is the top.
func (m *pathMap[T]) at(path string) *T {
	if path == "." {
		return &m.value
	}
	for part := range strings.SplitSeq(path, "/") {
		child := m.below[part]
		if child == nil {
			child = new(pathMap[T])
			if m.below == nil {
				m.below = make(map[string]*pathMap[T])
			}
			m.below[part] = child
		}
		m = child
	}
	return &m.value
}

// along yields the values of the folders on a path, from the top, and of the path itself, each
// with what of the path is below it.
func (m *pathMap[T]) along(path string) iter.Seq2[T, string] {
	return func(yield func(T, string) bool) {
		for more := path != "."; m != nil && yield(m.value, path) && more; {
			var part string
			part, path, more = strings.Cut(path, "/")
			m = m.below[part]
		}
	}
}
