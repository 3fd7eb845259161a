package fromoci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"imagetools/tree"
)

// Files of a layout (OCI image-spec, image-layout.md).
const (
	layoutFile = "oci-layout"
	indexFile  = "index.json"
)

// layout is a folder or an archive with blobs by their digests.
type layout struct {
	name string
	files
}

func (l *layout) String() string { return l.name }

// isLayout tells whether files are those of a layout.
func isLayout(f files) bool {
	text, err := readFile(f, layoutFile, MaxManifest)
	if err != nil {
		return false
	}
	var marker struct {
		Version string `json:"imageLayoutVersion"`
	}
	return json.Unmarshal(text, &marker) == nil && strings.HasPrefix(marker.Version, "1.")
}

// readFile reads a small file.
func readFile(f files, name string, limit int64) (_ []byte, err error) {
	c, size, err := f.file(name)
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("%q: %d bytes, the limit is %d", name, size, limit)
	}
	r, err := openContent(c, size)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	text := make([]byte, size)
	_, err = io.ReadFull(r, text)
	return text, err
}

// Images implements [Store].
func (l *layout) Images(context.Context) ([]Descriptor, error) {
	text, err := readFile(l.files, indexFile, MaxManifest)
	if err != nil {
		return nil, err
	}
	x, err := parseIndex(text)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", indexFile, err)
	}
	return x.Manifests, nil
}

// blob returns the file with a blob, which must have the right size.
func (l *layout) blob(d Descriptor) (tree.Content, error) {
	algorithm, sum, err := d.Digest.split()
	if err != nil {
		return nil, err
	}
	c, size, err := l.file("blobs/" + algorithm + "/" + sum)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: the layout lacks this blob", d.Digest)
	case err != nil:
		return nil, err
	case size != d.Size:
		return nil, sizeError(d, size)
	}
	return c, nil
}

// Open implements [Store].
func (l *layout) Open(_ context.Context, d Descriptor) (io.ReadCloser, error) {
	c, err := l.blob(d)
	if err != nil {
		return nil, err
	}
	return openContent(c, d.Size)
}

func (l *layout) place(d Descriptor) (tree.Content, error) { return l.blob(d) }

// IsLayout tells whether a folder is an OCI layout.
func IsLayout(dir string) bool {
	if _, err := os.Stat(dir + "/" + indexFile); err != nil {
		return false
	}
	l := &folder{dir: dir}
	defer l.Close()
	return isLayout(l)
}
