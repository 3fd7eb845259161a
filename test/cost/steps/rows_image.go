package main

import (
	"fmt"
	"strings"
	"testing"

	"imagetools/fault"
	"imagetools/image/check"
	"imagetools/internal/lines"
	"imagetools/internal/osrelease"
	"imagetools/manifest"
	"imagetools/source/content"
	"imagetools/tree"
)

const someManifest = `{"v":2,"uuid":"11111111-1111-4111-8111-111111111111","owner":"00000000-0000-0000-0000-000000000000","name":"x","version":"1",` +
	`"state":"active","disabled":false,"public":true,"published_at":"2026-01-01T00:00:00Z","type":"zone-dataset","os":"smartos"`

var imageRows = []row{
	{"manifest: unknown keys", 1000, document(func(n int) string {
		return someManifest + repeat(n, func(i int) string { return fmt.Sprintf(",\n\"k%d\":1", i) }) + "}"
	})},
	{"manifest: keys that come again", 1000, document(func(n int) string { return someManifest + strings.Repeat(",\n\"name\":1", n) + "}" })},
	{"manifest: files", 500, document(func(n int) string {
		return someManifest + ",\"files\":[{}" + strings.Repeat(",\n{\"sha1\":\"x\",\"size\":-1}", n) + "]}"
	})},
	{"manifest: tags, users, networks", 500, document(func(n int) string {
		return someManifest + ",\"tags\":{\"a\":1" + repeat(n, func(i int) string { return fmt.Sprintf(",\"k%d\":1", i) }) + "}" +
			",\"users\":[{}" + strings.Repeat(",{\"name\":1}", n) + "],\"requirements\":{\"networks\":[{}" + strings.Repeat(",{\"name\":1}", n) + "]}}"
	})},
	{"manifest: lists in lists", 100, document(func(n int) string {
		return someManifest + ",\"tags\":" + strings.Repeat("[", n) + strings.Repeat("]", n) + "}"
	})},
	{"manifest: characters that are escaped", 2000, document(func(n int) string {
		return someManifest + ",\"description\":\"" + strings.Repeat("\\u0041\\n", n) + "\"}"
	})},
	{"manifests in a list", 200, func(t testing.TB, n int) func() {
		text := []byte("[" + strings.TrimSuffix(repeat(n, func(int) string { return someManifest + ",\"nonsense\":1},\n" }), ",\n") + "]")
		return func() {
			d := must2(manifest.Decode(text))(t)
			for _, one := range must2(d.Manifests())(t) {
				one.Lint(manifest.IMGADM)
			}
		}
	}},
	{"check of a root: names", 1000, checked(func(t testing.TB, tr *tree.Tree, n int) {
		for i := range n {
			put(t, tr, fmt.Sprintf("root/home/u%d/.ssh/authorized_keys", i), "x")
			put(t, tr, fmt.Sprintf("root/var/log/l%d", i), "x")
		}
	})},
	{"check of a root: links", 200, checked(func(t testing.TB, tr *tree.Tree, n int) {
		root := tr.Root.Lookup("root")
		for i := range n {
			must(t, root.Add(fmt.Sprint("l", i), &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: fmt.Sprint("l", i+1)}))
		}
		must(t, root.Add("sbin", &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: "l0"}))
	})},
	{"check of a root: root in root", 200, checked(func(t testing.TB, tr *tree.Tree, n int) {
		put(t, tr, "root/"+strings.Repeat("root/", 200)+"f", "x")
		for i := range n {
			put(t, tr, fmt.Sprintf("root/root/root/root/f%d", i), "x")
		}
	})},
	{"lines: found, put, deleted", 1000, func(_ testing.TB, n int) func() {
		data := []byte(repeat(n, func(i int) string { return fmt.Sprintf("line %d\n", i) }))
		return func() {
			t := lines.Parse(data)
			t.Find(lines.Equal("nowhere"))
			t.Replace(func(line string) string { return line + "x" })
			t.Put(lines.Equal("new"), "new")
			t.Delete(lines.Matching("7"))
			t.Bytes()
		}
	}},
	{"os-release: lines", 2000, func(_ testing.TB, n int) func() {
		text := repeat(n, func(i int) string { return fmt.Sprintf("K%d=\"a\\\"b\"\n", i) })
		return func() { osrelease.Parse(text) }
	}},
	{"mibe: lines", 2000, func(_ testing.TB, n int) func() {
		text := []byte(repeat(n, func(i int) string { return fmt.Sprintf("line %d\n", i) }))
		return func() { content.CheckMibe(text) } // whether it is one or not
	}},
	{"faults", 1000, func(_ testing.TB, n int) func() {
		return func() {
			var l fault.List
			for i := range n {
				l.Check(false, "fault %d", i)
			}
			_ = fmt.Sprint(l.Err())
		}
	}},
}

// document reads a manifest in all ways. That it has faults is as it should be.
func document(text func(n int) string) func(testing.TB, int) func() {
	return func(_ testing.TB, n int) func() {
		data := []byte(text(n))
		return func() {
			manifest.Parse(data)
			manifest.ParsePartial(data)
			d, err := manifest.Decode(data)
			if err != nil {
				return
			}
			for _, reader := range manifest.Readers() {
				d.Validate(reader)
				d.Lint(reader)
				d.LintStored(reader)
			}
			d.Warnings()
		}
	}
}

// checked checks a dataset with a root file system to which fill adds.
func checked(fill func(t testing.TB, tr *tree.Tree, n int)) func(testing.TB, int) func() {
	return func(t testing.TB, n int) func() {
		tr := tree.New()
		put(t, tr, "root/etc/passwd", "root:x:0:0::/root:/bin/sh\n")
		fill(t, tr, n)
		seal(t, tr)
		return func() {
			for _, kind := range []string{manifest.TypeZone, manifest.TypeLX} {
				check.Zone(check.Tree(tr), check.Options{Type: kind})
			}
			check.Leaks(tr, func(string, string) {})
		}
	}
}
