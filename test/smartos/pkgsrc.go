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

// packageTools are the programs of packages that scripts call, below the prefix.
var packageTools = map[string][]string{
	"curl": {"bin/curl"}, "git-base": {"bin/git"}, "mozilla-rootcerts": {"sbin/mozilla-rootcerts"}, "nodejs": {"bin/npm"},
	"pkg_alternatives": {"sbin/pkg_alternatives"}, "postfix": {"sbin/postmap", "bin/newaliases"}, "smtools": {"bin/sm-prepare-image"}, "wget": {"bin/wget"},
}

// RootCertificate is the path, below sysconfdir, by which one tells that there are root
// certificates.
const RootCertificate = "openssl/certs/mozilla-rootcert-0.pem"

// Bootstrap writes a bootstrap kit of pkgsrc for a prefix such as /opt/local, a gzipped tar
// that is unpacked at the root of a zone, and returns its path. With a sysconfdir it has root
// certificates.
func (m *Machine) Bootstrap(t *testing.T, prefix, sysconfdir string) string {
	t.Helper()
	path := filepath.Join(m.Dir, "bootstrap.tar.gz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	zip := gzip.NewWriter(f)
	kit := tar.NewWriter(zip)
	var faults []error
	add := func(name, text string, mode int64) {
		faults = append(faults, kit.WriteHeader(&tar.Header{Name: "." + name, Mode: mode, Size: int64(len(text)), Format: tar.FormatUSTAR}))
		_, err := kit.Write([]byte(text))
		faults = append(faults, err)
	}
	for _, name := range bootstrapTools {
		add(prefix+"/sbin/"+name, Tool(name), 0o755)
	}
	if sysconfdir != "" {
		add(sysconfdir+"/"+RootCertificate, "stand-in\n", 0o644)
	}
	if err := errors.Join(append(faults, kit.Close(), zip.Close(), f.Close())...); err != nil {
		t.Fatal(err)
	}
	return path
}

// Tool is the text of a script by which a zone calls a stand-in.
func Tool(name string) string { return "#!/bin/sh\nexec /dev/standin/standin " + name + " \"$@\"\n" }

// RemovePackages takes all packages away from pkg_add.
func (m *Machine) RemovePackages(t *testing.T) {
	t.Helper()
	packages, err := filepath.Glob(filepath.Join(m.Packages(), "*"))
	for _, p := range packages {
		err = errors.Join(err, os.RemoveAll(p))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// AddPackages gives pkg_add packages with the programs that scripts call, and a few files that
// are edited.
func (m *Machine) AddPackages(t *testing.T, prefix, sysconfdir string, names []string) {
	t.Helper()
	prefix, sysconfdir = strings.TrimPrefix(prefix, "/"), strings.TrimPrefix(sysconfdir, "/")
	for _, name := range names {
		files := map[string]string{prefix + "/share/" + name + "/README": "stand-in for " + name + "\n"}
		for _, tool := range packageTools[name] {
			files[prefix+"/"+tool] = Tool(filepath.Base(tool))
		}
		switch name {
		case "mozilla-rootcerts-openssl":
			files[sysconfdir+"/"+RootCertificate] = "stand-in\n"
		case "postfix":
			files[sysconfdir+"/postfix/main.cf"] = "# stand-in\ninet_interfaces = all\n"
		case "rsyslog":
			files[sysconfdir+"/rsyslog.conf"] = "# stand-in\n"
		case "smtools":
			files[prefix+"/lib/svc/manifest/mdata.xml"] = "<service_bundle type='manifest' name='stand-in'/>\n"
		}
		m.AddPackage(t, name, files)
	}
}

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
