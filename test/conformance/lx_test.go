package conformance

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"imagetools/test/oracle"
	"imagetools/test/oracle/listing"
)

// lxRoot is the tar of a root file system of a Debian release.
func lxRoot(t *testing.T, release string) string {
	t.Helper()
	if release == "bookworm" {
		return debianRoot(t)
	}
	requireMmdebstrap(t)
	return script(t, "lx-root", release)
}

// finished is what create-image says of an lx image.
type finished struct {
	Image, Manifest string
	LX              struct {
		Profile string
		Kernel  string `json:"kernel_version"`
	}
	Edits struct {
		Changes []struct{ Step, Path, Text string }
	}
}

// TestLXRoots finishes roots of three Debian releases for the lx brand. In what OpenZFS receives
// each edit is there, and all else is as in the tar. Systemd takes the units as they are meant,
// and the script that sets zones up does so.
func TestLXRoots(t *testing.T) {
	t.Parallel()
	for release, kernel := range map[string]string{"bullseye": "5.10.0", "bookworm": "6.1.0", "trixie": "6.12.0"} {
		t.Run(release, func(t *testing.T) {
			judge := oracle.RequireJudge(t)
			tar := lxRoot(t, release)
			var made finished
			createImageJSON(t, &made, t.TempDir(), "--type", "lx-dataset", "debian-1.0", tar)
			if made.LX.Profile != "debian" || made.LX.Kernel != kernel {
				t.Errorf("profile %s with kernel %s", made.LX.Profile, made.LX.Kernel)
			}
			acceptManifest(t, made.Manifest)
			got := judge.Receive(t, []string{gunzip(t, made.Image)}, oracle.JudgeOptions{})
			want := debianWant(t, tar)
			edits := map[string]string{}
			for _, c := range made.Edits.Changes {
				p := listing.Escape("root" + c.Path)
				edits[p] = c.Text // the last one tells what became of it
				checkEdit(t, got, p, c.Text)
			}
			if len(edits) < 60 {
				t.Errorf("there are %d edits alone", len(edits))
			}
			split := splitLinks(want, edits)
			compare(t, withoutEdits(want, edits, split), withoutEdits(got, edits, split), listing.DiffOptions{})
			if want, got := seen(want, edits), seen(got, edits); want != got {
				t.Errorf("beside the edits, the tar has %d names and the dataset %d", want, got)
			}
			t.Run("zone", func(t *testing.T) { checkZone(t, made.Image) })
		})
	}
}

// checkEdit looks for an edit in what was received. What one step makes none of the others
// takes away.
func checkEdit(t *testing.T, got listing.Listing, p, text string) {
	t.Helper()
	e, there := got.Entries[p]
	target, isLink := strings.CutPrefix(text, "link to ")
	mode, isMode := strings.CutPrefix(text, "mode ")
	switch {
	case text == "removed" || strings.HasPrefix(text, "remove: "):
		if there {
			t.Errorf("%s is still there", p)
		}
	case !there:
		t.Errorf("%s (%s) is not there", p, text)
	case isLink && (e.Type != listing.Symlink || e.Target != target):
		t.Errorf("%s (%s) is %s %s", p, text, e.Type, e.Target)
	case isMode && fmt.Sprintf("%04o", e.Mode) != mode:
		t.Errorf("%s (%s) has mode %04o", p, text, e.Mode)
	case strings.HasPrefix(text, "empty: ") && e.Size != 0:
		t.Errorf("%s (%s) has %d bytes", p, text, e.Size)
	case text == "written" && e.Type != listing.File || text == "created" && e.Type != listing.Dir && e.Type != listing.File:
		t.Errorf("%s (%s) is a %s", p, text, e.Type)
	}
}

// isEdit tells whether a path was edited, or what it is in.
func isEdit(p string, edits map[string]string) bool {
	for ; p != "." && p != "/"; p = path.Dir(p) {
		if _, ok := edits[p]; ok {
			return true
		}
	}
	return false
}

func seen(l listing.Listing, edits map[string]string) (n int) {
	for p := range l.Entries {
		if !isEdit(p, edits) {
			n++
		}
	}
	return n
}

// withoutEdits is a listing without what was edited. Of directories in which that was, times,
// sizes and links do not count, and of files links do not of which a name was.
func withoutEdits(l listing.Listing, edits map[string]string, split map[string]bool) listing.Listing {
	out := listing.Listing{Dataset: l.Dataset, Entries: map[string]listing.Entry{}}
	parents := map[string]bool{}
	for p := range edits {
		parents[path.Dir(p)] = true
	}
	for p, e := range l.Entries {
		if isEdit(p, edits) {
			continue
		}
		if parents[p] {
			e.MtimeSec, e.MtimeNsec, e.Size, e.Links = 0, 0, 0, 0
		}
		if split[p] {
			e.Links, e.Ino = 0, 0
		}
		out.Entries[p] = e
	}
	return out
}

