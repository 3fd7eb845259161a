package fromdir_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// becomeNobody takes root's rights from a test, since root reads everything, until it ends.
func becomeNobody(t *testing.T, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Setresuid(-1, 65534, -1); err != nil { // all threads
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Setresuid(-1, 0, -1) })
}
