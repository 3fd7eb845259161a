package main

import (
	"imagetools/base"
	"imagetools/base/zone"
	"imagetools/build"
	"imagetools/fault"
	"imagetools/host"
	"imagetools/image"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/prepare"
	"imagetools/seed"
	"imagetools/source"
	"imagetools/source/content"
	"imagetools/tree/fromoci"
	"imagetools/tree/fromoci/registry"
	treesource "imagetools/tree/source"
	"imagetools/zfs/filter"
)

// ways are the hints for the ways out of faults that packages below know by name: here it is known
// which flag or command takes each.
var ways = map[fault.Way]string{
	base.WayConfig:     "name the CONFIG: --edit 2024Q4-x86_64, or another BRANCH-ARCH",
	edit.WayRoot:       "a dataset has it in root/; without --as-dataset SOURCE is what is in it",
	image.WayCreate:    "use create-image to make an image of a directory or a tar",
	image.WayVolume:    "use inspect to see what it is, or cat without a PATH to print a volume",
	image.WayFile:      "use a PATH to name a file in a file system",
	image.WayStructure: "the stream is raw; use inspect or verify, which need no key",
	image.WayStdin:     "use \"-\" for standard input",
	image.WayOrigin:    "use --origin to name the image with the snapshot of guid %s",

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
	treesource.WayOwners:    "use --owners disk to keep the owners, remove the set-id bit, or name the owner in a METALOG",
	treesource.WayRoom:      "use --tmpdir to choose a larger place for temporary data",
	zone.WayCACert:          "use --cacert FILE to give the zone root certificates to begin with",
	zone.WayKit:             "use -d to give the date in the name of a kit, or --bootstrap to name another URL or a file",
	zone.WayTrust:           "use --cacert FILE to name root certificates to trust",

	source.WayDataset:      "there is no dataset %q in the store %q either; --store names another, --pool a ZFS pool",
	source.WayPath:         "name the path with ./ before it, or the dataset by its path",
	source.WayPool:         "with --pool %s it is the ZFS dataset; name a folder with ./ before it",
	source.WayMachine:      "%s is the virtual machine; --pool or ./ before a path say that it is not meant",
	source.WayStop:         "stop it first: vmadm stop %s",
	source.WayOrigin:       "imagetools flatten --origin names it",
	source.WayOriginGUID:   "imagetools flatten --origin names the image with the snapshot of guid %s; it is found if its manifest lies beside that of the increment",
	source.WayTransport:    "a file whose name begins like that is named with ./ before it",
	source.WayRegistry:     "it is docker://HOST/REPOSITORY:TAG, such as docker://debian:12",
	source.WayContainer:    "use %s",
	source.WayContainerTar: "make a tar of that directory, unpacked, and use %s-archive:FILE",

	build.WayNameVersion: "the first argument is NAME-VERSION, such as web-1.0",
	build.WayUTF8:        "iconv -f latin1 -t utf8 recodes a text",
	build.WayDir:         "-o names another folder",
	build.WayForce:       "--force replaces it, -o names another folder",
	build.WayCreated:     "SOURCE_DATE_EPOCH must not be before the origin",
	build.WaySize:        "--size makes the volume larger; a disk is only made smaller inside the machine",
	build.WayOrigins:     "--origin can be given several times: all images that it builds on, the full one first",
	build.WayFlatten:     "imagetools flatten makes one full image of them",
	build.WayIncremental: "of a virtual machine, --incremental leaves out what its own image has",
	build.WayDestroy:     "zfs destroy %s",
	build.WayHalt:        "halt it first: zoneadm -z %s halt",
	build.WayPrepare:     "imagetools prepare %s does what is to be done; --unprepared makes the image of the zone as it is",
	build.WayProfiles:    "imagetools lx list names all",
	build.WayAsItIs:      "use --lx-profile none to leave the dataset as it is",
}

// credentials tells how to give them.
const credentials = "log in with docker login, or set IMAGETOOLS_REGISTRY_USER and IMAGETOOLS_REGISTRY_PASSWORD"
