// Package checktest has datasets of which zones can and cannot be made, for the tests of all that
// judge them.
package checktest

import (
	"fmt"
	"strings"
	"testing"

	"imagetools/manifest"
	"imagetools/tree"
)

// Native and LX are what a dataset has at least, of which zones of the native brands and of brand
// lx can be made.
const (
	Native = `
		root/etc/svc/repository.db
		root/var/adm/
		root/var/svc/log/
		root/root/
		root/var/zoneinit/zoneinit.json = {"features": {"var_svc_provisioning": true}}`
	LX = `
		root/sbin/init mode=0755
		root/etc/debian_version`
)

// Case is a dataset.
type Case struct {
	Name, Type, Brand string
	Files             string // see Tree
	Want              string // a line "PATH: MESSAGE" for each finding, with "!" before fatal ones
}

const noNative = ": vmadm refuses to create zones of brand joyent"

// Cases are one of each kind.
var Cases = []Case{
	{Name: "native", Type: manifest.TypeZone, Files: Native},
	{Name: "lx", Type: manifest.TypeLX, Files: LX},
	{Name: "no manifest", Files: "root/x"},
	{Name: "another brand", Type: manifest.TypeZone, Brand: "sngl", Files: "root/x"},

	{Name: "nothing", Type: manifest.TypeZone, Want: "!root: not found: zones will not boot"},
	{Name: "root is a file", Type: manifest.TypeLX, Files: "root", Want: "!root: not a directory: zones will not boot"},
	{Name: "root is a link", Type: manifest.TypeZone, Files: Native + "\nroot -> root2", Want: "!root: not a directory: zones will not boot"},
	{Name: "root at the top", Type: manifest.TypeLX, Files: "etc/passwd\nusr/bin/x",
		Want: "!root: not found: zones will not boot; the root file system is at the top of the dataset, and belongs into root/"},
	{Name: "root under another name", Type: manifest.TypeLX, Files: "rootfs/etc/passwd\nrootfs/usr/bin/x",
		Want: `!root: not found: zones will not boot; the root file system is in "rootfs": use that directory as the source`},
	{Name: "lx of nothing", Type: manifest.TypeLX, Files: "root/", Want: "root: empty: zones will not boot"},
	{Name: "root in root", Type: manifest.TypeZone, Files: strings.ReplaceAll(Native, "root/", "root/root/"),
		Want: `root: no etc in it: zones will not boot; the root file system is in "root/root": use that directory as the source`},
	{Name: "export of a container", Type: manifest.TypeLX, Files: "root/rootfs/etc/debian_version\nroot/rootfs/sbin/init mode=0755\nroot/metadata.yaml",
		Want: `root: no etc in it: zones will not boot; the root file system is in "root/rootfs": use that directory as the source`},
	{Name: "finished export of a container", Type: manifest.TypeLX, Files: "root/rootfs/etc/debian_version\nroot/rootfs/sbin/init mode=0755\nroot/etc/debian_version\nroot/usr/etc/x\nroot/usr/bin/x",
		Want: `root/sbin/init: not found: zones will not boot; the root file system is in "root/rootfs": use that directory as the source`},
	{Name: "root only for root", Type: manifest.TypeLX, Files: LX + "\nroot/ mode=0700", Want: "root: mode 0700: only its owner can reach files in zones; use mode 0755"},
	{Name: "root of a user", Type: manifest.TypeLX, Files: LX + "\nroot/ uid=1000", Want: "root: owner 1000 is not root: that user can replace any file in zones"},

	{Name: "no zoneinit", Type: manifest.TypeZone, Files: without(Native, "root/var/zoneinit/zoneinit.json"),
		Want: "root/var/zoneinit/zoneinit.json: not found" + noNative + "; install the package zoneinit, or start from a seed or base image"},
	{Name: "old zoneinit", Type: manifest.TypeZone, Brand: "builder", Files: without(Native, "root/var/zoneinit/zoneinit.json") + "\nroot/root/zoneinit.d/04-mdata.sh"},
	{Name: "zoneinit behind a link", Type: manifest.TypeZone, Files: strings.ReplaceAll(Native, "var/zoneinit", "opt/zoneinit") + "\nroot/var/zoneinit -> ../opt/zoneinit",
		Want: "root/var/zoneinit/zoneinit.json: /var/zoneinit is a symbolic link" + noNative + "\nroot/var/zoneinit/includes: /var/zoneinit is a symbolic link" + noNative},
	{Name: "zoneinit that is too old", Type: manifest.TypeZone, Files: Native + `
		root/var/zoneinit/zoneinit.json = {"features": {"reboot": true}}`, Want: "root/var/zoneinit/zoneinit.json: features.var_svc_provisioning is not true" + noNative},
	{Name: "zoneinit without features", Type: manifest.TypeZone, Files: Native + "\nroot/var/zoneinit/zoneinit.json = {}",
		Want: "root/var/zoneinit/zoneinit.json: no features.var_svc_provisioning, and 04-mdata.sh not found" + noNative},
	{Name: "zoneinit.json that is none", Type: manifest.TypeZone, Files: Native + "\nroot/var/zoneinit/zoneinit.json = x",
		Want: "root/var/zoneinit/zoneinit.json: not JSON of an object (invalid character 'x' looking for beginning of value)" + noNative},
	{Name: "no repository", Type: manifest.TypeZone, Files: without(Native, "root/etc/svc/repository.db") + "\nroot/etc/",
		Want: "root/etc/svc/repository.db: not found" + noNative + "; create-smf-repo makes one"},
	{Name: "repository elsewhere", Type: manifest.TypeZone, Files: without(Native, "root/etc/svc/repository.db") + "\nroot/etc/svc/repository.db -> /x",
		Want: "root/etc/svc/repository.db: /etc/svc/repository.db is a symbolic link" + noNative},
	{Name: "no var/adm", Type: manifest.TypeZone, Files: without(Native, "root/var/adm/"), Want: "root/var/adm: not found" + noNative},
	{Name: "a link that is written through", Type: manifest.TypeZone, Files: Native + "\nroot/etc/passwd -> /etc/passwd",
		Want: `root/etc/passwd: a link to "/etc/passwd", by which the global zone writes outside of the zone`},
	{Name: "a mount point that is a link", Type: manifest.TypeZone, Files: Native + "\nroot/lib -> usr/lib\nroot/usr/lib/",
		Want: "root/lib: is a symbolic link: zoneadm refuses to boot zones, as it mounts on /lib"},
	{Name: "minimal", Type: manifest.TypeZone, Brand: "joyent-minimal", Files: "root/etc/svc\nroot/var/adm/",
		Want: `root/etc/svc: /etc/svc is not a directory: vmadm refuses to create zones of brand joyent-minimal
			root/etc/svc: is not a directory: zoneadm refuses to boot zones, as it mounts on /etc/svc/volatile`},
	{Name: "a Linux for native zones", Type: manifest.TypeZone, Files: LX + "\nroot/lib -> usr/lib",
		Want: "root: this is the root of a Linux: zones of brand joyent will not boot; the type for it is lx-dataset"},

	{Name: "no init", Type: manifest.TypeLX, Files: without(LX, "root/sbin/init"),
		Want: "root/sbin/init: not found: zones will not boot; install an init package such as systemd-sysv or openrc"},
	{Name: "init by links", Type: manifest.TypeLX, Files: without(LX, "root/sbin/init") + `
		root/sbin -> usr/sbin
		root/usr/sbin/init -> ../lib/systemd/systemd
		root/usr/lib -> /lib64
		root/lib64/systemd/systemd mode=0755`},
	{Name: "init that leads nowhere", Type: manifest.TypeLX, Files: without(LX, "root/sbin/init") + "\nroot/sbin/init -> ../lib/systemd/systemd",
		Want: `root/sbin/init: its target "../lib/systemd/systemd" is not found: zones will not boot`},
	{Name: "init in circles", Type: manifest.TypeLX, Files: without(LX, "root/sbin/init") + "\nroot/sbin/init -> init", Want: "root/sbin/init: too many symbolic links: zones will not boot"},
	{Name: "init that cannot run", Type: manifest.TypeLX, Files: LX + "\nroot/sbin/init mode=0644", Want: "root/sbin/init: mode 0644 is not executable: zones will not boot"},
	{Name: "init that is a directory", Type: manifest.TypeLX, Files: without(LX, "root/sbin/init") + "\nroot/sbin/init/", Want: "root/sbin/init: not a regular file: zones will not boot"},
	{Name: "empty init", Type: manifest.TypeLX, Files: LX + "\nroot/sbin/init mode=0755 =", Want: "root/sbin/init: empty: zones will not boot"},
	{Name: "a Linux that the brand does not know", Type: manifest.TypeLX, Files: without(LX, "root/etc/debian_version") + "\nroot/etc/os-release",
		Want: "root/etc: none of redhat-release, lsb-release, debian_version, alpine-release, SuSE-release, void-release found: the boot script of brand lx refuses the distribution as unsupported"},
	{Name: "a Linux known by an absolute link", Type: manifest.TypeLX, Files: without(LX, "root/etc/debian_version") + "\nroot/etc/redhat-release -> /usr/lib/fedora-release\nroot/usr/lib/fedora-release",
		Want: `root/etc/redhat-release: a link to "/usr/lib/fedora-release", which is not found from the global zone: the boot script of brand lx refuses the distribution as unsupported`},
	{Name: "SmartOS as lx", Type: manifest.TypeLX, Files: Native, Want: `
		root/sbin/init: not found: zones will not boot; install an init package such as systemd-sysv or openrc
		root/etc: none of redhat-release, lsb-release, debian_version, alpine-release, SuSE-release, void-release found: the boot script of brand lx refuses the distribution as unsupported
		root/etc/svc/repository.db: this is the root of a SmartOS zone, not of a Linux: the type for it is zone-dataset`},
	{Name: "native is a file", Type: manifest.TypeLX, Files: LX + "\nroot/native", Want: "root/native: is not a directory: zoneadm refuses to boot zones, as it mounts on /native"},
	{Name: "init.d outside", Type: manifest.TypeLX, Files: LX + "\nroot/etc/init.d -> ../../../x",
		Want: `root/etc/init.d: a link to "../../../x", by which the global zone writes outside of the zone`},
}

