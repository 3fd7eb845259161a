package main

import (
	"fmt"
	"strings"
	"testing"

	"imagetools/base"
	customize "imagetools/base/edits"
	"imagetools/rootfs"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/lx"
	"imagetools/rootfs/overlay"
	"imagetools/rootfs/prepare"
	"imagetools/seed"
	"imagetools/tree"
)

var rootRows = []row{
	{"root: names", 500, func(t testing.TB, n int) func() {
		tr := sealed(t, files(t, n))
		return func() {
			root := rootfs.NewTree(tr, tree.Time{})
			must(t, root.Walk("/", func(path string, info rootfs.Info) error {
				if info.Mode.Type() == tree.TypeFile {
					must2(root.ReadFile(path, 100))(t)
				}
				return nil
			}))
			must2(root.Glob("d*/f1*"))(t)
		}
	}},
	{"root: components of a path", 500, func(t testing.TB, n int) func() {
		tr := sealed(t, files(t, 20))
		return func() { must2(rootfs.View(tr).Real(strings.Repeat("d1/../", n) + "d1"))(t) }
	}},
	{"root: files that are written", 300, func(t testing.TB, n int) func() {
		return func() {
			root := rootfs.NewTree(tree.New(), tree.Time{})
			must(t, root.MkdirAll("d", nil))
			for i := range n {
				must(t, root.WriteFile(fmt.Sprint("d/f", i), []byte("x"), nil))
			}
			must(t, root.RemoveAll("d"))
		}
	}},
	{"prepare: lines of passwd", 200, prepared(func(t testing.TB, tr *tree.Tree, n int) {
		put(t, tr, "etc/passwd", repeat(n, func(i int) string { return fmt.Sprintf("u%d:x:%d:1::/l0/u%d:/bin/sh\n", i, i+1, i) }))
		for i := range 30 {
			must(t, tr.Root.Add(fmt.Sprint("l", i), &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: strings.Repeat("etc/../", 100) + fmt.Sprint("l", i+1)}))
		}
		must(t, tr.Root.Add("l30", tree.NewDir(0o755)))
	})},
	{"prepare: files", 500, prepared(func(t testing.TB, tr *tree.Tree, n int) {
		put(t, tr, "etc/passwd", "root:x:0:0::/root:/bin/sh\n")
		for i := range n {
			put(t, tr, fmt.Sprint("var/log/l", i), "x")
			put(t, tr, fmt.Sprint("etc/ssh/ssh_host_k", i), "x")
			put(t, tr, fmt.Sprintf("var/tmp/d%d/f", i), "x")
		}
	})},
	{"prepare: lines of hosts", 500, prepared(func(t testing.TB, tr *tree.Tree, n int) {
		put(t, tr, "etc/passwd", "root:x:0:0::/root:/bin/sh\n")
		put(t, tr, "etc/release", "SmartOS x86_64\n")
		put(t, tr, "etc/nodename", "web\n")
		put(t, tr, "etc/inet/hosts", repeat(n, func(i int) string { return fmt.Sprintf("10.0.%d.%d h%d\n", i/256%256, i%256, i) }))
	})},
	{"overlay: files", 500, overlaid(func(t testing.TB, tr *tree.Tree, n int) {
		for i := range n {
			put(t, tr, fmt.Sprintf("d%d/f%d", i%20, i), "x @NAME@\n")
		}
	})},
	{"overlay: variables of a file", 1000, overlaid(func(t testing.TB, tr *tree.Tree, n int) {
		put(t, tr, "f", strings.Repeat("@NAME@ @@NAME@@ @", n))
	})},
	{"Linux: lines of files that are edited", 300, func(t testing.TB, n int) func() {
		return func() {
			tr := tree.New()
			put(t, tr, "etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"+repeat(n, func(i int) string { return fmt.Sprintf("K%d=1\n", i) }))
			for _, path := range []string{"etc/fstab", "etc/ssh/sshd_config", "etc/rc.local", "etc/hosts", "etc/shadow"} {
				put(t, tr, path, repeat(n, func(i int) string { return fmt.Sprintf("line %d\n", i) }))
			}
			for i := range n {
				put(t, tr, fmt.Sprint("bin/b", i), "x")
			}
			root := rootfs.NewTree(tr, tree.Time{})
			if _, _, err := lx.Recognize(root); err != nil {
				t.Fatal(err)
			}
			must2(lx.Detect(root))(t)
			must2(edit.Run(t.Context(), &edit.Root{FS: root, Image: edit.Image{Name: "x", Version: "1"}}, edit.Watch{}, &lx.Step{}))(t)
		}
	}},
	{"base image: lines of files that are edited", 300, func(t testing.TB, n int) func() {
		return func() {
			tr := tree.New()
			for _, path := range []string{"etc/hosts", "etc/passwd", "etc/shadow", "etc/group", "etc/ssh/sshd_config", "etc/user_attr"} {
				put(t, tr, path, repeat(n, func(i int) string { return fmt.Sprintf("u%d:x:%d:1::/:/bin/sh\n", i, 100+i) }))
			}
			config := must2(base.ParseConfig("2024Q4-x86_64", "base-64", "24.4.0"))(t)
			img := base.Standard.Image(config)
			// A root without all that a base image has does not get to the last step.
			_, _ = edit.Run(t.Context(), &edit.Root{FS: rootfs.NewTree(tr, tree.Time{})}, edit.Watch{}, &customize.Step{Which: base.Which{Image: img}})
		}
	}},
	{"seed: lines of a manifest", 2000, func(t testing.TB, n int) func() {
		text := repeat(n, func(i int) string { return fmt.Sprintf("f etc/f%d 0644 root sys\nd etc/d%d 0755 root sys\n", i, i) })
		return func() { must2(seed.ParseManifest("m", strings.NewReader(text)))(t) }
	}},
}

func prepared(fill func(t testing.TB, tr *tree.Tree, n int)) func(testing.TB, int) func() {
	return func(t testing.TB, n int) func() {
		tr := tree.New()
		fill(t, tr, n)
		return func() {
			root := rootfs.NewTree(tr, tree.Time{})
			must2(edit.Run(t.Context(), &edit.Root{FS: root}, edit.Watch{}, &prepare.Step{Options: prepare.Options{OS: prepare.SmartOS}}))(t)
		}
	}
}

func overlaid(fill func(t testing.TB, tr *tree.Tree, n int)) func(testing.TB, int) func() {
	return func(t testing.TB, n int) func() {
		layer := tree.New()
		fill(t, layer, n)
		seal(t, layer)
		return func() {
			root := rootfs.NewTree(tree.New(), tree.Time{})
			step := &overlay.Step{Layers: []*overlay.Layer{{Name: "x", Tree: layer}}, Options: overlay.Options{Vars: map[string]string{"NAME": "value"}}}
			must2(edit.Run(t.Context(), &edit.Root{FS: root}, edit.Watch{}, step))(t)
		}
	}
}
