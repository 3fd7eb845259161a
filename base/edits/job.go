package edits

import (
	"slices"

	"imagetools/base"
	"imagetools/rootfs"
	"imagetools/rootfs/edit"
)

// job is one run of a part.
type job struct {
	edit.Editor
	img  *base.Image
	opts Options
}

func newJob(root *rootfs.FS, log *edit.Log, img *base.Image, opts Options) *job {
	return &job{edit.Editor{Root: root, Log: log}, img, opts}
}

func (j *job) noZone() bool                { return !j.opts.Zone }
func (j *job) installed(pkg string) bool   { return slices.Contains(j.opts.Packages, pkg) }
func (j *job) variable(name string) string { return j.img.Variables[name] }
func (j *job) prefix() string              { return j.variable("IMAGE_PREFIX") }
func (j *job) sysconf(path string) string  { return j.variable("IMAGE_SYSCONFDIR") + "/" + path }

const seed = "the seed"
