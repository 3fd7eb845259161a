package build

import (
	"cmp"
	"fmt"
	"path/filepath"

	"imagetools/image/check"
	"imagetools/internal/plain"
	"imagetools/internal/shell"
	"imagetools/manifest"
	"imagetools/source"
	treesource "imagetools/tree/source"
)

// maxToldFindings bounds the warnings about files of an image; verify tells all.
const maxToldFindings = 20

// Judge warns of what would be wrong with the image of a plan that is not run.
func (p *Plan) Judge() { p.judge(nil) }

// warnOfManifest warns of what keeps hosts from taking an image, by its manifest. Fields of a zvol
// that are missing were told before it was made.
func (p *Plan) warnOfManifest(m *manifest.Manifest) {
	for _, w := range m.Warnings() {
		switch w.Field {
		case "nic_driver", "disk_driver", "cpu_type", "image_size":
		case "files": // there is none in a dry run
		default:
			p.spec.Log.warn("manifest: %s", w)
		}
	}
}

func (p *Plan) warnOfFindings(zone, leaks []check.Finding) {
	l := &p.spec.Log
	for i, list := range [][]check.Finding{zone, leaks} {
		for j, f := range list {
			if j == maxToldFindings {
				l.warn("and %d more; imagetools verify lists all", len(list)-j)
				break
			}
			l.warn("%s: %s", plain.Entry(f.Path), plain.Entry(f.Message))
		}
		if n := len(list); i == 1 && n > 0 {
			files := fmt.Sprintf("%d private files", n)
			if n == 1 {
				files = "1 private file"
			}
			l.warn("%s should not be in an image; use %s to remove such files", files, p.spec.called("Prepare"))
		}
	}
}

// warnOfOutput warns of an output directory that is part of the source, and so of its next image.
func (p *Plan) warnOfOutput() {
	files := p.Source.Files()
	if dir, ok := p.Source.(*source.Dir); ok {
		files = []string{dir.Path}
	}
	if len(files) != 1 {
		return
	}
	s := p.spec
	path, inside := PathInside(files[0], cmp.Or(s.Output.Dir, "."))
	if !inside {
		return
	}
	excludes, err := treesource.NewExcludes(s.Read.Exclude)
	if path == "." {
		s.Log.warn("the output folder is SOURCE itself, so images found there are packed into later ones; %s names another", s.called("Dir"))
	} else if err == nil && !excludes.Covers(path, true) {
		s.Log.warn("the output folder %q lies in SOURCE, so images found there are packed into later ones; %s names another, %s %s leaves it out",
			s.Output.Dir, s.called("Dir"), s.called("Exclude"), shell.Quote("/"+path))
	}
}

// PathInside returns where a path, which may not exist yet, lies below a directory.
func PathInside(dir, path string) (below string, inside bool) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", false
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", false
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", false
	}
	missing := ""
	for {
		real, err := filepath.EvalSymlinks(path)
		if err == nil {
			path = filepath.Join(real, missing)
			break
		}
		if path == filepath.Dir(path) {
			return "", false
		}
		path, missing = filepath.Dir(path), filepath.Join(filepath.Base(path), missing)
	}
	below, err = filepath.Rel(dir, path)
	return below, err == nil && filepath.IsLocal(below)
}
