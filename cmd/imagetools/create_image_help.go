package main

const createImageHelp = `Create-image writes NAME-VERSION.zfs.gz, a compressed ZFS send stream, and NAME-VERSION.json,
its manifest, into the output folder. NAME is everything before the last hyphen, unless
NAME-VERSION is the joined name and version of the manifest of -m or of SOURCE. No ZFS and no
root are needed for a directory, tar or disk, and the same one gives the same bytes on any machine.

SOURCE is one of
  a directory, or a tar (plain, gzip, bzip2, xz or zstd; "-" is standard input): a root file
    system, which lands under root/ as SmartOS expects it; with --as-dataset it is the whole
    dataset
  the image of a container, a root file system too: oci:DIR[:NAME], oci-archive:FILE[:NAME],
    docker-archive:FILE[:NAME], docker://HOST/REPOSITORY[:TAG] or @DIGEST; DIR or FILE alone is
    recognised
  an image: its file, compressed or not, or its manifest, which stands for the file beside it; of
    an increment the images that it builds on must lie in the same folder
  the disk of a virtual machine: qcow2, vmdk, vhd, vdi, or raw with a partition table or a file
    system; compressed, or the only disk in a tar such as an OVA, too; with --type zvol also data
    of an unknown format
  zones/NAME, or a name without a slash: a dataset, whole: one in the ZFS of this host (also
    POOL/NAME, or in --pool), else one in the store (--store)
  the UUID or alias of a virtual machine, on SmartOS: the dataset of its zone, or its first disk

DIRECTORIES AND TARS
A METALOG (mtree) beside a directory, DIR.mtree, is taken for owners, modes and devices, which
then win over the disk; what it does not name belongs to root. Without one, owners are those on
disk, but if all files belong to one user other than root, they are given to root. POSIX ACLs and
other extended attributes are kept under their Linux names.

LINUX
imagetools recognizes the root of a Linux by its files and makes an lx-dataset of it, unless --type,
--os, --brand or -m say otherwise; contradictions among these are refused. It finishes the root for
zones of the brand lx, by the profile that os-release tells, or by --lx-profile, and logs each edit.
"imagetools lx list" has profiles and steps; none leaves the tree as it is, which is so of an image
unless a profile is named. The manifest says the kernel version that zones report, and the platform
that they need. All profiles but Debian's are untried on a real root.

IMAGES OF CONTAINERS
The layers of a container image become one file system, that of a Linux by default an lx-dataset;
how its containers are run is kept in the tags, as imgadm keeps it. Of several platforms --platform
takes one. All digests are checked. Credentials for a registry come from Docker's configuration
(docker login), or from $IMAGETOOLS_REGISTRY_USER and $IMAGETOOLS_REGISTRY_PASSWORD.

IMAGES
An image stays what it is, whole dataset or volume, in a stream written anew; other streams of a
ZFS are read, too. What its manifest says, but for what tells one image from another, is taken
over as from -m, over which -m and flags win. The UUID is a new one.

DISKS
A disk makes a zvol image, NAME-VERSION.zvol.gz, whose volume has its size in whole MiB, or --size.
Holes and zeros take no room. The manifest says virtio drivers and the CPU type host unless flags
or -m do otherwise. Disks that need another file, such as a backing file, are refused, but for the
files beside a flat vmdk. If there is an EFI system partition, --bootrom uefi is suggested.

DATASETS
Of a dataset in ZFS a snapshot is taken, sent and destroyed, whatever happens. The stream is
taken as it is, after a check; datasets below are not in it, and earlier snapshots and a clone's
origin play no part. A volume makes a zvol image, NAME-VERSION.zvol.gz. The zone that a dataset
belongs to must be halted. A snapshot that a killed run left is found by the next one; on a
terminal its removal is offered, --remove-stale removes it unasked.

VIRTUAL MACHINES
Of a virtual machine, which must be stopped, the brand says the type of the image, and the
manifest of the image that it was made of all that is inherited. A zone of brand joyent needs the
platform of this host, but for the classic names, which need an older one. Of a machine with disks
the manifest has the drivers of the first disk and the first interface. A zone in which
imagetools prepare finds something to do is refused; --unprepared takes it as it is. With
--incremental the image holds what differs from the machine's own image, which must be installed
where it is.

INCREMENTS
With --origin the image is an increment on another one: it holds what differs, by content and
attributes of files, large ones by blocks of 128 KiB, and of volumes by theirs. The origin must be
installed where the image is. It is an image with its manifest; those that it builds on itself are
found by the UUIDs in the manifests in its folder, or named by --origin before it. The type is that
of the origin, whose manifest hands down what "imgadm create" hands down. The new snapshot must not
be older than the origin. Datasets in ZFS and virtual machines are sent whole, or by --incremental.

CHANGES ON THE WAY
The root file system of a directory, a tar or an image, also that of a container, can be changed on
the way; SOURCE stays as it is. --overlay lays a folder over it, in which "@NAME@" is a variable
(--var; IMAGE_NAME and IMAGE_VERSION are known). --edit edits files as in base images: all steps for
the CONFIG of its packages (as install-base has it), or those that are named alone, of which --edit
list prints a list. --prepare takes out what must not become part of an image. Each change is told,
and has the time of the newest file, or SOURCE_DATE_EPOCH. Of a base image the variables are those
of its CONFIG; an overlay may then be one that overlay eject wrote.

TIMES AND QUESTIONS
If SOURCE_DATE_EPOCH is set, it is the time of the snapshot and of the manifest, and no file is
later. Else the snapshot has the time of the newest file, or of its origin if that is later, and
that of a disk is of 1970. On a terminal, what no flag, no -m and no built-in text gives is asked
for.

Exit status: 0 done, 1 failed, 2 usage, 130 interrupted. After a failure no file is left.`

const createImageExamples = `  imagetools create-image web-1.0 ./rootfs --description 'Our web server'
  imagetools create-image debian-12.1 rootfs.tar.xz --type lx-dataset -o images
  mmdebstrap --include=systemd-sysv bookworm - | imagetools create-image debian-12.1 - --type lx-dataset
  imagetools create-image app-1.0 docker://registry.example.com/team/app:1.0
  imagetools create-image freebsd-14.2 disk.qcow2 --os bsd --bootrom uefi --size 20G
  xzcat disk.raw.xz | imagetools create-image debian-12.1 - --type zvol --os linux
  imagetools create-image web-1.1 web-1.0.json --exclude root/var/cache/ --overlay ./files --prepare
  imagetools create-image base-64-24.4.2 base-64-24.4.1.json --edit 2024Q4-x86_64,product,hosts
  imagetools create-image base-64-24.4.0 zones/base -m manifest.json
  imagetools create-image web-1.1 ./rootfs --origin output/web-1.0.json
  imagetools create-image web-1.1 new.zfs.gz --origin old.zfs.gz
  imagetools create-image --incremental web-1.1 54f1cc77-68f1-42ab-acac-5c4f64f5d6e0
  imagetools create-image disk-1.0 tank/vm/disk0 -m manifest.json`
