package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"imagetools/test/oracle"
	"imagetools/test/oracle/listing"
)

// sessionDir is set for a copy of this test program that runs beside the daemon of zfs-fuse.
const sessionDir = "IMAGETOOLS_DATASET_SESSION"

// TestDataset makes images of datasets of a real ZFS: zfs-fuse on this host, beside which this
// program runs a second time. OpenZFS's receive code must then find in them what the source
// of the datasets holds.
func TestDataset(t *testing.T) {
	if dir := os.Getenv(sessionDir); dir != "" {
		(&zfsSession{dir: dir, tool: filepath.Join(dir, "tool"), work: os.Getenv("work")}).test(t)
		return
	}
	t.Parallel()
	fuse, judge := oracle.RequireZFSFuse(t), oracle.RequireJudge(t)
	dir := t.TempDir()
	source := filepath.Join(dir, "tree")
	makeTree(t, source)
	want, err := listing.ListDir(source, listing.DirOptions{Computed: true})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", toolPath(t), filepath.Join(dir, "tool")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	out, err := fuse.Shell(ctx, []string{sessionDir + "=" + dir}, self, "-test.run=^TestDataset$", "-test.v", "-test.timeout=9m",
		"-test.testlogfile=", "-test.gocoverdir=", dir)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("beside zfs-fuse:\n%s", out)
	for _, name := range []string{"web-1.0", "clone-1.0"} {
		acceptManifest(t, filepath.Join(dir, "out", name+".json"))
		stream := gunzip(t, filepath.Join(dir, "out", name+".zfs.gz"))
		for _, legacy := range []bool{false, true} {
			got := judge.Receive(t, []string{stream}, oracle.JudgeOptions{Foreign: true, Legacy: legacy})
			// The FUSE port's xattr calls lose nanoseconds of the file's own time.
			compare(t, want, got, listing.DiffOptions{IgnoreNsec: true})
			checkGUID(t, filepath.Join(dir, "out", name+".json"), got.Dataset.GUID)
		}
	}
}

// checkGUID compares the manifest with the snapshot that was received.
func checkGUID(t *testing.T, manifest string, guid uint64) {
	t.Helper()
	var m struct {
		Files []struct {
			GUID uint64 `json:"dataset_guid,string"`
		}
	}
	text, err := os.ReadFile(manifest)
	if err := errors.Join(err, json.Unmarshal(text, &m)); err != nil {
		t.Fatal(err)
	}
	if len(m.Files) != 1 || m.Files[0].GUID != guid {
		t.Errorf("%s: files %v, the snapshot that was received has the guid %d", manifest, m.Files, guid)
	}
}

// treeData is how many bytes of a dataset cannot be compressed.
const treeData = 12 << 20

