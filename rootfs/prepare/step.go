package prepare

import (
	"context"
	"errors"
	"fmt"

	"imagetools/rootfs/edit"
)

// Step is the [edit.Step] that removes machine-specific data. If its OS is Unknown, that of the
// image counts, and then what the files tell.
type Step struct {
	Options

	// Found is the system whose rules were used; Unknown if the files do not tell. Do and Plan set it.
	Found OS
}

// Name is "prepare".
func (*Step) Name() string { return "prepare" }

// Check returns the faults in options.
func (s *Step) Check() error {
	_, err := ParseOS(string(s.OS))
	return err
}

// Do removes and edits all that it finds. A fault does not keep it from the rest.
func (s *Step) Do(ctx context.Context, root *edit.Root, log *edit.Log) error {
	p, faults := s.plan(ctx, root, log)
	if p == nil {
		return faults
	}
	return errors.Join(faults, p.Apply(ctx, func(c Change) { c.log(log) }))
}

// Plan logs what Do would change.
func (s *Step) Plan(ctx context.Context, root *edit.Root, log *edit.Log) error {
	p, faults := s.plan(ctx, root, log)
	if p != nil {
		for _, c := range p.Changes {
			c.log(log)
		}
	}
	return faults
}

func (s *Step) plan(ctx context.Context, root *edit.Root, log *edit.Log) (*Plan, error) {
	opts := s.Options
	if os, err := ParseOS(root.Image.OS); err == nil && opts.OS == Unknown { // others have no zones
		opts.OS = os
	}
	p, err := Find(ctx, Target{Root: root.FS, Dataset: root.Dataset}, opts)
	if err != nil {
		err = fmt.Errorf("prepare: %w", err)
	}
	s.Found = Unknown
	if p != nil {
		s.Found = p.OS
		for _, n := range p.Notes {
			log.Note(n)
		}
	}
	return p, err
}

func (c Change) log(log *edit.Log) { log.In(string(c.Action)).Change(c.Path, c.What) }
