package edit

import (
	"context"
	"errors"
	"fmt"

	"imagetools/fault"
	"imagetools/internal/plain"
	"imagetools/rootfs"
)

// Step is one kind of change to a root, such as an overlay. Its options are fields of its own.
//
// A step works on any [Root], on disk or in a tree, and may be repeated: it changes nothing then.
type Step interface {
	// Name is stable. Reports, JSON and documents name the step by it.
	Name() string
	// Do changes the root and logs each change when it is made. It stops when ctx ends. After an
	// error, the changes that were logged remain. Its errors name the step.
	Do(ctx context.Context, root *Root, log *Log) error
}

// Checker is a step that finds faults in its options before anything is read.
type Checker interface {
	Step
	// Check returns all faults, joined.
	Check() error
}

// Planner is a step that can tell its changes without making them.
type Planner interface {
	Step
	// Plan logs what Do would log, and changes nothing.
	Plan(ctx context.Context, root *Root, log *Log) error
}

// Root is a root file system, with what is known of the image that is made from it.
type Root struct {
	*rootfs.FS
	// Dataset is the file system that has the root as its directory root; nil if there is none.
	Dataset *rootfs.FS
	// Image describes the image. It is empty for a root that only gets changed.
	Image Image
}

// Image is the part of a manifest that steps write into files.
type Image struct {
	Name, Version, Description, Homepage string
	OS                                   string
}

// WayRoot is to open the directory as a root file system, not as a dataset.
var WayRoot = fault.NewWay("edit.root")

// ErrNoRoot reports a dataset without the directory root.
var ErrNoRoot = errors.New("no root file system in root/")

// OpenRoot opens the root file system of a dataset. Close closes it, and not the dataset.
func OpenRoot(dataset *rootfs.FS, image Image) (*Root, error) {
	root, err := dataset.Sub("root")
	if Missing(err) {
		err = fault.With(fmt.Errorf("%w: %w", ErrNoRoot, err), WayRoot)
	}
	if err != nil {
		return nil, err
	}
	return &Root{FS: root, Dataset: dataset, Image: image}, nil
}

// Change is what a step did to one path.
type Change struct {
	By   string // name of the step
	Step string // part of the step, such as an edit of base images; may be empty
	Path string // in the root, such as "/etc/hosts"; without the slash in front, in the dataset
	Text string // what was done
}

// String is a line for people, with special characters escaped.
func (c Change) String() string {
	return prefix(c.By, c.Step) + ": " + plain.Entry(c.Path) + ": " + plain.Entry(c.Text)
}

// jsonChange is the form of a [Change] in JSON. Fields are only ever added.
type jsonChange struct {
	By   string         `json:"by"`
	Step string         `json:"step,omitempty"`
	Path plain.JSONText `json:"path"`
	Text plain.JSONText `json:"text"`
}

// MarshalJSON gives the fields by, step, path and text. A path that is not UTF-8 is an object with
// its bytes in base64.
func (c Change) MarshalJSON() ([]byte, error) {
	return plain.MarshalJSON(jsonChange{c.By, c.Step, plain.JSONText(c.Path), plain.JSONText(c.Text)})
}

// Done counts the changes of a step, or of a part of one.
type Done struct {
	By      string `json:"by"`
	Step    string `json:"step,omitempty"`
	Changes int    `json:"changes"`
}

func (d Done) String() string { return prefix(d.By, d.Step) }

func prefix(by, step string) string {
	if step == "" {
		return by
	}
	return by + " " + step
}

// Report is what steps did, and its JSON form. Warnings and notes are no changes.
type Report struct {
	Steps    []Done   `json:"steps"`              // in the order in which they ended
	Changes  []Change `json:"changes"`            // in the order in which they were made
	Warnings []string `json:"warnings,omitempty"` // what is probably not meant
	Notes    []string `json:"notes,omitempty"`    // what is left to do, or to know
}

// Watch hears of changes while they are made. Its functions may be nil.
type Watch struct {
	Change func(Change)
	Done   func(Done)
}

// Log is where a step logs what it does. A nil Log discards everything.
type Log struct {
	report   *Report
	watch    Watch
	by, step string
	parts    int
}

// In returns a log for changes of a part of the step.
func (l *Log) In(part string) *Log {
	if l == nil {
		return nil
	}
	return &Log{report: l.report, watch: l.watch, by: l.by, step: part}
}

// Change logs a change that was made.
func (l *Log) Change(path, text string) {
	if l == nil {
		return
	}
	c := Change{l.by, l.step, path, text}
	l.report.Changes = append(l.report.Changes, c)
	if l.watch.Change != nil {
		l.watch.Change(c)
	}
}

// Warn logs what is probably not meant.
func (l *Log) Warn(text string) {
	if l != nil {
		l.report.Warnings = append(l.report.Warnings, text)
	}
}

// Note logs what is left to do, or to know.
func (l *Log) Note(text string) {
	if l != nil {
		l.report.Notes = append(l.report.Notes, text)
	}
}

// Began logs that a part of the step has begun, which others carry out: its changes are not known.
func (l *Log) Began(part string) {
	if l != nil {
		l.parts++
		l.In(part).done(len(l.report.Changes))
	}
}

// Part runs a part of the step. The report counts the changes of each.
func (l *Log) Part(name string, do func(*Log) error) error {
	if l == nil {
		return do(nil)
	}
	l.parts++
	part, before := l.In(name), len(l.report.Changes)
	err := do(part)
	part.done(before)
	if err != nil {
		return fmt.Errorf("%s step %s: %w", l.by, name, err)
	}
	return nil
}

// done counts the changes since there were before.
func (l *Log) done(before int) {
	d := Done{l.by, l.step, len(l.report.Changes) - before}
	l.report.Steps = append(l.report.Steps, d)
	if l.watch.Done != nil {
		l.watch.Done(d)
	}
}
