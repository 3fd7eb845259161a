//go:build linux

package smartos

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// bootstrapTools are the programs of pkgsrc's bootstrap kit.
var bootstrapTools = []string{"pkg_add", "pkg_admin", "pkg_info"}

// Bootstrap writes a bootstrap kit of pkgsrc for a prefix such as /opt/local, a gzipped tar
// that is unpacked at the root of a zone, and returns its path.
func (m *Machine) Bootstrap(t *testing.T, prefix string) string {
	t.Helper()
	path := filepath.Join(m.Dir, "bootstrap.tar.gz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	zip := gzip.NewWriter(f)
	kit := tar.NewWriter(zip)
	var faults []error
	for _, name := range bootstrapTools {
		text := Tool(name)
		faults = append(faults, kit.WriteHeader(&tar.Header{Name: "." + prefix + "/sbin/" + name, Mode: 0o755, Size: int64(len(text)), Format: tar.FormatUSTAR}))
		_, err := kit.Write([]byte(text))
		faults = append(faults, err)
	}
	if err := errors.Join(append(faults, kit.Close(), zip.Close(), f.Close())...); err != nil {
		t.Fatal(err)
	}
	return path
}

// Tool is the text of a script by which a zone calls a stand-in.
func Tool(name string) string { return "#!/bin/sh\nexec /dev/standin/standin " + name + " \"$@\"\n" }

// AddPackage gives pkg_add a package: files by their path without a slash at its front. What
// begins with #! can be run.
func (m *Machine) AddPackage(t *testing.T, name string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(m.Packages(), name), 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range files {
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		path := filepath.Join(m.Packages(), name, file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), mode)); err != nil {
			t.Fatal(err)
		}
	}
}
