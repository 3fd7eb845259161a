// Package zpl writes a tree as the ZFS send stream of a file system, and reads file systems from streams.
// It needs no ZFS.
//
//	plan, err := zpl.NewPlan(ctx, tree, zpl.Options{})
//	...
//	err = plan.Write(ctx, w)
//
//	files, err := zpl.Open(index, snapshot)
//
// The stream depends on the tree and the options only; host, clock, user and number of cores do not
// matter. It is full, plain and uncompressed. It needs no feature beyond pool version 24 (version 23 with
// [Options.Version] 4), so that every ZFS since 2012 receives it.
//
// Contents are read twice. [NewPlan] hashes them, because the first record contains the guid of the
// snapshot, a hash over everything. [Plan.Write] reads them again, and fails with [tree.ErrChanged] if
// they differ. The first 32 MiB of small files are kept from the first reading; before they are written,
// the source checks that the files did not change.
//
// # Objects
//
//   - 1 is the master node, 2 the delete queue, 3 the root directory (zfs-fuse requires that number), and
//     4 to 6 are the tables of system attributes.
//   - Directories and special files follow in walk order, then extended attributes.
//   - Regular files come last, by kind and name: ELF first, then by extension. Similar contents are then
//     close to each other, which helps the compressor.
//
// # Blocks
//
// A file of up to 128 KiB has one block; a larger one has blocks of 128 KiB. Blocks of zeros become
// holes, whether or not they were holes in the source.
//
// # Increments
//
// With [Options.Origin], the tree is compared with a file system that was read. The stream contains what
// differs, and becomes a clone of the origin's snapshot. Rules:
//
//   - A file keeps its object if the origin has one of its type under its name, or under another name with
//     the same size and time.
//   - New files get numbers above all of the origin's. No number is used twice.
//   - Contents are compared block by block. Only blocks that differ are hashed and read again.
//   - Large dnodes keep their slots. A file with blocks of more than 128 KiB gets another object when its
//     contents change. A file that has, or had in an earlier snapshot, several smaller blocks keeps their
//     size.
//   - Only the modification time is compared. Other times, flags and project ids do not make a file
//     different; if something else does, they are those of a new file.
//
// # Memory
//
// About 110 bytes for each file, 20 more for each file that an increment writes or frees, the entries of
// the largest directory, 32 MiB of small files, and up to 8 MiB of buffers.
//
// FORMAT.md describes the format. Source: zfs_znode.h, zfs_sa.c, zfs_acl.c and dmu_send.c of illumos and
// OpenZFS, as facts.
package zpl
