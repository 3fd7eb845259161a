package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"imagetools/internal/cli"
	"imagetools/smf"
)

// hostile is what a name may hold that a terminal obeys, or that shows as something else.
const hostile = "x\x1b[31m\u202e\u009b\x7f\xff"

// No command prints a name as it is that a terminal would obey: neither one from its input, nor one
// of its arguments, in the answer or in what it says besides.
func TestTextIsPlain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), hostile)
	path := func(elem ...string) string { return filepath.Join(append([]string{dir}, elem...)...) }
	for _, name := range []string{"tree/etc/" + hostile, "tree/root/.bash_history", "tree/etc/debian_version", "tree/sbin/init"} {
		write(t, path(name), "x")
	}
	write(t, path("tree/root", hostile, ".bash_history"), "x")
	write(t, path("disk"), strings.Repeat("\xaa", 1<<20))
	write(t, path("odd.json"), `{"v": 2, "name": "\u001b[31m", "type": "\u202e", "os": "\u009b", "x\u009b": 1}`)
	write(t, path("list"), hostile+" "+hostile+"\n")
	for file, value := range map[string]string{"a.db": "1", "b.db": hostile} {
		r := &smf.Repository{Services: []*smf.Service{{Name: "s", Groups: []*smf.Group{{
			Name: "g", Type: "t", Properties: []*smf.Property{{Name: "p", Type: smf.AString, Values: []string{value}}},
		}}}}}
		db, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		write(t, path(file), string(db))
	}
	for _, args := range [][]string{
		{"create-image", "-o", path("out"), "a-1", path("tree"), "--owners", "root"},
		{"create-image", "-o", path("out"), "c-1", path("tree"), "--owners", "root", "--prepare"},
		{"create-image", "-o", path("out"), "a-2", path("out/a-1.json"), "--origin", path("out/a-1.json"), "--exclude", "root/root/"},
		{"create-image", "-o", path("out"), "disk-1", path("disk"), "--type", "zvol"},
		{"create-image", "-o", path("out"), "b-1", path("tree"), "--owners", "root", "--dry-run"},
		{"create-image", "-o", path("out"), "b-1", path("nothing")},
		{"create-image", "-o", path("out"), "b-1", path("tree"), "-m", path("odd.json")},
		{"flatten", "-o", path("flat"), path("out/a-2.json")},
		{"inspect", path("out/a-2.json")}, {"inspect", path("out/disk-1.json")}, {"inspect", path("odd.json")},
		{"verify", path("out/a-2.json")}, {"verify", path("tree/etc", hostile)},
		{"ls", "-l", path("out/a-1.json")}, {"ls", "--json", path("out/a-1.json")}, {"ls", path("out/a-1.json"), hostile},
		{"diff", path("out/a-1.json"), path("out/a-2.json")}, {"diff", "--json", path("out/a-1.json"), path("out/a-2.json")},
		{"cat", path("out/a-1.json"), hostile},
		{"extract", path("out/a-1.json"), "-C", path("to")}, {"extract", path("out/a-1.json"), "-C", path("to")},
		{"extract", path("out/disk-1.json"), "--raw", path("raw")}, {"extract", path("out/a-1.json"), "-C", path("to2"), "--dry-run"},
		{"prepare", "--check", path("tree")}, {"prepare", path("tree"), "-o", path("prepared.tar"), "--dry-run"},
		{"stream", "dump", path("out/a-1.json")}, {"stream", "deholes", path("out/a-1.json"), "-o", path("out.zfs")},
		{"lint", path("odd.json")}, {"lint", "--json", path("odd.json")}, {"lint", path("nothing")},
		{"smf", "dump", path("a.db")}, {"smf", "dump", "--json", path("a.db")}, {"smf", "dump", path("list")},
		{"smf", "diff", path("a.db"), path("b.db")}, {"smf", "diff", "--json", path("a.db"), path("b.db")},
		{"create-smf-repo", dir, path("list"), path("repository.db")}, {"create-seed", dir, "seed"},
		{"overlay", "eject", path("overlay")}, {"overlay", "show", hostile}, {"overlay", "eject", path("overlay2"), "--dry-run"},
		{hostile}, {"ls", "--" + hostile}, {"create-image", hostile, hostile, hostile}, {"stream", hostile},
	} {
		var stdout, stderr bytes.Buffer
		env := &cli.Env{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Now: time.Now, Getenv: func(string) string { return "" }}
		code := run(context.Background(), env, name, args)
		for _, b := range []*bytes.Buffer{&stdout, &stderr} {
			if at := strings.IndexFunc(b.String(), func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' || r == utf8.RuneError }); at >= 0 {
				t.Errorf("%q: exit status %d, prints %q", args[:min(2, len(args))], code, b.String()[max(0, at-80):at+4])
			}
		}
		made := slices.Contains(args, path("out")) && !slices.Contains(args, "b-1") || args[0] == "smf" && args[1] == "dump" && args[len(args)-1] == path("a.db")
		if made && code != 0 || stdout.Len()+stderr.Len() == 0 {
			t.Errorf("%q: exit status %d\n%s", args, code, &stderr)
		}
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
