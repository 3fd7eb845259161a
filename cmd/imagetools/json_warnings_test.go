package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"imagetools/internal/cli"
)

// cutTar writes a tar of a small root file system that ends without the usual mark, of which every
// reader of tars warns.
func cutTar(t *testing.T, path string) {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Name: "etc/", Mode: 0o755, Typeflag: tar.TypeDir}, {Name: "etc/release", Mode: 0o644, Typeflag: tar.TypeReg},
		{Name: "root/", Mode: 0o700, Typeflag: tar.TypeDir}, {Name: "root/.bash_history", Mode: 0o600, Typeflag: tar.TypeReg},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// With --json an answer has each warning that is printed, -q or not.
func TestAnswersHaveWarnings(t *testing.T) {
	dir := t.TempDir()
	path := func(elem ...string) string { return filepath.Join(append([]string{dir}, elem...)...) }
	cutTar(t, path("cut.tar"))
	for name, content := range map[string]string{
		"disk": strings.Repeat("\xaa", 1<<20), "list": "a.xml perhaps\n",
		"overlay/generic/lib/svc/manifest/a.xml": `<?xml version='1.0'?><!DOCTYPE service_bundle SYSTEM "/usr/share/lib/xml/dtd/service_bundle.dtd.1"><service_bundle type='manifest' name='a'><service name='a' type='service' version='1'><instance name='default' enabled='true'/></service></service_bundle>`,
	} {
		if err := os.MkdirAll(filepath.Dir(path(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path(name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		args string
		want string // in one of the warnings
	}{
		{"create-image --dry-run -o OUT a-1 DIR/cut.tar", "no description"},
		{"create-image -o OUT a-1 DIR/cut.tar", "vmadm refuses"},
		{"create-image -o OUT disk-1 DIR/disk --type zvol", "the disk:"},
		{"flatten -o OUT/flat OUT/a-1.json", "vmadm refuses"},
		{"prepare -o OUT/prepared.tar DIR/cut.tar --os smartos", "without the usual mark"},
		{"extract OUT/a-1.json -C OUT/extracted", ""},
		{"stream deholes -o OUT/stream.zfs OUT/a-1.json", ""},
		{"create-smf-repo DIR DIR/list OUT/repository.db", "means"},
	} {
		for out, more := range map[string]string{"out": "--json", "quiet": "--json -q"} {
			if strings.HasPrefix(test.args, "stream") {
				more = "--json" // -q is without an answer
			}
			args := strings.NewReplacer("DIR", dir, "OUT", path(out)).Replace(test.args + " " + more)
			answersWarnings(t, strings.Fields(args), test.want)
		}
	}
}

func answersWarnings(t *testing.T, args []string, want string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	env := &cli.Env{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Now: time.Now, Getenv: func(string) string { return "" }}
	if code := run(context.Background(), env, name, args); code != 0 {
		t.Fatalf("%q: exit status %d\n%s", args, code, &stderr)
	}
	printed := []string{}
	for line := range strings.Lines(stderr.String()) {
		if text, ok := strings.CutPrefix(line, "warning: "); ok {
			printed = append(printed, strings.TrimSuffix(text, "\n"))
		}
	}
	var answer struct {
		Warnings []string `json:"warnings"`
	}
	if err := json.Unmarshal(stdout.Bytes(), &answer); err != nil {
		t.Fatalf("%q: %v in %s", args, err, &stdout)
	}
	if answer.Warnings == nil || !slices.Equal(answer.Warnings, printed) {
		t.Errorf("%q: the answer has the warnings %q, printed are %q", args, answer.Warnings, printed)
	}
	if !strings.Contains(strings.Join(printed, "\n"), want) {
		t.Errorf("%q: no warning has %q: %q", args, want, printed)
	}
}
