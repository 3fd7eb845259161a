package fromoci_test

import (
	"archive/tar"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/internal/ocitest"
	"imagetools/tree"
	"imagetools/tree/fromoci"
	"imagetools/tree/internal/treetest"
)

// countingStore is a store that counts how often blobs are read.
type countingStore struct {
	parts *ocitest.Parts
	opens map[string]int
}

func (s *countingStore) String() string { return "store" }

func (s *countingStore) Images(context.Context) ([]fromoci.Descriptor, error) {
	return []fromoci.Descriptor{descriptor(s.parts.Manifest)}, nil
}

func (s *countingStore) Open(_ context.Context, d fromoci.Descriptor) (io.ReadCloser, error) {
	s.opens[string(d.Digest)]++
	for _, b := range s.parts.All() {
		if ocitest.Digest(b.Data) == string(d.Digest) {
			return io.NopCloser(strings.NewReader(string(b.Data))), nil
		}
	}
	return nil, io.ErrUnexpectedEOF
}

func descriptor(b ocitest.Blob) fromoci.Descriptor {
	return fromoci.Descriptor{MediaType: ocitest.ManifestType, Digest: fromoci.Digest(ocitest.Digest(b.Data)), Size: int64(len(b.Data))}
}

// A layer that an image has several times is read once, and makes what it makes each time.
func TestLayerTwiceReadOnce(t *testing.T) {
	const acl = "user::rw-,user:kim:r--,group::r--,mask::r--,other::r--"
	same := ocitest.Tar(t, "file etc/passwd=kim:x:7:7::/:\n", "dir d",
		tar.Header{Typeflag: tar.TypeReg, Name: "d/acl", Mode: 0o644, Format: tar.FormatPAX, PAXRecords: map[string]string{"SCHILY.acl.access": acl, "SCHILY.xattr.user.a": "1"}}, "first",
		"file d/f=1", "file d/g=2", "hard h=d/f", "link l=d/f")
	for _, c := range []struct {
		name   string
		layers [][]byte
		again  bool // the contents of a file are needed after all
	}{
		{"at once", [][]byte{same, same}, false},
		{"with another between", [][]byte{same, ocitest.Tar(t, "file d/f=changed", "file .wh.l", "file new=1"), same}, false},
		{"below what hides it", [][]byte{same, same, ocitest.Tar(t, "file d/.wh.g", "file d/.wh.acl")}, false},
		{"names for what lower ones have", [][]byte{same, ocitest.Tar(t, "hard kept=d/acl"), same, ocitest.Tar(t, "file .wh.d")}, true},
		{"three times", [][]byte{same, ocitest.Tar(t, "file .wh.d"), same, ocitest.Tar(t, "file d/.wh..wh..opq"), same}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			im := ocitest.Image{Layers: c.layers}
			for range c.layers {
				im.Pack = append(im.Pack, ocitest.Gzip)
			}
			store := &countingStore{im.Parts(t), make(map[string]int)}
			src, err := fromoci.Read(t.Context(), store, "", fromoci.Options{Decompress: decompress, TmpDir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			digest := ocitest.Digest(ocitest.Gzip(t, same))
			if n := store.opens[digest]; n == 0 || n > 1 && !c.again {
				t.Errorf("read %d times", n)
			}

			// Layers that differ by an empty directory which nobody else has are read one by one.
			var apart []func(*tree.Tree)
			for i, l := range c.layers {
				if &l[0] == &same[0] {
					name := strings.Repeat("x", i+1)
					im.Layers[i] = append(ocitest.Tar(t, "dir "+name)[:512], l...)
					apart = append(apart, func(tr *tree.Tree) { tr.Root.Remove(name) })
				}
			}
			other := open(t, layout(t, im), "", fromoci.Options{})
			for _, remove := range apart {
				remove(other.Tree)
			}
			if diff := cmp.Diff(treetest.List(t, other.Tree), treetest.List(t, src.Tree)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