// makeTree fills a new folder with one of everything and some megabytes of data.
func makeTree(t *testing.T, dir string) {
	t.Helper()
	data := make([]byte, treeData)
	rand.NewChaCha8([32]byte{}).Read(data)
	script := `
		umask 022; mkdir -p "$1/root"; cd "$1/root"
		cat >data
		echo content >file; chmod 4755 file; ln file second; chown 1000:100 file
		mkdir -p sub/deep; ln file sub/deep/third; chmod 1777 sub
		ln -s ../target sub/link
		ln -s "$(printf '%0300d' 0)" longlink
		mkfifo fifo
		printf 'caf\303\251 \377\n' >"$(printf 'caf\303\251 \377')"
		truncate -s 30000000 sparse; echo end >>sparse
		truncate -s 1000000 hole
		mkdir many; for i in $(seq 3000); do echo $i >many/$i; done
		touch -d '1960-01-02 03:04:05' file`
	cmd := exec.Command("bash", "-ec", script, "bash", dir)
	cmd.Stdin = bytes.NewReader(data)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// zfsSession is this program beside the daemon.
type zfsSession struct {
	dir  string // shared with the test outside
	tool string
	work string // of the session: datasets are mounted below mnt
	runs int
}

// zfs runs the real one.
func (s *zfsSession) zfs(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("zfs", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("zfs %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// snapshots are those that the program took. The one that is not its own must be there.
func (s *zfsSession) snapshots(t *testing.T) []string {
	t.Helper()
	all := strings.Fields(s.zfs(t, "list", "-H", "-t", "snapshot", "-o", "name"))
	i := slices.Index(all, "zones/web@mine")
	if i < 0 {
		t.Fatalf("snapshots: %v", all)
	}
	return slices.Delete(all, i, i+1)
}

// run is one run of the program, for the dataset web unless args say otherwise. It is held
// up where hold says; see heldZFS.
func (s *zfsSession) run(t *testing.T, hold string, args ...string) *heldRun {
	t.Helper()
	r := s.prepare(t, hold, args...)
	r.cmd.Stderr = &r.stderr
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

// prepare is run without its start.
func (s *zfsSession) prepare(t *testing.T, hold string, args ...string) *heldRun {
	t.Helper()
	s.runs++
	r := &heldRun{dir: filepath.Join(s.dir, fmt.Sprintf("run%d", s.runs))}
	r.out = filepath.Join(r.dir, "out")
	if err := os.MkdirAll(r.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"create-image", "-q", "-c", "none", "-o", r.out, "--description", "a test", "web-1.0", "web"}, args...)
	r.cmd = exec.Command(s.tool, args...)
	r.cmd.Dir = r.dir
	real, err := exec.LookPath("zfs")
	if err != nil {
		t.Fatal(err)
	}
	r.cmd.Env = append(os.Environ(), "PATH="+filepath.Join(s.dir, "bin")+":"+os.Getenv("PATH"), "REAL_ZFS="+real, "HOLD="+hold, "HOLD_DIR="+r.dir)
	return r
}

// heldZFS stands before zfs on the PATH: it waits at COMMAND:begin, COMMAND:end or, in the
// middle of a stream, at send:BYTES, until there is a file go.
const heldZFS = `#!/bin/bash
set -o pipefail
hold() {
	echo $$ >"$HOLD_DIR/reaching"
	mv "$HOLD_DIR/reaching" "$HOLD_DIR/reached"
	until [ -e "$HOLD_DIR/go" ]; do sleep 0.02; done
}
case $HOLD in
"$1:begin") hold ;;
"$1:end")
	"$REAL_ZFS" "$@" || exit
	hold
	exit 0
	;;
send:[0-9]*)
	if [ "$1" = send ]; then
		"$REAL_ZFS" "$@" | { head -c "${HOLD#*:}"; hold; cat; }
		exit
	fi
	;;
esac
exec "$REAL_ZFS" "$@"
`

type heldRun struct {
	cmd    *exec.Cmd
	dir    string
	out    string // output folder
	stderr bytes.Buffer
}

// wait polls for what must become true soon.
func wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	for start := time.Now(); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatalf("after a minute: not %s", what)
		}
	}
}

// reached waits until the run is held up.
func (r *heldRun) reached(t *testing.T) {
	t.Helper()
	wait(t, "held up", func() bool { _, err := os.Stat(filepath.Join(r.dir, "reached")); return err == nil })
}

// goOn ends what holds the run up.
func (r *heldRun) goOn(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, "go"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
}

// group is the process group of the zfs that the run is held up in.
func (r *heldRun) group(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, "reached"))
	if err != nil {
		t.Fatal(err)
	}
	group, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return group
}

// orphansEnd waits for the zfs that the run was held up in.
func (r *heldRun) orphansEnd(t *testing.T) {
	t.Helper()
	group := r.group(t)
	wait(t, "rid of zfs", func() bool { return errors.Is(syscall.Kill(-group, 0), syscall.ESRCH) })
}

// end waits for the run and returns its exit status, -1 for one that was killed.
func (r *heldRun) end() int {
	r.cmd.Wait()
	return r.cmd.ProcessState.ExitCode()
}

// files are what the run left in its output folder.
func (r *heldRun) files() []string {
	names, _ := filepath.Glob(filepath.Join(r.out, "*"))
	hidden, _ := filepath.Glob(filepath.Join(r.out, ".*"))
	return append(names, hidden...)
}

// succeeds ends a run that must succeed and returns what it said.
func (r *heldRun) succeeds(t *testing.T) string {
	t.Helper()
	if code := r.end(); code != 0 || len(r.files()) != 2 {
		t.Fatalf("exit status %d, files %v: %s", code, r.files(), &r.stderr)
	}
	return r.stderr.String()
}

// moments are where runs are interrupted; left tells whether a run that is killed there
// leaves its snapshot.
var moments = []struct {
	hold string
	left bool
}{
	{"get:begin", false},
	{"list:begin", false},
	{"snapshot:begin", true}, // zfs goes on without us
	{"snapshot:end", true},
	{"send:begin", true},
	{"send:1000", true},
	{fmt.Sprintf("send:%d", treeData/3), true},
	{fmt.Sprintf("send:%d", treeData), true},
	{"destroy:begin", false}, // likewise
	{"destroy:end", false},
}

