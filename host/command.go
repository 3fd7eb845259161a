package host

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// killAfter is how long a program that was asked to end may take before it is killed.
const killAfter = 5 * time.Second

// find returns the path of a system program: as PATH has it, or in the folders of
// administrators, which the PATH of others lacks; empty if it is not there.
func find(name string) string {
	for _, candidate := range []string{name, filepath.Join("/usr/sbin", name), filepath.Join("/sbin", name)} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	return ""
}

// command is a run of a program of this host: arguments as they are, no shell, messages in
// English. When ctx ends it gets SIGTERM, then SIGKILL. It is in a process group of its own:
// Ctrl-C on the terminal is for us, who then end it in the right order.
type command struct {
	*exec.Cmd
	ctx    context.Context
	stderr tail
}

func newCommand(ctx context.Context, path string, args ...string) *command {
	c := &command{Cmd: exec.CommandContext(ctx, path, args...), ctx: ctx}
	c.Env = append(os.Environ(), "LC_ALL=C")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGTERM) }
	c.WaitDelay = killAfter
	c.Stderr = &c.stderr
	return c
}

// output runs the command and returns what it prints.
func (c *command) output() (string, error) {
	var out strings.Builder
	c.Stdout = &out
	err := c.Run()
	return out.String(), c.explain(err)
}

// explain turns the outcome of a command into an error that tells what was run and what it
// said; it is that of the context if that has ended.
func (c *command) explain(err error) error {
	if err == nil {
		return nil
	}
	if ended := c.ctx.Err(); ended != nil {
		return ended
	}
	return &CommandError{Args: append([]string{filepath.Base(c.Path)}, c.Args[1:]...), Stderr: c.stderr.String(), Err: err}
}

// CommandError is a program of this host that failed.
type CommandError struct {
	Args   []string // the program's name first
	Stderr string   // the last of what it said, at most 32 KiB
	Err    error
}

func (e *CommandError) Error() string {
	text := fmt.Sprintf("%s: %v", strings.Join(e.Args, " "), e.Err)
	if said := strings.TrimSpace(e.Stderr); said != "" {
		text += ": " + said
	}
	return text
}

func (e *CommandError) Unwrap() error { return e.Err }

// maxTail is how much of a program's messages is kept, in bytes.
const maxTail = 32 << 10

// tail keeps the last bytes written to it.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if len(t.b) > 2*maxTail {
		t.b = append(t.b[:0], t.b[len(t.b)-maxTail:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.b[max(0, len(t.b)-maxTail):]) }
