package image

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
)

// PrivateFiles names what the dataset that is mounted at dir had better not hold when an image is
// made of it, as [Verify] names it in images: "PATH: why", sorted by path. It opens no file and
// follows no link.
func PrivateFiles(ctx context.Context, dir string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !entry.Type().IsRegular() || !privateName(entry.Name()) {
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		below, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if why := leak(filepath.ToSlash(below), uint64(info.Size())); why != "" {
			found = append(found, fmt.Sprintf("%q: %s", below, why))
		}
		return nil
	})
	return found, err
}
