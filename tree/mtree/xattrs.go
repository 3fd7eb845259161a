package mtree

import (
	"slices"

	"imagetools/tree"
)

// Xattrs are extended attributes of which later ones take the place of earlier ones with the
// same name.
type Xattrs struct {
	list  []tree.Xattr
	index map[string]int // of list, once that is not another's
}

// NewXattrs returns the attributes of a list, whose names are unique. The list stays as it is.
func NewXattrs(list []tree.Xattr) *Xattrs { return &Xattrs{list: slices.Clip(list)} }

// Set adds attributes, or puts them into the place of those with their names.
func (s *Xattrs) Set(list []tree.Xattr) {
	if len(list) == 0 || sameList(s.list, list) {
		return
	}
	if s.index == nil {
		s.list = slices.Clone(s.list)
		s.index = make(map[string]int, len(s.list)+len(list))
		for i, x := range s.list {
			s.index[x.Name] = i
		}
	}
	for _, x := range list {
		if i, ok := s.index[x.Name]; ok {
			s.list[i] = x
			continue
		}
		s.index[x.Name] = len(s.list)
		s.list = append(s.list, x)
	}
}

// List are the attributes. Set may change them.
func (s *Xattrs) List() []tree.Xattr { return slices.Clip(s.list) }

// sameList tells whether two lists are the same memory.
func sameList(a, b []tree.Xattr) bool { return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0] }