// splitLinks are the names of files of which another name was edited.
func splitLinks(l listing.Listing, edits map[string]string) map[string]bool {
	inodes := map[uint64]bool{}
	for p, e := range l.Entries {
		if isEdit(p, edits) && e.Type != listing.Dir {
			inodes[e.Ino] = true
		}
	}
	split := map[string]bool{}
	for p, e := range l.Entries {
		split[p] = e.Ino != 0 && inodes[e.Ino]
	}
	return split
}

// fakeMdata answers as mdata-get does in a zone.
const fakeMdata = `#!/bin/sh
case $1 in
root_authorized_keys) echo "ssh-ed25519 AAAA me" ;;
user-script) printf '#!/bin/sh\necho ran >/var/db/ran\n' ;;
sdc:hostname) echo web1 ;;
sdc:resolvers) echo '["192.0.2.1","2001:db8::1"]' ;;
*) exit 1 ;;
esac
`

// checkZone runs in the root of an image what a zone of it would, without a brand.
func checkZone(t *testing.T, image string) {
	dir := t.TempDir()
	unpack := exec.Command("sh", "-c", `set -e; "$1" extract -q --tar - "$2" | tar -x --numeric-owner --warning=no-unknown-keyword -C "$3"`, "sh", toolPath(t), image, dir)
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	root := filepath.Join(dir, "root")
	inRoot := func(args ...string) string {
		cmd := exec.Command("chroot", append([]string{root}, args...)...)
		cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_OFFLINE=1", "LC_ALL=C"}
		out, err := cmd.Output()
		if err != nil {
			return fmt.Sprintf("%s (%v)", bytes.TrimSpace(out), err)
		}
		return string(bytes.TrimSpace(out))
	}
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	write("dev/null", "", 0o666) // an empty file is as good to systemd
	for unit, want := range map[string]string{
		"lx-zone.service": "enabled", "lx-host-keys.service": "enabled", "systemd-remount-fs.service": "masked (exit status 1)",
		"systemd-udevd.service": "masked (exit status 1)", "run-rpc_pipefs.mount": "masked (exit status 1)",
	} {
		if got := inRoot("systemctl", "is-enabled", unit); got != want {
			t.Errorf("systemd says that %s is %s, want %s", unit, got, want)
		}
	}

	os.Remove(filepath.Join(root, "etc/resolv.conf")) // as in a zone without one
	write("native/usr/sbin/mdata-get", fakeMdata, 0o755)
	write("usr/sbin/hostname", "#!/bin/sh\necho \"$1\" >/var/db/hostname\n", 0o755) // that of this machine stays
	write("var/svc/provisioning", "", 0o644)
	if out := inRoot("/lib/smartdc/lx-zone"); out != "" {
		t.Errorf("the script says %s", out)
	}
	for name, want := range map[string]string{
		"root/.ssh/authorized_keys": "ssh-ed25519 AAAA me\n", "var/db/ran": "ran\n", "var/db/hostname": "web1\n",
		"etc/hostname": "web1\n", "etc/resolv.conf": "nameserver 192.0.2.1\nnameserver 2001:db8::1\n", "var/svc/provision_success": "",
	} {
		if got := read(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]os.FileMode{"root/.ssh": 0o700, "root/.ssh/authorized_keys": 0o600, "var/svc/mdata-user-script": 0o700} {
		if info, err := os.Stat(filepath.Join(root, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want mode %o", name, info, err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "usr/bin/ssh-keygen")); err == nil {
		if read("etc/ssh/ssh_host_ed25519_key") == "" || !strings.Contains(read("etc/ssh/ssh_host_ed25519_key.pub"), "ssh-ed25519") {
			t.Error("there is no host key")
		}
	}
	if link := inRoot("readlink", "-e", "/usr/sbin/mdata-get"); link != "/native/usr/sbin/mdata-get" {
		t.Errorf("mdata-get leads to %s", link)
	}

	write("native/usr/sbin/mdata-get", "#!/bin/sh\nexit 2\n", 0o755)
	write("var/svc/provisioning", "", 0o644)
	if out := inRoot("/lib/smartdc/lx-zone"); !strings.Contains(out, "exit status") {
		t.Errorf("without metadata the script says %q", out)
	}
	if got := read("var/svc/provision_failure"); got != "" {
		t.Errorf("without metadata: %s", got)
	}
	if got := read("root/.ssh/authorized_keys"); got != "ssh-ed25519 AAAA me\n" {
		t.Errorf("without metadata the keys are %q", got)
	}
}