func (s *zfsSession) test(t *testing.T) {
	if err := errors.Join(os.Mkdir(filepath.Join(s.dir, "bin"), 0o777),
		os.WriteFile(filepath.Join(s.dir, "bin", "zfs"), []byte(heldZFS), 0o777)); err != nil {
		t.Fatal(err)
	}
	s.zfs(t, "create", "zones/web")
	s.zfs(t, "create", "zones/web/below")
	web := filepath.Join(s.work, "mnt", "web")
	s.zfs(t, "unmount", "zones/web/below")
	if err := os.Remove(filepath.Join(web, "below")); err != nil {
		t.Fatal(err)
	}
	fill := `tar -C "$1" --numeric-owner -cSf - . | tar -C "$2" --numeric-owner -xpSf -`
	if out, err := exec.Command("bash", "-ec", fill, "bash", filepath.Join(s.dir, "tree"), web).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := exec.Command("touch", "-r", filepath.Join(s.dir, "tree"), web).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.zfs(t, "snapshot", "zones/web@mine")
	s.zfs(t, "clone", "zones/web@mine", "zones/clone")

	t.Run("image", s.testImage)
	for _, m := range moments {
		t.Run("SIGINT at "+m.hold, func(t *testing.T) { s.testInterrupt(t, m.hold) })
	}
	for _, m := range moments {
		t.Run("SIGKILL at "+m.hold, func(t *testing.T) { s.testKill(t, m.hold, m.left) })
	}
	t.Run("other run", s.testOtherRun)
	t.Run("full disk", s.testFullDisk)
	t.Run("send fails", s.testSendFails)
	t.Run("destroy fails", s.testDestroyFails)
	t.Run("closed outputs", s.testClosedOutputs)
}

// clean checks that the program left no snapshot.
func (s *zfsSession) clean(t *testing.T) {
	t.Helper()
	if left := s.snapshots(t); len(left) > 0 {
		t.Errorf("snapshots are left: %v", left)
	}
}

// The images that the test outside looks at.
func (s *zfsSession) testImage(t *testing.T) {
	for name, source := range map[string]string{"web-1.0": "web", "clone-1.0": "zones/clone"} {
		cmd := exec.Command(s.tool, "create-image", "--json", "-o", filepath.Join(s.dir, "out"), "--description", "a test", name, source)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v: %s", err, &stderr)
		}
		var made struct{ Type, Dataset string }
		if err := json.Unmarshal(stdout.Bytes(), &made); err != nil {
			t.Fatal(err)
		}
		if made.Type != "zone-dataset" || made.Dataset != "zones/"+filepath.Base(source) {
			t.Errorf("%s: %+v", name, made)
		}
		if below := "zones/web/below"; strings.Contains(stderr.String(), below) != (source == "web") {
			t.Errorf("%s: said %q", name, &stderr)
		}
		s.clean(t)
	}
}

func (s *zfsSession) testInterrupt(t *testing.T, hold string) {
	r := s.run(t, hold)
	r.reached(t)
	if err := r.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond) // the signal is on its way
	r.goOn(t)
	if code := r.end(); code != 130 || !strings.Contains(r.stderr.String(), "interrupted") {
		t.Errorf("exit status %d: %s", code, &r.stderr)
	}
	if left := r.files(); left != nil {
		t.Errorf("files are left: %v", left)
	}
	s.clean(t)
}

func (s *zfsSession) testKill(t *testing.T, hold string, left bool) {
	r := s.run(t, hold)
	r.reached(t)
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if code := r.end(); code != -1 {
		t.Fatalf("exit status %d: %s", code, &r.stderr)
	}
	r.goOn(t)
	r.orphansEnd(t)
	if !left {
		s.clean(t)
		if said := s.run(t, "").succeeds(t); strings.Contains(said, "left behind") {
			t.Errorf("the next run said %q", said)
		}
		return
	}
	got := s.snapshots(t)
	if len(got) != 1 || !strings.HasPrefix(got[0], "zones/web@imagetools-") {
		t.Fatalf("snapshots: %v", got)
	}
	said := s.run(t, "").succeeds(t)
	if !strings.Contains(said, got[0]) || !strings.Contains(said, "--remove-stale") {
		t.Errorf("the next run said %q of %s", said, got[0])
	}
	if again := s.snapshots(t); len(again) != 1 || again[0] != got[0] {
		t.Errorf("it left %v", again)
	}
	s.run(t, "", "--remove-stale").succeeds(t)
	s.clean(t)
}

