// Package objset collects the records of send streams into object sets. An object set has the objects of
// a snapshot, the contents of their dnodes, and the places of their blocks.
//
//	x := objset.New(objset.Options{})
//	err := x.Read(stream.NewReader(in), objset.InPlace{ReaderAt: f}, nil)
//	s := x.Snapshots()[0]
//	o := s.Object(1)
//	n, err := x.Data(o).ReadAt(p, 0)
//
// Streams are applied as a receiver applies them. An incremental stream starts from the objects of its
// source, if that was read before from the same package or an earlier stream. All snapshots remain
// available: object sets share what did not change.
//
// Metadata (directories, tables, ACLs) is held in memory. File contents stay in a [Store]: the stream
// itself if it can be read at any offset, otherwise a spool. Without a store, everything except contents
// is available.
//
// Package zpl knows what the objects mean.
//
// # Memory
//
// About 200 bytes for each object, and a third of the blocks of its directory, less than the records that
// name them. [Options] limit it.
//
// Source of the rules: dmu_recv.c of illumos and OpenZFS, as facts.
package objset
