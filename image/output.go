package image

import (
	"cmp"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"imagetools/compress"
	"imagetools/internal/durable"
	"imagetools/manifest"
)

// output is the pair of files on their way.
type output struct {
	imageType               string
	compression             compress.Format
	force                   bool
	note                    func(string)
	imagePath, manifestPath string
	set                     *durable.Set
	image, manifest         *durable.File
	sha1, sha256            hash.Hash
	size                    int64
}

// newOutput completes the options, judges the manifest as far as it is known, and says where
// the files will be, which must be free.
func newOutput(opts *Options) (*output, error) {
	if opts.Manifest.PublishedAt.IsZero() {
		opts.Manifest.PublishedAt = opts.Now
		if opts.FileSystem.Created != nil {
			opts.Manifest.PublishedAt = time.Unix(*opts.FileSystem.Created, 0)
		}
	}
	opts.Compression = cmp.Or(opts.Compression, compress.Gzip)
	m, err := checkManifest(*opts)
	if err != nil {
		return nil, err
	}
	o := &output{imageType: m.Type, compression: opts.Compression, force: opts.Force, note: opts.Note, sha1: sha1.New(), sha256: sha256.New()}
	// The rules for names and versions let slashes through.
	base := filepath.Join(opts.Dir, strings.ReplaceAll(m.Name+"-"+m.Version, "/", "_"))
	o.imagePath = base + Suffix(m.Type, opts.Compression)
	o.manifestPath = base + ".json"
	if err := o.checkNames(); err != nil {
		return o, err
	}
	return o, o.checkSources(opts)
}

// open makes the folder and both files under temporary names.
func (o *output) open() (err error) {
	o.set = durable.New(durable.Options{Replace: o.force, MakeDirs: true, Note: o.note})
	if o.image, err = o.set.File(o.imagePath, 0o666); err == nil {
		o.manifest, err = o.set.File(o.manifestPath, 0o666)
	}
	if err != nil {
		return errors.Join(err, o.set.Discard())
	}
	return nil
}

// checkNames looks for what is in the way of the files.
func (o *output) checkNames() error {
	for _, path := range []string{o.imagePath, o.manifestPath} {
		if err := durable.CheckFile(path, o.force, o.note); err != nil {
			return err
		}
	}
	return nil
}

// checkSources refuses to replace a file of what the image builds on or is made of.
func (o *output) checkSources(opts *Options) error {
	if opts.Origin != nil {
		if err := o.keep(opts.Origin.Files(), ErrOrigin); err != nil {
			return err
		}
	}
	return o.keep(opts.Sources, ErrSource)
}

// keep returns fault, with the path, for a regular file at one of the paths that is also to be
// written.
func (o *output) keep(paths []string, fault error) error {
	for _, path := range paths {
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			continue
		}
		for _, own := range []string{o.imagePath, o.manifestPath} {
			if sameFile(path, own) {
				return fmt.Errorf("%q: %w", own, fault)
			}
		}
	}
	return nil
}

// sameFile tells whether two paths lead to one file.
func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.image.Write(p)
	o.sha1.Write(p[:n])
	o.sha256.Write(p[:n])
	o.size += int64(n)
	return n, err
}

// writeStream compresses what write writes, and returns its size before that.
func (o *output) writeStream(write func(io.Writer) error) (size int64, err error) {
	cw, err := compress.NewWriter(o, o.compression, compress.Options{})
	if err != nil {
		return 0, err
	}
	counter := &counter{w: cw}
	if err := write(counter); err != nil {
		cw.Close() // ends its workers; the first error is the one that tells
		return 0, err
	}
	return counter.n, cw.Close()
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func (o *output) writeManifest(m *manifest.Manifest) error {
	if err := judge(m); err != nil {
		return err
	}
	text, err := manifest.Marshal(m)
	if err != nil {
		return err
	}
	_, err = o.manifest.Write(text)
	return err
}
