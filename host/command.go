package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"imagetools/internal/plain"
	"imagetools/internal/shell"
)

// Host is this machine as its programs show it. Each is run with the arguments as they are,
// never by a shell, and says what it says in English. The zero value is ready.
//
//	h := &host.Host{DryRun: os.Stdout}
//	zones, err := h.Zones(ctx)          // a query: runs
//	err = h.HaltZone(ctx, zones[0].Name) // prints "zoneadm -z NAME halt"
type Host struct {
	// DryRun, if not nil, gets each command that changes something, in the form in which one
	// can paste it into a shell; it is not run, and taken to have done what it is for.
	DryRun io.Writer
}

// Command is a run of a program of this host.
type Command struct {
	Program string // its name; see [Host.Has]
	Args    []string
	Env     []string // NAME=VALUE, all it gets beside LC_ALL; nil for the environment of this process
	Changes bool     // something that is there after it has ended; left out in a dry run
	Input   string   // what it reads from standard input
	// Stdin is for input that is not in memory. If it is nil and Input empty there is none.
	Stdin io.Reader
	// Stdout gets what the program prints; if nil, Run returns it.
	Stdout io.Writer
	// Live, if not nil, is shown both outputs as they come. That it fails is no error.
	Live io.Writer
}

// Output is what a program said.
type Output struct {
	Stdout string
	Stderr string // the last of it, at most 32 KiB
}

// Run runs a command and waits for it. If it fails, the error is a [*CommandError], or that of
// ctx if that has ended. Then the program gets SIGTERM, and with all that it has started
// SIGKILL, five seconds later or when it has ended.
func (h *Host) Run(ctx context.Context, c Command) (Output, error) {
	if c.Changes && h.DryRun != nil {
		return Output{}, h.show(c)
	}
	out := limited{}
	if c.Stdout == nil {
		c.Stdout = &out
	}
	p, err := h.newProcess(ctx, c)
	if err != nil {
		return Output{}, err
	}
	if err = p.start(); err == nil {
		err = p.wait()
	}
	return Output{out.b.String(), p.stderr.String()}, err
}

// Query runs a program that changes nothing and returns what it prints.
func (h *Host) Query(ctx context.Context, program string, args ...string) (string, error) {
	out, err := h.Run(ctx, Command{Program: program, Args: args})
	return out.Stdout, err
}

// Change runs a program that changes something, or shows it in a dry run.
func (h *Host) Change(ctx context.Context, program string, args ...string) error {
	_, err := h.Run(ctx, Command{Program: program, Args: args, Changes: true})
	return err
}

// Has tells whether this host has a program: on PATH, or in the folders of administrators,
// which the PATH of others lacks.
func (h *Host) Has(program string) bool { return find(program) != "" }

// show writes a command that is not run.
func (h *Host) show(c Command) error {
	line := shell.Join(append([]string{c.Program}, c.Args...))
	if c.Input != "" {
		end := "END"
		for strings.Contains(c.Input, end) {
			end += "_"
		}
		line += " <<'" + end + "'\n" + strings.TrimSuffix(c.Input, "\n") + "\n" + end
	} else if f, ok := c.Stdin.(*os.File); ok {
		line += " <" + shell.Quote(f.Name())
	}
	_, err := fmt.Fprintln(h.DryRun, line)
	return err
}

// find returns the path of a program, or its name if that is on PATH; empty if it is not there.
func find(program string) string {
	for _, candidate := range []string{program, filepath.Join("/usr/sbin", program), filepath.Join("/sbin", program)} {
		if _, err := exec.LookPath(candidate); err == nil {
			return candidate
		}
	}
	return ""
}

// killAfter is how long a program that was asked to end may take before it is killed.
const killAfter = 5 * time.Second

// process is a program on its way. It is in a process group of its own: Ctrl-C on the terminal
// is for us, who then end it in the right order.
type process struct {
	*exec.Cmd
	ctx    context.Context
	stderr tail
}

func (h *Host) newProcess(ctx context.Context, c Command) (*process, error) {
	path := find(c.Program)
	if path == "" {
		return nil, fmt.Errorf("%s: no such program on this host: %w", c.Program, exec.ErrNotFound)
	}
	p := &process{Cmd: exec.CommandContext(ctx, path, c.Args...), ctx: ctx}
	p.Env = c.Env
	if p.Env == nil {
		p.Env = os.Environ()
	}
	p.Env = append(slices.Clip(p.Env), "LC_ALL=C")
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.Cancel = func() error { return syscall.Kill(-p.Process.Pid, syscall.SIGTERM) }
	p.WaitDelay = killAfter
	p.Stdin = c.Stdin
	if c.Input != "" {
		p.Stdin = strings.NewReader(c.Input)
	}
	p.Stdout, p.Stderr = c.Stdout, &p.stderr
	if c.Live != nil {
		live := &live{w: c.Live}
		p.Stdout, p.Stderr = io.MultiWriter(live, c.Stdout), io.MultiWriter(live, &p.stderr)
	}
	return p, nil
}

func (p *process) start() error { return p.explain(p.Start()) }

// wait waits for the end. That of ctx is the end of all the program has started.
func (p *process) wait() error {
	err := p.Wait()
	if p.ctx.Err() != nil {
		// The number of the group is no other process's yet: numbers come again late.
		syscall.Kill(-p.Process.Pid, syscall.SIGKILL)
	}
	return p.explain(err)
}

// explain turns the outcome of a program into an error that tells what was run and what it
// said; it is that of the context if that has ended.
func (p *process) explain(err error) error {
	if err == nil {
		return nil
	}
	if ended := p.ctx.Err(); ended != nil {
		return ended
	}
	return &CommandError{Args: p.Args, Stderr: p.stderr.String(), Err: err}
}

// CommandError is a program of this host that failed.
type CommandError struct {
	Args   []string // the program first
	Stderr string   // the last of what it said, at most 32 KiB
	Err    error
}

// Error tells the command as one can paste it into a shell, how it ended and what it said, with
// nothing in it that a terminal obeys: those can be the words of a zone.
func (e *CommandError) Error() string {
	text := fmt.Sprintf("%s: %v", shell.Join(e.Args), e.Err)
	if said := strings.TrimSpace(e.Stderr); said != "" {
		text += ": " + plain.Text(said)
	}
	return text
}

func (e *CommandError) Unwrap() error { return e.Err }

// ExitCode is the exit status of the program; -1 if it did not run or was killed.
func (e *CommandError) ExitCode() int {
	if exit, ok := errors.AsType[*exec.ExitError](e.Err); ok {
		return exit.ExitCode()
	}
	return -1
}

// maxOutput is how much a program may print where all of it is kept: much more than a listing
// of all zones, or all the metadata of one.
const maxOutput = 64 << 20

// limited keeps what is written to it, up to maxOutput.
type limited struct{ b strings.Builder }

func (l *limited) Write(p []byte) (int, error) {
	if l.b.Len()+len(p) > maxOutput {
		return 0, fmt.Errorf("it printed more than %d bytes", maxOutput)
	}
	return l.b.Write(p)
}

// live is a writer for several at once; that nobody reads it any more must not end a program
// in the middle.
type live struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *live) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.w.Write(p)
	return len(p), nil
}

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
