package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"imagetools/host"
	"imagetools/internal/cli"
)

// protoAlias is how the aliases of the zones begin in which base images are made.
const protoAlias = "proto-"

// dealWithLeft deletes the zones that runs left which were killed, or says what they are.
func (o *baseImagesOptions) dealWithLeft(ctx context.Context, env *cli.Env, h *host.Host) error {
	left, err := h.LeftVMs(ctx, protoAlias)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		env.Warnf("what zones earlier runs left, vmadm cannot tell: %v", err)
	}
	for _, l := range left {
		if err := o.dealWith(ctx, env, h, l); err != nil {
			return err
		}
	}
	return nil
}

func (o *baseImagesOptions) dealWith(ctx context.Context, env *cli.Env, h *host.Host, l host.LeftVM) error {
	what := fmt.Sprintf("zone %s (%s), made at %s by process %d", l.UUID, l.Alias, l.Made.Format(time.RFC3339), l.PID)
	switch l.Fate {
	case host.Alive:
		env.Warnf("%s, is left alone: the process runs", what)
		return nil
	case host.Unknown:
		env.Warnf("%s of another host, is left alone; if that has ended, delete it: vmadm delete %s", what, l.UUID)
		return nil
	}
	remove := o.RemoveStale
	if !remove && !o.Quiet && !o.DryRun && cli.IsTerminal(env.Stdin) {
		fmt.Fprintf(env.Stderr, "%s, was left behind.\n", what)
		var err error
		if remove, err = cli.Interruptible(ctx, func() (bool, error) { return confirm(env, "Delete it?") }); err != nil {
			return err
		}
	}
	if !remove {
		env.Warnf("%s, was left behind; --remove-stale deletes it", what)
		return nil
	}
	deleting, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteLimit)
	defer cancel()
	if err := h.DeleteVM(deleting, l.UUID); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cli.Hint(fmt.Errorf("%s, is still there: %w", what, err), "vmadm delete "+l.UUID)
	}
	if !o.DryRun {
		o.say(env, "note: %s, was left behind and is deleted", what)
	}
	return ctx.Err()
}
