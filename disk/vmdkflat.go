package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"imagetools/tree"
)

// Limits of a vmdk's descriptor. A disk in files of 2 GB has 1024 of them at 2 TB.
const (
	maxDescriptor = 64 << 10
	maxExtents    = 1024
)

// descriptor is the text that describes a vmdk.
type descriptor struct {
	parent, encryption string
	extents            []vmdkExtent
}

// vmdkExtent is a part of a disk: "RW 4192256 FLAT "disk-flat.vmdk" 0", in sectors.
type vmdkExtent struct {
	line   int
	size   int64  // bytes
	kind   string // FLAT, ZERO, SPARSE...
	name   string
	offset int64 // bytes
}

func parseDescriptor(b []byte) (*descriptor, error) {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i] // padded
	}
	d := &descriptor{}
	var faults []error
	for i, line := range strings.Split(string(b), "\n") {
		line = strings.TrimSpace(line)
		if key, value, ok := strings.Cut(line, "="); ok && !strings.ContainsAny(key, `"#`) {
			value = strings.Trim(strings.TrimSpace(value), `"`)
			switch strings.ToLower(strings.TrimSpace(key)) {
			case "parentcid":
				d.parent = value
			case "encryption.keysafe", "encryption.data":
				d.encryption = value
			}
			continue
		}
		if access, rest, ok := strings.Cut(line, " "); ok && (access == "RW" || access == "RDONLY" || access == "NOACCESS") {
			e, err := parseExtent(rest)
			if err != nil {
				faults = append(faults, fmt.Errorf("line %d: extent %q: %w", i+1, rest, err))
			}
			e.line = i + 1
			if d.extents = append(d.extents, e); len(d.extents) > maxExtents {
				return nil, fmt.Errorf("more than %d extents", maxExtents)
			}
		}
	}
	return d, errors.Join(faults...)
}

func parseExtent(s string) (e vmdkExtent, err error) {
	head, tail, quoted := strings.Cut(s, `"`)
	fields := strings.Fields(head)
	if len(fields) != 2 {
		return e, errors.New("size and type are needed")
	}
	if e.size, err = sectors(fields[0]); err != nil {
		return e, fmt.Errorf("size: %w", err)
	}
	e.kind = fields[1]
	if !quoted {
		return e, nil
	}
	name, tail, closed := strings.Cut(tail, `"`)
	if !closed {
		return e, errors.New("its name does not end")
	}
	e.name = name
	if fields = strings.Fields(tail); len(fields) > 0 {
		if e.offset, err = sectors(fields[0]); err != nil {
			return e, fmt.Errorf("offset: %w", err)
		}
	}
	return e, nil
}

func sectors(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > maxSize/sector {
		return 0, fmt.Errorf("%q is no number of sectors", s)
	}
	return int64(n) * sector, nil
}

// check refuses a disk that is the difference to another one, and an encrypted one.
func (d *descriptor) check(name string) error {
	if d.parent != "" && !strings.EqualFold(d.parent, "ffffffff") {
		return flatten(fmt.Errorf("it needs a parent disk (parentCID %q)", d.parent), name)
	}
	if d.encryption != "" {
		return errors.New("it is encrypted")
	}
	return nil
}

// flat is a disk in one or more files that hold it as it is.
type flat struct {
	parts  []flatPart
	closer io.Closer // the descriptor
}

type flatPart struct {
	start, size int64     // on the disk
	file        tree.File // nil for zeros
	offset      int64     // in file
}

// openVMDKFlat opens the files that a descriptor names. It may be anybody's, so a name must be
// that of a regular file in the folder of the descriptor.
func openVMDKFlat(d *Disk, f tree.File, size int64) error {
	if size > maxDescriptor {
		return fmt.Errorf("descriptor of %d bytes: the limit is %d", size, maxDescriptor)
	}
	b, err := readUpTo(f, 0, int(size))
	if err != nil {
		return err
	}
	desc, err := parseDescriptor(b)
	if err == nil {
		err = desc.check(d.Name)
	}
	if err != nil {
		return err
	}
	disk := &flat{closer: f}
	var faults []error
	for _, e := range desc.extents {
		part, err := openExtent(d, e)
		if err != nil {
			faults = append(faults, fmt.Errorf("line %d: %w", e.line, err))
			continue
		}
		part.start = d.Size
		d.Size += e.size // at most 1024 times 2⁶⁰ bytes are checked below, one by one
		disk.parts = append(disk.parts, part)
		if d.Size > maxSize {
			faults = append(faults, fmt.Errorf("line %d: the disk has more than %d bytes", e.line, int64(maxSize)))
			break
		}
	}
	if err := errors.Join(faults...); err != nil {
		return errors.Join(err, disk.closeParts())
	}
	d.data, d.closer = disk, disk
	return nil
}

func openExtent(d *Disk, e vmdkExtent) (flatPart, error) {
	p := flatPart{size: e.size}
	switch e.kind {
	case "ZERO":
		return p, nil
	case "FLAT", "VMFS":
	default:
		return p, flatten(fmt.Errorf("an extent of type %q is not read", e.kind), d.Name)
	}
	if d.Spool > 0 {
		return p, fmt.Errorf("extent %q: the descriptor comes from a pipe, and so from no folder", e.name)
	}
	if e.name == "" || e.name == "." || e.name == ".." || strings.ContainsAny(e.name, "/\\\x00") {
		return p, fmt.Errorf("extent %q: only a plain name of a file beside the descriptor is possible", e.name)
	}
	path := filepath.Join(filepath.Dir(d.Name), e.name)
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return p, fmt.Errorf("extent %q: is a symbolic link", e.name)
	}
	if err != nil {
		return p, fmt.Errorf("extent: %w", err)
	}
	h, err := newHostFile(f)
	switch {
	case err != nil:
	case h == nil:
		err = fmt.Errorf("extent %q: is no regular file", e.name)
	case e.offset > h.size || e.size > h.size-e.offset:
		err = fmt.Errorf("extent %q: %d bytes from byte %d on in a file of %d: %w", e.name, e.size, e.offset, h.size, io.ErrUnexpectedEOF)
	}
	if err != nil {
		return p, errors.Join(err, f.Close())
	}
	p.file, p.offset = h, e.offset
	return p, nil
}

func (d *flat) ReadAt(p []byte, off int64) (n int, err error) {
	for _, part := range d.parts {
		in := off + int64(n) - part.start
		if in >= part.size || n == len(p) {
			continue
		}
		q := p[n:min(int64(len(p)), int64(n)+part.size-in)]
		if part.file == nil {
			clear(q)
		} else if err := readFull(part.file, q, part.offset+in); err != nil {
			return n, err
		}
		n += len(q)
	}
	return n, nil
}

func (d *flat) NextData(off int64) (start, end int64, err error) {
	for _, part := range d.parts {
		in := max(off-part.start, 0)
		if in >= part.size || part.file == nil {
			continue
		}
		start, end, err = part.file.NextData(part.offset + in)
		if err != nil && err != io.EOF {
			return 0, 0, err
		}
		if start -= part.offset; err == io.EOF || start >= part.size {
			continue
		}
		return part.start + start, part.start + min(end-part.offset, part.size), nil
	}
	return 0, 0, io.EOF
}

func (d *flat) closeParts() error {
	var errs []error
	for _, p := range d.parts {
		if p.file != nil {
			errs = append(errs, p.file.Close())
		}
	}
	return errors.Join(errs...)
}

func (d *flat) Close() error { return errors.Join(d.closeParts(), d.closer.Close()) }
