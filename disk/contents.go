package disk

import (
	"fmt"
	"io"

	"imagetools/source/content/magic"
)

// Contents is what a machine sees of a disk when it looks for a system or for data.
type Contents struct {
	Format     magic.Format // what the disk begins with
	Partitions Partitions
}

// ReadContents looks at the start of a disk of size bytes. Of r, the first [magic.Size] bytes are
// enough, but for partition tables that lie elsewhere than usual.
func ReadContents(r io.ReaderAt, size int64) (*Contents, error) {
	start, err := readUpTo(r, 0, int(min(magic.Size, size)))
	if err != nil {
		return nil, err
	}
	p, err := ReadPartitions(r, size)
	if err != nil {
		return nil, err
	}
	return &Contents{magic.Of(start), *p}, nil
}

// Warnings tells why machines may find no system and no data on the disk. It is empty for a disk
// that begins with a sound partition table or a file system.
func (c *Contents) Warnings() []string {
	const neither = "machines find neither a partition table nor a file system"
	switch c.Format.Class {
	case magic.Table, magic.FileSystem, magic.Encrypted:
		return c.Partitions.Faults
	case magic.Disk:
		return []string{fmt.Sprintf("it begins with the header of %s: the contents are those of a file in that format, and %s", c.Format, neither)}
	case magic.Unknown, magic.Zeros, magic.Empty:
		return []string{fmt.Sprintf("it begins with %s: %s that is known", c.Format, neither)}
	}
	return []string{fmt.Sprintf("it begins with %s: %s", c.Format, neither)}
}

// String says what the disk begins with.
func (c *Contents) String() string { return c.Format.Name }
