package conformance

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"imagetools/smf"
	"imagetools/test/oracle"
	"imagetools/test/oracle/listing"
	seedtest "imagetools/test/seed"
)

// seedRun is a folder with a miniature build, in which create-seed is run.
type seedRun struct {
	dir, build string
}

// newSeedRun prepares the build in a folder that every user may use.
func newSeedRun(t *testing.T) *seedRun {
	t.Helper()
	dir, err := os.MkdirTemp("", "imagetools-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	r := &seedRun{dir: dir, build: filepath.Join(dir, "build")}
	seedtest.Build(t, r.build)
	return r
}

// command is a run of create-seed that makes the dataset zones/seed.
func (r *seedRun) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	args = append([]string{"create-seed", "-q", r.build, "seed"}, args...)
	cmd := exec.Command(toolPath(t), args...)
	cmd.Dir = r.dir
	return cmd
}

// image makes a seed and its image, and returns the stream.
func (r *seedRun) image(t *testing.T) string {
	t.Helper()
	if out, err := r.command(t, "--store", filepath.Join(r.dir, "zones")).CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v: %s", err, out)
	}
	image, _ := createImage(t, filepath.Join(r.dir, "out"), "seed-20150430", filepath.Join(r.dir, "zones/seed"), "--as-dataset")
	return gunzip(t, image)
}

// checkManifest compares what was received with the lines of the build's manifest.gen that are
// about what is in the seed, and users and groups with the build's.
func (r *seedRun) checkManifest(t *testing.T, got listing.Listing) {
	t.Helper()
	users, groups := r.ids(t, "passwd"), r.ids(t, "group")
	f, err := os.Open(filepath.Join(r.build, "manifest.gen"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seen := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		field := strings.Fields(lines.Text())
		kind := map[string]string{"d": listing.Dir, "f": listing.File}[field[0]]
		e, ok := got.Entries[listing.Escape("root/"+field[1])]
		if kind == "" || !ok || e.Type != kind {
			continue
		}
		seen++
		mode, err := strconv.ParseUint(field[2], 8, 32)
		if err != nil {
			t.Fatal(err)
		}
		if e.Mode != uint32(mode) || e.UID != users[field[3]] || e.GID != groups[field[4]] {
			t.Errorf("%q: %04o %d:%d", lines.Text(), e.Mode, e.UID, e.GID)
		}
	}
	if seen < 200 {
		t.Errorf("only %d lines of the manifest are about what was received", seen)
	}
	if first, second := got.Entries["root/etc/init.d/pppd"], got.Entries["root/etc/rc0.d/K50pppd"]; first.Links != 3 || first.Ino != second.Ino {
		t.Errorf("hard links: %+v, %+v", first, second)
	}
}

// ids are the numbers in passwd or group of the overlay.
func (r *seedRun) ids(t *testing.T, file string) map[string]uint64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.build, "overlay/generic/etc", file))
	if err != nil {
		t.Fatal(err)
	}
	ids := make(map[string]uint64)
	for line := range strings.Lines(string(text)) {
		field := strings.Split(line, ":")
		if ids[field[0]], err = strconv.ParseUint(field[2], 10, 32); err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

// checkServices looks for what vmadm sets in the repository of every new zone (VM.js): the start
// methods of smartdc/mdata.
func (r *seedRun) checkServices(t *testing.T, got listing.Listing) {
	t.Helper()
	const path = "root/etc/svc/repository.db"
	db, err := os.ReadFile(filepath.Join(r.dir, "zones/seed", path))
	if err != nil {
		t.Fatal(err)
	}
	if e := got.Entries[path]; e.SHA256 != fmt.Sprintf("%x", sha256.Sum256(db)) || e.Mode != 0o444 || e.UID != 0 || e.GID != 0 {
		t.Fatalf("%s was received as %+v", path, e)
	}
	repository, err := smf.Decode(db)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		instance, property string
		kind               smf.Type
	}{{"execute", "timeout_seconds", smf.Count}, {"fetch", "exec", smf.AString}} {
		p := startProperty(repository, want.instance, want.property)
		if p == nil || p.Type != want.kind || len(p.Values) != 1 {
			t.Errorf("svc:/smartdc/mdata:%s has start/%s %+v", want.instance, want.property, p)
		}
	}
}

// startProperty is a property of the start method that an instance of smartdc/mdata has itself.
func startProperty(repository *smf.Repository, instance, property string) *smf.Property {
	for _, s := range repository.Services {
		for _, i := range s.Instances {
			for _, g := range i.Groups {
				for _, p := range g.Properties {
					if s.Name == "smartdc/mdata" && i.Name == instance && g.Name == "start" && g.Type == "method" && p.Name == property {
						return p
					}
				}
			}
		}
	}
	return nil
}

