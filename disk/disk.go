// Package disk reads disk images of virtual machines: raw, qcow2, vmdk, vhd and vdi. It detects the
// format from the contents; a file in no other format is a raw disk. [ReadContents] tells what a machine
// finds on a disk. Package source/content recognizes other formats, and looks through compression and
// archives.
//
//	d, err := disk.Open(ctx, "disk.qcow2", disk.Options{})
//	defer d.Close()
//	start, end, err := d.NextData(0)
//	_, err = d.ReadAt(p, start)
//
// # Limits
//
// The package reads the active state of a qcow2 file, not its snapshots. It ignores reference counts. It
// refuses encrypted disks and disks that need a second file: a backing file, an external data file or a
// differencing disk. The extents of a flat vmdk are an exception.
//
// Headers and tables may be hostile. Tables must be distinct and within the file, and may map no more
// data than the file can hold. Only the first level of tables is held in memory, at most 32 MiB.
//
// Source of the formats, as facts: docs/interop/qcow2.txt of QEMU; VMware's Virtual Disk Format 1.1 and
// 5.0; Microsoft's Virtual Hard Disk Image Format Specification 1.0; VirtualBox's VDICore.h.
package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"imagetools/fault"

	"imagetools/internal/shell"
	"imagetools/source/content/magic"
	"imagetools/tree"
)

// Disk is an open disk. Its methods may be called concurrently, but for Close, and NextData by
// one caller at a time. It is a [tree.File].
type Disk struct {
	Name   string // of its file
	Format Format
	Size   int64 // bytes
	Spool  int64 // bytes of the temporary file it was copied into; 0 if none
	data   tree.File
	closer io.Closer
}

// ReadAt reads as io.ReaderAt does; holes are zeros.
func (d *Disk) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off > d.Size {
		return 0, fmt.Errorf("%q: read at byte %d of %d", d.Name, off, d.Size)
	}
	if len(p) == 0 {
		return 0, nil
	}
	var end error
	if left := d.Size - off; int64(len(p)) > left {
		p, end = p[:left], io.EOF
	}
	if len(p) == 0 {
		return 0, end
	}
	if n, err = d.data.ReadAt(p, off); n == len(p) {
		return n, end
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF // it was cut since
	}
	return n, d.fail(err)
}

// NextData returns the first range of data at or after off; io.EOF says that none follows.
func (d *Disk) NextData(off int64) (start, end int64, err error) {
	if off < 0 || off >= d.Size {
		return 0, 0, io.EOF
	}
	start, end, err = d.data.NextData(off)
	if err == nil && start >= d.Size {
		err = io.EOF
	}
	if err != nil && err != io.EOF {
		err = d.fail(err)
	}
	return start, min(end, d.Size), err
}

// Close closes the file.
func (d *Disk) Close() error { return d.closer.Close() }

func (d *Disk) fail(err error) error { return fmt.Errorf("%q: %v: %w", d.Name, d.Format, err) }

// Options say how a disk is read.
type Options struct {
	// TmpDir is the folder for the copy of a disk that cannot be read at any place, one that comes
	// from a pipe or device; the system's default if empty.
	TmpDir string
	// Name is that of a disk that [Read] reads, for messages.
	Name string
}

