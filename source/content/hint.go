package content

import (
	"cmp"
	"fmt"
	"strings"

	"imagetools/fault"
	"imagetools/internal/shell"
	"imagetools/source/content/magic"
)

// NotDiskError says that a source, which should be a disk, is recognised as something else.
type NotDiskError struct {
	Name    string // of the file
	Finding *Finding
}

// Error names what the source is.
func (e *NotDiskError) Error() string {
	text := fmt.Sprintf("%q: %v, not a disk", e.Name, e.Finding)
	if e.Finding.Kind == Disks {
		text = fmt.Sprintf("%q: %v, not one: %s", e.Name, e.Finding, list(e.Finding.Members))
	}
	return text
}

// Hint is the command that helps.
func (e *NotDiskError) Hint() string {
	if e.Finding.Kind == Tree {
		return ""
	}
	return Hint(e.Name, e.Finding)
}

// WayOut is WayTree for a root file system.
func (e *NotDiskError) WayOut() (fault.Way, []string) {
	if e.Finding.Kind == Tree {
		return WayTree, nil
	}
	return fault.Way{}, nil
}

// Ways out of a source that is something else.
var (
	WayTree   = fault.NewWay("content.tree")   // make an image of a root file system, not of a disk
	WayMibe   = fault.NewWay("content.mibe")   // use the directory as an overlay: one argument
	WayLevel  = fault.NewWay("content.level")  // use the directory as the source, or the one that was named as it is: one argument
	WayUnpack = fault.NewWay("content.unpack") // unpack the archive, or use it as it is
)

// NotReadError says that a source is recognised as something that this program does not read.
type NotReadError struct {
	Name    string // of the file
	Finding *Finding
}

// Error names what the source is.
func (e *NotReadError) Error() string {
	if e.Finding.Kind == Disks {
		return fmt.Sprintf("%q: %v, not one: %s", e.Name, e.Finding, list(e.Finding.Members))
	}
	return fmt.Sprintf("%q: %v, not a root file system, an image or a disk", e.Name, e.Finding)
}

// Hint is the command that helps.
func (e *NotReadError) Hint() string {
	return cmp.Or(Hint(e.Name, e.Finding), "name a directory, a tar, a container image, an image or a disk")
}

// stdin stands for standard input in messages.
const stdin = "standard input"

// list names the first members of an archive.
func list(members []string) string {
	const most = 10
	var out []string
	for i, m := range members {
		if i == most {
			out = append(out, fmt.Sprintf("and %d more", len(members)-most))
			break
		}
		out = append(out, fmt.Sprintf("%q", clip(m)))
	}
	return strings.Join(out, ", ")
}

// Hint is the command that makes of a file what can be read; empty if none is known.
func Hint(name string, f *Finding) string {
	if name == stdin {
		name = "FILE"
	}
	compressed, last := f.Packing, tools[f.Format.ID]
	for i, p := range f.Packing {
		if p.Format.Class != magic.Packed {
			compressed, last = f.Packing[:i], tool{"tar -xf %s", true}
			if p.Member != "" {
				last.command += " " + shell.Quote(strings.ReplaceAll(clip(p.Member), "%", "%%"))
			}
			if i == 1 { // tar knows it
				compressed = nil
			}
			break
		}
	}
	command := decompress(name, compressed)
	switch {
	case last.command == "" && command == "":
		return ""
	case last.command == "":
		command += " > FILE"
	case command == "":
		command = fmt.Sprintf(last.command, shell.Quote(name))
	case last.pipe:
		command += " | " + fmt.Sprintf(last.command, "-")
	default:
		command += " > FILE && " + fmt.Sprintf(last.command, "FILE")
	}
	return "unpack it first: " + command
}

// decompress is the pipe of commands that undoes packings.
func decompress(name string, packings []Packing) string {
	var commands []string
	for i, p := range packings {
		command := p.Format.ID + " -dc"
		if i == 0 {
			command += " " + shell.Quote(name)
		}
		commands = append(commands, command)
	}
	return strings.Join(commands, " | ")
}

// tool is a command that unpacks a file.
type tool struct {
	command string
	pipe    bool // it can read standard input, as the file "-"
}

// tools are those for formats that this program does not read.
var tools = map[string]tool{
	"lzma": {"xz -dc --format=lzma %s > FILE", true}, "lz4": {"lz4 -dc %s > FILE", true}, "lzip": {"lzip -dc %s > FILE", true},
	"lzop": {"lzop -dc %s > FILE", true}, "lrzip": {"lrzip -d %s", false}, "compress": {"gzip -dc %s > FILE", true},
	"pack": {"gzip -dc %s > FILE", true}, "zstd-old": {"zstd -dc %s > FILE", true}, "snappy": {"snzip -dc %s > FILE", false},
	"gzip": {"gzip -dc %s > FILE", true}, "bzip2": {"bzip2 -dc %s > FILE", true}, "xz": {"xz -dc %s > FILE", true}, "zstd": {"zstd -dc %s > FILE", true},
	"zip": {"unzip %s", false}, "7z": {"7z x %s", false}, "rar": {"unrar x %s", false}, "xar": {"xar -xf %s", false},
	"ar": {"ar x %s", false}, "deb": {"dpkg-deb -x %s DIR", false}, "rpm": {"rpm2archive %s", false}, "cab": {"cabextract %s", false},
	"cpio": {"cpio -id < %s", false}, "wim": {"wimlib-imagex apply %s 1 DIR", false}, "svr4": {"pkgtrans %s DIR all", false},
	"vma": {"vma extract %s DIR", false}, "partclone": {"partclone.restore -C -s %s -O disk.raw", false}, "ova": {"tar -xf %s", true},
}
