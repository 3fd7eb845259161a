package overlay

import (
	"context"
	"errors"

	"imagetools/rootfs/edit"
)

// Name is that of the step.
const Name = "overlay"

// Step is the [edit.Step] that copies layers into a root.
type Step struct {
	Layers []*Layer // later ones on top
	Options
}

// Name is "overlay".
func (*Step) Name() string { return Name }

// Check returns the faults in options, and in places of layers.
func (s *Step) Check() error {
	_, err := s.expander()
	faults := []error{err}
	for _, l := range s.Layers {
		_, err := l.at()
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// Do copies the layers. If there is a fault, it changes nothing.
func (s *Step) Do(ctx context.Context, root *edit.Root, log *edit.Log) error {
	p, err := s.plan(root, log)
	if err != nil {
		return err
	}
	return p.Apply(ctx, func(c Change) { c.log(log) })
}

// Plan logs what Do would change.
func (s *Step) Plan(ctx context.Context, root *edit.Root, log *edit.Log) error {
	p, err := s.plan(root, log)
	if err != nil {
		return err
	}
	for _, c := range p.Changes() {
		c.log(log)
	}
	return ctx.Err()
}

func (s *Step) plan(root *edit.Root, log *edit.Log) (*Plan, error) {
	p, err := NewPlan(root.FS, s.Layers, s.Options)
	if err != nil {
		return nil, err
	}
	for _, w := range p.Warnings() {
		log.Warn(w)
	}
	return p, nil
}

func (c Change) log(log *edit.Log) { log.Change("/"+c.Path, c.What) }
