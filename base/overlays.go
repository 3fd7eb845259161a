package base

import (
	"context"
	"errors"

	"imagetools/rootfs/edit"
	"imagetools/rootfs/overlay"
)

// Overlays is the [edit.Step] that copies directories of a user into a root. Those in the layout of
// the built-in overlay need the CONFIG of the image, see [Image.ReadOverlay].
type Overlays struct {
	Which
	Dirs []string // later ones on top
	Keep []string // variables that stay as they are
}

// Name is "overlay".
func (*Overlays) Name() string { return overlay.Name }

// Check returns the faults in options.
func (s *Overlays) Check() error {
	return errors.Join(s.Which.Check(), (&overlay.Step{Options: overlay.Options{Vars: s.Vars, Keep: s.Keep}}).Check())
}

// Do reads the overlays and copies them.
func (s *Overlays) Do(ctx context.Context, root *edit.Root, log *edit.Log) error {
	step, err := s.read(ctx, root, log)
	if err != nil {
		return err
	}
	return step.Do(ctx, root, log)
}

// Plan reads the overlays and logs what Do would change.
func (s *Overlays) Plan(ctx context.Context, root *edit.Root, log *edit.Log) error {
	step, err := s.read(ctx, root, log)
	if err != nil {
		return err
	}
	return step.Plan(ctx, root, log)
}

func (s *Overlays) read(ctx context.Context, root *edit.Root, log *edit.Log) (*overlay.Step, error) {
	img, err := s.AnyOf(root)
	if err != nil {
		return nil, err
	}
	layers, notes, err := img.ReadOverlays(ctx, s.Dirs)
	for _, n := range notes {
		log.Note(n)
	}
	return &overlay.Step{Layers: layers, Options: overlay.Options{Vars: img.Variables, Keep: s.Keep}}, err
}

// ReadOverlays is [Image.ReadOverlay] for several folders. All faults are joined.
func (img *Image) ReadOverlays(ctx context.Context, folders []string) (layers []*overlay.Layer, notes []string, err error) {
	var faults []error
	for _, folder := range folders {
		more, moreNotes, err := img.ReadOverlay(ctx, folder)
		layers, notes, faults = append(layers, more...), append(notes, moreNotes...), append(faults, err)
	}
	return layers, notes, errors.Join(faults...)
}
