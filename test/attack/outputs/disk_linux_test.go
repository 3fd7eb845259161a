package outputs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// makeDisk makes a sparse file with an ext4, and a loop device of it.
func makeDisk(t *testing.T, path string, size int64) (loop string) {
	t.Helper()
	for _, program := range []string{"mkfs.ext4", "losetup"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, size)); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "mkfs.ext4", "-q", "-F", "-J", "size=1", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", path)
	out, err := exec.Command("losetup", "-f", "--show", path).CombinedOutput()
	if err != nil {
		t.Skipf("losetup: %v: %s", err, out)
	}
	loop = strings.TrimSpace(string(out))
	return loop
}

// used is how many bytes of a file are not holes.
func used(t *testing.T, path string) int64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks * 512
}

func detach(t *testing.T, loop string) {
	t.Helper()
	mustRun(t, "losetup", "-d", loop)
}

func mustRun(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Fatal(fmt.Errorf("%s: %w: %s", program, err, out))
	}
}