// without is a dataset without the line that begins with a path.
func without(files, path string) string {
	var kept []string
	for line := range strings.Lines(files) {
		if !strings.HasPrefix(strings.TrimSpace(line)+" ", path+" ") {
			kept = append(kept, strings.TrimSuffix(line, "\n"))
		}
	}
	return strings.Join(kept, "\n")
}

// Tree is a sealed tree of files, a line each: PATH, PATH/ for a directory, PATH -> TARGET; with
// mode=MODE and uid=UID, and last "= CONTENT". Files hold an "x" otherwise. A later line changes what
// an earlier one made.
func Tree(t testing.TB, files string) *tree.Tree {
	t.Helper()
	tr := tree.New()
	for line := range strings.Lines(files) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := add(tr.Root, line); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	if err := tr.Seal(); err != nil {
		t.Fatal(err)
	}
	return tr
}

func add(root *tree.Node, line string) error {
	line, content, hasContent := strings.Cut(line, " =")
	if content = strings.TrimSpace(content); !hasContent {
		content = "x"
	}
	fields := strings.Fields(line)
	path := fields[0]
	node := tree.NewDir(0o755)
	if !strings.HasSuffix(path, "/") {
		node = &tree.Node{Mode: tree.TypeFile | 0o644, Size: int64(len(content)), Content: tree.Bytes(content)}
	}
	for i, f := range fields[1:] {
		var mode tree.Mode
		switch {
		case f == "->":
			node = &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: fields[i+2]}
		case strings.HasPrefix(f, "mode="):
			if _, err := fmt.Sscanf(f, "mode=%o", &mode); err != nil {
				return err
			}
			node.Mode = node.Mode.Type() | mode
		case strings.HasPrefix(f, "uid="):
			if _, err := fmt.Sscanf(f, "uid=%d", &node.UID); err != nil {
				return err
			}
		}
	}
	parts := strings.Split(strings.TrimSuffix(path, "/"), "/")
	dir, last := root, len(parts)-1
	for _, name := range parts[:last] {
		next := dir.Lookup(name)
		if next == nil {
			next = tree.NewDir(0o755)
			if err := dir.Add(name, next); err != nil {
				return err
			}
		}
		dir = next
	}
	switch old := dir.Lookup(parts[last]); {
	case old == nil:
		return dir.Add(parts[last], node)
	case old.IsDir() && node.IsDir():
		old.Mode, old.UID = node.Mode, node.UID
		return nil
	default:
		return dir.Replace(parts[last], node)
	}
}
