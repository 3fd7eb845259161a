// Package disk reads the disks of virtual machines: raw, qcow2, vmdk, vhd and vdi, which it
// tells apart by their contents.
//
//	d, err := disk.Open(ctx, "disk.qcow2", disk.Options{})
//	defer d.Close()
//	start, end, err := d.NextData(0)
//	_, err = d.ReadAt(p, start)
//
// # Limits
//
// Of a qcow2 file the active state is read, not its snapshots. What needs a second file is
// refused (a backing file, an external data file, a differencing disk), but for the extents of
// a flat vmdk, and so is what is encrypted. Reference counts are not looked at: reading needs
// none.
//
// Headers and tables are taken for hostile. Tables must lie within the file and be distinct, no
// more data may be mapped than the file can hold, and of tables only the first level, at most 32
// MiB, is kept in memory.
//
// Source of the formats: docs/interop/qcow2.txt of QEMU; VMware's Virtual Disk Format 1.1 and
// 5.0; Microsoft's Virtual Hard Disk Image Format Specification 1.0; VirtualBox's VDICore.h; as
// facts.
package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"imagetools/internal/shell"
	"imagetools/tree"
	"imagetools/tree/source"
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
	// TmpDir is the folder for the copy of a disk that cannot be read at any place, one that is
	// compressed or comes from a pipe or device; the system's default if empty.
	TmpDir string
	// Decompress, if set, unpacks a compressed file and tells whether it was one.
	Decompress func(io.Reader) (io.ReadCloser, bool, error)
	// Name is that of a disk that [Read] reads, for messages.
	Name string
}

// Open opens a disk. A regular file that is not compressed is read where it lies, anything else
// as [Read] does.
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
		return readAndClose(ctx, f, f, opts)
	}
	if opts.Decompress != nil {
		plain, packed, err := opts.Decompress(io.NewSectionReader(f, 0, h.size))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("unpack %q: %w", path, err), f.Close())
		}
		defer plain.Close() // nothing more is read
		if packed {
			opts.Decompress = nil
			return readAndClose(ctx, plain, f, opts)
		}
	}
	return open(&Disk{Name: path, closer: h}, h, h.size)
}

func readAndClose(ctx context.Context, r io.Reader, f *os.File, opts Options) (*Disk, error) {
	d, err := Read(ctx, r, opts)
	f.Close() // it was only read
	return d, err
}

// Read copies a disk from r into a temporary file without a name, in which zeros take no room.
func Read(ctx context.Context, r io.Reader, opts Options) (*Disk, error) {
	if opts.Decompress != nil {
		plain, _, err := opts.Decompress(r)
		if err != nil {
			return nil, fmt.Errorf("unpack %q: %w", opts.Name, err)
		}
		defer plain.Close()
		r = plain
	}
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
	start, err := readUpTo(f, 0, probeSize)
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

// probeSize is how much of a file decides what it is, together with its last sector.
const probeSize = 8 << 10

// magics of the formats, and of others, which qemu-img can turn into one of them.
var magics = []struct {
	magic  string
	format Format
	other  string
}{
	{"QFI\xfb\x00\x00\x00\x02", QCOW2, ""},
	{"QFI\xfb\x00\x00\x00\x03", QCOW2, ""},
	{"QFI\xfb\x00\x00\x00\x01", Raw, "qcow"},
	{"QFI\xfb", Raw, "qcow2 of a later version"},
	{"KDMV", VMDK, ""},
	{"# Disk DescriptorFile", VMDKFlat, ""},
	{"COWD", Raw, "COWD of ESX"},
	{"conectix", VHD, ""},
	{"vhdxfile", Raw, "vhdx"},
	{"QED\x00", Raw, "qed"},
	{"WithoutFreeSpace", Raw, "of Parallels"},
	{"WithouFreSpacExt", Raw, "of Parallels"},
}

// detect tells the format of a file that begins with start.
func detect(name string, start []byte, f io.ReaderAt, size int64) (Format, error) {
	for _, m := range magics {
		if !bytes.HasPrefix(start, []byte(m.magic)) {
			continue
		}
		if m.other != "" {
			return Raw, flatten(fmt.Errorf("disks in the format %s are not read", m.other), name)
		}
		return m.format, nil
	}
	if bytes.HasPrefix(start, []byte("LUKS\xba\xbe")) {
		return Raw, encrypted(errors.New("encrypted by LUKS"), "luks", "key-secret", name)
	}
	if len(start) >= vdiMagicAt+4 && le.Uint32(start[vdiMagicAt:]) == vdiMagic {
		return VDI, nil
	}
	if size >= vhdFooterSize {
		var cookie [len(vhdCookie)]byte
		if _, err := f.ReadAt(cookie[:], size-vhdFooterSize); err != nil && err != io.EOF {
			return Raw, err
		}
		if string(cookie[:]) == vhdCookie {
			return VHDFixed, nil
		}
	}
	return Raw, nil
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
	return source.WithHint(err, fmt.Sprintf(format, args...))
}

// IsDisk tells whether a regular file is a disk beyond doubt: one in a format with a magic
// number, or a raw one with a partition table or a file system of ext2 to 4 or XFS. A tar, whose
// first name may be any magic number, is none.
func IsDisk(path string) (bool, error) {
	info, err := os.Stat(path) // before it is opened, which a FIFO would wait in
	if err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	start, err := readUpTo(f, 0, probeSize)
	if err != nil || len(start) > 257 && bytes.HasPrefix(start[257:], []byte("ustar")) {
		return false, err
	}
	format, err := detect(path, start, f, info.Size())
	return err != nil || format != Raw || isRaw(start), nil
}

// isRaw tells whether a raw disk begins so. What is compressed can hold two bytes of a magic
// number by chance, so more is looked at.
func isRaw(start []byte) bool {
	b := make([]byte, probeSize)
	copy(b, start)
	mbr := string(b[510:512]) == "\x55\xaa"
	for i := range 4 { // the status of a partition is 0x80 if it is active, else 0
		mbr = mbr && b[mbrTableAt+i*mbrEntrySize]&0x7f == 0
	}
	const super = 1024 // of ext2 to 4: s_magic, s_state, s_rev_level
	ext := le.Uint16(b[super+0x38:]) == 0xef53 && le.Uint16(b[super+0x3a:]) < 8 && le.Uint32(b[super+0x4c:]) < 2
	gpt := string(b[sector:][:8]) == gptMagic || string(b[4096:][:8]) == gptMagic
	return mbr || ext || gpt || string(b[:4]) == "XFSB"
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
