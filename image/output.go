package image

import (
	"cmp"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"imagetools/compress"
	"imagetools/manifest"
)

// output is the pair of files on their way.
type output struct {
	dir                     string
	imageType               string
	compression             compress.Format
	made                    []string // folders that did not exist, the deepest first
	force                   bool
	imagePath, manifestPath string
	image, manifest         *renameio.PendingFile
	sha1, sha256            hash.Hash
	size                    int64
	committed               bool
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
	o := &output{dir: filepath.Clean(opts.Dir), imageType: m.Type, compression: opts.Compression, force: opts.Force, sha1: sha1.New(), sha256: sha256.New()}
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
	defer func() {
		if err != nil {
			err = errors.Join(err, o.cleanup())
		}
	}()
	if err := o.makeDir(); err != nil {
		return fmt.Errorf("make the output folder: %w", err)
	}
	if o.image, err = pending(o.imagePath); err != nil {
		return err
	}
	o.manifest, err = pending(o.manifestPath)
	return err
}

// checkNames looks for what is in the way of the files.
func (o *output) checkNames() error {
	for _, path := range []string{o.imagePath, o.manifestPath} {
		info, err := os.Lstat(path)
		switch {
		case err != nil:
		case info.IsDir():
			return fmt.Errorf("%q: is a directory", path)
		case !o.force:
			return fmt.Errorf("%q: %w", path, ErrExists)
		}
	}
	return nil
}

// checkSources refuses to replace a file of what the image builds on or is made of.
func (o *output) checkSources(opts *Options) error {
	if opts.Origin != nil {
		if err := o.keep(opts.Origin.Chain, ErrOrigin); err != nil {
			return err
		}
	}
	return o.keep(opts.Sources, ErrSource)
}

// keep returns fault, with the path, for a file at one of the paths that is also to be written.
func (o *output) keep(paths []string, fault error) error {
	for _, path := range paths {
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			continue // a pipe can be read only once
		}
		files := []string{path}
		if in, err := Locate(path); err == nil { // else whoever opens it says what is wrong
			files = []string{in.Path, in.ManifestPath}
		}
		for _, of := range files {
			for _, own := range []string{o.imagePath, o.manifestPath} {
				if sameFile(of, own) {
					return fmt.Errorf("%q: %w", own, fault)
				}
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

// makeDir makes the output folder, and remembers which folders it made.
func (o *output) makeDir() error {
	for dir := o.dir; ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			return os.MkdirAll(o.dir, 0o777)
		}
		o.made = append(o.made, dir)
	}
}

func pending(path string) (*renameio.PendingFile, error) {
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithPermissions(0o666))
	if err != nil {
		return nil, fmt.Errorf("create %q: %w", path, cause(err))
	}
	return f, nil
}

// cause leaves out the temporary name that an error of package os has.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.image.Write(p)
	o.sha1.Write(p[:n])
	o.sha256.Write(p[:n])
	o.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("write %q: %w", o.imagePath, cause(err))
	}
	return n, nil
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
	if _, err := o.manifest.Write(text); err != nil {
		return fmt.Errorf("write %q: %w", o.manifestPath, cause(err))
	}
	return nil
}

// commit syncs both files and gives them their names. If only one could have its name, what
// was there before stays.
func (o *output) commit() error {
	if err := o.checkNames(); err != nil { // again: that was long ago
		return err
	}
	if err := o.manifest.Sync(); err != nil {
		return fmt.Errorf("write %q: %w", o.manifestPath, cause(err))
	}
	old := o.image.Name() + ".old"
	if os.Link(o.imagePath, old) != nil {
		old = "" // there is none, or the file system knows no links
	}
	if err := o.image.CloseAtomicallyReplace(); err != nil {
		return errors.Join(fmt.Errorf("write %q: %w", o.imagePath, cause(err)), remove(old))
	}
	if err := o.manifest.CloseAtomicallyReplace(); err != nil {
		err = fmt.Errorf("write %q: %w", o.manifestPath, cause(err))
		if old != "" {
			return errors.Join(err, os.Rename(old, o.imagePath))
		}
		return errors.Join(err, os.Remove(o.imagePath))
	}
	o.committed = true
	if err := remove(old); err != nil {
		return err
	}
	return syncDir(o.dir)
}

func remove(path string) error {
	if path == "" {
		return nil
	}
	return os.Remove(path)
}

// syncDir makes the names durable. Some file systems cannot, nor can one who may write but not
// read there; the files themselves are safe.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, os.ErrInvalid) {
		return fmt.Errorf("sync %q: %w", dir, err)
	}
	return nil
}

// cleanup removes what has no final name.
func (o *output) cleanup() error {
	var errs []error
	for _, f := range []*renameio.PendingFile{o.image, o.manifest} {
		if f != nil {
			errs = append(errs, f.Cleanup())
		}
	}
	if !o.committed {
		for _, dir := range o.made {
			os.Remove(dir) // unless somebody else uses it by now
		}
	}
	return errors.Join(errs...)
}
