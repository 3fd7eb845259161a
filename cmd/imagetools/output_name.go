package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"imagetools/compress"
	"imagetools/internal/cli"
	"imagetools/internal/shell"
)

// What the names of outputs promise, by their endings.
var (
	packedNames = map[string]compress.Format{
		".gz": compress.Gzip, ".tgz": compress.Gzip, ".bz2": compress.Bzip2, ".tbz": compress.Bzip2, ".tbz2": compress.Bzip2,
		".xz": compress.XZ, ".txz": compress.XZ, ".zst": compress.Zstd, ".tzst": compress.Zstd,
	}
	otherNames = map[string]string{
		".qcow2": "a qcow2 disk", ".qcow": "a qcow disk", ".vmdk": "a vmdk disk", ".vhd": "a vhd disk", ".vhdx": "a vhdx disk", ".vdi": "a vdi disk",
		".qed": "a qed disk", ".ova": "an appliance", ".ovf": "an appliance", ".iso": "an ISO 9660 medium", ".zip": "a ZIP archive", ".7z": "a 7z archive",
		".rar": "a RAR archive", ".cpio": "a cpio archive", ".lz4": "an lz4 file", ".lzma": "an lzma file", ".lz": "an lzip file", ".lzo": "an lzop file",
		".z": "a file of compress (.Z)", ".deb": "a Debian package", ".rpm": "an RPM package", ".json": "a manifest", ".mtree": "a METALOG",
		".tar": "a tar archive", ".raw": "a raw disk", ".img": "a raw disk", ".zfs": "a ZFS send stream", ".zvol": "a ZFS send stream",
		".squashfs": "a squashfs file system",
	}
)

// outputFile is a file to be written, and what it will hold.
type outputFile struct {
	flag   string
	path   string
	format compress.Format
	what   string            // as in otherNames
	hint   map[string]string // commands that make what endings promise of standard output; %s is the file
}

// check refuses a name that promises another format than the file will have. Standard output has
// no name.
func (o *outputFile) check() error {
	if o.path == "" || o.path == "-" {
		return nil
	}
	ending := strings.ToLower(filepath.Ext(o.path))
	packed, isPacked := packedNames[ending]
	switch {
	case isPacked && packed != o.format:
		promised := fmt.Sprintf("compressed with %s", packed)
		return o.refuse(ending, promised)
	case isPacked:
		inner := strings.ToLower(filepath.Ext(strings.TrimSuffix(o.path, filepath.Ext(o.path))))
		if what, known := otherNames[inner]; known && what != o.what {
			return o.refuse(inner, what)
		}
	case otherNames[ending] != "" && otherNames[ending] != o.what:
		return o.refuse(ending, otherNames[ending])
	}
	return nil
}

func (o *outputFile) refuse(ending, promised string) error {
	have := o.what
	if o.format != compress.None {
		have += " compressed with " + o.format.String()
	}
	err := cli.Usagef("%s %q: the name says %s, and the file would be %s", o.flag, o.path, promised, have)
	if hint := o.hint[ending]; hint != "" {
		return cli.Hint(err, fmt.Sprintf(hint, shell.Quote(o.path)))
	}
	return err
}

// tarHints and rawHints make other formats of what extract and prepare write.
func tarHints(flag string) map[string]string {
	to := flag + " - | "
	return map[string]string{
		".gz": to + "gzip > %s", ".tgz": to + "gzip > %s", ".bz2": to + "bzip2 > %s", ".tbz": to + "bzip2 > %s", ".tbz2": to + "bzip2 > %s",
		".xz": to + "xz > %s", ".txz": to + "xz > %s", ".zst": to + "zstd > %s", ".tzst": to + "zstd > %s",
	}
}

func rawHints() map[string]string {
	hints := tarHints("--raw")
	for ending, format := range map[string]string{".qcow2": "qcow2", ".vmdk": "vmdk", ".vhd": "vpc", ".vhdx": "vhdx", ".vdi": "vdi", ".qed": "qed", ".qcow": "qcow"} {
		hints[ending] = "--raw disk.raw, then: qemu-img convert -f raw -O " + format + " disk.raw %s"
	}
	return hints
}

// checkOutputDir refuses a name that means a file, or standard output, where a directory is
// written.
func checkOutputDir(flag, dir string) error {
	if dir == "-" {
		return cli.Hint(cli.Usagef("%s -: a directory is written, which cannot be standard output", flag), "name a directory; one of this name is ./-")
	}
	what := otherNames[strings.ToLower(filepath.Ext(dir))]
	if packed, ok := packedNames[strings.ToLower(filepath.Ext(dir))]; ok {
		what = fmt.Sprintf("a file compressed with %s", packed)
	}
	if info, err := os.Stat(dir); what == "" || err == nil && info.IsDir() {
		return nil
	}
	return cli.Hint(cli.Usagef("%s %q: the name says %s, and a directory is written", flag, dir, what), "name a directory; one of this name must exist before")
}
