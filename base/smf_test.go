package base_test

import (
	"testing"

	"imagetools/base"
	"imagetools/smf"
	"imagetools/smf/bundle"
)

// The service that the overlay brings is one that svccfg takes.
func TestManifest(t *testing.T) {
	tree, err := base.BuiltinTree()
	if err != nil {
		t.Fatal(err)
	}
	const path = "data/pkgcache/fs-caching-server.xml"
	n := tree.Lookup(path)
	text := make([]byte, n.Size)
	f, err := n.Content.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(text, 0); err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Parse(path, text)
	if err != nil {
		t.Fatal(err)
	}
	repo := new(smf.Repository)
	if err := bundle.NewImporter(repo).Import(b); err != nil {
		t.Fatal(err)
	}
	if len(repo.Services) != 1 {
		t.Errorf("services: %+v", repo.Services)
	}
}
