package image

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"imagetools/compress"
	"imagetools/internal/budget"
	"imagetools/manifest"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
)

// OpenOptions say what will be done with opened images.
type OpenOptions struct {
	Stdin io.Reader // for the path "-"

	// Contents says that file contents will be read: they are spooled into TmpDir where the
	// stream is compressed or comes from a pipe.
	Contents   bool
	TmpDir     string         // "" is os.TempDir
	SpoolLimit int64          // bytes; 0 is DefaultSpoolLimit
	Budget     *budget.Budget // for what is held; nil is the default

	// Progress, if set, is told how much of a file was read; total is -1 for a pipe.
	Progress func(name string, done, total int64)
}

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

	spool *spool
	file  *os.File
	again *reread // of an uncompressed file, for its contents
}

// Name is Path, for messages.
func (in *Input) Name() string {
	if in.Path == "-" {
		return "standard input"
	}
	return strconv.Quote(in.Path)
}

// Opened is what was read of one stream or a chain of them.
type Opened struct {
	Index  *objset.Index
	Inputs []*Input
}

// Open reads the streams in files: each is a stream in any compression, "-", or the manifest
// of an image whose stream lies beside it. What is incremental must follow its source. The
// error for a damaged stream comes with what was read up to there.
func Open(ctx context.Context, paths []string, opts OpenOptions) (_ *Opened, err error) {
	o := &Opened{Index: objset.New(objset.Options{Keep: zpl.Keep, Budget: opts.Budget})}
	for _, path := range paths {
		in, err := Locate(path)
		if err != nil {
			return o, err
		}
		o.Inputs = append(o.Inputs, in)
		if err := in.read(ctx, o.Index, opts); err != nil {
			return o, fmt.Errorf("%s: %w", in.Name(), err)
		}
	}
	return o, nil
}

// Close removes spools and closes files. File contents cannot be read afterwards.
func (o *Opened) Close() error {
	var errs []error
	for _, in := range o.Inputs {
		if in.spool != nil {
			errs = append(errs, in.spool.Close())
		}
		if in.file != nil {
			errs = append(errs, in.file.Close())
		}
	}
	o.Index.Close()
	return errors.Join(errs...)
}

// Spooled is how many bytes lie in the temporary folder.
func (o *Opened) Spooled() (n int64) {
	for _, in := range o.Inputs {
		n += in.Spooled
	}
	return n
}

// maxManifest bounds a manifest; the largest known have some 100 KiB.
const maxManifest = 16 << 20

var manifestSuffixes = []string{".json", ".imgmanifest", ".manifest", ".dsmanifest"}

// streamSuffixes are the ends of the names of stream files.
func streamSuffixes() []string {
	var all []string
	for _, t := range []string{manifest.TypeZone, manifest.TypeZvol} {
		for _, c := range []compress.Format{compress.Gzip, compress.XZ, compress.Bzip2, compress.None} {
			all = append(all, Suffix(t, c))
		}
	}
	return all
}

