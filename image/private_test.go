package image_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"imagetools/image"
)

func TestPrivateFiles(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	for _, name := range []string{
		"config/metadata.json", "root/etc/ssh/ssh_host_rsa_key", "root/root/.bash_history", "root/home/jo/.ssh/known_hosts", "root/var/svc/provisioning",
		"root/etc/ssh/ssh_host_rsa_key.pub", "root/usr/share/doc/known_hosts", "root/metadata.json", "root/etc/passwd",
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("x"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.WriteFile(filepath.Join(outside, ".sh_history"), []byte("x"), 0o600), os.Symlink(outside, filepath.Join(dir, "root/out")),
		os.Symlink("nowhere", filepath.Join(dir, "root/.ksh_history"))); err != nil {
		t.Fatal(err)
	}
	got, err := image.PrivateFiles(t.Context(), dir)
	var names []string
	for _, text := range got {
		name, _, _ := strings.Cut(text, ": ")
		names = append(names, name)
	}
	want := []string{`"config/metadata.json"`, `"root/etc/ssh/ssh_host_rsa_key"`, `"root/home/jo/.ssh/known_hosts"`, `"root/root/.bash_history"`, `"root/var/svc/provisioning"`}
	if err != nil || !slices.Equal(names, want) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := image.PrivateFiles(t.Context(), filepath.Join(dir, "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a folder that is not there: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := image.PrivateFiles(ended, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
