//go:build linux

package oracle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"imagetools/internal/required"
)

// ZFSFuse is zfs-fuse 0.7 (pool version 23, ZPL version 4), which runs on the
// host. It is an independent judge for streams written with ZPL version 4.
type ZFSFuse struct{ part }

// ZFSFuseSumLimit is the size above which zfs-fuse's listing has no hash: the
// daemon cannot tell where the holes are.
const ZFSFuseSumLimit = 1 << 30

// ZFSFuseDiff is how a listing of zfs-fuse is compared: it shows whole seconds,
// device numbers of its own form, and no hash of large files.
var ZFSFuseDiff = DiffOptions{IgnoreNsec: true, IgnoreRdev: true, IgnoreSumsOver: ZFSFuseSumLimit}

// RequireZFSFuse returns zfs-fuse, or ends the test. It needs root and /dev/fuse.
func RequireZFSFuse(t testing.TB) *ZFSFuse {
	t.Helper()
	z, err := OpenZFSFuse()
	if err != nil {
		Unavailable(t, err)
	}
	t.Logf("zfs-fuse: %s", z.version)
	return z
}

// OpenZFSFuse returns zfs-fuse outside of tests.
func OpenZFSFuse() (*ZFSFuse, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("zfs-fuse needs root")
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		return nil, err
	}
	p, err := prepared("zfs-fuse")
	if err != nil {
		return nil, err
	}
	return &ZFSFuse{p}, nil
}

// ZFSFuseOptions changes what is done with received streams.
type ZFSFuseOptions struct {
	Modify  bool          // change and remove everything, after listing
	Timeout time.Duration // zero means three minutes
}

// Receive has zfs-fuse receive a chain of streams and returns the listing of
// the mounted result. Any complaint is fatal for the test.
func (z *ZFSFuse) Receive(t testing.TB, streams []string, opts ZFSFuseOptions) Listing {
	t.Helper()
	l, err := z.Verdict(streams, opts)
	if err != nil {
		t.Fatalf("zfs-fuse: %v", err)
	}
	return l
}

// ReceiveEach is Receive, and returns the listing of each stream's dataset. Nothing
// is modified.
func (z *ZFSFuse) ReceiveEach(t testing.TB, streams []string, opts ZFSFuseOptions) []Listing {
	t.Helper()
	opts.Modify = false
	all, err := z.verdicts(streams, opts, "EACH=1")
	if err == nil && len(all) != len(streams) {
		err = fmt.Errorf("%d listings of %d streams", len(all), len(streams))
	}
	if err != nil {
		t.Fatalf("zfs-fuse: %v", err)
	}
	return all
}

// Verdict is Receive for streams that may be bad: a *RefusedError says that
// zfs-fuse or its scrub found fault with them.
func (z *ZFSFuse) Verdict(streams []string, opts ZFSFuseOptions) (Listing, error) {
	all, err := z.verdicts(streams, opts, "EACH=")
	if err == nil && len(all) != 1 {
		err = fmt.Errorf("%d listings where one is expected", len(all))
	}
	if err != nil {
		return Listing{}, err
	}
	return all[0], nil
}

func (z *ZFSFuse) verdicts(streams []string, opts ZFSFuseOptions, each string) ([]Listing, error) {
	if opts.Timeout == 0 {
		opts.Timeout = 3 * time.Minute
	}
	ctx, cancel := context.WithTimeout(context.Background(), opts.Timeout)
	defer cancel()
	// Every request waits for a core twice, for the daemon and back, and a tree of 10,000 names
	// takes many of them: ten seconds on an idle machine, but minutes among compilers.
	env := []string{"SESSION_NICE=-10", "MODIFY=", each}
	if opts.Modify {
		env = append(env, "MODIFY=1")
	}
	var args []string
	dataset := "in"
	for k, path := range streams {
		abs, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		if isClone(path) {
			dataset = fmt.Sprintf("in%d", k)
		}
		args = append(args, dataset, abs)
	}
	var all []Listing
	err := z.session(ctx, "receive", env, args, func(work string, sessionErr error) error {
		if text, err := os.ReadFile(filepath.Join(work, "error")); err == nil {
			return &RefusedError{strings.TrimSpace(string(text))}
		}
		if sessionErr != nil {
			return sessionErr
		}
		f, err := os.Open(filepath.Join(work, "listing"))
		if err != nil {
			return err
		}
		defer f.Close()
		all, err = ParseListings(f)
		return err
	})
	return all, err
}

// Send fills a dataset from source (a directory, or a tar that GNU tar can
// read) and pipes `zfs send` into a shell command, such as "gzip -9 >/tmp/x".
// It returns the time of that pipeline and what the command printed.
func (z *ZFSFuse) Send(ctx context.Context, source, command string) (time.Duration, []byte, error) {
	source, err := filepath.Abs(source)
	if err != nil {
		return 0, nil, err
	}
	var took time.Duration
	var output []byte
	err = z.session(ctx, "send", nil, []string{source, command}, func(work string, sessionErr error) error {
		if sessionErr != nil {
			return sessionErr
		}
		text, err := os.ReadFile(filepath.Join(work, "seconds"))
		if err != nil {
			return err
		}
		if took, err = time.ParseDuration(strings.TrimSpace(string(text)) + "s"); err != nil {
			return err
		}
		output, err = os.ReadFile(filepath.Join(work, "output"))
		return err
	})
	return took, output, err
}

// session runs one of the scripts in zfs-fuse/ beside a daemon of its own, and
// hands its folder to read before that is removed.
func (z *ZFSFuse) session(ctx context.Context, name string, env, args []string, read func(work string, err error) error) error {
	session, err := required.Path("test/oracle/zfs-fuse/session")
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "zfs-fuse")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	// The script may need folders that are replaced around the daemon.
	var paths []string
	for _, arg := range args {
		if filepath.IsAbs(arg) {
			if info, err := os.Stat(arg); err == nil && !info.IsDir() {
				arg = filepath.Dir(arg)
			}
			paths = append(paths, arg)
		}
	}
	inner := filepath.Join(filepath.Dir(session), name)
	cmd := exec.CommandContext(ctx, "bash", append([]string{session, "outside", z.dir, work, inner}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	if len(paths) > 0 {
		cmd.Env = append(cmd.Env, "SESSION_PATHS="+strings.Join(paths, "\n"))
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.WaitDelay = 10 * time.Second
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		err = fmt.Errorf("zfs-fuse: %w", ctx.Err())
	case err != nil:
		log, _ := os.ReadFile(filepath.Join(work, "log"))
		err = fmt.Errorf("zfs-fuse: %w: %s%s", err, stderr.Bytes(), log)
	}
	return read(work, err)
}
