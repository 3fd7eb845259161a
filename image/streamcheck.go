package image

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"imagetools/image/check"
	"imagetools/manifest"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
)

// watcher reads the names and attributes in a stream while it is copied, to judge them when it has
// passed. What it cannot read keeps nobody from copying.
type watcher struct {
	w    *io.PipeWriter
	done chan error
	x    *objset.Index
	ctx  context.Context
}

func newWatcher(ctx context.Context) *watcher {
	r, w := io.Pipe()
	s := &watcher{w: w, done: make(chan error, 1), x: objset.New(objset.Options{Keep: zpl.Keep}), ctx: ctx}
	go func() {
		store := &followingSmallStore{}
		err := s.x.Read(stream.NewReader(r), store, store.follow)
		_, _ = io.Copy(io.Discard, r) // whoever copies must not wait
		s.done <- err
	}()
	return s
}

func (s *watcher) Write(p []byte) (int, error) { return s.w.Write(p) }

// end waits until all is read, and returns the file system; nil for a volume. The error is why it was
// not read.
func (s *watcher) end() (*zpl.FS, error) {
	s.w.Close()
	if err := <-s.done; err != nil {
		return nil, err
	}
	snapshots := s.x.Snapshots()
	if len(snapshots) == 0 || snapshots[len(snapshots)-1].Begin.Objset != stream.ObjsetZFS {
		return nil, nil
	}
	return zpl.Open(s.x, snapshots[len(snapshots)-1])
}

// Findings are what the rules of package check say of a dataset that was sent.
type Findings struct {
	Zone, Leaks []check.Finding
	Unchecked   error // why there are none, such as an increment; nil if all was looked at
}

// judge returns the findings about the image of a manifest.
func (s *watcher) judge(m *manifest.Manifest) (f Findings) {
	fs, err := s.end()
	if err != nil || fs == nil {
		return Findings{Unchecked: err}
	}
	dataset := newDatasetFS(fs)
	f.Zone = check.Zone(dataset, check.Of(m))
	report, err := zpl.Check(s.ctx, fs, zpl.CheckOptions{Find: privateName})
	if err != nil {
		f.Unchecked = err
		return f
	}
	for _, found := range report.Found {
		if what := leak(found.Path, found.Znode.Size); what != "" {
			f.Leaks = append(f.Leaks, check.Finding{Path: found.Path, Message: what})
		}
	}
	slices.SortFunc(f.Leaks, func(a, b check.Finding) int { return strings.Compare(a.Path, b.Path) })
	if len(dataset.unread) > 0 {
		f.Unchecked = fmt.Errorf("%s: the contents were not kept while the stream was read", strings.Join(dataset.unread, ", "))
	}
	return f
}
