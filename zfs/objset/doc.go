// Package objset gathers the records of send streams into object sets: for each snapshot
// its objects, what their dnodes say, and where their blocks lie.
//
//	x := objset.New(objset.Options{})
//	err := x.Read(stream.NewReader(in), objset.InPlace{ReaderAt: f})
//	s := x.Snapshots()[0]
//	o := s.Object(1)
//	data, err := x.Data(o).ReadAt(p, 0)
//
// Streams are applied as a receiver applies them. An incremental stream starts from the
// objects of its source if that was read before, in the same package or an earlier stream;
// every snapshot stays available, since object sets share what did not change.
//
// The data of metadata objects (directories, tables, ACLs) is held in memory. File contents
// stay in a [Store]: the stream itself where it can be read at any place, a spool where it
// cannot. Without a store everything but contents is there.
//
// What objects mean is told by package zpl.
//
// # Memory
//
// About 200 bytes for each object and a third of its directory's blocks, less than the
// records that name them; at most [Options.Limit].
//
// Source of the rules: dmu_recv.c of illumos and OpenZFS, as facts.
package objset
