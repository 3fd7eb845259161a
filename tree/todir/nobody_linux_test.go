package todir_test

import (
	"os"
	"syscall"
	"testing"
)

// becomeNobody takes root's rights from a test until it ends, since root may do anything in
// any directory. It gives dir to the user that it becomes.
func becomeNobody(t *testing.T, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	const nobody = 65534
	top := t.TempDir() // that of the test and the one above it let others in
	for _, err := range []error{os.Chmod(top+"/..", 0o755), os.Chmod(top, 0o755), os.Chown(dir, nobody, nobody)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Setresuid(-1, nobody, -1); err != nil { // all threads
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setresuid(-1, 0, -1); err != nil {
			t.Error(err)
		}
	})
}
