package image

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strconv"

	"imagetools/compress"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
)

// Input is a file, or standard input, with one or more streams.
type Input struct {
	Path         string // of the stream file; "-" is standard input
	ManifestPath string // of the manifest that was named or lies beside; empty if there is none
	Manifest     []byte // its text
	Format       compress.Format
	Size         int64  // bytes of the file
	StreamSize   int64  // bytes of its streams, uncompressed
	Spooled      int64  // bytes in the temporary folder
	SHA1         string // in hex; Verify computes it
	Snapshots    []*objset.Snapshot
	Trailing     int64 // bytes behind the last stream
	Padding      bool  // they are zeros

	name     string // path by which it was named
	noOrigin error  // why the images that it builds on were not found
	spool    *spool
	file     *os.File
	again    *reread // of an uncompressed file, for its contents
}

// unread is an input of the same files of which no stream was read.
func (in *Input) unread() *Input {
	return &Input{Path: in.Path, ManifestPath: in.ManifestPath, Manifest: in.Manifest, name: in.name}
}

// Name is Path, for messages.
func (in *Input) Name() string {
	if in.Path == "-" {
		return "standard input"
	}
	return strconv.Quote(in.Path)
}

// read reads the streams of one input.
func (in *Input) read(ctx context.Context, x *objset.Index, opts OpenOptions) (err error) {
	src := &fileReader{ctx: ctx, r: opts.Stdin, name: in.Name(), total: -1, progress: opts.Progress}
	regular := false
	if in.Path != "-" {
		if in.file, err = os.Open(in.Path); err != nil {
			return errors.Unwrap(err)
		}
		src.r = in.file
		if info, err := in.file.Stat(); err == nil && info.Mode().IsRegular() {
			regular, src.total = true, info.Size()
		}
	}
	if !opts.MetadataOnly && regular {
		again := newReread(in.file, in.Name())
		in.again, src.again = again, again
		defer again.done()
	}
	plain, format, err := compress.NewReader(src, compress.Options{Budget: x.Budget()})
	if err != nil {
		return err
	}
	defer plain.Close()
	in.Format = format
	if format != compress.None {
		src.again, in.again = nil, nil
	}
	if !opts.MetadataOnly && (format != compress.None || !regular) {
		if in.spool, err = newSpool(opts.TmpDir, opts.SpoolLimit); err != nil {
			return err
		}
		defer func() { err = cmp.Or(err, in.spool.flush()); in.Spooled = in.spool.size }()
	}
	err = in.readStreams(bufio.NewReaderSize(plain, readBuffer), x, regular, func(r *stream.Reader) error {
		store := in.store(opts)
		if store != nil {
			return x.Read(r, store, nil)
		}
		start := &followingStore{}
		return x.Read(r, start, start.follow)
	})
	in.Size = src.n
	return err
}

// readStreams calls read for each of the streams that follow one another, and looks at what is
// behind them; bounded says that the input has an end.
func (in *Input) readStreams(br *bufio.Reader, x *objset.Index, bounded bool, read func(*stream.Reader) error) error {
	for {
		first := len(x.Snapshots())
		r := stream.NewReader(br)
		err := read(r)
		in.StreamSize += r.Position()
		in.Snapshots = append(in.Snapshots, x.Snapshots()[first:]...)
		if err != nil {
			return err
		}
		next, err := br.Peek(16)
		if len(next) == 0 && err == io.EOF {
			return nil
		}
		if err != nil && err != io.EOF {
			return err
		}
		if len(next) < 16 || binary.LittleEndian.Uint64(next[8:]) != beginMagic && binary.BigEndian.Uint64(next[8:]) != beginMagic {
			return in.drain(br, bounded)
		}
	}
}

// readBuffer is for the headers of records; most file contents are larger and go past it.
const readBuffer = 64 << 10

const beginMagic = 0x2F5BACBAC

// maxTrailing is how much is read of what follows the streams in an input that may have no end.
const maxTrailing = 64 << 20

// drain reads what follows the streams. bounded says that the input has an end.
func (in *Input) drain(r io.Reader, bounded bool) error {
	in.Padding = true
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		in.Trailing += int64(n)
		in.Padding = in.Padding && isZero(buf[:n])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if !bounded && in.Trailing > maxTrailing {
			return fmt.Errorf("more than %d bytes follow the end of the stream", maxTrailing)
		}
	}
}

// store is where the contents of the next stream can be read.
func (in *Input) store(opts OpenOptions) objset.Store {
	switch {
	case in.spool != nil:
		return in.spool
	case in.again != nil:
		return objset.InPlace{ReaderAt: io.NewSectionReader(in.again, in.StreamSize, 1<<62)}
	}
	return nil
}

// fileReader counts what is read of a file, and stops when the context ends.
type fileReader struct {
	ctx      context.Context
	r        io.Reader
	name     string
	n, total int64
	hash     hash.Hash
	again    *reread // gets what was read; nil for none
	progress func(name string, done, total int64)
}

// errNoStdin says that the options name no standard input.
var errNoStdin = errors.New("is to be read, and the options have no Stdin")

func (c *fileReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	if c.r == nil {
		return 0, errNoStdin
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	if c.hash != nil {
		c.hash.Write(p[:n])
	}
	if c.again != nil {
		c.again.Write(p[:n])
	}
	if c.progress != nil {
		c.progress(c.name, c.n, c.total)
	}
	return n, err
}
