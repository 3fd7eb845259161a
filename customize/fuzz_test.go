package customize_test

import (
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"imagetools/customize"
	"imagetools/rootfs"
	"imagetools/rootfs/rootfstest"
	"imagetools/tree"
)

// Whatever is in the files, a step either fails and leaves them, or finds nothing to change
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
	steps := customize.Steps()
	for i := range steps {
		for _, file := range a.Files {
			f.Add(file.Data, byte(i))
		}
		f.Add([]byte("admin:x:100:10::/home/admin:\r\nadmin::::;;profiles=;x\r\n_pkgsrc"), byte(i))
		f.Add([]byte("inet_protocols\n\t= all\n#\n key\n=\nalias_maps=\n x"), byte(i))
	}
	f.Fuzz(func(t *testing.T, data []byte, which byte) {
		s := steps[int(which)%len(steps)]
		root := rootfs.NewTree(tree.New(), rootfstest.Now)
		rootfstest.Fill(t, root, a.Files)
		for _, path := range edited {
			check(t, root.WriteFile(path, data, nil))
		}
		img, opts := baseImage(t), customize.Options{Packages: []string{"postfix"}}
		if _, err := s.Run(root, img, opts); err != nil {
			if s.Name != "users" {
				t.Fatal(err)
			}
			return
		}
		if again, err := s.Run(root, img, opts); err != nil || len(again) > 0 {
			t.Fatalf("step %s, the second time: %v, %q", s.Name, err, again)
		}
	})
}
