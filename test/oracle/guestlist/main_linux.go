// Guestlist runs beside a mounted ZFS, in the guest or next to zfs-fuse; it is
// built without cgo.
//
//	guestlist [-limit BYTES] DIRECTORY  list as JSON lines, see package listing;
//	                                    leave the contents of larger files unread
//	guestlist DEVICE                    size and hash of a volume, one JSON object
//	guestlist -churn DIRECTORY          change, rename and remove everything in it
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"

	"imagetools/test/oracle/listing"
)

func main() {
	limit := flag.Int64("limit", 0, "leave the contents of files over this many `bytes` unread")
	change := flag.Bool("churn", false, "change and remove everything instead")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	run := func(path string) error { return list(path, *limit) }
	if *change {
		run = churn
	}
	if err := run(flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "guestlist:", err)
		os.Exit(1)
	}
}

func list(path string, limit int64) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	if info.IsDir() {
		opts := listing.DirOptions{SumLimit: limit}
		err = listing.WalkDir(path, opts, func(e listing.Entry) error { return enc.Encode(e) })
	} else {
		err = listVolume(path, enc)
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

func listVolume(dev string, enc *json.Encoder) error {
	f, err := os.Open(dev)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	sum, err := listing.Sum(f, size, []listing.Extent{{Length: size}})
	if err != nil {
		return err
	}
	return enc.Encode(map[string]any{"size": size, "sha256": sum})
}
