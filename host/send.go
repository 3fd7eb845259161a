package host

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"
)

// Sending is the stream of a snapshot on its way.
type Sending struct {
	snapshot *snapshot
	ctx      context.Context
	cancel   context.CancelFunc
	cmd      *process
	out      io.ReadCloser
	wait     func() error // waits for zfs send, once
	close    func() error
}

// Send takes a snapshot of the dataset and returns the stream that a plain `zfs send` makes
// of it: one snapshot, without properties and without datasets below. If from names a
// snapshot, that of the dataset's origin or an earlier one of its own, it is incremental on
// that. The snapshot is there until Close, which must be called. In a dry run the stream is empty.
func (d *PoolDataset) Send(ctx context.Context, now time.Time, from string) (*Sending, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	snapshot, err := d.take(ctx, now)
	if err != nil {
		return nil, err
	}
	s := &Sending{snapshot: snapshot, ctx: ctx}
	sending, cancel := context.WithCancel(ctx)
	s.cancel = cancel
	c := Command{Program: "zfs", Args: []string{"send", snapshot.name}}
	if from != "" {
		c.Args = []string{"send", "-i", from, snapshot.name}
	}
	s.close = sync.OnceValue(s.end)
	if d.zfs.host.DryRun != nil { // there is no snapshot
		s.out, s.wait = io.NopCloser(strings.NewReader("")), func() error { return nil }
		return s, d.zfs.host.show(c)
	}
	if s.cmd, err = d.zfs.host.newProcess(sending, c); err == nil {
		if s.out, err = s.cmd.StdoutPipe(); err == nil {
			err = s.cmd.start()
		}
	}
	if err != nil {
		cancel()
		return nil, errors.Join(err, snapshot.destroy(ctx))
	}
	s.wait = sync.OnceValue(s.cmd.wait)
	return s, nil
}

// Snapshot is the name of the snapshot.
func (s *Sending) Snapshot() string { return s.snapshot.name }

// Read reads the stream. If zfs send failed, that is the error at its end, a [*CommandError].
func (s *Sending) Read(p []byte) (int, error) {
	n, err := s.out.Read(p)
	if err == nil || n > 0 {
		return n, nil
	}
	if failed := s.wait(); failed != nil {
		return 0, failed
	}
	return 0, err
}

// Close ends zfs send if it still runs and destroys the snapshot, also when the context of
// Send has ended. An error is a [*LeftError]. Further calls do nothing more.
func (s *Sending) Close() error { return s.close() }

func (s *Sending) end() error {
	s.cancel()
	s.wait() // whoever read to the end knows how it ended
	return s.snapshot.destroy(s.ctx)
}
