package conformance

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"imagetools/internal/required"
	"imagetools/test/imgmanifest"
	"imagetools/test/oracle"
	"imagetools/test/oracle/listing"
)

// tool builds the program once, in toolDir, and returns its path.
var tool = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "imagetools-test")
	if err != nil {
		return "", err
	}
	toolDir = dir
	path := filepath.Join(dir, "imagetools")
	out, err := exec.Command("go", "build", "-o", path, "imagetools/cmd/imagetools").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, os.Chmod(dir, 0o755)
})

var toolDir string // empty as long as no test has asked for the program

func TestMain(m *testing.M) {
	code := m.Run()
	if toolDir != "" {
		os.RemoveAll(toolDir)
	}
	os.Exit(code)
}

func toolPath(t *testing.T) string {
	t.Helper()
	path, err := tool()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// createImage runs create-image with flags and returns the image file and the manifest.
func createImage(t *testing.T, dir string, args ...string) (image, manifest string) {
	t.Helper()
	var made struct{ Image, Manifest string }
	createImageJSON(t, &made, dir, args...)
	return made.Image, made.Manifest
}

// createImageJSON runs create-image with flags and decodes its answer.
func createImageJSON(t *testing.T, made any, dir string, args ...string) {
	t.Helper()
	args = append([]string{"create-image", "--json", "-o", dir, "--description", "a test"}, args...)
	cmd := exec.Command(toolPath(t), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, &stderr)
	}
	if err := json.Unmarshal(stdout.Bytes(), made); err != nil {
		t.Fatal(err)
	}
}

// gunzip unpacks an image with a reader that is not ours and returns the stream's path.
func gunzip(t *testing.T, image string) string {
	t.Helper()
	in, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	r, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "stream")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, r); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// debianRoot is the tar of a Debian root file system.
func debianRoot(t *testing.T) string {
	t.Helper()
	requireMmdebstrap(t)
	return script(t, "debian-root")
}

func requireMmdebstrap(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 || !has("mmdebstrap") {
		oracle.Unavailable(t, fmt.Errorf("a Debian root file system is made by mmdebstrap, as root"))
	}
}

// script runs a script that makes something once, and returns the path that it prints.
func script(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := required.Prepare("test/conformance/"+name, args...)
	if err != nil {
		required.Unavailable(t, err)
	}
	return path
}

func has(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// debianWant is what a receiver must list of the image of a tar.
func debianWant(t *testing.T, tar string) listing.Listing {
	t.Helper()
	f, err := os.Open(tar)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want, err := listing.ListTar(f, "root")
	if err != nil {
		t.Fatal(err)
	}
	return want
}

// TestDebianRoot makes an image of a real root file system and has OpenZFS receive it.
func TestDebianRoot(t *testing.T) {
	t.Parallel()
	judge := oracle.RequireJudge(t)
	tar := debianRoot(t)
	image, manifest := createImage(t, t.TempDir(), "--type", "lx-dataset", "--lx-profile", "none", "debian-12.1", tar)
	acceptManifest(t, manifest)
	got := judge.Receive(t, []string{gunzip(t, image)}, oracle.JudgeOptions{})
	compare(t, debianWant(t, tar), got, listing.DiffOptions{})
}

// acceptManifest has npm imgmanifest, which imgadm and IMGAPI use, judge a manifest.
func acceptManifest(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range imgmanifest.Require(t).Validate(t, "imgadm", text) {
		t.Errorf("%s: imgmanifest: %v", path, f)
	}
}

// TestReproducible makes the same image in other folders, as another user, on other numbers
// of cores and at other times.
func TestReproducible(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 || !has("setpriv") {
		oracle.Unavailable(t, fmt.Errorf("becoming another user needs root and setpriv"))
	}
	tar := debianRoot(t)
	digests := map[string]string{}
	for _, test := range []struct {
		name  string
		user  bool
		procs string
		env   []string
	}{
		{"one core", false, "1", nil},
		{"two cores", false, "2", []string{"TZ=Asia/Tokyo", "LC_ALL=de_DE.UTF-8"}},
		{"another user", true, "2", []string{"TZ=America/New_York"}},
	} {
		dir, err := os.MkdirTemp("", "imagetools-test")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		args := []string{toolPath(t), "create-image", "-q", "-o", filepath.Join(dir, "out"), "debian-12.1", "-"}
		if test.user {
			args = append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}, args...)
		}
		in, err := os.Open(tar)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = append(append(os.Environ(), "GOMAXPROCS="+test.procs, "HOME="+dir), test.env...)
		cmd.Dir, cmd.Stdin = dir, in
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", test.name, err, out)
		}
		sum, err := exec.Command("sha256sum", filepath.Join(dir, "out/debian-12.1.zfs.gz")).Output()
		if err != nil {
			t.Fatal(err)
		}
		digests[strings.Fields(string(sum))[0]] += test.name + "; "
	}
	if len(digests) != 1 {
		t.Errorf("different images: %v", digests)
	}
}

