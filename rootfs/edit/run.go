package edit

import (
	"context"
	"errors"
	"fmt"

	"imagetools/rootfs"
	"imagetools/tree"
)

// Check returns the faults in the options of all steps.
func Check(steps ...Step) error {
	var faults []error
	for _, s := range steps {
		if c, ok := s.(Checker); ok {
			if err := c.Check(); err != nil {
				faults = append(faults, fmt.Errorf("%s: %w", s.Name(), err))
			}
		}
	}
	return errors.Join(faults...)
}

// Run checks all steps, and carries them out in order. It ends with the first step that fails. The
// report then has the changes that were made before.
func Run(ctx context.Context, root *Root, watch Watch, steps ...Step) (*Report, error) {
	r := &Report{Steps: []Done{}, Changes: []Change{}}
	if err := Check(steps...); err != nil {
		return r, err
	}
	for _, s := range steps {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		if err := r.run(s.Name(), watch, func(log *Log) error { return s.Do(ctx, root, log) }); err != nil {
			return r, err
		}
	}
	return r, nil
}

// run has a step log into the report. A step without parts is one by itself.
func (r *Report) run(name string, watch Watch, do func(*Log) error) error {
	log := &Log{report: r, watch: watch, by: name}
	before := len(r.Changes)
	err := do(log)
	if log.parts == 0 {
		log.done(before)
	}
	return err
}

// Plan reports what a step would do, and changes nothing.
func Plan(ctx context.Context, root *Root, step Planner) (*Report, error) {
	r := &Report{Steps: []Done{}, Changes: []Change{}}
	if err := Check(step); err != nil {
		return r, err
	}
	return r, r.run(step.Name(), Watch{}, func(log *Log) error { return step.Plan(ctx, root, log) })
}

// InTree carries steps out on the root file system of a dataset in a tree, and seals the tree. If
// there are no steps, the tree is left as it is. now is the time of what is changed, see [Time].
func InTree(ctx context.Context, t *tree.Tree, now tree.Time, image Image, watch Watch, steps ...Step) (*Report, error) {
	if len(steps) == 0 {
		return &Report{Steps: []Done{}, Changes: []Change{}}, nil
	}
	dataset := rootfs.NewTree(t, now)
	defer dataset.Close()
	root, err := OpenRoot(dataset, image)
	if err != nil {
		return nil, errors.Join(err, t.Seal())
	}
	defer root.Close()
	report, err := Run(ctx, root, watch, steps...)
	return report, errors.Join(err, t.Seal())
}

// Time returns the time for changes in a tree: created, in seconds, or else that of the newest
// file. So the same source gives the same image.
func Time(t *tree.Tree, created *int64) tree.Time {
	if created != nil {
		return tree.Time{Sec: *created}
	}
	var newest tree.Time
	for _, n := range t.All() {
		if newest.Before(n.ModTime) {
			newest = n.ModTime
		}
	}
	return newest
}
