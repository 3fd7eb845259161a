package main

import (
	"imagetools/image/check"
	"imagetools/internal/cli"
	"imagetools/manifest"
	"imagetools/tree"
)

// maxToldFindings bounds the warnings about files of an image; verify tells all.
const maxToldFindings = 20

// warnOfManifest warns of what keeps hosts from taking an image, by its manifest. Fields of a zvol
// that are missing were told before it was made.
func warnOfManifest(env *cli.Env, m *manifest.Manifest) {
	for _, w := range m.Warnings() {
		switch w.Field {
		case "nic_driver", "disk_driver", "cpu_type", "image_size":
		case "files": // there is none in a dry run
		default:
			env.Warnf("manifest: %s", w)
		}
	}
}

// warnOfImage warns, by the rules of verify, of what keeps zones of an image from booting, and of
// files that are better not in it.
func warnOfImage(env *cli.Env, t *tree.Tree, m *manifest.Manifest) {
	zone, leaks := check.Image(t, m)
	warnOfFindings(env, zone, leaks)
}

func warnOfFindings(env *cli.Env, zone, leaks []check.Finding) {
	for i, list := range [][]check.Finding{zone, leaks} {
		for j, f := range list {
			if j == maxToldFindings {
				env.Warnf("and %d more; imagetools verify lists all", len(list)-j)
				break
			}
			env.Warnf("%s: %s", printable(f.Path), printable(f.Message))
		}
		if i == 1 && len(list) > 0 {
			env.Warnf("%s should not be in an image; use --prepare to remove such files", plural(len(list), "private file"))
		}
	}
}
