package content

import (
	"archive/tar"
	"io"
	"path"
	"strings"

	"imagetools/source/content/magic"
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
		if err != nil {
			return look.result(err == io.EOF)
		}
		contents, more := look.header(hdr)
		if contents {
			look.contents(hdr, sniff(archive, nil, depth-1))
		}
		if !more {
			break
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

// header looks at the header of a member. It tells whether the member has contents to look at, and
// whether to go on.
func (l *tarLook) header(hdr *tar.Header) (contents, more bool) {
	if l.container.Member(hdr.Name); l.container.Open() {
		return false, true
	}
	if l.container.IsArchive(false) {
		return false, false
	}
	name := memberName(hdr)
	first, _, nested := strings.Cut(name, "/")
	switch hdr.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		l.root = nested && rootDirs[first] || first == ".dockerenv"
	case tar.TypeDir:
		l.root = rootDirs[name]
		return false, !l.root
	case tar.TypeSymlink, tar.TypeLink:
		l.root = rootDirs[first]
		return false, !l.root
	default: // nobody puts devices beside a disk
		l.root = true
	}
	return !l.root, !l.root
}

// contents takes what the contents of a member are, and tells whether they are a disk.
func (l *tarLook) contents(hdr *tar.Header, in *Finding) (isDisk bool) {
	name := memberName(hdr)
	if !in.Packed() && saysDisk(name) && (in.Kind == Unknown || in.Kind == Nothing) {
		in.Kind, in.Certain = Disk, false
	}
	l.appliance = l.appliance || in.Format.ID == "ovf" || name == "ova.xml"
	if in.Kind == Disk || in.Kind == Disks || in.Kind == Stream {
		l.disks = append(l.disks, member{name, in})
	}
	return in.Kind == Disk
}

// memberName is the path of a member below the root.
func memberName(hdr *tar.Header) string { return strings.Trim(path.Clean("/"+hdr.Name), "/") }

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

// saysDisk tells whether a name in an archive says that its content is a raw disk.
func saysDisk(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".raw", ".img":
		return true
	}
	return false
}
