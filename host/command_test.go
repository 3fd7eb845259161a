package host

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sh is a command that runs a script.
func sh(script string, args ...string) Command {
	return Command{Program: "sh", Args: append([]string{"-c", script, "sh"}, args...)}
}

func TestRun(t *testing.T) {
	h := &Host{}
	t.Setenv("LC_ALL", "de_DE.UTF-8")
	c := sh(`printf '%s|' "$LC_ALL" "$@"; cat; echo said >&2`, "a b", "$x", "")
	c.Input = "in"
	out, err := h.Run(t.Context(), c)
	if err != nil || out.Stdout != "C|a b|$x||in" || out.Stderr != "said\n" {
		t.Errorf("%+v, %v", out, err)
	}
	c = sh("cat")
	c.Stdin = strings.NewReader("streamed")
	var stdout bytes.Buffer
	c.Stdout = &stdout
	if out, err := h.Run(t.Context(), c); err != nil || stdout.String() != "streamed" || out.Stdout != "" {
		t.Errorf("%q, %+v, %v", &stdout, out, err)
	}
}

func TestRunErrors(t *testing.T) {
	h := &Host{}
	_, err := h.Run(t.Context(), sh(`echo "no $1" >&2; exit 3`, "it's"))
	failed, ok := errors.AsType[*CommandError](err)
	if !ok || failed.ExitCode() != 3 || failed.Stderr != "no it's\n" {
		t.Fatalf("%#v", err)
	}
	if want := `sh -c 'echo "no $1" >&2; exit 3' sh 'it'\''s': exit status 3: no it's`; err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	_, err = h.Run(t.Context(), sh(`printf 'ü\t\033[2J\377\r\n"x"' >&2; exit 1`))
	if err == nil || !strings.HasSuffix(err.Error(), "exit status 1: ü\t\\x1b[2J\\xff\\r\n\"x\"") {
		t.Errorf("what a terminal obeys: %q", err)
	}
	_, err = h.Run(t.Context(), sh("kill -9 $$"))
	if failed, ok := errors.AsType[*CommandError](err); !ok || failed.ExitCode() != -1 || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("killed: %v", err)
	}
	_, err = h.Run(t.Context(), Command{Program: "imagetools-nowhere"})
	if !errors.Is(err, exec.ErrNotFound) || !strings.Contains(err.Error(), "imagetools-nowhere: no such program on this host") {
		t.Errorf("no program: %v", err)
	}
	_, err = h.Run(t.Context(), Command{Program: "head", Args: []string{"-c", strconv.Itoa(maxOutput + 1), "/dev/zero"}})
	if err == nil || !strings.Contains(err.Error(), "printed more than") {
		t.Errorf("endless output: %v", err)
	}
}

// Both outputs are shown as they come, and a writer that fails is nobody's fault.
func TestRunLive(t *testing.T) {
	seen := make(chan string)
	c := sh(`echo out; read x; echo err >&2; echo "$x"`)
	answer, to := io.Pipe()
	c.Stdin, c.Live = answer, chanWriter(seen)
	go func() {
		var all string
		for text := range seen {
			if all += text; all == "out\n" {
				io.WriteString(to, "answer\n") // only now goes it on
				to.Close()
			}
		}
	}()
	out, err := (&Host{}).Run(t.Context(), c)
	close(seen)
	if err != nil || out.Stdout != "out\nanswer\n" || out.Stderr != "err\n" {
		t.Errorf("%+v, %v", out, err)
	}
	c = sh("echo out")
	c.Live = failingWriter{}
	if out, err := (&Host{}).Run(t.Context(), c); err != nil || out.Stdout != "out\n" {
		t.Errorf("to a closed terminal: %+v, %v", out, err)
	}
}

type chanWriter chan<- string

func (w chanWriter) Write(p []byte) (int, error) { w <- string(p); return len(p), nil }

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// A dry run shows what can be pasted, and runs queries alone.
func TestDryRun(t *testing.T) {
	dir := t.TempDir()
	var shown bytes.Buffer
	h := &Host{DryRun: &shown}
	if err := h.Change(t.Context(), "touch", filepath.Join(dir, "it's"), "-x"); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	for _, c := range []Command{
		{Program: "tee", Args: []string{filepath.Join(dir, "payload")}, Input: "END\n$x\n", Changes: true},
		{Program: "tee", Args: []string{filepath.Join(dir, "file")}, Stdin: in, Changes: true},
	} {
		if _, err := h.Run(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := h.Query(t.Context(), "ls", dir); err != nil || out != "" {
		t.Errorf("ls prints %q, %v", out, err)
	}
	want := "touch '" + dir + `/it'\''s' -x` + "\ntee " + dir + "/payload <<'END_'\nEND\n$x\nEND_\ntee " + dir + "/file </dev/null\n"
	if shown.String() != want {
		t.Errorf("shown:\n%swant:\n%s", &shown, want)
	}
	script := "cd /\nset -e\n" + strings.Replace(shown.String(), "-x", "", 1)
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "payload")); string(text) != "END\n$x\n" {
		t.Errorf("pasted, it writes %q, %v", text, err)
	}
}

// running starts a command that makes a file ready with a process number when it is to be
// cancelled, cancels it, and returns that number and its error.
func running(t *testing.T, script string) (int, error) {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := (&Host{}).Run(ctx, sh(script, ready))
		done <- err
	}()
	var pid int
	for start := time.Now(); pid == 0 && time.Since(start) < time.Minute; time.Sleep(time.Millisecond) {
		if text, _ := os.ReadFile(ready); bytes.HasSuffix(text, []byte("\n")) {
			pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		}
	}
	cancel()
	if pid == 0 {
		t.Fatal("not ready")
	}
	return pid, <-done
}

// What a program has started ends with it: a child that ignores SIGTERM is killed, also one
// that holds none of the outputs.
func TestCancelEndsGroup(t *testing.T) {
	t.Parallel()
	for _, outputs := range []string{"", ">/dev/null 2>&1"} {
		child, err := running(t, `sh -c 'trap "" TERM; while :; do sleep 0.1; done' `+outputs+` & sleep 0.3; echo $! >$1; wait`)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		gone := func() bool { return !alive(t, child) }
		for start := time.Now(); !gone(); time.Sleep(10 * time.Millisecond) {
			if time.Since(start) > 10*time.Second {
				t.Fatalf("outputs %q: the child runs on", outputs)
			}
		}
	}
}

// alive tells whether a process runs; one that has ended and waits for its parent does not.
func alive(t *testing.T, pid int) bool {
	t.Helper()
	out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && !strings.HasPrefix(strings.TrimSpace(string(out)), "Z")
}

// A program may end in its own way.
func TestCancelAsksFirst(t *testing.T) {
	t.Parallel()
	after := filepath.Join(t.TempDir(), "after")
	_, err := running(t, `trap "sleep 0.2; : >`+after+`; exit 0" TERM; echo $$ >$1; while :; do sleep 0.1; done`)
	if _, statErr := os.Stat(after); !errors.Is(err, context.Canceled) || statErr != nil {
		t.Errorf("%v; it did not end in its way: %v", err, statErr)
	}
}
