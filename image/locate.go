package image

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"imagetools/compress"
	"imagetools/manifest"
)

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
// but the manifest, once.
func Locate(path string) (*Input, error) {
	if path == "-" {
		return &Input{Path: path, name: path}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%q: is a directory, not an image", path)
	} else if err == nil && !info.Mode().IsRegular() {
		return &Input{Path: path, name: path}, nil
	}
	start := make([]byte, 512)
	n, _ := io.ReadFull(f, start)
	start = start[:n]
	if text := bytes.TrimLeft(start, " \t\r\n"); len(text) > 0 && (text[0] == '{' || text[0] == '[') {
		text, err := readText(io.MultiReader(bytes.NewReader(start), f), path)
		if err != nil {
			return nil, err
		}
		return locateStream(path, text)
	}
	return locateManifest(path)
}

// locateManifest finds the manifest beside a stream file, if there is one.
func locateManifest(path string) (*Input, error) {
	in := &Input{Path: path, name: path}
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
	return readText(f, path)
}

// readText reads the text of a manifest.
func readText(r io.Reader, path string) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxManifest+1))
	if err == nil && len(text) > maxManifest {
		err = fmt.Errorf("%q: larger than %d bytes: no manifest", path, maxManifest)
	}
	return text, err
}

// locateStream finds the stream file of a manifest, whose text was read.
func locateStream(path string, text []byte) (*Input, error) {
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
		return &Input{Path: found[0], ManifestPath: path, Manifest: text, name: path}, nil
	}
	return nil, fmt.Errorf("%q is a manifest, and several streams lie beside it: %q; name one of them", path, found)
}

// errNoStream says that a manifest lies alone.
type errNoStream struct{ base string }

func (e errNoStream) Error() string {
	return fmt.Sprintf("it is a manifest, and no stream lies beside it: looked for %s.zfs.gz and the like", e.base)
}
