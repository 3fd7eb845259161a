package outputs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// roles are what a copy of this test program can play, until it is killed.
var roles = map[string]func(args []string){"thief": thief, "swap": swap}

// user is who attacks. Root lets him own a directory.
const user = 65534

// attacker starts a copy of this program as another user, in a directory of his.
func attacker(t *testing.T, dir, role string, args ...string) (stop func()) {
	t.Helper()
	self := input("attacker")
	if _, err := os.Stat(self); err != nil {
		path, err := os.Executable()
		var text []byte
		if err == nil {
			text, err = os.ReadFile(path)
		}
		if err = errors.Join(err, os.WriteFile(self, text, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(self, args...)
	cmd.Dir, cmd.Env = dir, []string{roleVariable + "=" + role}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			cmd.Process.Kill()
			cmd.Wait()
			stopped = true
		}
	}
	t.Cleanup(stop)
	return stop
}

// thief takes away what appears under a temporary name in his directory, puts a directory or a
// link of his own there, and has the names in it lead to what he may not change (the argument).
func thief(args []string) {
	syscall.Umask(0)
	canary := args[0]
	for n := 0; ; n++ {
		entries, _ := os.ReadDir(".")
		for _, e := range entries {
			name := e.Name()
			if !strings.HasPrefix(name, ".imagetools-") {
				continue
			}
			switch n % 3 {
			case 0: // a directory that everybody may write to
				os.Mkdir("trap", 0o777)
			case 1: // a link to a directory of somebody else
				os.Symlink(filepath.Dir(canary), "trap")
			case 2: // the contents of a link
				os.Symlink(canary, "trap")
			}
			if exchange("trap", name) != nil {
				os.Remove("trap")
				continue
			}
			for range 50 {
				plant(name, canary)
			}
			os.RemoveAll("stolen")
			os.Rename("trap", "stolen")
		}
	}
}

// plant replaces what appears in a directory of the thief by links.
func plant(dir, canary string) {
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && path != dir && !d.IsDir() && os.Remove(path) == nil {
			os.Symlink(canary, path)
		}
		return nil
	})
}

// swap exchanges pairs of names as fast as it can.
func swap(args []string) {
	for {
		for i := 0; i+1 < len(args); i += 2 {
			exchange(args[i], args[i+1])
		}
	}
}
