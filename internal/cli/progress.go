package cli

import (
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Progress shows how far work on bytes has come, on a terminal, if it takes over a second.
// It is safe for concurrent use.
type Progress struct {
	env   *Env
	on    bool
	mu    sync.Mutex // guards what follows
	what  string
	since time.Time
	bar   *progressbar.ProgressBar
}

// NewProgress returns a Progress that is silent if quiet or if standard error is no terminal.
func (e *Env) NewProgress(quiet bool) *Progress {
	return &Progress{env: e, on: !quiet && IsTerminal(e.Stderr)}
}

// showAfter is how long work goes on unseen.
const showAfter = time.Second

// Update says that done of total bytes are done of what; a total of -1 is not known. A new what
// begins a new line.
func (p *Progress) Update(what string, done, total int64) {
	p.update(what, done, total, progressbar.OptionShowBytes(true), progressbar.OptionUseIECUnits(true))
}

// Count is Update for things that are no bytes, whose total is not known.
func (p *Progress) Count(what string, done int64) {
	p.update(what, done, -1, progressbar.OptionShowCount(), progressbar.OptionShowIts())
}

func (p *Progress) update(what string, done, total int64, unit ...progressbar.Option) {
	if !p.on {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if what != p.what {
		p.finish()
		p.what, p.since = what, time.Now()
	}
	if p.bar == nil {
		if time.Since(p.since) < showAfter {
			return
		}
		p.bar = progressbar.NewOptions64(total, append(unit,
			progressbar.OptionSetWriter(raw(p.env.Stderr).(io.Writer)), progressbar.OptionSetDescription(what),
			progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(), progressbar.OptionFullWidth())...)
	}
	p.bar.Set64(done)
}

// Finish clears the line.
func (p *Progress) Finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finish()
}

func (p *Progress) finish() {
	if p.bar != nil {
		p.bar.Clear()
		p.bar = nil
	}
	p.what = ""
}
