package check_test

import (
	"strings"
	"testing"

	"imagetools/image/check"
	"imagetools/manifest"
	"imagetools/tree"
)

// FuzzZone checks datasets of any shape: a line is a directory (ends in "/"), a link ("PATH -> TARGET")
// or a file ("PATH" or "PATH=CONTENT"). Every finding has a text, and those of the tree are the same
// each time.
func FuzzZone(f *testing.F) {
	f.Add("root/etc/passwd=root:x:0:0::/root:/bin/sh\nroot/sbin/init\nroot/var/zoneinit/zoneinit.json={}\nroot/etc/svc/repository.db")
	f.Add("root/lib -> usr/lib\nroot/usr/lib -> ../lib\nroot/sbin -> /usr/sbin\nroot/usr/sbin/init -> ../../../../../x")
	f.Add("root/root/etc/os-release=ID=debian\nroot/.bash_history\nroot/home/a/.ssh/authorized_keys=x\netc/\nusr/")
	f.Fuzz(func(t *testing.T, text string) {
		tr := tree.New()
		for line := range strings.Lines(text) {
			put(tr, strings.TrimSuffix(line, "\n"))
		}
		if tr.Seal() != nil {
			return
		}
		for _, o := range []check.Options{{}, {Type: manifest.TypeZone}, {Type: manifest.TypeZone, Brand: "joyent"}, {Type: manifest.TypeLX, Brand: "lx"}} {
			found, again := check.Zone(check.Tree(tr), o), check.Zone(check.Tree(tr), o)
			if len(found) != len(again) {
				t.Fatalf("%d findings, then %d", len(found), len(again))
			}
			for i, one := range found {
				if one != again[i] || one.Message == "" {
					t.Errorf("finding %v, then %v", one, again[i])
				}
			}
		}
		check.Leaks(tr, func(path, what string) {
			if tr.Lookup(path) == nil || what == "" {
				t.Errorf("leak %q: %q", path, what)
			}
		})
	})
}

// put adds what a line says, if it can be.
func put(tr *tree.Tree, line string) {
	path, target, link := strings.Cut(line, " -> ")
	path, content, _ := strings.Cut(path, "=")
	at, names := tr.Root, strings.Split(path, "/")
	for i, name := range names {
		n := tree.NewDir(0o755)
		if i == len(names)-1 {
			if n = (&tree.Node{Mode: tree.TypeFile | 0o644, Size: int64(len(content)), Content: tree.Bytes(content)}); link {
				n = &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: target}
			}
		}
		if at.Add(name, n) != nil {
			if n = at.Lookup(name); n == nil {
				return
			}
		}
		at = n
	}
}
