package magic

// strong are magic numbers of four bytes and more that no boot sector begins with.
var strong = []entry{
	// Disks with a header of their own.
	{0, "QFI\xfb\x00\x00\x00\x02", Format{Disk, "qcow2", "a qcow2 disk"}},
	{0, "QFI\xfb\x00\x00\x00\x03", Format{Disk, "qcow2", "a qcow2 disk"}},
	{0, "QFI\xfb\x00\x00\x00\x01", Format{Disk, "qcow", "a qcow disk"}},
	{0, "QFI\xfb", Format{Disk, "qcow2-later", "a qcow2 disk of a later version"}},
	{0, "KDMV", Format{Disk, "vmdk", "a vmdk disk"}},
	{0, "# Disk DescriptorFile", Format{Disk, "vmdk-flat", "the descriptor of a vmdk disk"}},
	{0, "COWD", Format{Disk, "cowd", "a COWD disk of ESX"}},
	{0, "conectix", Format{Disk, "vhd", "a vhd disk"}},
	{0, "vhdxfile", Format{Disk, "vhdx", "a vhdx disk"}},
	{0, "QED\x00", Format{Disk, "qed", "a qed disk"}},
	{0, "WithoutFreeSpace", Format{Disk, "parallels", "a Parallels disk"}},
	{0, "WithouFreSpacExt", Format{Disk, "parallels", "a Parallels disk"}},
	{0, "\x3a\xff\x26\xed\x01\x00", Format{Disk, "android-sparse", "an Android sparse image"}},
	{0, "#!/bin/sh\n#V2.0 Format\n", Format{Disk, "cloop", "a cloop disk"}},
	{0, "VMA\x00\x00\x00\x00\x01", Format{Archive, "vma", "a Proxmox VMA archive"}},
	{0, "partclone-image", Format{Archive, "partclone", "a partclone image"}},
	{0, "LUKS\xba\xbe", Format{Encrypted, "luks", "a LUKS volume"}},

	// Archives.
	{0, "PK\x03\x04", Format{Archive, "zip", "a ZIP archive"}},
	{0, "PK\x05\x06", Format{Archive, "zip", "an empty ZIP archive"}},
	{0, "PK\x07\x08", Format{Archive, "zip", "a ZIP archive"}},
	{0, "7z\xbc\xaf\x27\x1c", Format{Archive, "7z", "a 7z archive"}},
	{0, "Rar!\x1a\x07", Format{Archive, "rar", "a RAR archive"}},
	{0, "!<arch>\ndebian-binary", Format{Archive, "deb", "a Debian package"}},
	{0, "!<arch>\n", Format{Archive, "ar", "an ar archive"}},
	{0, "\xed\xab\xee\xdb", Format{Archive, "rpm", "an RPM package"}},
	{0, "070701", Format{Archive, "cpio", "a cpio archive"}},
	{0, "070702", Format{Archive, "cpio", "a cpio archive"}},
	{0, "070707", Format{Archive, "cpio", "a cpio archive"}},
	{0, "xar!", Format{Archive, "xar", "a xar archive"}},
	{0, "MSCF\x00\x00\x00\x00", Format{Archive, "cab", "a cabinet archive"}},
	{0, "MSWIM\x00\x00\x00", Format{Archive, "wim", "a WIM archive"}},
	{0, "# PaCkAgE DaTaStReAm\n", Format{Archive, "svr4", "an SVR4 package"}},

	// Packings.
	{0, "\x04\x22\x4d\x18", Format{Packing, "lz4", "an lz4 file"}},
	{0, "\x02\x21\x4c\x18", Format{Packing, "lz4", "an lz4 file"}},
	{0, "LZIP\x01", Format{Packing, "lzip", "an lzip file"}},
	{0, "\x89LZO\x00\r\n\x1a\n", Format{Packing, "lzop", "an lzop file"}},
	{0, "LRZI", Format{Packing, "lrzip", "an lrzip file"}},
	{0, "\xff\x06\x00\x00sNaPpY", Format{Packing, "snappy", "a snappy file"}},
	{0, "\x25\xb5\x2f\xfd", Format{Packing, "zstd-old", "a zstd file of a version before 1.0"}},
	{0, "\x26\xb5\x2f\xfd", Format{Packing, "zstd-old", "a zstd file of a version before 1.0"}},
	{0, "\x27\xb5\x2f\xfd", Format{Packing, "zstd-old", "a zstd file of a version before 1.0"}},

	// Documents.
	{0, "\x7fELF", Format{Document, "elf", "an ELF program"}},
	{0, "%PDF-", Format{Document, "pdf", "a PDF document"}},
	{0, "SQLite format 3\x00", Format{Document, "sqlite", "an SQLite database"}},
	{0, "** This file contains an SQLite 2", Format{Document, "sqlite2", "an SQLite 2 database"}},
	{0, "\x89PNG\r\n\x1a\n", Format{Document, "png", "a PNG picture"}},
	{0, "\xff\xd8\xff", Format{Document, "jpeg", "a JPEG picture"}},
}