// TestInterrupt stops the program at moments of its work: it must fail and leave nothing.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	tree := t.TempDir()
	rootfs := filepath.Join(tree, "rootfs")
	if err := os.Mkdir(rootfs, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		if err := os.WriteFile(filepath.Join(rootfs, fmt.Sprint(i)), bytes.Repeat(pattern(1<<20), 8), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 12 {
		dir := t.TempDir()
		cmd := exec.Command(toolPath(t), "create-image", "--owners", "root", "-c", "xz", "-o", filepath.Join(dir, "out"), "web-1", rootfs)
		cmd.Env = append(os.Environ(), "TMPDIR="+dir)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i) * 25 * time.Millisecond)
		if err := cmd.Process.Signal([]os.Signal{os.Interrupt, syscall.SIGTERM}[i%2]); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Errorf("after %d ms: the program went on to the end", i*25)
		}
		left, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(left) > 0 {
			t.Errorf("after %d ms: %v is left\n%s", i*25, left, &stderr)
		}
	}
}

// TestFullDisk writes to a disk that is too small: one error that says so, and nothing left.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		oracle.Unavailable(t, fmt.Errorf("mounting a small disk needs root"))
	}
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=2m"); err != nil {
		oracle.Unavailable(t, fmt.Errorf("mount a tmpfs: %w", err))
	}
	defer syscall.Unmount(disk, 0)
	rootfs := filepath.Join(t.TempDir(), "rootfs")
	if err := os.Mkdir(rootfs, 0o755); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 16<<20)
	for i, seed := 0, uint64(1); i < len(data); i++ {
		seed = seed*6364136223846793005 + 1442695040888963407
		data[i] = byte(seed >> 56)
	}
	if err := os.WriteFile(filepath.Join(rootfs, "noise"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"create-image", "--owners", "root", "-o", filepath.Join(disk, "out"), "web-1", rootfs},
		{"create-image", "--owners", "root", "-c", "none", "-o", filepath.Join(disk, "out"), "web-1", rootfs},
		{"create-image", "--tmpdir", disk, "-o", filepath.Join(t.TempDir(), "out"), "web-1", "-"},
	} {
		cmd := exec.Command(toolPath(t), args...)
		if args[len(args)-1] == "-" { // a pipe, which breaks when the program ends
			cmd = exec.Command("sh", append([]string{"-c", `tar -C "$0" -cf - . | "$@"`, rootfs, toolPath(t)}, args...)...)
		}
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "no space left on device") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
		if n := strings.Count(string(out), "no space left"); n != 1 {
			t.Errorf("%v: the error is told %d times\n%s", args, n, out)
		}
		left, err := os.ReadDir(disk)
		if err != nil {
			t.Fatal(err)
		}
		if len(left) > 0 {
			t.Errorf("%v: %v is left", args, left)
		}
	}
}