// Locate finds the stream and the manifest that belong to a path: that of a stream, in any
// compression, of the manifest of an image whose stream lies beside it, or "-". Nothing is read
// but the manifest.
func Locate(path string) (*Input, error) {
	if path == "-" {
		return &Input{Path: path}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%q: is a directory, not an image", path)
	} else if err == nil && !info.Mode().IsRegular() {
		return &Input{Path: path}, nil
	}
	start := make([]byte, 512)
	n, _ := io.ReadFull(f, start)
	if text := bytes.TrimLeft(start[:n], " \t\r\n"); len(text) > 0 && (text[0] == '{' || text[0] == '[') {
		return locateStream(path)
	}
	in := &Input{Path: path}
	for _, suffix := range streamSuffixes() {
		base, ok := strings.CutSuffix(path, suffix)
		if !ok {
			continue
		}
		for _, suffix := range manifestSuffixes {
			text, err := readManifest(base + suffix)
			if err == nil {
				in.ManifestPath, in.Manifest = base+suffix, text
				return in, nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
	}
	return in, nil
}

// readManifest reads a manifest that was found beside a stream. What is no regular file, such as
// a FIFO, is not waited for.
func readManifest(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, cmp.Or(err, fmt.Errorf("%q: not a manifest: not a regular file", path))
	}
	text, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err == nil && len(text) > maxManifest {
		err = fmt.Errorf("%q: larger than %d bytes: no manifest", path, maxManifest)
	}
	return text, err
}

// locateStream finds the stream file of a manifest.
func locateStream(path string) (*Input, error) {
	text, err := readManifest(path)
	if err != nil {
		return nil, err
	}
	if d, err := manifest.Decode(text); err == nil {
		if all, err := d.Manifests(); err != nil {
			return nil, fmt.Errorf("%q: %w", path, err)
		} else if len(all) > 1 {
			return nil, fmt.Errorf("%q: %w", path, &manifest.NotOneError{Kind: d.Kind(), Manifests: len(all)})
		}
	}
	base := path
	for _, suffix := range manifestSuffixes {
		base = strings.TrimSuffix(base, suffix)
	}
	var found []string
	for _, suffix := range streamSuffixes() {
		if info, err := os.Stat(base + suffix); err == nil && info.Mode().IsRegular() {
			found = append(found, base+suffix)
		}
	}
	if len(found) > 1 { // the manifest may tell which it is
		if m, err := manifest.ParsePartial(text); err == nil && len(m.Files) == 1 {
			want := base + Suffix(m.Type, compress.Format(m.Files[0].Compression))
			if slices.Contains(found, want) {
				found = []string{want}
			}
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("%q: %w", path, errNoStream{filepath.Base(base)})
	case 1:
		return &Input{Path: found[0], ManifestPath: path, Manifest: text}, nil
	}
	return nil, fmt.Errorf("%q is a manifest, and several streams lie beside it: %q; name one of them", path, found)
}

// errNoStream says that a manifest lies alone.
type errNoStream struct{ base string }

func (e errNoStream) Error() string {
	return fmt.Sprintf("it is a manifest, and no stream lies beside it: looked for %s.zfs.gz and the like", e.base)
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
	if opts.Contents && regular {
		again := newReread(in.file, in.Name())
		in.again, src.again = again, again
		defer again.done()
	}
	plain, format, err := compress.NewReader(src, compress.Options{})
	if err != nil {
		return err
	}
	defer plain.Close()
	in.Format = format
	if format != compress.None {
		src.again, in.again = nil, nil
	}
	if opts.Contents && (format != compress.None || !regular) {
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

func (c *fileReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
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

// Snapshot returns the snapshot that name stands for: DATASET@SNAPSHOT, @SNAPSHOT or SNAPSHOT
// in the first dataset of the last file, DATASET for its last snapshot, or a guid as 0xHEX.
// The empty name is the last snapshot of that dataset.
func (o *Opened) Snapshot(name string) (*objset.Snapshot, error) {
	var all []*objset.Snapshot
	for _, in := range o.Inputs {
		all = append(all, in.Snapshots...)
	}
	if len(all) == 0 {
		return nil, errors.New("there is no snapshot in the stream")
	}
	lastFile := o.Inputs[len(o.Inputs)-1].Snapshots
	if len(lastFile) == 0 {
		lastFile = all
	}
	first := DatasetOf(lastFile[0])
	var found *objset.Snapshot
	for _, s := range all {
		dataset, snapshot, _ := strings.Cut(s.Begin.ToName, "@")
		switch {
		case name == "" && dataset == first,
			name == s.Begin.ToName, name == dataset,
			dataset == first && strings.TrimPrefix(name, "@") == snapshot && name != "",
			name == fmt.Sprintf("%#x", s.Begin.ToGUID):
			found = s
		}
	}
	if found == nil {
		var names []string
		for _, s := range all {
			names = append(names, s.Begin.ToName)
		}
		return nil, fmt.Errorf("no snapshot %q in the stream; there are %q", name, names)
	}
	return found, nil
}

// DatasetOf is the name of a snapshot's dataset.
func DatasetOf(s *objset.Snapshot) string {
	dataset, _, _ := strings.Cut(s.Begin.ToName, "@")
	return dataset
}
