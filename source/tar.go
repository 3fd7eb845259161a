package source

import (
	"archive/tar"
	"io"
	"path"
	"strings"

	"imagetools/source/magic"
	"imagetools/tree/fromoci"
)

// maxMembers is how many members of a tar are looked at.
const maxMembers = 1000

// sniffTar tells a root file system from the archive of a container image, and from one that holds
// a disk, a stream or another packing with nothing but files about it.
func sniffTar(r io.Reader, f *Finding, depth int) *Finding {
	f.Kind = Tree
	if depth == 0 {
		return f
	}
	look := tarLook{finding: f, depth: depth}
	archive := tar.NewReader(r)
	for range maxMembers {
		hdr, err := archive.Next()
		if err == io.EOF {
			return look.result(true)
		}
		if err != nil || !look.member(hdr, archive) {
			return look.result(false)
		}
	}
	return look.result(false)
}

// tarLook is what is known of a tar so far.
type tarLook struct {
	finding   *Finding
	depth     int
	container fromoci.Recogniser
	disks     []member // contents that are no files about a disk
	appliance bool
	root      bool // it is a root file system
}

// member is one with a content of its own.
type member struct {
	name string
	*Finding
}

// member looks at a member, and tells whether to go on.
func (l *tarLook) member(hdr *tar.Header, content io.Reader) bool {
	name := strings.Trim(path.Clean("/"+hdr.Name), "/")
	if l.container.Member(hdr.Name); l.container.Open() {
		return true
	}
	if l.container.IsArchive(false) {
		return false
	}
	first, _, nested := strings.Cut(name, "/")
	switch hdr.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		if nested && rootDirs[first] || first == ".dockerenv" {
			l.root = true
			return false
		}
	case tar.TypeDir:
		l.root = rootDirs[name]
		return !l.root
	default: // nobody puts links and devices beside a disk
		l.root = true
		return false
	}
	in := sniff(content, nil, l.depth-1)
	if !in.Packed() && fixedName(name) && (in.Kind == Unknown || in.Kind == Nothing) {
		in.Kind, in.Certain = Disk, false
	}
	l.appliance = l.appliance || in.Format.ID == "ovf" || strings.HasSuffix(name, ".ovf") || name == "ova.xml"
	if in.Kind == Disk || in.Kind == Disks || in.Kind == Stream {
		l.disks = append(l.disks, member{name, in})
	}
	return true
}

// result is what the members make; whole says that all were looked at.
func (l *tarLook) result(whole bool) *Finding {
	f := l.finding
	f.Appliance = l.appliance
	switch {
	case l.root:
	case l.container.IsArchive(whole):
		f.Kind = Container
	case len(l.disks) == 1:
		d := l.disks[0]
		in := *d.Finding
		in.Packing = append(append(f.Packing, Packing{Format: f.Format, Member: d.name}), d.Packing...)
		in.Appliance = l.appliance
		return &in
	case len(l.disks) > 1:
		f.Kind = Disks
		f.Packing = append(f.Packing, Packing{Format: f.Format})
		for _, d := range l.disks {
			f.Members = append(f.Members, d.name)
		}
	case l.appliance:
		f.Kind = Foreign
		f.Format = magic.Format{Class: magic.Archive, ID: "ova", Name: "an appliance"}
	}
	return f
}

// rootDirs are the directories at the top of a root file system, or of a dataset with one.
var rootDirs = map[string]bool{}

func init() {
	for name := range strings.FieldsSeq("bin boot dev etc home lib lib32 lib64 libx32 media mnt native opt " +
		"proc root run sbin srv sys system tmp usr var rootfs") {
		rootDirs[name] = true
	}
}

// fixedName tells whether a name in an archive says that its content is a raw disk.
func fixedName(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".raw", ".img":
		return true
	}
	return false
}
