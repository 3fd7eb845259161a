package zone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"imagetools/base"
	"imagetools/fault"
	"imagetools/host"
	"imagetools/internal/plain"
	"imagetools/rootfs/edit"
)

// ScriptError is a script of the zone that failed.
type ScriptError struct {
	Script string
	Step   string // in which it failed; empty if it did not begin one
	Reason string // in the script's words; empty if it could not say
	Tail   []string
	Err    error // of zlogin
}

// Error tells where the script failed, and the last of what it said.
func (e *ScriptError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "script %s: ", e.Script)
	if e.Step != "" {
		fmt.Fprintf(&b, "step %s: ", e.Step)
	}
	if e.Reason != "" {
		b.WriteString(plain.Line(e.Reason))
	} else {
		b.WriteString(e.Err.Error())
	}
	if len(e.Tail) > 0 {
		b.WriteString("; the last of what it said:")
		for _, line := range e.Tail {
			b.WriteString("\n  " + plain.Line(line))
		}
	}
	return b.String()
}

func (e *ScriptError) Unwrap() error { return e.Err }

// script runs a script in the zone and returns the last that it said of its steps.
func (r *running) script(ctx context.Context, file string, log *edit.Log) (base.Progress, error) {
	out := &output{line: func(text string, p *base.Progress) { r.line(text, p, log) }}
	_, err := r.Host.Login(ctx, host.Login{Zone: r.result.Zone.Name, Args: []string{r.Image.Shell(), file}, Stdout: out})
	out.flush()
	if err == nil || ctx.Err() != nil {
		return out.last, err
	}
	failed := &ScriptError{Script: path.Base(file), Step: out.last.Step, Reason: out.last.Reason, Tail: out.tail, Err: err}
	if out.last.State == base.Done {
		failed.Step = ""
	}
	if said, ok := errors.AsType[*host.CommandError](err); ok {
		r.log(said.Stderr)
	}
	if failed.Step == "certificates" && r.CACert == nil {
		return out.last, fault.With(failed, WayCACert)
	}
	return out.last, failed
}

// line takes a line that a script printed.
func (r *running) line(text string, p *base.Progress, log *edit.Log) {
	r.log(text)
	if r.Line != nil {
		r.Line(strings.TrimRight(text, "\r\n"))
	}
	if p != nil && p.State == base.Begun {
		log.Began(p.Step)
	}
}

const (
	maxLine   = 64 << 10 // longer ones come in pieces
	tailLines = 12
)

// output takes what a script prints, line by line. It is never an error.
type output struct {
	line func(text string, p *base.Progress)
	last base.Progress
	tail []string // the last lines, of what the scripts' programs said
	part []byte   // of a line
}

func (o *output) Write(p []byte) (int, error) {
	o.part = append(o.part, p...)
	for {
		end := bytes.IndexByte(o.part, '\n') + 1
		if end == 0 && len(o.part) >= maxLine {
			end = len(o.part)
		}
		if end == 0 {
			return len(p), nil
		}
		o.take(string(o.part[:end]))
		o.part = o.part[end:]
	}
}

// flush takes what came without the end of a line.
func (o *output) flush() {
	if len(o.part) > 0 {
		o.take(string(o.part))
		o.part = nil
	}
}

// isTrace finds the lines by which a shell tells what it runs; they are in the log.
func isTrace(line string) bool {
	return strings.HasPrefix(strings.TrimLeft(line, "+"), " ") && line[0] == '+'
}

func (o *output) take(text string) {
	p, ok := base.ParseProgress(text)
	if !ok {
		o.line(text, nil)
		if isTrace(text) {
			return
		}
		o.tail = append(o.tail, strings.TrimRight(text, "\r\n"))
		if len(o.tail) > tailLines {
			o.tail = slices.Delete(o.tail, 0, 1)
		}
		return
	}
	o.last = p
	o.line(text, &p)
}
