package fromoci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"imagetools/fault"
	"imagetools/tree"
)

// dockerFile lists the images in what docker save writes.
const dockerFile = "manifest.json"

// dockerImage is an image in such an archive.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// dockerArchive is a tar of docker save, or of one of those that write the same.
type dockerArchive struct {
	name string
	files
}

// find finds the image that ref names: a name with tag, or @ with its number in the archive.
func (a *dockerArchive) find(ref string, want platform) (*image, error) {
	text, err := readFile(a.files, dockerFile, MaxManifest)
	if err != nil {
		return nil, err
	}
	var all []dockerImage
	if err := decode(text, &all); err != nil {
		return nil, fmt.Errorf("%q: %w", dockerFile, err)
	}
	d, err := namedDocker(all, ref)
	if err != nil {
		return nil, err
	}
	cfg, err := a.config(d.Config)
	if err != nil {
		return nil, fmt.Errorf("config %q: %w", clip(d.Config), err)
	}
	if !cfg.platform.runs(want) {
		return nil, fault.With(fmt.Errorf("it is not for the platform %s", &want), WayPlatform, onLine(cfg.platform.String()))
	}
	if n := len(d.Layers); n != len(cfg.RootFS.DiffIDs) || n == 0 {
		return nil, fmt.Errorf("%q has %d layers, the config %d", dockerFile, n, len(cfg.RootFS.DiffIDs))
	}
	im := &image{name: a.name, names: d.RepoTags, config: cfg, platform: cfg.platform}
	for i, name := range d.Layers {
		c, size, err := a.file(name)
		if err != nil {
			return nil, fmt.Errorf("layer %d of %d: %w", i+1, len(d.Layers), err)
		}
		im.layers = append(im.layers, layerSource{
			Descriptor: Descriptor{Size: size}, diffID: cfg.RootFS.DiffIDs[i],
			open:  func(context.Context) (io.ReadCloser, error) { return openContent(c, size) },
			place: func() (tree.Content, error) { return c, nil },
		})
	}
	return im, nil
}

// config reads a configuration, whose name tells its digest: HEX.json, or the path of a blob.
func (a *dockerArchive) config(name string) (*config, error) {
	text, err := readFile(a.files, name, maxConfig)
	if err != nil {
		return nil, err
	}
	if d := Digest("sha256:" + strings.TrimSuffix(path.Base(name), ".json")); len(d) == len("sha256:")+64 {
		if _, _, err := d.split(); err == nil {
			h := d.hash()
			h.Write(text)
			if err := checkDigest(d, d.of(h)); err != nil {
				return nil, err
			}
		}
	}
	return parseConfig(text)
}

func namedDocker(all []dockerImage, ref string) (*dockerImage, error) {
	if len(all) > maxEntries {
		return nil, fmt.Errorf("%d images, the limit is %d", len(all), maxEntries)
	}
	var names []string
	for i, d := range all {
		name := "@" + strconv.Itoa(i)
		if len(d.RepoTags) > 0 {
			name = d.RepoTags[0]
		}
		if len(names) < 20 {
			names = append(names, onLine(name))
		}
		if ref == "@"+strconv.Itoa(i) {
			return &all[i], nil
		}
		for _, tag := range d.RepoTags {
			if ref != "" && fullTag(tag) == fullTag(ref) {
				return &all[i], nil
			}
		}
	}
	there := "there are: " + strings.Join(names, ", ")
	switch {
	case len(all) == 0:
		return nil, errors.New("it holds no image")
	case ref != "":
		return nil, fault.WithHint(fmt.Errorf("it has no image %q", clip(ref)), there)
	case len(all) > 1:
		return nil, fault.WithHint(fmt.Errorf("it has %d images", len(all)), "add :NAME:TAG of one, or :@0 for the first; "+there)
	}
	return &all[0], nil
}

// fullTag is a name with the parts that Docker lets people leave out.
func fullTag(name string) string {
	if i := strings.LastIndexByte(name, ':'); i < strings.LastIndexByte(name, '/') || i < 0 {
		name += ":latest"
	}
	host, rest, ok := strings.Cut(name, "/")
	if !ok {
		return "docker.io/library/" + name
	}
	if !strings.ContainsAny(host, ".:") && host != "localhost" {
		return "docker.io/" + name
	}
	if host == "index.docker.io" {
		host = "docker.io"
	}
	if host == "docker.io" && !strings.Contains(rest, "/") {
		rest = "library/" + rest
	}
	return host + "/" + rest
}
