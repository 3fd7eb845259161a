//go:build linux

package oracle

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// CrashError says that an assertion or a fault of memory ended a ZFS, or that it hung.
type CrashError struct{ Reason string }

func (e *CrashError) Error() string { return "crashed: " + e.Reason }

// Assertion reports whether an assertion of the program ended it.
func (e *CrashError) Assertion() bool { return strings.Contains(e.Reason, "ASSERT") }

// Session is a judge that receives many chains of streams, one after another, each into
// datasets of its own: a tenth of the time that [Judge.Verdict] takes for each. It does not
// check the pool with zdb. Not safe for concurrent use; [Sessions] are.
type Session struct {
	judge   *Judge
	opts    JudgeOptions
	dir     string
	process *process
	served  int // chains by the present process
}

// process is a running judge.
type process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

const (
	chainsOfProcess = 200 // what a pool keeps of each chain slows it down
	chainTimeout    = time.Minute
)

// NewSession returns a session of the judge. Close ends it.
func (j *Judge) NewSession(opts JudgeOptions) (*Session, error) {
	dir, err := os.MkdirTemp("", "judge")
	if err != nil {
		return nil, err
	}
	if opts.Timeout == 0 {
		opts.Timeout = chainTimeout
	}
	return &Session{judge: j, opts: opts, dir: dir}, nil
}

// Close ends the session.
func (s *Session) Close() error {
	s.stop()
	return os.RemoveAll(s.dir)
}

func (s *Session) start() error {
	args := []string{"-s"}
	if s.opts.Legacy {
		args = append(args, "-l")
	}
	if s.opts.Foreign {
		args = append(args, "-f")
	}
	p := &process{cmd: exec.Command(filepath.Join(s.judge.dir, "judge"), append(args, filepath.Join(s.dir, "pool"))...)}
	p.cmd.Env, p.cmd.Stderr = s.judge.environment(), &p.stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	p.in, p.out = in, bufio.NewReaderSize(out, 1<<16)
	if err := p.cmd.Start(); err != nil {
		return err
	}
	s.process, s.served = p, 0
	return nil
}

// stop ends the present process and returns how it ended.
func (s *Session) stop() error {
	p := s.process
	if p == nil {
		return nil
	}
	s.process = nil
	p.in.Close()
	return p.cmd.Wait()
}

// Verdict has the judge receive a chain of streams (files). It returns the listings of the
// snapshots that were received. The error is a [*RefusedError], a [*FaultError], a
// [*CrashError], or says that the judge could not be run.
func (s *Session) Verdict(streams ...string) ([]Listing, error) {
	if s.served >= chainsOfProcess {
		s.stop()
	}
	if s.process == nil {
		if err := s.start(); err != nil {
			return nil, err
		}
	}
	s.served++
	p := s.process
	hung := time.AfterFunc(s.opts.Timeout, func() { p.cmd.Process.Kill() })
	defer hung.Stop()
	// A process that is gone already is told by what comes of it.
	_, _ = io.WriteString(p.in, strings.Join(streams, "\t")+"\n")
	var text bytes.Buffer
	var refused, faults []string
	for {
		line, err := p.out.ReadString('\n')
		if err != nil {
			return nil, s.crash(!hung.Stop())
		}
		reason, isRefusal := strings.CutPrefix(strings.TrimSpace(line), "refused: ")
		switch {
		case line == "end\n":
			return s.verdict(&text, refused, faults)
		case isRefusal:
			refused = append(refused, reason)
		case strings.HasPrefix(line, "fault: "):
			faults = append(faults, strings.TrimSpace(line))
		default:
			text.WriteString(line)
		}
	}
}

func (s *Session) crash(hung bool) error {
	p, alone := s.process, s.served == 1
	err := s.stop()
	complaint := strings.TrimSpace(p.stderr.String())
	switch {
	case hung:
		return &CrashError{fmt.Sprintf("not done after %v", s.opts.Timeout)}
	case alone && strings.HasPrefix(complaint, "judge: creating"):
		return fmt.Errorf("judge: %w: %s", err, complaint)
	}
	return &CrashError{strings.TrimSpace(fmt.Sprintf("%v: %s", err, complaint))}
}

func (s *Session) verdict(text io.Reader, refused, faults []string) ([]Listing, error) {
	if len(refused) > 0 {
		return nil, &RefusedError{strings.Join(refused, "; ")}
	}
	all, err := ParseListings(text)
	switch {
	case err != nil && len(faults) == 0:
		return nil, fmt.Errorf("judge's listing: %w", err)
	case len(faults) > 0:
		return all, &FaultError{strings.Join(faults, "\n")}
	case len(all) == 0:
		return nil, errors.New("judge listed nothing")
	}
	return all, nil
}
