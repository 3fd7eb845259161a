package cli

import (
	"time"

	"github.com/schollz/progressbar/v3"
)

// Progress shows how far work on bytes has come, on a terminal, if it takes over a second.
type Progress struct {
	env   *Env
	on    bool
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

// Update says that done of total bytes are done of what. A new what begins a new line.
func (p *Progress) Update(what string, done, total int64) {
	if !p.on {
		return
	}
	if what != p.what {
		p.Finish()
		p.what, p.since = what, time.Now()
	}
	if p.bar == nil {
		if time.Since(p.since) < showAfter {
			return
		}
		p.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(p.env.Stderr), progressbar.OptionSetDescription(what),
			progressbar.OptionShowBytes(true), progressbar.OptionUseIECUnits(true),
			progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(), progressbar.OptionFullWidth())
	}
	p.bar.Set64(done)
}

// Finish clears the line.
func (p *Progress) Finish() {
	if p.bar != nil {
		p.bar.Clear()
		p.bar = nil
	}
	p.what = ""
}
