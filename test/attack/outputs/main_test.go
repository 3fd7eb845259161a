package outputs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"imagetools/internal/required"
	"imagetools/test/attack"
)

// roleVariable has a copy of this test program play an attacker; see roles.
const roleVariable = "IMAGETOOLS_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := roles[os.Getenv(roleVariable)]; role != nil {
		role(os.Args[1:])
		return
	}
	code := m.Run()
	if shared.dir != "" {
		os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// shared is what all tests use and none changes: the program, and inputs, below a directory that
// other users may read.
var shared struct {
	once   sync.Once
	dir    string
	err    error
	noSeed error // why there is no build to make a seed of
}

func program() string          { return filepath.Join(shared.dir, "imagetools") }
func input(name string) string { return filepath.Join(shared.dir, name) }

// setUp makes it.
func setUp(t *testing.T) {
	t.Helper()
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "imagetools-outputs"); shared.err != nil {
			return
		}
		_, data := required.FindData("smartos-live")
		_, repository := required.FindData("smf-expected", "imagetools-list.repository.db.gz")
		shared.noSeed = errors.Join(data, repository)
		shared.err = errors.Join(os.Chmod(shared.dir, 0o755), build(), makeInputs(t))
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
}

func build() error {
	out, err := exec.Command("go", "build", "-o", program(), "imagetools/cmd/imagetools").CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// workDir makes a directory that other users may enter.
func workDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// command is the program in a directory.
func command(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command(program(), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1500000000", "TMPDIR="+dir)
	return cmd
}

// run runs a command to its end and returns its status, -1 for one that was killed, and what it
// said.
func run(t *testing.T, cmd *exec.Cmd) (status int, said string) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func random(t *testing.T) *rand.Rand { return rand.New(rand.NewPCG(attack.Seed(t), 0)) }

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}
