package host

import (
	"syscall"
	"testing"
)

// thisProgram is how the test can run itself, also where it may not search its folder.
func thisProgram(*testing.T) string { return "/proc/self/exe" }

// mountSmall mounts an empty file system of 1 MiB.
func mountSmall(t *testing.T, dir string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
}
