package content

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"imagetools/compress"
	"imagetools/disk"
	"imagetools/internal/budget"
	"imagetools/source/content/magic"
)

// DiskOptions say how a disk is opened.
type DiskOptions struct {
	Name   string         // of what [ReadDisk] reads, for messages
	TmpDir string         // for what is unpacked; "" is os.TempDir
	Budget *budget.Budget // for what decoders hold; nil is the default
	// Unpacking, if set, is told how many bytes were unpacked so far.
	Unpacking func(n int64)
}

// OpenDisk opens the disk in a file. A disk that is not packed is read where it lies, whatever its
// contents; another is unpacked into a temporary file. Of an archive the only disk is taken. What
// is recognised as something other than a disk is a [*NotDiskError].
func OpenDisk(ctx context.Context, path string, opts DiskOptions) (*disk.Disk, error) {
	f, err := SniffFile(path)
	if err != nil {
		return nil, err
	}
	opts.Name = path
	if f != nil && !f.Packed() && f.isDisk() {
		return disk.Open(ctx, path, disk.Options{TmpDir: opts.TmpDir})
	}
	if f != nil && f.isOther() {
		return nil, &NotDiskError{path, f}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return ReadDisk(ctx, file, opts)
}

// ReadDisk is [OpenDisk] for what can be read once only.
func ReadDisk(ctx context.Context, r io.Reader, opts DiskOptions) (*disk.Disk, error) {
	w := &diskWalk{ctx: ctx, opts: opts}
	return w.walk(r, nil, MaxNesting)
}

// isDisk tells whether content can be that of a disk: it is recognised as one or not at all.
func (f *Finding) isDisk() bool {
	return f.Kind == Disk || f.Kind == Unknown || f.Kind == Nothing
}

// isOther tells whether content is recognised as something else.
func (f *Finding) isOther() bool { return !f.isDisk() && f.Kind != Tree }

// diskWalk looks for the disk in packings while they are read.
type diskWalk struct {
	ctx      context.Context
	opts     DiskOptions
	unpacked int64
}

// peekSize is how much of a packed content is looked at before it is decided what to do with it: a
// block of bzip2 and more.
const peekSize = 1 << 20

// walk opens the disk that r holds, which is packed in outer.
func (w *diskWalk) walk(r io.Reader, outer []Packing, depth int) (*disk.Disk, error) {
	br := bufio.NewReaderSize(r, peekSize)
	start, err := br.Peek(magic.Size)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("%q: %w", w.opts.Name, err)
	}
	format := magic.Of(start)
	switch {
	case depth > 0 && format.Class == magic.Packed:
		plain, _, err := compress.NewReader(br, compress.Options{Budget: w.opts.Budget})
		if err != nil {
			return nil, fmt.Errorf("unpack %q: %w", w.opts.Name, err)
		}
		defer plain.Close()
		return w.walk(&counting{w, plain}, append(outer, Packing{Format: format}), depth-1)
	case depth > 0 && format.Class == magic.Tar:
		return w.tar(br, outer, depth)
	}
	f := sniff(bytes.NewReader(start), outer, 0)
	if f.isOther() || format.Class == magic.Tar {
		return nil, &NotDiskError{w.opts.Name, f}
	}
	return disk.Read(w.ctx, br, disk.Options{Name: w.opts.Name, TmpDir: w.opts.TmpDir})
}

// tar opens the only disk in a tar.
func (w *diskWalk) tar(r io.Reader, outer []Packing, depth int) (d *disk.Disk, err error) {
	defer func() {
		if err != nil && d != nil {
			err = errors.Join(err, d.Close())
			d = nil
		}
	}()
	f := &Finding{Kind: Tree, Packing: outer, Certain: true}
	f.Format = magic.Format{Class: magic.Tar, ID: "tar", Name: "a tar archive"}
	look := tarLook{finding: f, depth: depth}
	content := bufio.NewReaderSize(nil, peekSize)
	for archive := tar.NewReader(r); ; {
		hdr, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return d, fmt.Errorf("%q: tar archive: %w", w.opts.Name, err)
		}
		if err := w.ctx.Err(); err != nil {
			return d, err
		}
		contents, more := look.header(hdr)
		if contents {
			content.Reset(archive)
			start, err := content.Peek(peekSize)
			if err != nil && err != io.EOF {
				return d, fmt.Errorf("%q: member %q: %w", w.opts.Name, clip(hdr.Name), err)
			}
			isDisk := look.contents(hdr, sniff(bytes.NewReader(start), nil, depth-1))
			if isDisk && d == nil {
				in := append(outer, Packing{Format: f.Format, Member: memberName(hdr)})
				if d, err = w.walk(content, in, depth-1); err != nil {
					return d, err
				}
			}
		}
		if !more {
			break
		}
	}
	if got := look.result(true); got.Kind != Disk {
		return d, &NotDiskError{w.opts.Name, got}
	}
	return d, nil
}

// counting tells how much was unpacked.
type counting struct {
	w *diskWalk
	io.ReadCloser
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if c.w.unpacked += int64(n); c.w.opts.Unpacking != nil {
		c.w.opts.Unpacking(c.w.unpacked)
	}
	return n, err
}
