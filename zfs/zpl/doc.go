// Package zpl writes a file tree as the ZFS send stream of a file system, without ZFS.
//
//	plan, err := zpl.NewPlan(ctx, tree, zpl.Options{})
//	...
//	err = plan.Write(ctx, w)
//
// The stream is a pure function of the tree and the options: host, clock, user and number
// of cores have no part in it. It is full, plain and uncompressed and needs no feature
// beyond pool version 24, so that every ZFS since 2012 receives it; with Version 4, pool
// version 23.
//
// Contents are read twice. [NewPlan] digests them, since the guid of the snapshot, which is
// a hash over everything, stands in the first record; [Plan.Write] reads them again, and
// fails with [tree.ErrChanged] where it finds something else. Of small files, the first 32 MiB
// are kept from the first reading, and their contents only asked whether they changed.
//
// # Objects
//
// 1 is the master node, 2 the delete queue, 3 the root (zfs-fuse insists on it), 4 to 6 the
// tables of system attributes. Then come directories and special files in walk order,
// extended attributes, and regular files by kind and name: ELF first, then by extension,
// which brings alike contents together for the compressor.
//
// # Blocks
//
// A file of up to 128 KiB is one block, a larger one has blocks of 128 KiB. Blocks of zeros
// are holes, whatever they were in the source.
//
// # Increments
//
// With [Options.Origin], the tree is laid over a file system that was read, path by path, and the
// stream holds what differs; it becomes a clone of the origin's snapshot. A file keeps its object
// if the origin has one of its type under its name, or under another one with the same size and
// time. What is new gets numbers behind all of the origin's: none is used a second time. Contents
// are compared as they are read, by the blocks that the file has there, and only what differs is
// digested and read again.
//
// Of large dnodes the slots stay; a file with blocks of more than 128 KiB gets another object when
// its contents change. A file that has, or had in a snapshot below, several smaller blocks keeps
// their size. Times other than the modification time, flags and project ids are not compared, and
// are those of a new file where something else changed.
//
// # Memory
//
// About 110 bytes for each file, 20 more for each that an increment writes or frees, the entries of the largest directory, 32 MiB of small files and
// up to 8 MiB of buffers.
//
// Source of the format: zfs_znode.h, zfs_sa.c, zfs_acl.c and dmu_send.c of illumos and
// OpenZFS, as facts.
package zpl