// The snapshot of a run that goes on is nobody else's to remove.
func (s *zfsSession) testOtherRun(t *testing.T) {
	first := s.run(t, "send:1000")
	first.reached(t)
	before := s.snapshots(t)
	said := s.run(t, "", "--remove-stale").succeeds(t)
	if len(before) != 1 || !strings.Contains(said, before[0]) || !strings.Contains(said, "the process runs") {
		t.Errorf("of %v it said %q", before, said)
	}
	if after := s.snapshots(t); len(after) != 1 || after[0] != before[0] {
		t.Errorf("snapshots %v, then %v", before, after)
	}
	first.goOn(t)
	first.succeeds(t)
	s.clean(t)
}

func (s *zfsSession) testFullDisk(t *testing.T) {
	full := filepath.Join(s.dir, "full")
	if err := os.Mkdir(full, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", full, "tmpfs", 0, "size=4m"); err != nil {
		t.Fatal(err)
	}
	r := s.run(t, "", "-o", full)
	if code := r.end(); code != 1 || !strings.Contains(r.stderr.String(), "no space left on device") {
		t.Errorf("exit status %d: %s", code, &r.stderr)
	}
	if left, err := os.ReadDir(full); err != nil || len(left) > 0 {
		t.Errorf("left on the disk: %v, %v", left, err)
	}
	s.clean(t)
}