// Open opens a disk. A regular file is read where it lies, anything else as [Read] does.
func Open(ctx context.Context, path string, opts Options) (*Disk, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	opts.Name = path
	h, err := newHostFile(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if h == nil {
		d, err := Read(ctx, f, opts)
		f.Close() // it was only read
		return d, err
	}
	return open(&Disk{Name: path, closer: h}, h, h.size)
}

// Read copies a disk from r into a temporary file without a name, in which zeros take no room.
func Read(ctx context.Context, r io.Reader, opts Options) (*Disk, error) {
	h, err := spool(ctx, r, opts)
	if err != nil {
		return nil, err
	}
	return open(&Disk{Name: opts.Name, Spool: h.size, closer: h}, h, h.size)
}

// open completes a disk that is in a file of size bytes, or closes it.
func open(d *Disk, f tree.File, size int64) (*Disk, error) {
	if err := d.recognise(f, size); err != nil {
		return nil, errors.Join(fmt.Errorf("%q: %w", d.Name, err), d.Close())
	}
	return d, nil
}

func (d *Disk) recognise(f tree.File, size int64) error {
	start, err := readUpTo(f, 0, magic.Size)
	if err != nil {
		return err
	}
	if d.Format, err = detect(d.Name, start, f, size); err != nil {
		return err
	}
	if err = openers[d.Format](d, f, size); err == nil && d.Size <= 0 {
		err = errors.New("empty")
	}
	if err == nil && d.Size > maxSize {
		err = fmt.Errorf("size of %d bytes", d.Size)
	}
	if err != nil {
		return fmt.Errorf("%v: %w", d.Format, err)
	}
	return nil
}

// maxSize is the largest size of a disk that is believed, in bytes.
const maxSize = 1 << 60

// Format is the format of a disk.
type Format int

// The formats.
const (
	Raw Format = iota
	QCOW2
	VMDK
	VMDKFlat
	VHD
	VHDFixed
	VDI
)

var formatNames = [...]string{"raw disk", "qcow2", "vmdk", "flat vmdk", "vhd", "fixed vhd", "vdi"}

func (f Format) String() string { return formatNames[f] }

// openers complete a Disk: its size and data.
var openers = [...]func(d *Disk, f tree.File, size int64) error{
	openRaw, openQCOW2, openVMDK, openVMDKFlat, openVHD, openVHDFixed, openVDI,
}

func openRaw(d *Disk, f tree.File, size int64) error {
	d.Size, d.data = size, f
	return nil
}

// formats are those of package magic that are read.
var formats = map[string]Format{"qcow2": QCOW2, "vmdk": VMDK, "vmdk-flat": VMDKFlat, "vhd": VHD, "vdi": VDI}

// detect tells the format of a file that begins with start.
func detect(name string, start []byte, f io.ReaderAt, size int64) (Format, error) {
	switch found := magic.Of(start); found.Class {
	case magic.Disk:
		if format, ok := formats[found.ID]; ok {
			return format, nil
		}
		return Raw, unread(found, name)
	case magic.Encrypted:
		return Raw, encrypted(errors.New("encrypted by LUKS"), found.ID, "key-secret", name)
	}
	fixed, err := HasVHDFooter(f, size)
	if fixed {
		return VHDFixed, nil
	}
	return Raw, err
}

// unread says that a format is not read, and what makes one of it that is.
func unread(f magic.Format, name string) error {
	err := fmt.Errorf("disks in the format %s are not read", f.ID)
	if f.ID == "android-sparse" {
		return hintf(err, "simg2img %s disk.raw makes one that can be read", shell.Quote(name))
	}
	return flatten(err, name)
}

// HasVHDFooter tells whether a file of size bytes ends with the footer of a vhd. If it does not
// begin with one, it is a fixed vhd: a raw disk with a footer.
func HasVHDFooter(f io.ReaderAt, size int64) (bool, error) {
	if size < vhdFooterSize {
		return false, nil
	}
	var cookie [len(vhdCookie)]byte
	if _, err := f.ReadAt(cookie[:], size-vhdFooterSize); err != nil && err != io.EOF {
		return false, err
	}
	return string(cookie[:]) == vhdCookie, nil
}

// flatten adds to an error the qemu-img command that makes a disk which can be read.
func flatten(err error, name string) error {
	return hintf(err, "qemu-img convert -O qcow2 %s new.qcow2 makes one that can be read", shell.Quote(name))
}

// encrypted adds to an error the qemu-img command that decrypts a disk.
func encrypted(err error, driver, key, name string) error {
	opts := fmt.Sprintf("driver=%s,%s=key,file.filename=%s", driver, key, name)
	return hintf(err, "qemu-img convert --object secret,id=key,data=PASSWORD --image-opts %s -O qcow2 new.qcow2 makes a plain one", shell.Quote(opts))
}

func hintf(err error, format string, args ...any) error {
	return fault.WithHint(err, fmt.Sprintf(format, args...))
}

// readUpTo reads n bytes, or up to the end of the file.
func readUpTo(r io.ReaderAt, off int64, n int) ([]byte, error) {
	p := make([]byte, n)
	m, err := r.ReadAt(p, off)
	if err == io.EOF {
		err = nil
	}
	return p[:m], err
}

var _ tree.File = (*Disk)(nil)
