// Package compress writes and reads compressed streams, on all cores: gzip, xz and bzip2 as image
// files use them, and zstd for reading.
//
//	w, err := compress.NewWriter(file, compress.Gzip, compress.Options{})
//	_, err = io.Copy(w, stream)
//	err = w.Close()
//
//	r, format, err := compress.NewReader(file, compress.Options{})
//	defer r.Close()
//	_, err = io.Copy(stream, r)
//
// Input is cut into blocks of a fixed size, each is compressed by itself, and the results are
// joined: all three formats allow any number of streams in a row, and the standard programs read
// such files. So the output depends on the input alone, neither on the number of workers nor on
// how the input was divided into calls of Write.
//
// # Gzip
//
// A file is a row of members (RFC 1952) of 4 MiB of input each, the last may be shorter. The
// header of each tells its compressed length, by which readers find the next member without
// decoding this one; FORMAT.md describes it. Encoder and decoder are our own, see the package
// deflate. Members of 4 MiB cost 0.05 % of size on a Debian root, against one member; 8 MiB,
// 0.03 %.
//
// Readers take any other gzip file too, and files that mix both kinds of members. Such members are
// decoded on one core, a piece of up to 1 MiB of output ahead of the caller.
// Zeros may follow the last member, and the last stream of bzip2; anything else is an error, where
// gzip(1) and bzip2(1) only warn.
//
// # Limits
//
// Memory of writers and readers depends on the number of workers W, not on the data:
//
//	gzip    writing (W+2)·8 MiB + W·5 MiB, reading (W+2)·8 MiB, and 3 MiB for files of others
//	bzip2   writing (W+2)·20 MiB + W·30 MiB, reading 4 MiB
//	xz      writing (W+2)·16 MiB + W·72 MiB, reading what was unpacked, up to the dictionary
//	zstd    reading the window
//
// These are upper bounds of live memory, for data that does not compress; garbage of the xz and
// bzip2 encoders adds up to as much again, unless a limit is set (GOMEMLIMIT). Windows and
// dictionaries are counted against the budget in [Options]: data that reaches back farther than
// there is room for is refused with [ErrMemory]. By default a window can have 512 MiB, and a
// dictionary 256 MiB. Only gzip files of our own are read in parallel.
//
// No goroutine outlives the block or piece that it works on: abandoning a writer or a reader leaks
// nothing.
package compress
