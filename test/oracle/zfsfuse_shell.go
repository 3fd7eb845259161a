//go:build linux

package oracle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Shell runs a command beside a daemon of its own, with zfs and zpool on its PATH and a fresh
// pool zones whose datasets are mounted below $work/mnt. Processes and mounts of the command
// end with it. What it is to leave it writes into folders of its absolute arguments: below
// /etc, /proc, /run and /var it sees those folders alone. env is added to its environment.
//
// Shell returns what the command printed, and an error if its exit status was not 0.
func (z *ZFSFuse) Shell(ctx context.Context, env []string, command ...string) (output []byte, err error) {
	err = z.session(ctx, "shell", env, command, func(work string, sessionErr error) error {
		output, _ = os.ReadFile(filepath.Join(work, "output"))
		status, err := os.ReadFile(filepath.Join(work, "status"))
		if err != nil {
			return errors.Join(sessionErr, err)
		}
		code, err := strconv.Atoi(strings.TrimSpace(string(status)))
		switch {
		case err != nil:
			return err
		case code != 0:
			return fmt.Errorf("%s: exit status %d", strings.Join(command, " "), code)
		}
		return sessionErr
	})
	return output, err
}
