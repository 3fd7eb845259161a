package image

import (
	"path"
	"strings"

	"imagetools/zfs/zpl"
)

// What an image had better not hold: what vmadm writes beside root/, keys, what users typed,
// and marks of a zone that was provisioned.

// privateName tells whether files of a name may be private wherever they are; the path
// decides.
func privateName(name string) bool {
	switch name {
	case "metadata.json", "tags.json", "machine-id", "provisioning", "provision_success", "known_hosts", ".lesshst", ".viminfo", "identity":
		return true
	}
	return strings.HasPrefix(name, "ssh_host_") || strings.HasPrefix(name, "id_") ||
		strings.HasPrefix(name, ".") && strings.HasSuffix(name, "history")
}

// idLength is what a file with a machine id has at least: 32 digits. Placeholders that are
// filled at boot are shorter.
const idLength = 32

// leak tells why a file is better not in an image, empty if it may be.
func leak(p string, size uint64) string {
	dir, name := path.Split(p)
	under, inRoot := strings.CutPrefix(p, "root/")
	key := !strings.HasSuffix(name, ".pub")
	switch {
	case p == "config/metadata.json" || p == "config/tags.json":
		return "metadata of the zone that the image was made from: it may hold keys and passwords"
	case inRoot && (under == "var/svc/provisioning" || under == "var/svc/provision_success"):
		return "a mark of provisioning, which a new zone must not start with"
	case size == 0:
		return ""
	case inRoot && (under == "etc/machine-id" || under == "var/lib/dbus/machine-id"):
		if size < idLength {
			return ""
		}
		return "the id of a machine, which all zones made from the image would share"
	case !inRoot:
		return ""
	case strings.HasPrefix(name, "ssh_host_"):
		if !key || !strings.HasSuffix(name, "key") || path.Clean(dir) != "root/etc/ssh" && path.Clean(dir) != "root/var/ssh" {
			return ""
		}
		return "a private host key, which all zones made from the image would share"
	case strings.HasSuffix(dir, "/.ssh/"):
		switch {
		case name == "known_hosts":
			return "hosts that a user was connected to"
		case key && (strings.HasPrefix(name, "id_") || name == "identity"):
			return "a private key of a user"
		}
	case name == ".lesshst" || name == ".viminfo" || strings.HasPrefix(name, ".") && strings.HasSuffix(name, "history"):
		return "a history of what a user did"
	}
	return ""
}

// leaks tells of private files.
func (im *imageVerifier) leaks(c checkedFS) {
	for _, f := range c.found {
		if why := leak(f.Path, f.Znode.Size); why != "" {
			im.inFS(c, zpl.Warning, f.Path, "%s", why)
		}
	}
}
