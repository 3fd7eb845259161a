package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"imagetools/image"
	"imagetools/internal/cli"
	"imagetools/manifest"
	"imagetools/tree/fromoci"
	"imagetools/tree/fromoci/registry"
	"imagetools/tree/source"
)

// Variables with credentials for a registry.
const (
	registryUser     = "IMAGETOOLS_REGISTRY_USER"
	registryPassword = "IMAGETOOLS_REGISTRY_PASSWORD"
)

// ociOptions are the flags for images of containers.
type ociOptions struct {
	Platform   string
	Insecure   bool
	SpoolLimit int64 // MiB
}

func (o *ociOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.Platform, "platform", string(fromoci.DefaultPlatform), "of a container image: OS/ARCHITECTURE[/VARIANT] of the one that is taken")
	f.BoolVar(&o.Insecure, "insecure", false, "of docker://: allow plain HTTP, and certificates that nobody vouches for")
	f.Int64Var(&o.SpoolLimit, "spool-limit", fromoci.DefaultSpoolLimit>>20, "of a container image: MiB that its layers may have unpacked")
}

// ociSource is the image of a container: where it is, and its name there.
type ociSource struct {
	transport string // as skopeo spells it
	place     string
	ref       string
	implied   bool // the place was recognised
}

// Transports.
const (
	ociLayout     = "oci"
	ociArchive    = "oci-archive"
	dockerArchive = "docker-archive"
	dockerRemote  = "docker"
)

// parseOCI reads a source as skopeo spells it; nil for anything else.
func parseOCI(arg string) (*ociSource, error) {
	transport, rest, ok := strings.Cut(arg, ":")
	if !ok {
		return nil, nil
	}
	s := &ociSource{transport: transport}
	switch transport {
	case ociLayout, ociArchive, dockerArchive:
		s.place, s.ref, _ = strings.Cut(rest, ":")
		if s.place == "" {
			return nil, cli.Hint(cli.Usagef("source %q: no path after %s:", arg, transport), "a file whose name begins like that is named with ./ before it")
		}
	case dockerRemote:
		if s.place, ok = strings.CutPrefix(rest, "//"); !ok {
			return nil, cli.Hint(cli.Usagef("source %q: // must follow %s:", arg, transport), "it is docker://HOST/REPOSITORY:TAG, such as docker://debian:12")
		}
	default:
		return nil, nil
	}
	return s, nil
}

// recogniseOCI returns what a path is that is a layout or an archive; nil for anything else.
func recogniseOCI(path string, found *finding) *ociSource {
	switch {
	case isContainer(found):
		return &ociSource{transport: dockerArchive, place: path, implied: true}
	case found == nil && fromoci.IsLayout(path):
		return &ociSource{transport: ociLayout, place: path, implied: true}
	}
	return nil
}

func (s *ociSource) String() string {
	if s.transport == dockerRemote {
		return "docker://" + s.place
	}
	return fmt.Sprintf("the container image %q", strings.TrimSuffix(s.transport+":"+s.place+":"+s.ref, ":"))
}

// open reads the tree.
func (s *ociSource) open(ctx context.Context, env *cli.Env, opts sourceOptions, progress *cli.Progress) (*openedSource, error) {
	owners, err := source.ParseOwners(opts.Owners)
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	if opts.Metalog != "" && opts.Metalog != "none" {
		return nil, cli.Usagef("--metalog %q: only a directory has one, the layers of an image hold owners and modes", opts.Metalog)
	}
	if opts.oci.SpoolLimit < 0 || opts.oci.SpoolLimit > 1<<40 {
		return nil, cli.Usagef("--spool-limit %d: out of range", opts.oci.SpoolLimit)
	}
	if err := fromoci.Platform(opts.oci.Platform).Check(); err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	read := fromoci.Options{
		Platform: fromoci.Platform(opts.oci.Platform), Owners: owners, Exclude: opts.Exclude, TmpDir: opts.TmpDir, SpoolLimit: opts.oci.SpoolLimit << 20, Budget: env.Memory,
		Decompress: func(r io.Reader) (io.ReadCloser, bool, error) { return decompress(r, env.Memory, nil) },
	}
	what := "reading layers"
	if s.transport == dockerRemote {
		what = "fetching layers"
	}
	read.Progress = func(done, total int64) { progress.Update(what, done, total) }
	src, tags, err := s.read(ctx, env, opts, read)
	if err != nil {
		return nil, err
	}
	for _, name := range src.Image.Names {
		tags = cmp.Or(tags, name)
	}
	out := &openedSource{what: strings.TrimPrefix(s.String(), "the "), Tree: src.Tree, rep: src.Report, closer: src, tags: containerTags(&src.Image, tags)}
	if s.implied {
		out.rep.Note("%q is an image of a container: its layers make the tree, as with %s:%[1]s", s.place, s.transport)
	}
	return out, nil
}

// read reads the image. name is that of the repository, with its tag, where it has one.
func (s *ociSource) read(ctx context.Context, env *cli.Env, opts sourceOptions, read fromoci.Options) (src *fromoci.Source, name string, err error) {
	switch {
	case s.transport == ociLayout:
		src, err = fromoci.OpenLayout(ctx, s.place, s.ref, read)
	case s.transport != dockerRemote && s.place == "-":
		src, err = fromoci.ReadArchive(ctx, env.Stdin, s.ref, read)
	case s.transport != dockerRemote:
		src, err = fromoci.OpenArchive(ctx, s.place, s.ref, read)
	default:
		repo, err := registry.Open(ctx, s.place, registry.Options{
			Insecure: opts.oci.Insecure, User: env.Getenv(registryUser), Password: env.Getenv(registryPassword),
			Waiting: func(d time.Duration) { fmt.Fprintf(env.Stderr, "note: the registry asks to wait for %v\n", d) },
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
	return src, "", err
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

// settleOCI completes the options of an image of a container.
func (o *createImageOptions) settleOCI(out *image.Options) {
	if os, _, _ := strings.Cut(o.source.oci.Platform, "/"); out.Manifest.ImpliedType() == "" && os == "linux" {
		out.Manifest.Type = manifest.TypeLX
	}
}

// describe puts into the options of an image what its source says of it.
func (s *openedSource) describe(out *image.Options) {
	if len(s.tags) > 0 {
		tags := maps.Clone(s.tags)
		maps.Copy(tags, out.Manifest.Tags)
		out.Manifest.Tags = tags
	}
}

// checkContainer refuses a tree that is no root file system but a container image in pieces, which
// its first names did not tell.
func (s *openedSource) checkContainer(path string) error {
	kind, at := fromoci.Held(s.Tree)
	if kind == "" {
		return nil
	}
	what := map[string]string{"oci": "an OCI layout", "docker": "what docker save writes"}[kind]
	hint := "make a tar of that directory and use " + kind + "-archive:FILE"
	switch {
	case s.isTar && at == "." && path != "-":
		hint = fmt.Sprintf("use %s-archive:%s", kind, path)
	case s.isTar && at == ".":
		hint = fmt.Sprintf("use %s-archive:-", kind)
	case s.isTar:
		hint = "unpack it, " + hint
	case kind == "oci":
		hint = fmt.Sprintf("use oci:%s", filepath.Join(path, at))
	}
	if at == "." {
		return cli.Hint(fmt.Errorf("%s: not a root file system: it holds %s", s.what, what), hint)
	}
	return cli.Hint(fmt.Errorf("%s: not a root file system: %q holds %s", s.what, at, what), hint)
}
