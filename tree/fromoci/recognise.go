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

// IsArchive tells whether the tar in r, which is not compressed, is the archive of an image and
// not a root file system: by its first members, as many as r has of them.
func IsArchive(r io.Reader) bool {
	const most = 64
	marked := false
	t := tar.NewReader(r)
	for range most {
		hdr, err := t.Next()
		if err != nil {
			return err == io.EOF && marked
		}
		name := strings.Trim(strings.TrimPrefix(hdr.Name, "./"), "/")
		switch {
		case imagePart.MatchString(name):
			return true
		case !imageFrame.MatchString(name):
			return false
		}
		marked = marked || name == layoutFile || name == dockerFile
	}
	return false
}

// IsPart tells whether a name may be one at the top of the archive of an image.
func IsPart(name string) bool { return imagePart.MatchString(name) || imageFrame.MatchString(name) }
