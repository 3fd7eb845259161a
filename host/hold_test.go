package host

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"imagetools/tree"
)

// childHome is set, to the id of a home, for a copy of this test program that makes the dataset
// seed there and is held up in the content of a file if there is childHold, a folder.
const (
	childHome = "IMAGETOOLS_TEST_CHILD"
	childHold = "IMAGETOOLS_TEST_CHILD_HOLD"
)

// start begins a run in a process of its own.
func (h *homeTest) start(t *testing.T, held *hold, m moment) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(thisProgram(t), "-test.run=^TestHomeChild$", "-test.testlogfile=")
	cmd.Env = append(os.Environ(), childHome+"="+h.id)
	said, err := os.Create(held.file("said")) // a pipe would wait for zfs
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	cmd.Stdout, cmd.Stderr = said, said
	if m == inContent {
		cmd.Env = append(cmd.Env, childHold+"="+held.dir)
	} else {
		cmd.Env = append(cmd.Env, held.env(t, m)...)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// TestHomeChild is a run in a process of its own, if this is one.
func TestHomeChild(t *testing.T) {
	id := os.Getenv(childHome)
	if id == "" {
		return
	}
	var o HomeOptions
	if kind, name, _ := strings.Cut(id, "="); kind == "store" {
		o.Store = name
	} else {
		o.Pool = name
	}
	homes, err := (&Host{}).Homes(o)
	if err != nil {
		t.Fatal(err)
	}
	content := tree.Content(noise(300_001))
	if dir := os.Getenv(childHold); dir != "" {
		held := &hold{dir: dir}
		content = heldContent{content, func() { held.here(t) }}
	}
	if _, err := homes[0].Create(t.Context(), "seed", seedTree(t, "new", content, 300_001), CreateOptions{Replace: true, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
}

// heldContent has something happen before it is read.
type heldContent struct {
	tree.Content
	happen func()
}

func (c heldContent) Open() (tree.File, error) {
	c.happen()
	return c.Content.Open()
}

// hold holds up a run: in Go, or in zfs.
type hold struct{ dir string }

func (h *hold) file(name string) string { return filepath.Join(h.dir, name) }

// here is where the run is held up.
func (h *hold) here(t *testing.T) {
	if err := os.WriteFile(h.file("reached"), nil, 0o666); err != nil {
		t.Error(err)
	}
	h.until(t, "go")
}

func (h *hold) until(t *testing.T, name string) {
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(h.file(name)); err == nil {
			return
		}
		if time.Since(start) > 2*time.Minute {
			t.Errorf("after two minutes: no %s", name)
			return
		}
	}
}

func (h *hold) reached(t *testing.T) { h.until(t, "reached") }

func (h *hold) goOn(t *testing.T) {
	if err := os.WriteFile(h.file("go"), nil, 0o666); err != nil {
		t.Error(err)
	}
}

// ended waits for the zfs that was held up, which outlives the run.
func (h *hold) ended(t *testing.T) {
	text, err := os.ReadFile(h.file("reached"))
	pid := 0
	if fmt.Sscan(string(text), &pid); err != nil || pid == 0 {
		return // none was
	}
	for start := time.Now(); syscall.Kill(-pid, 0) == nil; time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > 2*time.Minute {
			t.Fatal("after two minutes: zfs still runs")
		}
	}
}

// heldZFS stands before zfs on the PATH: it waits at COMMAND:begin or COMMAND:end, the first
// time, until there is a file go.
const heldZFS = `#!/bin/sh
hold() {
	echo $$ >"$HOLD_DIR/reaching"
	mv "$HOLD_DIR/reaching" "$HOLD_DIR/reached"
	until [ -e "$HOLD_DIR/go" ]; do sleep 0.05; done
}
case $HOLD in
"$1:begin") hold ;;
"$1:end")
	"$REAL_ZFS" "$@" || exit
	hold
	exit 0
	;;
esac
exec "$REAL_ZFS" "$@"
`

// env is the environment of a run that zfs holds up.
func (h *hold) env(t *testing.T, m moment) []string {
	t.Helper()
	real, err := exec.LookPath("zfs")
	if err == nil {
		err = os.WriteFile(h.file("zfs"), []byte(heldZFS), 0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
	return []string{"PATH=" + h.dir + ":" + os.Getenv("PATH"), "REAL_ZFS=" + real, "HOLD=" + m.at, "HOLD_DIR=" + h.dir}
}

// arm has runs of this process held up.
func (h *hold) arm(t *testing.T, m moment) {
	t.Helper()
	for _, assignment := range h.env(t, m) {
		name, value, _ := strings.Cut(assignment, "=")
		t.Setenv(name, value)
	}
}
