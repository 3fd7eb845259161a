package required

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// none is a cache in which nothing was prepared.
func none(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "cache")
	t.Setenv("IMAGETOOLS_CACHE", dir)
	t.Setenv("IMAGETOOLS_REQUIRE_ORACLES", "")
	return dir
}

func TestNothingIsPrepared(t *testing.T) {
	for _, script := range []string{"test/oracle/prepare judge", "test/oracle/prepare guest", "test/oracle/prepare zfs-fuse",
		"test/imgmanifest/prepare", "test/oci/prepare", "test/smartos/prepare", "test/conformance/debian-root",
		"test/conformance/debian-vim", "test/conformance/lx-root trixie"} {
		dir := none(t)
		f := strings.Fields(script)
		path, err := Prepare(f[0], f[1:]...)
		if err == nil || !strings.Contains(err.Error(), ErrNotPrepared.Error()) {
			t.Errorf("%s: %q, %v", script, path, err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*")); left != nil {
			t.Errorf("%s left %q", script, left)
		}
	}
}

func TestData(t *testing.T) {
	dir := none(t)
	t.Setenv("IMAGETOOLS_TESTDATA", filepath.Dir(dir))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if got := Data(t, "cache"); got != dir {
		t.Errorf("Data: %q, want %q", got, dir)
	}
	var skipped skipping
	done := make(chan struct{})
	go func() {
		defer close(done)
		Data(&skipped, "nothing")
		t.Error("a file that is missing is no reason to skip")
	}()
	<-done
	if !strings.Contains(skipped.reason, "nothing: no such file") {
		t.Errorf("skipped because %q", skipped.reason)
	}
}

// skipping is a test that keeps the reason why it is skipped.
type skipping struct {
	testing.TB
	reason string
}

func (*skipping) Helper() {}

func (s *skipping) Skip(args ...any) {
	s.reason = fmt.Sprint(args...)
	runtime.Goexit()
}

func TestPrepare(t *testing.T) {
	t.Setenv("IMAGETOOLS_REQUIRE_ORACLES", "1")
	dir := t.TempDir()
	top, err := root()
	if err != nil {
		t.Fatal(err)
	}
	rel, err := filepath.Rel(top, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "s"), []byte("echo \"made $1 ${IMAGETOOLS_PREPARED_ONLY:-}\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for all, want := range map[string]string{"1": "made x", "": "made x 1"} {
		t.Setenv("IMAGETOOLS_REQUIRE_ORACLES", all)
		if got, err := Prepare(filepath.Join(rel, "s"), "x"); err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
}
