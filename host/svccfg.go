package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"imagetools/internal/durable"
	"imagetools/internal/shell"
)

// Svccfg are the svccfg and svc.configd that a smartos-live build makes to run where it is
// built. They run on illumos alone.
type Svccfg struct{ svccfg, configd string }

// nativeSvccfg are svccfg and svc.configd in builds of today, and as they were in 2015.
var nativeSvccfg = [][2]string{
	{"tools/proto/root_i386-nd/opt/onbld/bin/i386/svccfg", "tools/proto/root_i386-nd/opt/onbld/bin/i386/svc.configd"},
	{"cmd/svc/svccfg/svccfg-native", "cmd/svc/configd/svc.configd-native"},
}

// FindSvccfg returns the programs of a build.
func FindSvccfg(build string) (*Svccfg, error) {
	dir, err := filepath.Abs(filepath.Join(build, "projects/illumos/usr/src"))
	if err != nil {
		return nil, err
	}
	for _, pair := range nativeSvccfg {
		s := &Svccfg{filepath.Join(dir, pair[0]), filepath.Join(dir, pair[1])}
		if isProgram(s.svccfg) && isProgram(s.configd) {
			return s, nil
		}
	}
	return nil, fmt.Errorf("svccfg and svc.configd of the build: neither %s nor %s in %q, each with svc.configd, can be run",
		nativeSvccfg[0][0], nativeSvccfg[1][0], dir)
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// ServiceManifest is a manifest to import. Name is for messages.
type ServiceManifest struct {
	Name string
	XML  []byte
}

// maxRepository bounds what is read back; a repository of a zone has 2 MB.
const maxRepository = 256 << 20

// Repository runs `svccfg import` for one manifest after the other and returns the repository,
// a database file, that they made. They work in a temporary folder that is gone afterwards, or after a
// kill with the next one that is made beside it.
// imported, if not nil, is called after each.
func (s *Svccfg) Repository(ctx context.Context, manifests []ServiceManifest, imported func(int)) (_ []byte, err error) {
	work := durable.New(durable.Options{})
	defer func() { err = errors.Join(err, work.Discard()) }()
	made, err := work.Dir(filepath.Join(os.TempDir(), "svccfg"))
	if err != nil {
		return nil, err
	}
	dir := made.TempPath()
	db, file := filepath.Join(dir, "repository.db"), filepath.Join(dir, "manifest.xml")
	env := append(slices.DeleteFunc(os.Environ(), isSvccfgVariable), "SVCCFG_REPOSITORY="+db, "SVCCFG_CONFIGD_PATH="+s.configd)
	for i, m := range manifests {
		if err := os.WriteFile(file, m.XML, 0o600); err != nil {
			return nil, err
		}
		run := Command{Program: s.svccfg, Args: []string{"import", file}, Env: env}
		if _, err := new(Host).Run(ctx, run); err != nil {
			return nil, fmt.Errorf("import %s: %w", m.Name, err)
		}
		if imported != nil {
			imported(i + 1)
		}
	}
	return readRepository(db)
}

// Shown is the command that imports a manifest, which is handed to it as a temporary file.
func (s *Svccfg) Shown(manifest string) string {
	return shell.Join([]string{s.svccfg, "import", manifest})
}

// isSvccfgVariable finds what others set for svccfg: it would change the outcome.
func isSvccfgVariable(assignment string) bool {
	return strings.HasPrefix(assignment, "SVCCFG_") || strings.HasPrefix(assignment, "PKG_INSTALL_ROOT=")
}

func readRepository(db string) ([]byte, error) {
	if _, err := os.Lstat(db + "-journal"); err == nil {
		return nil, errors.New("svc.configd left a journal beside the repository: its last change is not complete")
	}
	f, err := os.Open(db)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("svccfg made no repository")
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRepository+1))
	if err == nil && len(b) > maxRepository {
		err = fmt.Errorf("the repository has more than %d bytes", maxRepository)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}
