package base

import (
	"errors"
	"fmt"
	"maps"

	"imagetools/fault"
	"imagetools/rootfs"
	"imagetools/rootfs/edit"
)

// Which says what is known of the base image that a root has the files and the packages of.
type Which struct {
	Image  *Image            // used as it is, if set
	Config string            // such as "2024Q4-x86_64"; empty: the root tells it, see [VersionFile]
	Vars   map[string]string // variables that take precedence over those of the image
}

// Check returns the faults that need no root.
func (w Which) Check() error {
	if w.Config == "" {
		return nil
	}
	_, err := ParseConfig(w.Config, "", "")
	return err
}

// WayConfig is to name the CONFIG of an image.
var WayConfig = fault.NewWay("base.config")

// ErrUntold reports a root that does not tell the CONFIG of its packages.
var ErrUntold = errors.New("does not tell which packages of pkgsrc there are")

// Of returns the image for a root. If neither w nor the root tells the CONFIG, the error is
// [ErrUntold].
func (w Which) Of(root *edit.Root) (*Image, error) {
	if w.Image != nil {
		return w.Image, nil
	}
	config := w.Config
	if config == "" {
		var err error
		if config, err = configOf(root.FS); err != nil {
			return nil, err
		}
	}
	c, err := ParseConfig(config, root.Image.Name, root.Image.Version)
	if err != nil {
		return nil, err
	}
	return w.complete(Standard.Image(c), root), nil
}

// AnyOf is Of. But where nothing tells the CONFIG, the image has only variables that all images
// have.
func (w Which) AnyOf(root *edit.Root) (*Image, error) {
	img, err := w.Of(root)
	if errors.Is(err, ErrUntold) {
		img, err = &Image{Variables: map[string]string{"IMAGE_NAME": root.Image.Name, "IMAGE_VERSION": root.Image.Version}}, nil
		w.complete(img, root)
	}
	return img, err
}

func (w Which) complete(img *Image, root *edit.Root) *Image {
	if img.Variables["IMAGE_DOC"] == "" && root.Image.Homepage != "" {
		img.Variables["IMAGE_DOC"] = root.Image.Homepage
	}
	maps.Copy(img.Variables, w.Vars)
	return img
}

// configOf reads the CONFIG that a root has in [VersionFile].
func configOf(root *rootfs.FS) (string, error) {
	const limit = 64 << 10
	content, err := root.ReadFile(VersionFile, limit)
	for _, none := range []error{rootfs.ErrIsDir, rootfs.ErrSpecial, rootfs.ErrTooLarge} {
		if edit.Missing(err) || errors.Is(err, none) {
			err = nil
		}
	}
	if config := ConfigOf(content); config != "" || err != nil {
		return config, err
	}
	return "", fault.With(fmt.Errorf("%q: %w", VersionFile, ErrUntold), WayConfig)
}
