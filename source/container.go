package source

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"imagetools/fault"
	"imagetools/tree/fromoci"
	"imagetools/tree/fromoci/registry"
)

// Container is the image of a container, in a layout, an archive or a registry.
type Container struct {
	transport string // as skopeo spells it
	place     string
	ref       string // the name there
	implied   bool   // the place was recognised
	opts      *Options
}

// Transports.
const (
	ociLayout     = "oci"
	ociArchive    = "oci-archive"
	dockerArchive = "docker-archive"
	dockerRemote  = "docker"
)

// container is the source as skopeo spells it; nil for anything else.
func (f *finder) container() (Source, error) {
	transport, rest, ok := strings.Cut(f.arg, ":")
	if !ok {
		return nil, nil
	}
	c := &Container{transport: transport, opts: f.opts}
	switch transport {
	case ociLayout, ociArchive, dockerArchive:
		c.place, c.ref, _ = strings.Cut(rest, ":")
		if c.place == "" {
			return nil, fault.With(fault.Askedf("source %q: no path after %s:", f.arg, transport), WayTransport)
		}
	case dockerRemote:
		if c.place, ok = strings.CutPrefix(rest, "//"); !ok {
			return nil, fault.With(fault.Askedf("source %q: // must follow %s:", f.arg, transport), WayRegistry)
		}
	default:
		return nil, nil
	}
	return c, nil
}

// String names the image with its transport.
func (c *Container) String() string {
	if c.transport == dockerRemote {
		return "docker://" + c.place
	}
	return fmt.Sprintf("the container image %q", strings.TrimSuffix(c.transport+":"+c.place+":"+c.ref, ":"))
}

// Files is the path of the layout or archive.
func (c *Container) Files() []string {
	if c.transport == dockerRemote {
		return nil
	}
	return []string{c.place}
}

// Platform is that of the image which is taken.
func (c *Container) Platform() fromoci.Platform {
	return cmp.Or(c.opts.Platform, fromoci.DefaultPlatform)
}

// IsLinux tells whether it is the image of a Linux that is taken.
func (c *Container) IsLinux() bool {
	os, _, _ := strings.Cut(string(c.Platform()), "/")
	return os == "linux"
}

// Tree reads the layers.
func (c *Container) Tree(ctx context.Context) (*Tree, error) {
	owners, err := c.opts.owners()
	if err != nil {
		return nil, err
	}
	if m := c.opts.Metalog; m != "" && m != NoMetalog {
		return nil, fault.Askedf("%s %q: only a directory has one, the layers of an image hold owners and modes", c.opts.called("Metalog"), m)
	}
	quiet := Options{Budget: c.opts.Budget} // progress is that of layers
	read := fromoci.Options{
		Platform: c.Platform(), Owners: owners, Exclude: c.opts.Exclude, TmpDir: c.opts.TmpDir,
		SpoolLimit: cmp.Or(c.opts.SpoolLimit, fromoci.DefaultSpoolLimit), Budget: c.opts.Budget, Decompress: quiet.decompress,
	}
	what := "reading layers"
	if c.transport == dockerRemote {
		what = "fetching layers"
	}
	read.Progress = func(done, total int64) { c.opts.progress(what, done, total) }
	src, name, err := c.read(ctx, read)
	if err != nil {
		return nil, err
	}
	for _, n := range src.Image.Names {
		name = cmp.Or(name, n)
	}
	t := &Tree{What: strings.TrimPrefix(c.String(), "the "), Tree: src.Tree, Report: src.Report, closer: src, Tags: containerTags(&src.Image, name)}
	if c.implied {
		t.Report.Note("%q is an image of a container: its layers make the tree, as with %s:%[1]s", c.place, c.transport)
	}
	if whole, _ := c.opts.whole(); !whole {
		if t.Tree, err = t.Tree.Under("root"); err != nil {
			t.Close()
			return nil, err
		}
	}
	return t, t.seal()
}

// read reads the image. name is that of the repository, with its tag, where it has one.
func (c *Container) read(ctx context.Context, read fromoci.Options) (src *fromoci.Source, name string, err error) {
	switch {
	case c.transport == ociLayout:
		src, err = fromoci.OpenLayout(ctx, c.place, c.ref, read)
		return src, "", err
	case c.transport != dockerRemote && c.place == "-":
		in, err := c.opts.stdin()
		if err != nil {
			return nil, "", err
		}
		src, err = fromoci.ReadArchive(ctx, in, c.ref, read)
		return src, "", err
	case c.transport != dockerRemote:
		src, err = fromoci.OpenArchive(ctx, c.place, c.ref, read)
		return src, "", err
	}
	repo, err := registry.Open(ctx, c.place, registry.Options{
		Insecure: c.opts.Insecure, User: c.opts.User, Password: c.opts.Password,
		Waiting: func(d time.Duration) { c.opts.note("the registry asks to wait for %v", d) },
	})
	if err != nil {
		return nil, "", err
	}
	name = repo.Name()
	if tag := repo.Tag(); tag != "" {
		name += ":" + tag
	}
	src, err = fromoci.Read(ctx, repo, "", read)
	return src, name, err
}

// configTags are the parts of an image's configuration that tags.docker:config has: those of
// imgadm, and who runs it.
var configTags = []string{"Cmd", "Entrypoint", "Env", "WorkingDir", "User", "Labels"}

// containerTags are the tags by which imgadm describes a docker image (imgManifestFromDockerInfo of
// imgmanifest).
func containerTags(im *fromoci.Image, name string) map[string]any {
	tags := map[string]any{"docker:id": string(im.TopLayer), "docker:architecture": im.Architecture}
	repo, tag := name, ""
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		repo, tag = name[:i], name[i+1:]
	}
	if repo != "" && tag != "" {
		tags["docker:repo"] = repo
		tags["docker:tag:"+tag] = true
	}
	if im.Config != nil {
		config := map[string]any{}
		for _, key := range configTags {
			var v any
			if raw, ok := im.Config[key]; ok && json.Unmarshal(raw, &v) == nil {
				config[key] = v
			}
		}
		tags["docker:config"] = config
	}
	return tags
}
