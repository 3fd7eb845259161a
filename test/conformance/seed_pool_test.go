package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imagetools/test/oracle"
	"imagetools/tree"
	treediff "imagetools/tree/compare"
	"imagetools/tree/fromdir"
	"imagetools/tree/source"
)

// seedSessionDir is set for a copy of this test program that runs beside the daemon of zfs-fuse.
const seedSessionDir = "IMAGETOOLS_SEED_SESSION"

// TestSeedPool makes seeds in a real pool: zfs-fuse on this host, beside which this program runs
// a second time. They must be the same trees as seeds of the directory store.
func TestSeedPool(t *testing.T) {
	if dir := os.Getenv(seedSessionDir); dir != "" {
		r := &seedRun{dir: dir, build: filepath.Join(dir, "build")}
		(&poolSession{seedRun: r, tool: filepath.Join(dir, "tool")}).test(t)
		return
	}
	t.Parallel()
	fuse := oracle.RequireZFSFuse(t)
	r := newSeedRun(t)
	if out, err := r.command(t, "--store", filepath.Join(r.dir, "store")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := exec.Command("cp", toolPath(t), filepath.Join(r.dir, "tool")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	out, err := fuse.Shell(ctx, []string{seedSessionDir + "=" + r.dir}, self, "-test.run=^TestSeedPool$", "-test.v", "-test.timeout=4m",
		"-test.testlogfile=", "-test.gocoverdir=", r.dir)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("beside zfs-fuse:\n%s", out)
}

// poolSession is this program beside the daemon.
type poolSession struct {
	*seedRun
	tool string
	runs int
}

// zfs runs the real one.
func (s *poolSession) zfs(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("zfs", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("zfs %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// datasets are all in the pool, sorted.
func (s *poolSession) datasets(t *testing.T) []string {
	t.Helper()
	all := strings.Fields(s.zfs(t, "list", "-H", "-t", "filesystem,snapshot", "-o", "name"))
	slices.Sort(all)
	return all
}

// run is one run of create-seed, held up where hold says; see heldZFS.
func (s *poolSession) run(t *testing.T, hold string, args ...string) *heldRun {
	t.Helper()
	s.runs++
	r := &heldRun{dir: filepath.Join(s.dir, fmt.Sprintf("run%d", s.runs))}
	real, err := exec.LookPath("zfs")
	if err := errors.Join(err, os.MkdirAll(r.dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	r.cmd = exec.Command(s.tool, append([]string{"create-seed", "-q", s.build, "seed"}, args...)...)
	r.cmd.Dir, r.cmd.Stderr = r.dir, &r.stderr
	r.cmd.Env = append(os.Environ(), "PATH="+filepath.Join(s.dir, "bin")+":"+os.Getenv("PATH"), "REAL_ZFS="+real, "HOLD="+hold, "HOLD_DIR="+r.dir)
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

func (s *poolSession) succeeds(t *testing.T, args ...string) {
	t.Helper()
	r := s.run(t, "", args...)
	if code := r.end(); code != 0 {
		t.Fatalf("exit status %d: %s", code, &r.stderr)
	}
}

// fails ends a run that must fail and say something.
func (s *poolSession) fails(t *testing.T, said string, args ...string) {
	t.Helper()
	r := s.run(t, "", args...)
	if code := r.end(); code != 1 || !strings.Contains(r.stderr.String(), said) {
		t.Errorf("%v: exit status %d: %s, want %q", args, code, &r.stderr, said)
	}
}

// expect checks which datasets there are.
func (s *poolSession) expect(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, s.datasets(t)); diff != "" {
		t.Errorf("datasets (-want +got):\n%s", diff)
	}
}

// same checks that the dataset is the tree that the store has.
func (s *poolSession) same(t *testing.T) {
	t.Helper()
	log, err := os.Open(filepath.Join(s.dir, "store/seed.mtree"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	want := readTree(t, filepath.Join(s.dir, "store/seed"), fromdir.Options{Metalog: log})
	got := readTree(t, s.zfs(t, "get", "-H", "-o", "value", "mountpoint", "zones/seed"), fromdir.Options{Owners: source.OwnersDisk})
	for c, err := range treediff.Diff(t.Context(), want, got, treediff.Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("in the pool: %v", c)
	}
}

func readTree(t *testing.T, dir string, opts fromdir.Options) *tree.Tree {
	t.Helper()
	tr, _, err := fromdir.Read(t.Context(), dir, opts)
	if err == nil {
		err = tr.Seal()
	}
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func (s *poolSession) test(t *testing.T) {
	if err := errors.Join(os.Mkdir(filepath.Join(s.dir, "bin"), 0o777),
		os.WriteFile(filepath.Join(s.dir, "bin", "zfs"), []byte(heldZFS), 0o777)); err != nil {
		t.Fatal(err)
	}
	s.succeeds(t)
	s.expect(t, "zones", "zones/seed")
	s.same(t)

	s.fails(t, `dataset "zones/seed": exists already`)
	s.zfs(t, "snapshot", "zones/seed@mine")
	s.fails(t, "there is more to it: zones/seed@mine", "--force")
	s.expect(t, "zones", "zones/seed", "zones/seed@mine")
	s.zfs(t, "destroy", "zones/seed@mine")
	s.succeeds(t, "--force", "--pool", "zones")
	s.expect(t, "zones", "zones/seed")
	s.same(t)
	s.fails(t, `dataset "tank" does not exist`, "--pool", "tank")

	dry := exec.Command(s.tool, "create-seed", s.build, "seed", "--force", "--dry-run")
	out, err := dry.Output()
	for _, line := range []string{"zfs create zones/seed.imagetools-", "zfs rename zones/seed zones/seed.imagetools-", "zfs mount zones/seed", "zfs destroy zones/seed.imagetools-"} {
		if !strings.Contains(string(out), "\n"+line) && !strings.HasPrefix(string(out), line) {
			t.Errorf("a dry run shows %s (%v), not %q", out, err, line)
		}
	}
	s.expect(t, "zones", "zones/seed")
	s.same(t)

	// Package host has the same for all moments; this is what the command says of them.
	for _, hold := range []string{"create:end", "rename:end"} {
		t.Run("SIGINT at "+hold, func(t *testing.T) { s.interrupt(t, hold) })
		t.Run("SIGKILL at "+hold, func(t *testing.T) { s.kill(t, hold) })
	}
}

// interrupt stops a run that replaces a seed: that is done, or all is as before.
func (s *poolSession) interrupt(t *testing.T, hold string) {
	r := s.run(t, hold, "--force")
	r.reached(t)
	if err := r.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	r.goOn(t)
	code := r.end()
	if renaming := strings.HasPrefix(hold, "rename") || strings.HasPrefix(hold, "destroy"); renaming != (code == 0) {
		t.Errorf("exit status %d: %s", code, &r.stderr)
	}
	if code != 0 && (code != 130 || !bytes.Contains(r.stderr.Bytes(), []byte("nothing was left behind"))) {
		t.Errorf("exit status %d: %s", code, &r.stderr)
	}
	s.expect(t, "zones", "zones/seed")
	s.same(t)
}

// kill ends a run that replaces a seed. The next one puts things right.
func (s *poolSession) kill(t *testing.T, hold string) {
	r := s.run(t, hold, "--force")
	r.reached(t)
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	r.cmd.Wait()
	r.goOn(t)
	r.orphansEnd(t)
	left := s.datasets(t)
	next := s.run(t, "", "--force")
	if code := next.end(); code != 0 {
		t.Fatalf("left were %v; the next run: exit status %d: %s", left, code, &next.stderr)
	}
	for _, name := range left {
		if strings.Contains(name, ".imagetools-") && !strings.Contains(next.stderr.String(), name) {
			t.Errorf("%s was left, and the next run said %q", name, &next.stderr)
		}
	}
	s.expect(t, "zones", "zones/seed")
	s.same(t)
}