// weak are magic numbers of two or three bytes, or such that boot code may lie over.
var weak = []entry{
	{0, "\x1f\x8b", Format{Packing, "gzip-other", "a gzip file with an unknown method"}},
	{0, "\x1f\x9d", Format{Packing, "compress", "a file of compress (.Z)"}},
	{0, "\x1f\xa0", Format{Packing, "compress", "a file of compress -H (.Z)"}},
	{0, "\x1f\x1e", Format{Packing, "pack", "a file of pack (.z)"}},
	{0, "\xc7\x71", Format{Archive, "cpio", "a cpio archive in binary"}},
	{0, "\x71\xc7", Format{Archive, "cpio", "a cpio archive in binary"}},
}

// fileSystems are told by magic numbers behind the place of a boot sector.
var fileSystems = []entry{
	{0, "XFSB", Format{FileSystem, "xfs", "an XFS file system"}},
	{0, "hsqs", Format{FileSystem, "squashfs", "a squashfs file system"}},
	{0, "\x45\x3d\xcd\x28", Format{FileSystem, "cramfs", "a cramfs file system"}},
	{0, "-rom1fs-", Format{FileSystem, "romfs", "a romfs file system"}},
	{3, "NTFS    ", Format{FileSystem, "ntfs", "an NTFS file system"}},
	{3, "EXFAT   ", Format{FileSystem, "exfat", "an exFAT file system"}},
	{3, "-FVE-FS-", Format{FileSystem, "bitlocker", "a BitLocker volume"}},
	{54, "FAT12   ", Format{FileSystem, "fat", "a FAT file system"}},
	{54, "FAT16   ", Format{FileSystem, "fat", "a FAT file system"}},
	{82, "FAT32   ", Format{FileSystem, "fat", "a FAT file system"}},
	{32, "NXSB", Format{FileSystem, "apfs", "an APFS container"}},
	{512, "LABELONE", Format{FileSystem, "lvm", "an LVM physical volume"}},
	{1024, "\x10\x20\xf5\xf2", Format{FileSystem, "f2fs", "an F2FS file system"}},
	{1024, "\xe2\xe1\xf5\xe0", Format{FileSystem, "erofs", "an EROFS file system"}},
	{1024, "H+\x00\x04", Format{FileSystem, "hfs+", "an HFS+ file system"}},
	{4086, "SWAPSPACE2", Format{FileSystem, "swap", "a swap area"}},
	{4096, "\xfc\x4e\x2b\xa9", Format{FileSystem, "md", "a member of a Linux RAID"}},
	{8192 + 1372, "\x54\x19\x01\x00", Format{FileSystem, "ufs", "a UFS file system"}},
	{65536 + 1372, "\x19\x01\x54\x19", Format{FileSystem, "ufs2", "a UFS2 file system"}},
	{32768, "JFS1", Format{FileSystem, "jfs", "a JFS file system"}},
	{65536 + 52, "ReIsEr", Format{FileSystem, "reiserfs", "a ReiserFS file system"}},
	{65536 + 64, "_BHRfS_M", Format{FileSystem, "btrfs", "a btrfs file system"}},
}

// optical is the medium of an installation: it has a file system whatever lies before it.
var optical = []entry{
	{32769, "CD001", Format{FileSystem, "iso", "an ISO 9660 medium"}},
	{32769, "BEA01", Format{FileSystem, "udf", "a UDF medium"}},
}
