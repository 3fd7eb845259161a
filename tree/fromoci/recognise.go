package fromoci

import (
	"archive/tar"
	"io"
	"regexp"
	"strings"
)

var (
	// imagePart is a name by which the archive of an image can be told: a blob, or a layer or
	// configuration of docker save in its older form or its newer one.
	imagePart = regexp.MustCompile(`^(blobs/(sha256/[0-9a-f]{64}|sha512/[0-9a-f]{128})|[0-9a-f]{64}(/layer\.tar|/json|/VERSION|\.json|\.tar|\.tar\.gz)|sha256:[0-9a-f]{64})$`)
	// imageFrame are names that come with those.
	imageFrame = regexp.MustCompile(`^(|\.|blobs|blobs/sha256|blobs/sha512|oci-layout|index\.json|manifest\.json|repositories|[0-9a-f]{64})$`)
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
