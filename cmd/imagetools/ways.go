package main

import (
	"imagetools/base"
	"imagetools/fault"
	"imagetools/image"
	"imagetools/rootfs/edit"
)

// ways are the hints for the ways out of faults that packages below know by name: here it is known
// which flag or command takes each.
var ways = map[fault.Way]string{
	image.WayCreate:    "use create-image to make an image of a directory or a tar",
	image.WayVolume:    "use inspect to see what it is, or cat without a PATH to print a volume",
	image.WayFile:      "use a PATH to name a file in a file system",
	image.WayStructure: "the stream is raw; use inspect or verify, which need no key",
	image.WayStdin:     "use \"-\" for standard input",
	image.WayOrigin:    "use --origin to name the image with the snapshot of guid %s",
	base.WayConfig:     "name the CONFIG: --edit 2024Q4-x86_64, or another BRANCH-ARCH",
	edit.WayRoot:       "a dataset has it in root/; without --as-dataset SOURCE is what is in it",
}
