package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"imagetools/fault"
)

var wayRoom = fault.NewWay("cli_test.room")

func TestReport(t *testing.T) {
	cause := errors.New("no space left on device")
	for _, test := range []struct {
		err  error
		code int
		want []string
	}{
		{fmt.Errorf("write: %w", cause), 1, []string{"tool: error: write: no space left on device\n"}},
		{fmt.Errorf("a: %w", Hint(cause, "make room")), 1, []string{"tool: error: a: no space", "tool: hint: make room\n"}},
		{errors.Join(Hint(cause, "one"), Hint(cause, "two")), 1, []string{"hint: one\n", "hint: two\n"}},
		{fault.Asked(fault.With(cause, wayRoom, "/tmp")), 2, []string{"error: no space left", "hint: make room in /tmp\n", "hint: see 'tool make --help'"}},
		{Usagef("bad flag"), 2, []string{"error: bad flag\n", "hint: see 'tool make --help'"}},
		{Hint(errors.New("a\x1b[31m\u009b\x7f\xff\r\n\tb é"), "\x1bc"), 1, []string{`a\x1b[31m\u009b\x7f\xff\r` + "\n\tb é\n", `hint: \x1bc` + "\n"}},
		{fmt.Errorf("done: %w", ExitError(3)), 3, nil},
	} {
		var stderr bytes.Buffer
		env := &Env{Stderr: &stderr, Ways: map[fault.Way]string{wayRoom: "make room in %s"}}
		if code := env.Report("tool", "tool make", test.err); code != test.code {
			t.Errorf("Report(%q) = %d, want %d", test.err, code, test.code)
		}
		for _, w := range test.want {
			if !strings.Contains(stderr.String(), w) {
				t.Errorf("Report(%q) printed %q, want %q in it", test.err, &stderr, w)
			}
		}
		if test.want == nil && stderr.Len() > 0 {
			t.Errorf("Report(%q) printed %q", test.err, &stderr)
		}
	}
}

func TestWarnf(t *testing.T) {
	var stderr bytes.Buffer
	(&Env{Stderr: &stderr}).Warnf("name %s", "\x1b[31m")
	if got, want := stderr.String(), `warning: name \x1b[31m`+"\n"; got != want {
		t.Errorf("Warnf printed %q, want %q", got, want)
	}
}

func TestSourceDateEpoch(t *testing.T) {
	for _, test := range []struct {
		value string
		want  int64
		ok    bool
	}{{"0", 0, true}, {"1577836800", 1577836800, true}, {"-1", 0, false}, {"tomorrow", 0, false}, {"253402300800", 0, false}} {
		env := &Env{Getenv: func(string) string { return test.value }}
		got, err := env.SourceDateEpoch()
		if (err == nil) != test.ok || err == nil && *got != test.want {
			t.Errorf("SOURCE_DATE_EPOCH=%q: %v, %v", test.value, got, err)
		}
	}
	env := &Env{Getenv: func(string) string { return "" }}
	if got, err := env.SourceDateEpoch(); got != nil || err != nil {
		t.Errorf("without SOURCE_DATE_EPOCH: %v, %v", got, err)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{1: "1 byte", 0: "0 bytes", 1023: "1023 bytes", 1024: "1.0 KiB", 5 << 30: "5.0 GiB"} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %q, want %q", n, got, want)
		}
	}
}

// What is looked at of standard input is still read, whatever the input is.
func TestPeekStdin(t *testing.T) {
	for name, in := range map[string]io.Reader{
		"plain": strings.NewReader("input"), "buffered": bufio.NewReader(strings.NewReader("input")),
		"one byte at a time": iotest.OneByteReader(strings.NewReader("input")),
	} {
		env := &Env{Stdin: in}
		for _, n := range []int{2, 5, 1 << 20} {
			if got, err := env.PeekStdin(n); err != nil || string(got) != "input"[:min(n, 5)] {
				t.Errorf("%s: PeekStdin(%d) = %q, %v", name, n, got, err)
			}
		}
		if all, err := io.ReadAll(env.Stdin); string(all) != "input" || err != nil {
			t.Errorf("%s: afterwards %q, %v", name, all, err)
		}
	}
	broken := errors.New("broken")
	if _, err := (&Env{Stdin: iotest.ErrReader(broken)}).PeekStdin(1); err != broken {
		t.Errorf("PeekStdin of what cannot be read: %v", err)
	}
}
