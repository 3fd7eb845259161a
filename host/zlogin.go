package host

import (
	"context"
	"fmt"
	"io"
	"strings"

	"imagetools/internal/shell"
)

// Login is a run of a program in a running zone.
type Login struct {
	Zone string
	// Args are the program and its arguments. They reach it as they are, though zlogin(1) joins
	// them and has the zone's shell read the result.
	Args   []string
	Stdin  io.Reader // nil for none
	Stdout io.Writer // nil to have it returned by [Host.Login]
	Live   io.Writer // gets both outputs as they come, if not nil
	// Query says that it changes nothing; others are left out in a dry run.
	Query bool
}

// Login runs a program in a zone as root and waits for it. If ctx ends, so does zlogin, but
// what runs in the zone may go on until that is halted.
//
// What the program prints is the zone's word: it may be anything.
func (h *Host) Login(ctx context.Context, l Login) (Output, error) {
	c, err := l.command()
	if err != nil {
		return Output{}, err
	}
	return h.Run(ctx, c)
}

func (l *Login) command() (Command, error) {
	switch {
	case !IsZoneName(l.Zone):
		return Command{}, fmt.Errorf("log in to zone %q: no such name is possible", l.Zone)
	case len(l.Args) == 0:
		return Command{}, fmt.Errorf("log in to zone %q: no program is named", l.Zone)
	}
	for _, arg := range l.Args {
		if strings.ContainsRune(arg, 0) {
			return Command{}, fmt.Errorf("log in to zone %q: argument %q", l.Zone, arg)
		}
	}
	// One word: zlogin's own options end with the zone's name.
	return Command{
		Program: "zlogin", Args: []string{l.Zone, shell.Join(l.Args)}, Changes: !l.Query,
		Stdin: l.Stdin, Stdout: l.Stdout, Live: l.Live,
	}, nil
}

// endOfScript is the last line of a script on its way into a zone: a part of one, because the
// sender died, is not run.
const endOfScript = "# end of script"

// runScript has bash read a script to its end before it begins. It is not a file anywhere, and
// what the script starts finds its standard input at the end.
const runScript = `script=$(cat) && [[ $script == *"` + endOfScript + `" ]] || exit 125; eval "$script"`

// LoginScript is [Host.Login] for the text of a bash script; l.Args are the script's
// arguments, and there is no Stdin. $0 is name.
func (h *Host) LoginScript(ctx context.Context, l Login, name, script string) (Output, error) {
	if l.Stdin != nil || strings.ContainsRune(script, 0) {
		return Output{}, fmt.Errorf("run %q in zone %q: it has its own standard input, or is no text", name, l.Zone)
	}
	l.Args = append([]string{"bash", "-c", runScript, name}, l.Args...)
	c, err := l.command()
	if err != nil {
		return Output{}, err
	}
	c.Input = strings.TrimSuffix(script, "\n") + "\n" + endOfScript + "\n"
	return h.Run(ctx, c)
}
