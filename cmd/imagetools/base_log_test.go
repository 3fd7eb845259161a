package main

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A log that nobody has asked for is written to no file but the caller's own: what others may
// have put in its place is refused, and stays as it is.
func TestLogOfOthers(t *testing.T) {
	const name = "install-base-zone.log"
	for kind, test := range map[string]struct {
		put  func() error
		want string
	}{
		"nothing":   {func() error { return nil }, ""},
		"own":       {func() error { return os.WriteFile(name, []byte("earlier"), 0o600) }, ""},
		"link":      {func() error { return os.Symlink("secret", name) }, "not a regular file"},
		"nowhere":   {func() error { return os.Symlink("nowhere", name) }, "not a regular file"},
		"name":      {func() error { return os.Link("secret", name) }, "has 2 names"},
		"FIFO":      {func() error { return unix.Mkfifo(name, 0o666) }, "not a regular file"},
		"directory": {func() error { return os.Mkdir(name, 0o777) }, "is a directory"},
		"other": {func() error {
			if os.Geteuid() != 0 {
				return os.Symlink("secret", name)
			}
			return errors.Join(os.WriteFile(name, []byte("theirs"), 0o666), os.Chown(name, 12, 12))
		}, map[bool]string{true: "owned by another user", false: "not a regular file"}[os.Geteuid() == 0]},
	} {
		t.Chdir(t.TempDir())
		if err := errors.Join(os.WriteFile("secret", []byte("secret"), 0o644), test.put()); err != nil {
			t.Fatal(err)
		}
		l, err := openLog("", name)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", kind, err, test.want)
		}
		if err == nil {
			if _, err := l.WriteString("step"); err != nil {
				t.Error(err)
			}
			if got, err := os.ReadFile(name); string(got) != "step" || err != nil {
				t.Errorf("%s: the log holds %q, %v", kind, got, err)
			}
			if err := l.end(nil); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
			if _, err := os.Lstat(name); err == nil {
				t.Errorf("%s: the log is left", kind)
			}
		}
		if got, err := os.ReadFile("secret"); string(got) != "secret" || err != nil {
			t.Errorf("%s: what it led to holds %q, %v", kind, got, err)
		}
		if _, err := os.Lstat("nowhere"); err == nil {
			t.Errorf("%s: a file was made where the link leads", kind)
		}
	}
}
