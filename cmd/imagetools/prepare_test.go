package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"imagetools/internal/cli"
)

// endsWithout is a context that is done as soon as a file is gone.
type endsWithout struct {
	context.Context
	path string
}

func (e endsWithout) Err() error {
	if _, err := os.Lstat(e.path); err != nil {
		return context.Canceled
	}
	return nil
}

// Who is interrupted learns that some of the changes were made.
func TestPrepareInterrupted(t *testing.T) {
	root := t.TempDir()
	for path, text := range map[string]string{"etc/debian_version": "12", "etc/hostname": "web", "root/.bash_history": "x", "root/.viminfo": "x"} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var stdout, stderr bytes.Buffer
	env := cli.NewEnv()
	env.Stdout, env.Stderr = &stdout, &stderr
	ctx := endsWithout{t.Context(), filepath.Join(root, "root/.bash_history")}
	if code := run(ctx, env, name, []string{"prepare", root}); code != 130 {
		t.Errorf("exit status %d", code)
	}
	if got := stdout.String(); got != "remove   /root/.bash_history: a history of what a user did\n" {
		t.Errorf("stdout %q", got)
	}
	if want := "interrupted after 1 change; run it again for the others"; !strings.Contains(stderr.String(), want) {
		t.Errorf("stderr %q, want %q", stderr.String(), want)
	}
	if _, err := os.Lstat(filepath.Join(root, "root/.viminfo")); err != nil {
		t.Error(err)
	}
}
