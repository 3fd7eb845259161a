package zone

import (
	"context"

	"imagetools/base"
	"imagetools/host"
	"imagetools/rootfs"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/prepare"
)

// handIn puts the bootstrap, and certificates, where the first script looks for them.
type handIn struct{ *running }

func (handIn) Name() string { return "hand-in" }

func (s handIn) Do(_ context.Context, root *edit.Root, log *edit.Log) error {
	kit, err := s.result.Kit.read()
	if err != nil {
		return err
	}
	if err := root.MkdirAll(base.WorkDir, nil); err != nil {
		return err
	}
	if err := root.PutFile(s.Image.BootstrapFile(), kit, &rootfs.Attr{Mode: 0o600}); err != nil {
		return err
	}
	log.Change(s.Image.BootstrapFile(), s.result.Kit.Source)
	if s.CACert == nil {
		return nil
	}
	err = root.PutFile(base.CACertFile, s.CACert, &rootfs.Attr{Mode: 0o644})
	if err == nil {
		log.Change(base.CACertFile, "root certificates")
	}
	return err
}

// firstScript adds packages in the zone.
type firstScript struct{ *running }

func (firstScript) Name() string { return InZone }

func (s firstScript) Do(ctx context.Context, _ *edit.Root, log *edit.Log) error {
	_, err := s.script(ctx, base.FirstScript, log)
	return err
}

// lastScript has the zone clean itself up and halt.
type lastScript struct{ *running }

func (lastScript) Name() string { return InZone }

func (s lastScript) Do(ctx context.Context, _ *edit.Root, log *edit.Log) error {
	last, err := s.script(ctx, base.SecondScript, log)
	return s.halted(ctx, last, err)
}

// prepareZone removes what the zone's own sm-prepare-image leaves, such as the metadata that vmadm
// keeps beside the root, from the halted zone.
type prepareZone struct{ *running }

func (prepareZone) Name() string { return (*prepare.Step)(nil).Name() }

func (s prepareZone) Do(ctx context.Context, _ *edit.Root, log *edit.Log) error {
	dataset, err := rootfs.OpenDir(s.result.Zone.Path)
	if err != nil {
		return err
	}
	defer dataset.Close()
	dataset.OnLeft(s.Warn)
	root, err := edit.OpenRoot(dataset, edit.Image{})
	if err != nil {
		return err
	}
	defer root.Close()
	step := &prepare.Step{Options: prepare.Options{OS: prepare.SmartOS}}
	if uuid := s.result.Zone.UUID; s.Host.HasVMs() && host.IsUUID(uuid) {
		vm, err := s.Host.VM(ctx, uuid)
		if err != nil {
			return err
		}
		step.Addresses = vm.Addresses()
	}
	return step.Do(ctx, root, log)
}
