package filter

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"imagetools/fault"
	"imagetools/zfs/stream"
)

// Names are the names that [Rename] gives.
type Names struct {
	Snapshot string // behind the '@'
	Dataset  string // before it; empty keeps what is there
}

// maxName is how long a name in BEGIN may be: tools that strip holes write a checksum behind
// it, into the last 32 bytes of the field.
const maxName = 223

// WayDataset is to give the dataset a shorter name.
var WayDataset = fault.NewWay("filter.dataset")

// Check tells whether ZFS takes the names: words of ASCII letters, digits, '-', '_', '.', ':'
// and blanks, a snapshot of one, a dataset of some with '/' between them.
func (n Names) Check() error {
	if err := checkComponent(n.Snapshot); err != nil {
		return fmt.Errorf("snapshot name %q: %w", n.Snapshot, err)
	}
	if n.Dataset == "" {
		return nil
	}
	for part := range strings.SplitSeq(n.Dataset, "/") {
		if err := checkComponent(part); err != nil {
			return fmt.Errorf("dataset name %q: %w", n.Dataset, err)
		}
	}
	return checkLength(n.Dataset + "@" + n.Snapshot)
}

func checkComponent(s string) error {
	switch s {
	case "":
		return errors.New("empty")
	case ".", "..":
		return fmt.Errorf("%q is no name", s)
	}
	for _, r := range s {
		if !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_.: ", r)) {
			return fmt.Errorf("%q cannot be in it", r)
		}
	}
	return nil
}

func checkLength(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("%q has %d bytes, the limit is %d", name, len(name), maxName)
	}
	return nil
}

// Rename gives the snapshot in a stream another name, under which it is then received. The
// stream may be incremental or raw, but not compound: in those the names of datasets and
// snapshots refer to each other.
func Rename(w io.Writer, r io.Reader, names Names) (*Report, error) {
	if err := names.Check(); err != nil {
		return nil, err
	}
	return newCopier(w, r).copy(func(rec stream.Record) (bool, error) {
		b, ok := rec.(*stream.Begin)
		if !ok {
			return true, nil
		}
		if b.HeaderType != stream.Substream {
			return false, errCompound
		}
		dataset, _, _ := strings.Cut(b.ToName, "@")
		if names.Dataset != "" {
			dataset = names.Dataset
		}
		name := dataset + "@" + names.Snapshot
		if err := checkLength(name); err != nil {
			return false, fault.With(&RefusedError{err.Error(), ""}, WayDataset)
		}
		if name != b.ToName { // what stood behind the old name goes with it
			b.ToName, b.NameTail = name, ""
		}
		return true, nil
	})
}
