package source

import (
	"cmp"

	"imagetools/host"
)

// IsDataset tells whether the source is given as a whole dataset.
func (o *Options) IsDataset() bool { return o.AsDataset != nil && *o.AsDataset }

// asItIs are the options for what is read as it is, with its own top.
func (o *Options) asItIs() *Options {
	out, yes := *o, true
	out.AsDataset = &yes
	return &out
}

// Whole is the tar with the top that it has, wherever its root file system is.
func (t *Tar) Whole() *Tar { return &Tar{t.path, t.found, t.opts.asItIs()} }

// Whole is the image with its root file system at the top.
func (c *Container) Whole() *Container {
	out := *c
	out.opts = c.opts.asItIs()
	return &out
}

// Whole is the directory with the top that it has, and owners of a METALOG; empty for none.
func (d *Dir) Whole(metalog string) *Dir {
	opts := d.opts.asItIs()
	opts.Metalog = cmp.Or(metalog, NoMetalog)
	return &Dir{d.Path, nil, opts}
}

// MetalogPath is the METALOG of the directory: that which was named, or lies beside it; empty for
// none.
func (d *Dir) MetalogPath() (string, error) {
	switch {
	case d.opts.Metalog == NoMetalog:
		return "", nil
	case d.opts.Metalog != "":
		return d.opts.Metalog, nil
	case d.Dataset != nil:
		return d.Dataset.Metalog, nil
	}
	return host.Metalog(d.Path)
}

// Dir is the directory where the dataset is mounted.
func (p *Pool) Dir(path string, opts Options) *Dir {
	opts.Metalog = cmp.Or(opts.Metalog, NoMetalog)
	return &Dir{Path: path, opts: &opts}
}
