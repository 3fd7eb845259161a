package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// standInVariable makes the test binary svccfg: its value is the folder with what the test
// expects of it.
const standInVariable = "TEST_SVCCFG"

func TestMain(m *testing.M) {
	if dir := os.Getenv(standInVariable); dir != "" {
		if err := svccfgStandIn(dir); err != nil {
			fmt.Fprintln(os.Stderr, "stand-in:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// svccfgStandIn is a svccfg that takes no call but those that create-smf-repo makes: one
// `import FILE` for each of the files 0, 1, ... in dir, in this order, with the same repository
// and svc.configd. What it does is write a line into the repository.
func svccfgStandIn(dir string) error {
	db, configd := os.Getenv("SVCCFG_REPOSITORY"), os.Getenv("SVCCFG_CONFIGD_PATH")
	old, err := os.ReadFile(db)
	wantConfigd, _ := os.ReadFile(filepath.Join(dir, "configd"))
	calls := strings.Count(string(old), "\n")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, "SVCCFG_") && name != "SVCCFG_REPOSITORY" && name != "SVCCFG_CONFIGD_PATH" || name == "PKG_INSTALL_ROOT" {
			return fmt.Errorf("variable %s", v)
		}
	}
	switch {
	case len(os.Args) != 3 || os.Args[1] != "import":
		return fmt.Errorf("arguments %q", os.Args[1:])
	case os.Getenv("LC_ALL") != "C":
		return errors.New("LC_ALL is not C")
	case !filepath.IsAbs(db) || configd != string(wantConfigd):
		return fmt.Errorf("repository %q, configd %q, want %q", db, configd, wantConfigd)
	}
	got, err := os.ReadFile(os.Args[2])
	if err != nil {
		return err
	}
	want, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(calls)))
	if err != nil || string(got) != string(want) {
		return fmt.Errorf("call %d: manifest %q, want %q, %v", calls, got, want, err)
	}
	switch string(got) {
	case "hang":
		time.Sleep(time.Hour)
	case "journal":
		if err := os.WriteFile(db+"-journal", nil, 0o666); err != nil {
			return err
		}
	case "nothing":
		return nil
	}
	return os.WriteFile(db, append(old, "imported "+string(got)+"\n"...), 0o600)
}

// svccfgBuild makes a build of generation 0 or 1 with the stand-in, which expects the
// manifests, and a folder for temporary files, which it returns too.
func svccfgBuild(t *testing.T, generation int, manifests []ServiceManifest) (*Svccfg, string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	build, expect, tmp := t.TempDir(), t.TempDir(), t.TempDir()
	for i, name := range nativeSvccfg[generation] {
		path := filepath.Join(build, "projects/illumos/usr/src", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			err = os.Symlink(self, path)
		} else {
			err = os.WriteFile(path, nil, 0o777)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range manifests {
		if err := os.WriteFile(filepath.Join(expect, fmt.Sprint(i)), m.XML, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	configd := filepath.Join(build, "projects/illumos/usr/src", nativeSvccfg[generation][1])
	if err := os.WriteFile(filepath.Join(expect, "configd"), []byte(configd), 0o666); err != nil {
		t.Fatal(err)
	}
	t.Setenv(standInVariable, expect)
	t.Setenv("TMPDIR", tmp)
	t.Setenv("SVCCFG_CHECKHASH", "1")
	t.Setenv("PKG_INSTALL_ROOT", "/elsewhere")
	t.Chdir(build)
	s, err := FindSvccfg(".")
	if err != nil {
		t.Fatal(err)
	}
	return s, tmp
}

func manifestsOf(texts ...string) (out []ServiceManifest) {
	for i, text := range texts {
		out = append(out, ServiceManifest{fmt.Sprintf("%d.xml", i), []byte(text)})
	}
	return out
}

func checkEmpty(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left in the folder for temporary files: %v, %v", left, err)
	}
}

func TestSvccfg(t *testing.T) {
	for generation := range nativeSvccfg {
		manifests := manifestsOf("b", "a", "b")
		s, tmp := svccfgBuild(t, generation, manifests)
		var told []int
		db, err := s.Repository(t.Context(), manifests, func(n int) { told = append(told, n) })
		if want := "imported b\nimported a\nimported b\n"; err != nil || string(db) != want || fmt.Sprint(told) != "[1 2 3]" {
			t.Errorf("generation %d: %q, %v, %v, want %q", generation, db, told, err, want)
		}
		checkEmpty(t, tmp)
	}
}

func TestSvccfgFaults(t *testing.T) {
	for _, test := range []struct {
		manifests []ServiceManifest
		expect    []ServiceManifest
		want      string
	}{
		{manifestsOf("a", "c"), manifestsOf("a", "b"), `/svccfg import /`},
		{manifestsOf("journal"), manifestsOf("journal"), "left a journal"},
		{manifestsOf("nothing"), manifestsOf("nothing"), "made no repository"},
	} {
		s, tmp := svccfgBuild(t, 0, test.expect)
		db, err := s.Repository(t.Context(), test.manifests, nil)
		if db != nil || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q, %v, want %s", db, err, test.want)
		}
		checkEmpty(t, tmp)
	}
}

func TestSvccfgCancel(t *testing.T) {
	manifests := manifestsOf("a", "hang")
	s, tmp := svccfgBuild(t, 0, manifests)
	ctx, cancel := context.WithCancel(t.Context())
	start := time.Now()
	_, err := s.Repository(ctx, manifests, func(int) { time.AfterFunc(200*time.Millisecond, cancel) })
	if !errors.Is(err, context.Canceled) || time.Since(start) > killAfter {
		t.Errorf("%v after %v", err, time.Since(start))
	}
	checkEmpty(t, tmp)
}

func TestFindSvccfg(t *testing.T) {
	dir := t.TempDir()
	if s, err := FindSvccfg(dir); err == nil || !strings.Contains(err.Error(), "svccfg-native") {
		t.Errorf("FindSvccfg(nothing) = %v, %v", s, err)
	}
}
