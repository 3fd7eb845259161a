// Package stream reads and writes the records of ZFS send streams.
//
//	r := stream.NewReader(bufio.NewReader(f))
//	for {
//		rec, err := r.Next()
//		if err == io.EOF { break }
//		...
//		switch rec := rec.(type) {
//		case *stream.Object: bonus, err := io.ReadAll(r) ...
//		case *stream.Write:  ...
//		}
//	}
//
// A stream is a sequence of records of 312 bytes, each perhaps followed by a payload. It
// starts with BEGIN and ends with END. A compound stream (zfs send -R, -p, -I) wraps
// several of those between a BEGIN with an nvlist payload and a last, empty END.
//
// The [Reader] takes both byte orders, verifies every checksum and keeps to the limits of
// the format. The [Writer] writes records in either order and fills in the checksums. The
// [Checker] knows what receivers silently rely on; whoever writes a stream runs each record
// past it, since kernels trust what they receive.
//
// The package knows records only: what objects mean is told by package zpl. It opens no
// files and starts no goroutines.
//
// Source of the format: sys/zfs_ioctl.h (dmu_replay_record) and dmu_send.c of illumos and
// OpenZFS, as facts.
package stream
