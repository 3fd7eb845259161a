package source

import (
	"context"
	"fmt"

	"imagetools/disk"
	"imagetools/internal/plain"
	"imagetools/source/content"
)

// DiskFile is the disk of a virtual machine, in a file.
type DiskFile struct {
	path  string
	found *content.Finding // nil if it was not looked at
	opts  *Options
}

// String names the disk by its path.
func (d *DiskFile) String() string { return quoted(d.path) }

// Files is the path of the disk.
func (d *DiskFile) Files() []string { return []string{d.path} }

// NotRead is the error for a disk where a root file system is needed.
func (d *DiskFile) NotRead() error {
	name := d.path
	if name == "-" {
		name = stdin
	}
	return &content.NotReadError{Name: name, Finding: d.found}
}

// Disk opens the disk.
func (d *DiskFile) Disk(ctx context.Context) (*Disk, error) {
	opts := content.DiskOptions{TmpDir: d.opts.TmpDir, Budget: d.opts.Budget}
	opts.Unpacking = func(n int64) { d.opts.progress("unpacking", n, -1) }
	var open *disk.Disk
	var err error
	if d.path == "-" {
		opts.Name = stdin
		in, err := d.opts.stdin()
		if err != nil {
			return nil, err
		}
		open, err = content.ReadDisk(ctx, in, opts)
		if err != nil {
			return nil, err
		}
	} else if open, err = content.OpenDisk(ctx, d.path, opts); err != nil {
		return nil, err
	}
	out := &Disk{Source: open, Size: open.Size, What: fmt.Sprintf("disk %q: %v", open.Name, open.Format), closer: open}
	if d.found != nil && d.found.Member() != "" {
		out.Notes = append(out.Notes, fmt.Sprintf("%q is %v", open.Name, d.found))
	}
	if open.Spool > 0 {
		out.Notes = append(out.Notes, spooled(open.Spool))
	}
	return out, nil
}

func spooled(n int64) string {
	return fmt.Sprintf("unpacked into a temporary file of %s", plain.Size(n))
}
