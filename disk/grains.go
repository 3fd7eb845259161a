package disk

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"imagetools/tree"
)

// grains is the data of a disk that is stored in pieces of one size, which tables in its file
// lead to: qcow2's clusters, the blocks of vhd and vdi, vmdk's grains.
type grains struct {
	file     tree.File
	fileSize int64
	size     int64 // of the disk
	grain    int64 // bytes of each
	// find tells where a grain lies.
	find func(i int64) (place, error)
	// mask clears what is no data in p, which was read from byte off of a grain at a place; nil
	// for none.
	mask func(p []byte, at place, off int64) error
	// unpack fills dst with a packed grain; nil if there are none. A packed grain has at most
	// maxPacked bytes, and unpacks to at most ratio times its size. One of a format whose last
	// grain may be short is filled up with zeros, if it has as many bytes as least.
	unpack    func(dst, src []byte, least int) error
	maxPacked int64
	ratio     int64

	tables   cache // pages of the file
	unpacked cache // grains
}

// place is where a grain lies.
type place struct {
	kind   placeKind
	at     int64 // in the file
	packed int64 // bytes of a packed grain
	grains int64 // that follow and are holes, too, this one included; of a hole only
}

type placeKind int

const (
	hole placeKind = iota
	stored
	packed
)

// A single page or grain in a cache is found by its number modulo their count.
const (
	pageSize      = 64 << 10
	cachedPages   = 64
	cachedGrains  = 4
	maxGrain      = 2 << 20 // bytes of a packed grain, unpacked
	maxFirstTable = 32 << 20
	maxRange      = 64 << 20 // bytes that NextData looks ahead
)

func newGrains(f tree.File, fileSize, size, grain int64) *grains {
	return &grains{file: f, fileSize: fileSize, size: size, grain: grain, tables: newCache(cachedPages), unpacked: newCache(cachedGrains)}
}

// count is the number of grains of the disk.
func (g *grains) count() int64 { return (g.size-1)/g.grain + 1 }

// length is how many bytes of the disk grain i has.
func (g *grains) length(i int64) int64 { return min(g.grain, g.size-i*g.grain) }

// locate is find, checked.
func (g *grains) locate(i int64) (place, error) {
	p, err := g.find(i)
	need := int64(0)
	switch p.kind {
	case hole:
		p.grains = max(p.grains, 1)
	case stored:
		need = g.length(i)
	case packed:
		need = p.packed
		if need <= 0 || need > g.maxPacked {
			err = errors.Join(err, fmt.Errorf("%d packed bytes", need))
		}
	}
	if err == nil && (p.at < 0 || p.at > g.fileSize-need) {
		err = fmt.Errorf("%d bytes at byte %d of a file of %d: %w", need, p.at, g.fileSize, io.ErrUnexpectedEOF)
	}
	if err != nil {
		return p, fmt.Errorf("data at byte %d of the disk: %w", i*g.grain, err)
	}
	return p, nil
}

// check looks at all grains, so that what is wrong with the tables is known before anything is
// read, and a small file cannot claim to hold more than fits into it by pointing to the same
// place again and again.
func (g *grains) check() error {
	plain, unpacked := int64(0), int64(0)
	for i, n := int64(0), g.count(); i < n; {
		p, err := g.locate(i)
		if err != nil {
			return err
		}
		switch p.kind {
		case hole:
			i += p.grains
			continue
		case stored:
			plain += g.length(i)
		case packed:
			unpacked += g.grain
		}
		if plain > g.fileSize || g.ratio > 0 && unpacked/g.ratio > g.fileSize+g.grain/g.ratio {
			return fmt.Errorf("the tables map more data than a file of %d bytes can hold", g.fileSize)
		}
		i++
	}
	return nil
}

func (g *grains) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		i, in := (off+int64(n))/g.grain, (off+int64(n))%g.grain
		part := p[n:min(int64(len(p)), int64(n)+g.grain-in)]
		if err := g.read(part, i, in); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

// read fills p from byte off of a grain.
func (g *grains) read(p []byte, i, off int64) error {
	at, err := g.locate(i)
	if err != nil {
		return err
	}
	switch at.kind {
	case hole:
		clear(p)
		return nil
	case packed:
		if int64(len(p)) == g.grain {
			return g.unpackInto(p, i, at)
		}
		return g.unpacked.use(i, func(b []byte) ([]byte, error) {
			b = slices.Grow(b[:0], int(g.grain))[:g.grain]
			return b, g.unpackInto(b, i, at)
		}, func(b []byte) { copy(p, b[off:]) })
	}
	if err := readFull(g.file, p, at.at+off); err != nil {
		return err
	}
	if g.mask != nil {
		return g.mask(p, at, off)
	}
	return nil
}

func (g *grains) unpackInto(p []byte, i int64, at place) error {
	src := make([]byte, at.packed)
	if err := readFull(g.file, src, at.at); err != nil {
		return err
	}
	if err := g.unpack(p, src, int(g.length(i))); err != nil {
		return fmt.Errorf("packed data at byte %d of the file: %w", at.at, err)
	}
	return nil
}

func (g *grains) NextData(off int64) (start, end int64, err error) {
	n := g.count()
	i := off / g.grain
	for ; ; i++ {
		if i >= n {
			return 0, 0, io.EOF
		}
		p, err := g.locate(i)
		if err != nil {
			return 0, 0, err
		}
		if p.kind != hole {
			break
		}
		i += p.grains - 1
	}
	start = max(off, i*g.grain)
	for end = start; end < start+maxRange && i < n; i++ {
		p, err := g.locate(i)
		if err != nil {
			return 0, 0, err
		}
		if p.kind == hole {
			break
		}
		end = i*g.grain + g.length(i)
	}
	return start, end, nil
}

func (g *grains) Close() error { return nil } // the Disk closes the file

// entry calls use with n bytes of a table at a place of the file, which are aligned to n.
func (g *grains) entry(at int64, n int, use func([]byte)) error {
	if at < 0 || at > g.fileSize-int64(n) {
		return fmt.Errorf("table at byte %d of a file of %d: %w", at, g.fileSize, io.ErrUnexpectedEOF)
	}
	page, in := at/pageSize, at%pageSize
	return g.tables.use(page, func(b []byte) ([]byte, error) {
		b = slices.Grow(b[:0], pageSize)[:min(pageSize, g.fileSize-page*pageSize)]
		return b, readFull(g.file, b, page*pageSize)
	}, func(b []byte) { use(b[in:][:n]) })
}

// readTable reads a first-level table.
func readTable(f io.ReaderAt, fileSize, at, entries int64, width int) ([]byte, error) {
	if entries > maxFirstTable/int64(width) {
		return nil, fmt.Errorf("table of %d entries: the limit is %d", entries, maxFirstTable/width)
	}
	size := entries * int64(width)
	if at < 0 || at > fileSize-size {
		return nil, fmt.Errorf("table of %d bytes at byte %d of a file of %d: %w", size, at, fileSize, io.ErrUnexpectedEOF)
	}
	p := make([]byte, size)
	return p, readFull(f, p, at)
}

// distinct refuses a list of tables that names one twice; zeros stand for none.
func distinct(tables []int64) error {
	sorted := slices.Sorted(slices.Values(tables))
	for i, at := range sorted {
		if i > 0 && at != 0 && at == sorted[i-1] {
			return fmt.Errorf("the table at byte %d is used twice", at)
		}
	}
	return nil
}

// readFull fills p.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
