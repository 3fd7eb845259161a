package content

import (
	"fmt"
	"strings"

	"imagetools/source/content/magic"
)

// Kind is what could be made of a content.
type Kind int

// The kinds.
const (
	Unknown   Kind = iota // data that nothing is known of
	Nothing               // no bytes, or zeros alone
	Tree                  // a root file system in a tar
	Container             // the archive of a container image: OCI, or of docker save
	Stream                // a ZFS send stream
	Disk                  // the disk of a virtual machine
	Disks                 // several of them in an archive
	JSON                  // JSON, such as the manifest of an image
	Foreign               // something else that is recognised, and not read
)

var kindNames = [...]string{"unknown", "nothing", "tree", "container image", "stream", "disk", "disks", "JSON", "foreign"}

// String is the name of the kind.
func (k Kind) String() string { return kindNames[k] }

// Finding is what was recognised.
type Finding struct {
	Kind   Kind
	Format magic.Format // of the innermost content that was looked at
	// Packing is what that is packed in, outermost first.
	Packing []Packing
	// Members are the disks in an archive of several.
	Members []string
	// Certain is false for data that is only taken for a disk since its name in an archive says so.
	Certain bool
	// Appliance says that the archive describes a machine beside its disk, as OVA does.
	Appliance bool
}

// Packing is one layer around a content.
type Packing struct {
	Format magic.Format // of class Packed, Packing, Tar or Archive
	Member string       // of a tar or another archive: the name of what is inside
}

// Packed tells whether the content is packed in anything.
func (f *Finding) Packed() bool { return len(f.Packing) > 0 }

// Compressed tells whether the only packing is one compression that package compress reads.
func (f *Finding) Compressed() bool {
	return len(f.Packing) == 1 && f.Packing[0].Format.Class == magic.Packed
}

// Member is the path of the content in the archive around it, the innermost of several; empty if
// there is none.
func (f *Finding) Member() string {
	for i := len(f.Packing) - 1; i >= 0; i-- {
		if m := f.Packing[i].Member; m != "" {
			return m
		}
	}
	return ""
}

// what names the content alone, with an article.
func (f *Finding) what() string {
	switch {
	case f.Kind == Disks:
		return fmt.Sprintf("%d disks", len(f.Members))
	case f.Kind == Container:
		return "the archive of a container image"
	case f.Format.IsRaw():
		return "a raw disk with " + f.Format.Name
	}
	return f.Format.Name
}

// String names the content and what it is packed in: `a qcow2 disk: "a.qcow2" in a tar archive,
// compressed by gzip`.
func (f *Finding) String() string {
	var b strings.Builder
	b.WriteString(f.what())
	sep := ": "
	for i := len(f.Packing) - 1; i >= 0; i-- {
		switch p := f.Packing[i]; {
		case p.Format.Class == magic.Packed:
			fmt.Fprintf(&b, ", compressed with %s", p.Format.ID)
		case p.Member != "":
			fmt.Fprintf(&b, "%s%q in %s", sep, clip(p.Member), p.Format.Name)
			sep = ", "
		default:
			fmt.Fprintf(&b, " in %s", p.Format.Name)
		}
	}
	return b.String()
}

// clip shortens a name from an archive for a message.
func clip(s string) string {
	const most = 100
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