// TestSeedJudge has OpenZFS's receive code take the image of a seed.
func TestSeedJudge(t *testing.T) {
	t.Parallel()
	judge := oracle.RequireJudge(t)
	r := newSeedRun(t)
	got := judge.Receive(t, []string{r.image(t)}, oracle.JudgeOptions{})
	r.checkManifest(t, got)
	r.checkServices(t, got)
}

// TestSeedReproducible makes the same seed as root and as another user, in two time zones, under
// two umasks, on one core and two, and over an older one: the images are the same bytes.
func TestSeedReproducible(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 || !has("setpriv") {
		oracle.Unavailable(t, fmt.Errorf("becoming another user needs root and setpriv"))
	}
	r := newSeedRun(t)
	sums := make(map[string]string)
	for _, test := range []struct {
		name  string
		user  bool
		umask string
		store string
		env   []string
	}{
		{"root", false, "022", "zones", []string{"GOMAXPROCS=1", "TZ=Asia/Tokyo"}},
		{"root again", false, "000", "zones", []string{"TZ=America/New_York", "LC_ALL=de_DE.UTF-8"}},
		{"another user", true, "077", "theirs", []string{"TZ=UTC"}},
		{"another user again", true, "002", "theirs", []string{"GOMAXPROCS=2"}},
	} {
		script := fmt.Sprintf(`umask %s
			"$0" create-seed -q --force --store %[2]s %[3]s seed
			"$0" create-image -q --force --store %[2]s -o %[2]s-out seed-1.0 ./%[2]s/seed --description x`, test.umask, test.store, r.build)
		args := []string{"/bin/sh", "-ec", script, toolPath(t)}
		if test.user {
			args = append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}, args...)
		}
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir, cmd.Env = r.dir, append(append(os.Environ(), "HOME="+r.dir), test.env...)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("%s: %v\n%s", test.name, err, out)
		}
		out, err := exec.Command("sha256sum", filepath.Join(r.dir, test.store+"-out/seed-1.0.zfs.gz")).Output()
		if err != nil {
			t.Fatal(err)
		}
		sums[strings.Fields(string(out))[0]] += test.name + "; "
	}
	if len(sums) != 1 {
		t.Errorf("different images: %v", sums)
	}
}

// store returns what is in the store: the METALOG of the seed, and all names beside it.
func (r *seedRun) store(t *testing.T) (metalog string, others []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(r.dir, "zones"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		switch e.Name() {
		case "seed.mtree":
			text, err := os.ReadFile(filepath.Join(r.dir, "zones/seed.mtree"))
			if err != nil {
				t.Fatal(err)
			}
			metalog = string(text)
		case "seed":
		default:
			others = append(others, e.Name())
		}
	}
	return metalog, others
}

// check tells whether the dataset is whole: create-image needs every name of its METALOG.
func (r *seedRun) check(t *testing.T) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	cmd := exec.Command(toolPath(t), "create-image", "-q", "-c", "none", "-o", out, "--description", "x", "seed-1.0", "zones/seed")
	cmd.Dir = r.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("the seed is not whole: %v: %s", err, out)
	}
}

// signals stops runs at moments of their work, with and without an older seed. After an
// interrupt all is as before; after a kill the next run puts it right.
func (r *seedRun) signals(t *testing.T, signal syscall.Signal, older bool) {
	old := ""
	if older {
		cmd := r.command(t)
		cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		old, _ = r.store(t)
	}
	stopped := 0
	for i := range 14 {
		cmd := r.command(t, "--force")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i*i) * 2 * time.Millisecond)
		cmd.Process.Signal(signal)
		cmd.Wait()
		metalog, others := r.store(t)
		if cmd.ProcessState.ExitCode() == 0 {
			break // so will all that get more time
		}
		stopped++
		switch {
		case signal == syscall.SIGINT && cmd.ProcessState.ExitCode() == 130:
			if !strings.Contains(stderr.String(), "nothing was left behind") || metalog != old || others != nil {
				t.Errorf("interrupted after %d², there is %v, and the seed is as it was: %v\n%s", i, others, metalog == old, &stderr)
			}
		case cmd.ProcessState.ExitCode() == -1: // killed, or not ready yet to catch the signal
			if older && metalog == "" {
				t.Logf("killed after %d², when the older seed was aside", i)
			}
		default:
			t.Errorf("after %d²: exit status %d: %s", i, cmd.ProcessState.ExitCode(), &stderr)
		}
	}
	if stopped == 0 {
		t.Error("no run was stopped")
	}
	if out, err := r.command(t, "--force").CombinedOutput(); err != nil {
		t.Errorf("afterwards: %v: %s", err, out)
	}
	if _, others := r.store(t); others != nil {
		t.Errorf("left: %v", others)
	}
	r.check(t)
}

func TestSeedSignals(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		for _, older := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v, older seed %v", signal, older), func(t *testing.T) {
				newSeedRun(t).signals(t, signal, older)
			})
		}
	}
}
