// Package content finds out what an image could be made of, by the contents of files.
//
//	f, err := content.SniffFile("cloud.tar.gz")
//	switch f.Kind {
//	case content.Disk:
//		fmt.Println(f) // a raw disk with a GPT partition table: "disk.raw" in a tar archive, compressed by gzip
//	case content.Tree:
//		...
//	}
//
// [Sniff] is the one place in which contents are recognised. It looks through compression and
// through archives, as far as this program can open them, and names what it knows and the program
// does not read. Names of files play no part, but for the members of a tar that could be a disk.
//
// # Limits
//
// Of compressed input at most 16 MiB are unpacked to look at it, through at most [MaxNesting]
// packings. Of a tar at most 1000 members are looked at; in a file that is not compressed they are
// found without reading what lies between.
package content
