package zone

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"imagetools/base"
)

// collect feeds an output in pieces of a size.
func collect(said string, size int) (o *output, lines []string) {
	o = &output{line: func(text string, _ *base.Progress) { lines = append(lines, text) }}
	for piece := range slices.Chunk([]byte(said), size) {
		o.Write(piece)
	}
	o.flush()
	return o, lines
}

func TestOutput(t *testing.T) {
	said := "+ set -x\nstep one: begin\nall is well\nstep one: done\nstep two: begin\n++ ls\nls: no file\r\nstep two: failed: x: status 3\nrest"
	for _, size := range []int{1, 7, 1000} {
		o, lines := collect(said, size)
		if got := strings.Join(lines, ""); got != said {
			t.Errorf("lines in pieces of %d: %q", size, lines)
		}
		if want := (base.Progress{Step: "two", State: base.Failed, Reason: "x: status 3"}); o.last != want {
			t.Errorf("the last step is %+v", o.last)
		}
		if want := []string{"all is well", "ls: no file", "rest"}; !slices.Equal(o.tail, want) {
			t.Errorf("the tail is %q, want %q", o.tail, want)
		}
	}
}

// A zone may say anything: what it says is told in pieces, and only its end is kept.
func TestOutputWithoutEnd(t *testing.T) {
	const size = 1 << 10
	o, lines := collect(strings.Repeat("x", 10*maxLine)+strings.Repeat("y\n", 1000), size)
	if len(lines) != 1010 || len(lines[0]) != maxLine || len(o.tail) != tailLines {
		t.Errorf("%d lines, the first of %d bytes; the tail has %d", len(lines), len(lines[0]), len(o.tail))
	}
}

func TestScriptError(t *testing.T) {
	status := errors.New("exit status 1")
	for _, tt := range []struct {
		err  ScriptError
		want string
	}{
		{ScriptError{Script: "first", Step: "packages", Reason: "curl: status 1", Tail: []string{"pkg_add: \x1b[31mno\x1b[0m"}, Err: status},
			"script first: step packages: curl: status 1; the last of what it said:\n  pkg_add: \\x1b[31mno\\x1b[0m"},
		{ScriptError{Script: "second", Step: "users", Err: status}, "script second: step users: exit status 1"},
		{ScriptError{Script: "second", Err: status}, "script second: exit status 1"},
	} {
		if got := tt.err.Error(); got != tt.want || !errors.Is(&tt.err, status) {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func FuzzOutput(f *testing.F) {
	for _, said := range []string{"", "step a: begin\nstep a: done\n", "x", "+", "++ y\n+z", "\n\n", "step a: failed: \xff\n"} {
		f.Add(said, 3)
	}
	f.Fuzz(func(t *testing.T, said string, size int) {
		if size < 1 {
			return
		}
		o, lines := collect(said, size)
		if got := strings.Join(lines, ""); got != said {
			t.Errorf("%q became %q", said, got)
		}
		if len(o.tail) > tailLines {
			t.Errorf("the tail has %d lines", len(o.tail))
		}
		for _, line := range lines {
			if before, _, _ := strings.Cut(line, "\n"); len(before) < len(line)-1 {
				t.Error(fmt.Sprintf("%q", line), "is more than a line")
			}
		}
	})
}
