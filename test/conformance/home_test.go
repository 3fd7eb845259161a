package conformance

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"imagetools/test/oracle"
)

// The suite of package host for what datasets live in runs in any pool as a program of its own,
// which needs zfs and zpool on its PATH and nothing else of this machine.
const homeTestPool = "IMAGETOOLS_TEST_POOL"

// hostTest builds the tests of package host.
func hostTest(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "host.test")
	cmd := exec.Command("go", "test", "-c", "-o", path, "imagetools/host")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// TestHome runs the suite beside zfs-fuse.
func TestHome(t *testing.T) {
	t.Parallel()
	fuse := oracle.RequireZFSFuse(t)
	program := hostTest(t)
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Minute)
	defer cancel()
	out, err := fuse.Shell(ctx, []string{homeTestPool + "=zones", "IMAGETOOLS_TEST_SECONDS=1"}, program, "-test.run=^TestHome$", "-test.v", "-test.timeout=11m")
	if err != nil || !strings.Contains(string(out), "--- PASS: TestHome") {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("beside zfs-fuse:\n%s", out)
}

// homeScript runs the suite in the guest, in a pool that ends with it: that of the guest has no
// mount point.
const homeScript = `
input 1 >/tmp/host.test
chmod +x /tmp/host.test
export HOME=/tmp TMPDIR=/tmp ` + homeTestPool + `=tank
truncate -s 512M /tmp/disk
zpool create -o cachefile=none -m /tmp/tank tank /tmp/disk
status=0
/tmp/host.test -test.run='^TestHome$' -test.v -test.short -test.timeout=8m >said 2>&1 || status=$?
zpool destroy tank
rm /tmp/disk /tmp/host.test
tail -n 40 said
exit $status
`

func homesJob(t *testing.T) guestJob {
	return guestJob{oracle.Job{Name: "homes", Script: homeScript, Inputs: []string{hostTest(t)}}, func(t *testing.T, res oracle.Result) {
		out, err := os.ReadFile(filepath.Join(res.Out, "said"))
		if err != nil || !strings.Contains(string(out), "--- PASS: TestHome") {
			t.Fatalf("the suite of homes in OpenZFS: %v\n%s", err, out)
		}
		t.Logf("in OpenZFS:\n%s", out)
	}}
}
