// Package stream reads and writes the records of ZFS send streams.
//
//	r := stream.NewReader(bufio.NewReader(f))
//	for {
//		rec, err := r.Next()
//		if err == io.EOF { break }
//		...
//		switch rec := rec.(type) {
//		case *stream.Object: bonus, err := r.Payload() ...
//		case *stream.Write:  ...
//		}
//	}
//
// A stream is a sequence of records of 312 bytes. A payload may follow each of them. A stream starts with
// BEGIN and ends with END. A compound stream (zfs send -R, -p, -I) has several streams between a BEGIN
// with an nvlist payload and a last, empty END.
//
// [Reader] accepts both byte orders, verifies every checksum and enforces the limits of the format.
// [Writer] writes records in either order and computes the checksums. [Checker] knows the rules that
// receivers rely on without checking them. Programs that write a stream should give it each record:
// kernels trust what they receive.
//
// The package knows records only; package zpl knows what objects mean. It opens no files and starts no
// goroutines.
//
// FORMAT.md describes the format. Source: sys/zfs_ioctl.h (dmu_replay_record) and dmu_send.c of illumos
// and OpenZFS, as facts.
package stream
