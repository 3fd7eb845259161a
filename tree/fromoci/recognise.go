package fromoci

import (
	"archive/tar"
	"io"
	"regexp"
	"strings"

	"imagetools/tree"
)

var (
	// imagePart is a name by which the archive of an image can be told: a blob, or a layer or
	// configuration of docker save in its older form or its newer one.
	imagePart = regexp.MustCompile(`^(blobs/(sha256/[0-9a-f]{64}|sha512/[0-9a-f]{128})|[0-9a-f]{64}(/layer\.tar|/json|/VERSION|\.json|\.tar|\.tar\.gz)|sha256:[0-9a-f]{64})$`)
	// imageFrame are names that come with those.
	imageFrame = regexp.MustCompile(`^(|\.|blobs|blobs/sha256|blobs/sha512|oci-layout|index\.json|manifest\.json|config\.json|repositories|[0-9a-f]{64})$`)
)

// Recogniser tells the archive of an image from a root file system, by the names of its first
// members in their order. The zero value is ready.
type Recogniser struct {
	count  int
	marked bool // a name came that archives of images have
	closed bool // no further name changes the answer
	found  bool
}

// Open tells whether the members so far may be those of the archive of an image, and a further one
// decides.
func (r *Recogniser) Open() bool { return !r.closed }

// Member takes the name of the next member.
func (r *Recogniser) Member(name string) {
	if r.closed {
		return
	}
	const most = 64
	name = strings.Trim(strings.TrimPrefix(name, "./"), "/")
	switch r.count++; {
	case imagePart.MatchString(name):
		r.closed, r.found = true, true
	case !imageFrame.MatchString(name) || r.count == most:
		r.closed = true
	}
	r.marked = r.marked || name == layoutFile || name == dockerFile
}

// IsArchive tells whether the members are those of the archive of an image. whole says that all of
// them were given.
func (r *Recogniser) IsArchive(whole bool) bool { return r.found || whole && r.marked && !r.closed }

// IsArchive tells whether the tar in r, which is not compressed, is the archive of an image and
// not a root file system: by its first members, as many as r has of them.
func IsArchive(r io.Reader) bool {
	var is Recogniser
	for t := tar.NewReader(r); is.Open(); {
		hdr, err := t.Next()
		if err != nil {
			return is.IsArchive(err == io.EOF)
		}
		is.Member(hdr.Name)
	}
	return is.IsArchive(false)
}

// Held returns the kind of the container image that a tree holds in place of a root file system, and
// where: at its top, ".", or in the only directory there. The kind is that of the names by which
// images are opened, oci or docker; "" if the tree holds none.
func Held(t *tree.Tree) (kind, at string) {
	dir := t.Root
	at = "."
	if top := dir.Entries(); len(top) == 1 && top[0].Node.IsDir() {
		at, dir = top[0].Name, top[0].Node
	}
	switch {
	case isFile(dir.Lookup(layoutFile)) && isFile(dir.Lookup(indexFile)):
		return "oci", at
	case holdsDocker(dir):
		return "docker", at
	}
	return "", ""
}

func isFile(n *tree.Node) bool { return n != nil && n.Mode.Type() == tree.TypeFile }

// holdsDocker tells whether a directory has what docker save writes: a list of images with all that
// the first one names.
func holdsDocker(dir *tree.Node) bool {
	list := dir.Lookup(dockerFile)
	if !isFile(list) || list.Content == nil || list.Size > MaxManifest {
		return false
	}
	r, err := openContent(list.Content, list.Size)
	if err != nil {
		return false
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	var images []dockerImage
	if err != nil || decode(text, &images) != nil || len(images) == 0 || len(images[0].Layers) == 0 {
		return false
	}
	below := &tree.Tree{Root: dir}
	for _, name := range append(images[0].Layers, images[0].Config) {
		if below.Lookup(name) == nil {
			return false
		}
	}
	return true
}
