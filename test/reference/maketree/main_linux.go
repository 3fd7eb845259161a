// Maketree fills and changes the datasets that reference streams are made of. It runs beside a
// mounted ZFS, in the guest or next to zfs-fuse, so it is built without cgo.
//
//	maketree [-xattrs] [-acl] [-punch] [-ascii] [-bits31] make KIND DIRECTORY
//	maketree [same flags] remove ROUND DIRECTORY   free objects, for others to take their numbers
//	maketree [same flags] add ROUND DIRECTORY      change what is left, and make new files
//	maketree volume ROUND DEVICE                   write, overwrite and discard blocks
//
// The kinds are all (every type of file, some 300 names), data (contents and holes alone), few (a
// dozen names), fat (a directory of 3,000 names) and case (names that differ in case). Removing and
// adding work on whatever is there; the same arguments do the same anywhere. Rounds count from 2.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
)

func main() {
	var opts options
	flag.BoolVar(&opts.xattrs, "xattrs", false, "set extended attributes")
	flag.BoolVar(&opts.acl, "acl", false, "set POSIX ACLs")
	flag.BoolVar(&opts.punch, "punch", false, "punch holes into files")
	flag.BoolVar(&opts.ascii, "ascii", false, "use no names outside of ASCII")
	flag.BoolVar(&opts.bits31, "bits31", false, "use no owners and times above 31 bits")
	flag.Parse()
	if flag.NArg() != 3 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(opts, flag.Arg(0), flag.Arg(1), flag.Arg(2)); err != nil {
		fmt.Fprintln(os.Stderr, "maketree:", err)
		os.Exit(1)
	}
}

func run(opts options, verb, what, where string) error {
	if verb == "make" {
		return makeTree(opts, what, where)
	}
	round, err := strconv.Atoi(what)
	if err != nil {
		return err
	}
	switch verb {
	case "remove":
		return removeRound(where, round)
	case "add":
		return addRound(opts, where, round)
	case "volume":
		return writeVolume(where, round)
	}
	return errors.New("no such verb: " + verb)
}
