// Package image creates, opens and verifies SmartOS images. An image is two files: a compressed ZFS
// send stream and the JSON manifest that describes it.
//
//	res, err := image.Create(ctx, tree, image.Options{Dir: "output", Manifest: ...})
//	res, err := image.CreateVolume(ctx, disk, size, image.Options{...})
//	res, err := image.CreateFromStream(ctx, dataset.Send, image.Options{...})
//
//	img, err := image.Open(ctx, "output/web-1.0.json", image.OpenOptions{})
//	files, err := img.FS() // an fs.FS
//
//	res, err := image.Verify(ctx, []string{"output/web-1.0.json"}, image.VerifyOptions{})
//
// # Creating
//
// Both files appear under their names, complete and synced, or neither does. The same input gives
// the same bytes.
//
// # Opening
//
// [Open] takes a manifest, a stream in any compression, or standard input. It finds the manifest
// beside a stream and the origins of an incremental image. [Find] does the same without reading
// streams. [Image] has the files as an [io/fs.FS] and as a tree, and the disk of a volume.
//
// # Limits
//
// An open image takes about 200 bytes of memory per file, and as many again for its files or its
// tree, within [OpenOptions.Budget]. Contents of compressed streams are spooled to a temporary file
// of at most [OpenOptions.SpoolLimit] bytes. A manifest has at most 16 MiB.
//
// The rules for images are those of imgadm and vmadm of SmartOS, as facts.
package image
