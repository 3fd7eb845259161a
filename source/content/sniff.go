package content

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"imagetools/compress"
	"imagetools/disk"
	"imagetools/source/content/magic"
)

// MaxNesting is through how many packings is looked.
const MaxNesting = 4

// maxUnpacked bounds what is unpacked in order to look at it.
const maxUnpacked = 16 << 20

// SniffFile tells what a regular file is. For anything else, such as a pipe, which looking would
// take bytes of, the result is nil.
func SniffFile(path string) (*Finding, error) {
	info, err := os.Stat(path) // before it is opened, which a FIFO would wait in
	if err != nil || !info.Mode().IsRegular() {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return SniffAt(f, info.Size())
}

// SniffAt tells what size bytes of r are.
func SniffAt(r io.ReaderAt, size int64) (*Finding, error) {
	f, err := Sniff(io.NewSectionReader(r, 0, size))
	if err != nil || f.Packed() || f.Format.Class == magic.Disk {
		return f, err
	}
	if fixed, err := disk.HasVHDFooter(r, size); err != nil || !fixed {
		return f, err
	}
	return &Finding{Kind: Disk, Format: magic.Format{Class: magic.Disk, ID: "vhd-fixed", Name: "a fixed vhd disk"}, Certain: true}, nil
}

// Sniff tells what r holds, by as much of its start as that takes. Input that ends is looked at as
// far as it goes, so that r may be the start of something longer. An io.Seeker is used to skip the
// contents of an archive.
//
// An error is one of reading r alone: damaged input is told by its packing, and what is in it is
// unknown then.
func Sniff(r io.Reader) (*Finding, error) {
	in := &remember{r: r}
	f := sniff(in, nil, MaxNesting)
	return f, in.err
}

// remember keeps the first error of a reader, except io.EOF.
type remember struct {
	r   io.Reader
	err error
}

func (r *remember) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF && r.err == nil {
		r.err = err
	}
	return n, err
}

// Seek seeks if the reader can.
func (r *remember) Seek(off int64, whence int) (int64, error) {
	if s, ok := r.r.(io.Seeker); ok {
		return s.Seek(off, whence)
	}
	return 0, fmt.Errorf("cannot seek")
}

// sniff looks at what is in r, which is packed in outer.
func sniff(r io.Reader, outer []Packing, depth int) *Finding {
	start := make([]byte, magic.Size)
	n, err := io.ReadFull(r, start)
	start = start[:n]
	f := &Finding{Format: magic.Of(start), Packing: slices.Clip(outer), Certain: true}
	if n == 0 && err != io.EOF {
		f.Format = magic.Format{Name: "data that cannot be read"}
	}
	switch f.Format.Class {
	case magic.Empty, magic.Zeros:
		f.Kind = Nothing
	case magic.Stream:
		f.Kind = Stream
	case magic.Disk, magic.Encrypted, magic.Table, magic.FileSystem:
		f.Kind = Disk
	case magic.JSON:
		f.Kind = JSON
	case magic.Packing, magic.Archive, magic.Document:
		f.Kind = Foreign
	case magic.Packed:
		return sniffPacked(rejoin(start, r), f, depth)
	case magic.Tar:
		return sniffTar(rejoin(start, r), f, depth)
	}
	return f
}

// sniffPacked looks into what is compressed.
func sniffPacked(r io.Reader, f *Finding, depth int) *Finding {
	if depth == 0 {
		f.Kind = Foreign
		return f
	}
	plain, _, err := compress.NewReader(r, compress.Options{})
	if err != nil {
		if f.Kind = Foreign; errors.Is(err, compress.ErrMemory) {
			f.Kind = Unknown // whoever reads it says what that takes
		}
		return f
	}
	defer plain.Close()
	return sniff(io.LimitReader(plain, maxUnpacked), append(f.Packing, Packing{Format: f.Format}), depth-1)
}

// rejoin gives back what was read of r. It can still seek forward if r can.
func rejoin(start []byte, r io.Reader) io.Reader {
	if s, ok := r.(io.Seeker); ok {
		if _, err := s.Seek(-int64(len(start)), io.SeekCurrent); err == nil {
			return r
		}
	}
	return bufio.NewReader(io.MultiReader(bytes.NewReader(start), r))
}
