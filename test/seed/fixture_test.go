package seedtest_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	seedtest "imagetools/test/seed"
)

// The test data may have links as links, or as plain files that name the target.
func TestDataWithLinks(t *testing.T) {
	files := filepath.Join(t.TempDir(), "build")
	seedtest.Build(t, files)
	seedtest.Linked(t)
	linked := filepath.Join(t.TempDir(), "build")
	seedtest.Build(t, linked)
	if got, want := listing(t, linked), listing(t, files); got != want || !strings.Contains(want, "proto/etc/hosts -> inet/hosts") {
		t.Errorf("with links:\n%s\nwith files:\n%s", got, want)
	}
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			fmt.Fprintf(&b, "%s/\n", rel)
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			fmt.Fprintf(&b, "%s -> %s\n", rel, target)
			return err
		default:
			content, err := os.ReadFile(path)
			fmt.Fprintf(&b, "%s %d %q\n", rel, len(content), content[:min(len(content), 40)])
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
