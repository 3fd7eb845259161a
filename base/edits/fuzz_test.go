package edits_test

import (
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"imagetools/base/edits"
	"imagetools/rootfs"
	"imagetools/rootfs/rootfstest"
	"imagetools/tree"
)

// Whatever is in the files, a part either fails and leaves them, or finds nothing to change
// when it is run again.
func FuzzSteps(f *testing.F) {
	var a txtar.Archive
	for _, name := range []string{"seed", "postfix"} {
		part, err := txtar.ParseFile("testdata/" + name + ".txtar")
		if err != nil {
			f.Fatal(err)
		}
		a.Files = append(a.Files, part.Files...)
	}
	parts := edits.Parts()
	for i := range parts {
		for _, file := range a.Files {
			f.Add(file.Data, byte(i))
		}
		f.Add([]byte("admin:x:100:10::/home/admin:\r\nadmin::::;;profiles=;x\r\n_pkgsrc"), byte(i))
		f.Add([]byte("inet_protocols\n\t= all\n#\n key\n=\nalias_maps=\n x"), byte(i))
	}
	f.Fuzz(func(t *testing.T, data []byte, which byte) {
		p := parts[int(which)%len(parts)]
		root := rootfs.NewTree(tree.New(), rootfstest.Now)
		rootfstest.Fill(t, root, a.Files)
		for _, path := range edited {
			check(t, root.WriteFile(path, data, nil))
		}
		img, opts := baseImage(t), edits.Options{Packages: []string{"postfix"}}
		if _, err := do(t, root, img, opts, p.Name); err != nil {
			if p.Name != "users" {
				t.Fatal(err)
			}
			return
		}
		if again, err := do(t, root, img, opts, p.Name); err != nil || len(again.Changes) > 0 {
			t.Fatalf("part %s, the second time: %v, %q", p.Name, err, again.Changes)
		}
	})
}
