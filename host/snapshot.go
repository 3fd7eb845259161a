package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// taker is who took a snapshot, or made a virtual machine, and when. The name of the snapshot
// tells all of it, since a name is set with the snapshot and needs no permission of its own, as
// properties do.
type taker struct {
	taken time.Time // whole seconds
	pid   int
	host  string // eight hex digits that stand for the name of the host
}

var takerName = regexp.MustCompile(`^imagetools-(\d{8}T\d{6}Z)-([1-9]\d{0,9})-([0-9a-f]{8})$`)

const takerTime = "20060102T150405Z"

// self is this process as the taker of a snapshot.
func self(now time.Time) (taker, error) {
	host, err := os.Hostname()
	if err != nil {
		return taker{}, fmt.Errorf("name of this host: %w", err)
	}
	sum := sha256.Sum256([]byte(host)) // the name itself is nobody's business who gets the image
	return taker{now.UTC().Truncate(time.Second), os.Getpid(), hex.EncodeToString(sum[:4])}, nil
}

func (t taker) String() string {
	return fmt.Sprintf("imagetools-%s-%d-%s", t.taken.Format(takerTime), t.pid, t.host)
}

func parseTaker(name string) (taker, bool) {
	m := takerName.FindStringSubmatch(name)
	if m == nil {
		return taker{}, false
	}
	taken, err := time.Parse(takerTime, m[1])
	if err != nil {
		return taker{}, false
	}
	pid, err := strconv.ParseInt(m[2], 10, 32)
	if err != nil {
		return taker{}, false
	}
	return taker{taken, int(pid), m[3]}, true
}

// Fate is what became of the run that took a snapshot or made a virtual machine.
type Fate int

// Fates. A run of this host is taken for alive as long as any process has its number.
const (
	Ended   Fate = iota
	Alive        // what it made is in use
	Unknown      // it was a run of another host
)

// fate judges what was there before me made anything.
func (t taker) fate(me taker) Fate {
	switch {
	case t.host != me.host:
		return Unknown
	case t.pid == me.pid:
		return Ended // the number is ours now
	case errors.Is(syscall.Kill(t.pid, 0), syscall.ESRCH):
		return Ended
	}
	return Alive
}

// Leftover is a snapshot that a run of this program took and has not destroyed.
type Leftover struct {
	Name  string // DATASET@SNAPSHOT
	PID   int
	Taken time.Time
	Fate  Fate

	dataset *PoolDataset
}

// Leftovers returns the snapshots of the dataset that other runs took, the oldest first.
func (d *PoolDataset) Leftovers(ctx context.Context) ([]Leftover, error) {
	me, err := self(time.Time{})
	if err != nil {
		return nil, err
	}
	snapshots, _, err := d.below(ctx)
	if err != nil {
		return nil, err
	}
	var left []Leftover
	for _, name := range snapshots {
		if t, ok := parseTaker(name); ok {
			left = append(left, Leftover{d.Name + "@" + name, t.pid, t.taken, t.fate(me), d})
		}
	}
	slices.SortStableFunc(left, func(a, b Leftover) int { return a.Taken.Compare(b.Taken) })
	return left, nil
}

// Destroy destroys the snapshot. It does not end with ctx.
func (l *Leftover) Destroy(ctx context.Context) error {
	return (&snapshot{l.dataset, l.Name}).destroy(ctx)
}

// LeftError is a snapshot that could not be destroyed.
type LeftError struct {
	Snapshot string
	Reason   string // an error's text, which must not be taken for the outcome of the run
}

func (e *LeftError) Error() string {
	return fmt.Sprintf("snapshot %q was left behind: %s", e.Snapshot, e.Reason)
}

// snapshot is one that this process took, or is to destroy.
type snapshot struct {
	dataset *PoolDataset
	name    string
}

// Taking and destroying a snapshot waits for the pool to write, some seconds at most; a pool
// that hangs is given up after this time.
const poolTimeout = 2 * time.Minute

// take takes a snapshot of the dataset alone. It does not end with ctx, or nobody would know
// whether there is one.
func (d *PoolDataset) take(ctx context.Context, now time.Time) (*snapshot, error) {
	me, err := self(now)
	if err != nil {
		return nil, err
	}
	s := &snapshot{d, d.Name + "@" + me.String()}
	if len(s.name) > maxName {
		return nil, fmt.Errorf("snapshot %q: the name is longer than %d bytes", s.name, maxName)
	}
	taking, cancel := context.WithTimeout(context.WithoutCancel(ctx), poolTimeout)
	defer cancel()
	err = d.zfs.change(taking, "snapshot", s.name)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		return nil, err // it said no
	}
	if taking.Err() != nil {
		err = fmt.Errorf("take a snapshot of %q: not done after %v", d.Name, poolTimeout)
	}
	if err != nil {
		return nil, errors.Join(err, s.destroy(ctx))
	}
	return s, nil
}

// busyDelays are the waits between attempts to destroy a snapshot: the end of a process that
// read it can come late to the pool.
var busyDelays = []time.Duration{100 * time.Millisecond, 300 * time.Millisecond, time.Second, 3 * time.Second}

// destroy destroys the snapshot; that it is gone already is no error. It does not end with
// ctx. An error is a [*LeftError].
func (s *snapshot) destroy(ctx context.Context) error {
	if err := s.dataset.zfs.destroy(ctx, s.name); err != nil {
		return &LeftError{Snapshot: s.name, Reason: err.Error()}
	}
	return nil
}

// destroy destroys a snapshot, or a dataset without any; that it is gone already is no error.
// It does not end with ctx.
func (z *ZFS) destroy(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), poolTimeout)
	defer cancel()
	for attempt := 0; ; attempt++ {
		err := z.change(ctx, "destroy", name)
		if err == nil || absent(err) {
			return nil
		}
		if attempt == len(busyDelays) || ctx.Err() != nil {
			return err
		}
		time.Sleep(busyDelays[attempt])
	}
}
