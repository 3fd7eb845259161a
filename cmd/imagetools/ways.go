package main

import (
	"imagetools/base"
	"imagetools/base/zone"
	"imagetools/fault"
	"imagetools/host"
	"imagetools/image"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/prepare"
	"imagetools/seed"
	"imagetools/source/content"
	"imagetools/tree/fromoci"
	"imagetools/tree/fromoci/registry"
	"imagetools/tree/source"
	"imagetools/zfs/filter"
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

	content.WayTree:         "create an image of a root file system without --type zvol",
	content.WayMibe:         "create the image from its base image, with --overlay %s; imagetools neither installs its packages nor runs its customize script",
	content.WayLevel:        "use %s as SOURCE, or --as-dataset=false to take the directory as it is",
	content.WayUnpack:       "unpack the archive, as root, and use the directory as SOURCE, or --as-dataset=false to take the archive as it is",
	filter.WayDataset:       "use --dataset to give the dataset a shorter name; receivers look at the snapshot's alone",
	fromoci.WayLimit:        "use --spool-limit to allow more",
	fromoci.WayPlatform:     "use --platform to choose another; there are: %s",
	host.WayMount:           "mount it somewhere, and name that directory, with --as-dataset",
	prepare.WayOS:           "name it: --os smartos or --os linux",
	registry.WayCredentials: credentials,
	registry.WayDenied:      credentials + "; registries answer the same for a name that does not exist",
	registry.WayInsecure:    "use --insecure to allow plain HTTP",
	seed.WayManifest:        "use --manifest to name it, or --without-manifest to leave everything to root",
	seed.WayManifestFile:    "use --manifest to name manifest.gen",
	seed.WayOverlay:         "use --overlay to name the overlay, or --without-overlay if there is none",
	seed.WayProto:           "name a smartos-live tree after 'gmake world', or use --proto to name its install root",
	source.WayOwners:        "use --owners disk to keep the owners, remove the set-id bit, or name the owner in a METALOG",
	source.WayRoom:          "use --tmpdir to choose a larger place for temporary data",
	zone.WayCACert:          "use --cacert FILE to give the zone root certificates to begin with",
	zone.WayKit:             "use -d to give the date in the name of a kit, or --bootstrap to name another URL or a file",
	zone.WayTrust:           "use --cacert FILE to name root certificates to trust",
}

// credentials tells how to give them.
const credentials = "log in with docker login, or set IMAGETOOLS_REGISTRY_USER and IMAGETOOLS_REGISTRY_PASSWORD"
