package image

import (
	"context"
	"io/fs"

	"imagetools/tree"
)

// Tree returns a new sealed tree of the file system, whose contents can be read until the image is
// closed. The errors are those of [Image.FileSystem]; what a tree cannot hold, such as owners that
// are no POSIX ids, is an error with its path.
func (img *Image) Tree(ctx context.Context) (*tree.Tree, error) {
	f, err := img.FileSystem()
	if err != nil {
		return nil, err
	}
	return f.Tree(ctx)
}

// FS returns the files of the image, for [fs.WalkDir], [fs.ReadFile] and the like, until the image is
// closed. It is a [tree.FS]: its files can be read at any offset, symbolic links are followed but
// never out of it, and [fs.FileInfo] tells owners, devices, hard links, extended attributes and ACLs
// by small interfaces, such as [tree.OwnerInfo].
//
// The top is that of the dataset; the root file system of a zone is in "root", where [fs.Sub] takes
// absolute links:
//
//	root, err := fs.Sub(files, "root")
//	motd, err := fs.ReadFile(root, "etc/motd")
//
// A volume has no files: the error is [ErrNotFileSystem], and [Image.Volume] reads the disk. The
// other errors are those of [Image.Tree].
func (img *Image) FS() (fs.FS, error) {
	img.mu.Lock()
	defer img.mu.Unlock()
	if img.tree != nil {
		return img.tree, nil
	}
	f, err := img.fileSystem()
	if err != nil {
		return nil, err
	}
	t, err := f.Tree(context.Background())
	if err != nil {
		return nil, err
	}
	if img.tree, err = t.FS(); err != nil {
		return nil, err
	}
	return img.tree, nil
}
