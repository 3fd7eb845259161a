//go:build linux

// Standin is the programs of SmartOS that the tests run in place of the real ones: vmadm,
// zoneadm, zlogin, imgadm and sysinfo on the host, and in zones those of the platform and of
// packages that our scripts call. It is the program by whose name it is called.
//
// What it does it does to real datasets, mounts and files. It knows the calls that the real
// programs are documented to take and that we have a use for; any other it refuses, and
// records that, by which the test fails.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"imagetools/internal/shell"
)

// zoneDir is where a running zone finds the stand-ins and what they record.
const zoneDir = "/dev/standin"

func main() {
	name, args := filepath.Base(os.Args[0]), os.Args[1:]
	if name == "standin" && len(args) > 0 { // as scripts in packages call it
		name, args = args[0], args[1:]
	}
	var err error
	if dir := os.Getenv("STANDIN_STATE"); dir != "" {
		err = onHost(&state{dir}, name, args)
	} else {
		err = inZone(&zone{zoneDir}, name, args)
	}
	if err == nil {
		return
	}
	var exit exitError
	if errors.As(err, &exit) {
		os.Exit(int(exit))
	}
	fmt.Fprintln(os.Stderr, err)
	var usage *usageError
	if errors.As(err, &usage) {
		os.Exit(2)
	}
	os.Exit(1)
}

// exitError is an exit status whose reason has been told.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// usageError is a call that is in no contract.
type usageError struct{ reason string }

func (e *usageError) Error() string { return e.reason }

func unknown(format string, args ...any) error {
	return &usageError{"stand-in: not in the contract: " + fmt.Sprintf(format, args...)}
}

// said is an error in the words of a real program, which are not ours to choose.
func said(format string, args ...any) error { return fmt.Errorf(format, args...) }

// record appends a line to a file that several processes write at once.
func record(path, line string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.ReplaceAll(line, "\n", `\n`) + "\n")
	return errors.Join(err, f.Close())
}

// recorded runs a program: its call is recorded in a folder, and as refused if it is in no
// contract.
func recorded(dir, name string, args []string, run func() error) error {
	call := shell.Join(append([]string{name}, args...))
	if err := record(filepath.Join(dir, "calls"), call); err != nil {
		return err
	}
	err := run()
	var usage *usageError
	if errors.As(err, &usage) {
		return errors.Join(err, record(filepath.Join(dir, "refused"), call+": "+usage.reason))
	}
	return err
}

// flags splits off options, each of one letter behind its own hyphen; those in withValue take
// the next argument, or the rest of their own.
func flags(args []string, letters, withValue string) (map[byte]string, []string, error) {
	set := map[byte]string{}
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			break
		}
		for i := 1; i < len(arg); i++ {
			switch c := arg[i]; {
			case strings.IndexByte(letters, c) >= 0:
				set[c] = ""
				continue
			case strings.IndexByte(withValue, c) < 0:
				return nil, nil, unknown("option -%c", c)
			case i+1 < len(arg):
				set[c] = arg[i+1:]
			case len(args) > 0:
				set[c], args = args[0], args[1:]
			default:
				return nil, nil, unknown("option -%c without a value", c)
			}
			break
		}
	}
	return set, args, nil
}