// What zfs send says is the error, be it at once or in the middle.
func (s *zfsSession) testSendFails(t *testing.T) {
	r := s.run(t, "send:begin")
	r.reached(t)
	s.zfs(t, "destroy", s.snapshots(t)[0])
	r.goOn(t)
	if code := r.end(); code != 1 || !strings.Contains(r.stderr.String(), "does not exist") {
		t.Errorf("exit status %d: %s", code, &r.stderr)
	}
	if left := r.files(); left != nil {
		t.Errorf("files are left: %v", left)
	}
	s.clean(t)

	r = s.run(t, "send:100000")
	r.reached(t)
	if err := syscall.Kill(-r.group(t), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code := r.end(); code != 1 || !strings.Contains(r.stderr.String(), "zfs send zones/web@imagetools-") || !strings.Contains(r.stderr.String(), "killed") {
		t.Errorf("exit status %d: %s", code, &r.stderr)
	}
	if left := r.files(); left != nil {
		t.Errorf("files are left: %v", left)
	}
	s.clean(t)
}

// A snapshot that somebody holds cannot be destroyed: it is named, also after an interrupt.
func (s *zfsSession) testDestroyFails(t *testing.T) {
	for _, interrupt := range []bool{false, true} {
		r := s.run(t, "send:1000")
		r.reached(t)
		snapshot := s.snapshots(t)[0]
		s.zfs(t, "hold", "mine", snapshot)
		if interrupt {
			if err := r.cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
		}
		r.goOn(t)
		code := r.end()
		said := r.stderr.String()
		if code != 1 || !strings.Contains(said, snapshot) || !strings.Contains(said, "left behind") || strings.Contains(said, "nothing was left") {
			t.Errorf("exit status %d: %s", code, said)
		}
		if left := r.files(); left != nil {
			t.Errorf("files are left: %v", left)
		}
		s.zfs(t, "release", "mine", snapshot)
		s.run(t, "", "--remove-stale").succeeds(t)
		s.clean(t)
	}
}

// From the middle of the stream on, nobody reads what the program says: an image whose answer
// cannot be written is not made, and no snapshot stays.
func (s *zfsSession) testClosedOutputs(t *testing.T) {
	for _, args := range [][]string{{"--json"}, {"--quiet=false"}} {
		r := s.prepare(t, "send:1000", args...)
		out, in, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.cmd.Stdout, r.cmd.Stderr = in, in
		if err := r.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		in.Close()
		r.reached(t)
		out.Close()
		r.goOn(t)
		if code := r.end(); code == 0 || len(r.files()) != 0 {
			t.Errorf("%v: exit status %d, files %v", args, code, r.files())
		}
		s.clean(t)
	}
}

// openZFSScript makes images of datasets of OpenZFS: one of today with large dnodes and SA
// attributes, one of the oldest kind, an encrypted one, one with large blocks, and a volume.
const openZFSScript = `
input 1 >/tmp/imagetools
chmod +x /tmp/imagetools
export HOME=/tmp TMPDIR=/tmp
exec </dev/null # the console is a terminal, on which the program would ask
fill() {
	mount -t zfs -o zfsutil zones/$1 /mnt
	mkdir -p /mnt/root/dir/sub
	head -c 3000000 /dev/urandom >/mnt/root/large
	echo content >/mnt/root/file
	ln /mnt/root/file /mnt/root/dir/sub/second
	ln -s "$(printf '%0300d' 0)" /mnt/root/dir/longlink
	mkfifo /mnt/root/dir/fifo
	setfattr -n user.name -v value /mnt/root/file
	truncate -s 1G /mnt/root/sparse
	echo tail >>/mnt/root/sparse
	for i in $(seq 100); do echo $i >/mnt/root/dir/$i; rm -f /mnt/root/dir/$((i - 50)); done
	[ $1 != odd ] || head -c 200000 /dev/urandom >/mnt/root/odd
	list $1
	umount /mnt
}
list() {
	printf '{"dataset":"%s","snapshot":"x","guid":"1","creation":0,"objset":"zpl"}\n' $1 >$1.listing
	lister /mnt >>$1.listing
}
echo password >/tmp/key
zfs create -o mountpoint=none -o dnodesize=auto -o xattr=sa -o compression=lz4 zones/new
zfs create -o mountpoint=none -o version=4 zones/old
zfs create -o mountpoint=none -o encryption=on -o keyformat=passphrase -o keylocation=file:///tmp/key zones/secret
for d in new old secret; do
	fill $d
	/tmp/imagetools create-image $d-1.0 zones/$d -q -o out --description x 2>$d.said
done
# Large blocks are sent in parts of 128 KiB. The last can be short, which a debug build of the
# receive code, such as the judge, asserts never to see, or lie beyond the end of the file.
zfs create -o mountpoint=none -o recordsize=1M zones/odd
fill odd
/tmp/imagetools create-image odd-1.0 zones/odd -q -c none -o odd --description x
zfs receive -u -o mountpoint=none zones/again <odd/odd-1.0.zfs
mount -t zfs -o zfsutil zones/again /mnt
list again
umount /mnt
zfs destroy -r zones/again
rm -r odd
zfs create -V 10485760 -o volblocksize=8k zones/disk
for i in 1 2 3 4 5; do [ -e /dev/zd0 ] || sleep 1; done
input 1 | head -c 3000000 | dd of=/dev/zd0 bs=64k conv=fsync
printf '{"dataset":"disk","snapshot":"x","guid":"1","creation":0,"objset":"zvol",' >disk.listing
lister /dev/zd0 | sed 's/^{//' >>disk.listing
/tmp/imagetools create-image disk-1.0 disk -q -o out --json >disk.said
[ -z "$(zfs list -H -t snapshot -o name)" ]
if /tmp/imagetools create-image no-1.0 --pool zones nowhere -q -o out 2>none.said; then exit 1; fi
zfs destroy -r zones/disk
`

// imagesJob does the same in the guest with OpenZFS, which has volumes, too.
func imagesJob(t *testing.T) guestJob {
	return guestJob{oracle.Job{Name: "images", Script: openZFSScript, Inputs: []string{toolPath(t)}}, checkImages}
}

func checkImages(t *testing.T, res oracle.Result) {
	judge := oracle.RequireJudge(t)
	list := func(name string) listing.Listing {
		f, err := os.Open(filepath.Join(res.Out, name+".listing"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		l, err := listing.Parse(f)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	compare(t, list("odd"), list("again"), listing.DiffOptions{})
	said := func(name string) string {
		text, err := os.ReadFile(filepath.Join(res.Out, name+".said"))
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
	for _, name := range []string{"new", "old", "secret", "disk"} {
		suffix := ".zfs.gz"
		if name == "disk" {
			suffix = ".zvol.gz"
		}
		base := filepath.Join(res.Out, "out", name+"-1.0")
		acceptManifest(t, base+".json")
		got := judge.Receive(t, []string{gunzip(t, base+suffix)}, oracle.JudgeOptions{Foreign: true})
		compare(t, list(name), got, listing.DiffOptions{})
		checkGUID(t, base+".json", got.Dataset.GUID)
		if warned := strings.Contains(said(name), "LARGE_DNODE"); warned != (name == "new") {
			t.Errorf("%s: said %q", name, said(name))
		}
	}
	if !strings.Contains(said("disk"), `"image_size": 10`) || !strings.Contains(said("disk"), `"type": "zvol"`) {
		t.Errorf("of the volume it said %s", said("disk"))
	}
	if !strings.Contains(said("none"), `dataset "zones/nowhere"`) {
		t.Errorf("of what is not there it said %s", said("none"))
	}
}
