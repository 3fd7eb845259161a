package zone_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"imagetools/base/zone"
)

func TestOpenKit(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	large, err := os.Create(path("large"))
	err = errors.Join(err, large.Truncate(257<<20), large.Close(), os.WriteFile(path("kit"), content, 0o666),
		os.WriteFile(path("text"), []byte("#!"), 0o666), unix.Mkfifo(path("fifo"), 0o666))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, digest, want string }{
		{"kit", "", ""},
		{"kit", strings.ToUpper(digest(content)), ""},
		{"kit", strings.Repeat("0", 64), "SHA-256 is " + digest(content) + ", not 0000"},
		{"text", "", "it is not compressed by gzip"},
		{"large", "", "269484032 bytes are more than 268435456"},
		{"fifo", "", "not a regular file"},
		{".", "", "not a regular file"},
		{"none", "", "no such file"},
	} {
		k, err := zone.OpenKit(t.Context(), path(tt.name), tt.digest)
		if tt.want == "" {
			if err != nil || k.Size != int64(len(content)) || k.SHA256 != digest(content) || k.Close() != nil {
				t.Errorf("%s: %+v, %v", tt.name, k, err)
			}
			continue
		}
		if k != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %+v, %v, want %s", tt.name, k, err, tt.want)
		}
	}
	if _, err := os.Stat(path("kit")); err != nil {
		t.Errorf("Close removes what it was given: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := zone.OpenKit(ctx, path("kit"), ""); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestReadCACert(t *testing.T) {
	dir := t.TempDir()
	for name, tt := range map[string]struct{ text, want string }{
		"good":  {"# x\n-----BEGIN CERTIFICATE-----\n", ""},
		"none":  {"# x\n", "there is none in it"},
		"large": {strings.Repeat("-----BEGIN CERTIFICATE-----\n", 200_000), "more than 4194304 bytes"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(tt.text), 0o666); err != nil {
			t.Fatal(err)
		}
		data, err := zone.ReadCACert(path)
		if tt.want == "" && (err != nil || string(data) != tt.text) || tt.want != "" && (data != nil || err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %d bytes, %v, want %s", name, len(data), err, tt.want)
		}
	}
	if _, err := zone.ReadCACert(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Error(err)
	}
}
