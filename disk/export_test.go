package disk

import "imagetools/tree"

// OpenBytes opens the disk in a file with these bytes.
func OpenBytes(name string, b []byte) (*Disk, error) {
	f, err := tree.Bytes(b).Open()
	if err != nil {
		return nil, err
	}
	return open(&Disk{Name: name, closer: f}, f, int64(len(b)))
}
