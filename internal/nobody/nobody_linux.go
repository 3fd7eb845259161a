// Package nobody lets tests run as a user without rights, since root may do anything.
package nobody

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

const uid = 65534

// Become takes root's rights from a test until it ends. It gives dir, a folder of the test's
// own, to the user that it becomes, and lets that into it. Who is not root stays who he is. All
// threads change, so no other test may run at the same time.
func Become(t *testing.T, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	for _, err := range []error{os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755), os.Chown(dir, uid, uid)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Setresuid(-1, uid, -1); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setresuid(-1, 0, -1); err != nil {
			t.Error(err)
		}
	})
}
