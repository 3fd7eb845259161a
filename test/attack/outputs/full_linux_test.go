package outputs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"imagetools/test/attack"
)

// mount mounts something for as long as a test needs it.
func mount(t *testing.T, source, dir, kind, options string) (unmount func()) {
	t.Helper()
	if err := unix.Mount(source, dir, kind, 0, options); err != nil {
		t.Skipf("mount %s: %v", kind, err)
	}
	mounted := true
	unmount = func() {
		if mounted {
			if err := unix.Unmount(dir, 0); err != nil {
				t.Errorf("unmount: %v", err)
			}
			mounted = false
		}
	}
	t.Cleanup(unmount)
	return unmount
}

// A run that finds no room ends with an error that says so, and leaves nothing.
func TestAttackNoRoom(t *testing.T) {
	needRoot(t)
	list := available(t)
	r := random(t)
	count := map[string]int{}
	for n := range attack.Runs(t, len(list), 1000) {
		w := list[n%len(list)]
		want := w.want(t, "a")
		dir := workDir(t)
		size := 8<<10 + r.IntN(3<<20)
		unmount := mount(t, "tmpfs", dir, "tmpfs", fmt.Sprintf("size=%d,mode=755", size))
		status, said := run(t, command(dir, w.command("a")...))
		got := snapshot(t, dir)
		unmount()
		count[fmt.Sprintf("status %d", status)]++
		switch {
		case status == 0 && got != want:
			t.Errorf("run %d, %s in %d bytes: status 0 and %s", n, w.name, size, differ(got, want))
		case status != 0 && got != "":
			t.Errorf("run %d, %s in %d bytes: %s; left is %q", n, w.name, size, said, got)
		case status != 0 && !strings.Contains(said, "no space left"):
			t.Errorf("run %d, %s in %d bytes: it says %q", n, w.name, size, said)
		}
	}
	t.Log(count)
}

// What cannot be written to standard output is an error, of every command, and nothing else is
// left of the run.
func TestAttackFullOutput(t *testing.T) {
	setUp(t)
	commands := [][]string{
		{"ls", "IN/a.zfs"}, {"ls", "-l", "--json", "IN/a.zfs"}, {"cat", "IN/a.zfs", "root/etc/os-release"}, {"cat", "IN/a.zvol"},
		{"inspect", "IN/a.zfs"}, {"inspect", "--json", "IN/a.zfs"}, {"verify", "IN/a.zfs"}, {"verify", "--json", "IN/a.zfs"},
		{"diff", "IN/a.zfs", "IN/b.zfs"}, {"stream", "dump", "IN/a.zfs"}, {"stream", "recompress", "off", "IN/a.zfs"},
		{"stream", "recompress", "off", "IN/a.zfs", "-o", "out", "--json"}, {"stream", "deholes", "IN/a.zfs"},
		{"extract", "IN/a.zfs", "--tar", "-"}, {"extract", "IN/a.zvol", "--raw", "-"}, {"extract", "IN/a.zfs", "-C", "out", "--json"},
		{"create-image", "w-1.0", "IN/a.tar", "--type", "lx-dataset", "-o", "out"},
		{"create-image", "w-1.0", "IN/a.tar", "--type", "lx-dataset", "-o", "out", "--json"}, {"flatten", "IN/a.zfs", "f-1.0", "-o", "out"},
		{"prepare", "IN/a.tar", "-o", "-"}, {"prepare", "IN/a.tar", "-o", "out"}, {"prepare", "IN/a.tar", "--check"}, {"create-smf-repo", "--list"},
		{"--version"}, {"--help"}, {"create-image", "--help"}, {"completion", "bash"},
	}
	if shared.noSeed == nil {
		commands = append(commands, []string{"create-seed", "IN/a.build", "out", "--store", ".", "--repository", "IN/repository.db"})
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	for range attack.Runs(t, 1, 10) {
		for _, args := range commands {
			dir := workDir(t)
			cmd := command(dir, writer{args: args}.command("a")...)
			cmd.Stdout = full
			var said strings.Builder
			cmd.Stderr = &said
			cmd.Run()
			got := snapshot(t, dir)
			if cmd.ProcessState.ExitCode() == 0 {
				t.Errorf("%q: status 0; it says %q", args, &said)
			}
			if got != "" {
				t.Errorf("%q: left is %q; it says %q", args, got, &said)
			}
		}
	}
}

// notStarted is what the Go runtime says where it cannot wait for files at all.
var notStarted = regexp.MustCompile(`fatal error: runtime: (netpollinit|eventfd) failed`)

// With few descriptors a run succeeds, or ends with an error and leaves nothing.
func TestAttackFewDescriptors(t *testing.T) {
	list := available(t)
	count := map[string]int{}
	for n := range attack.Runs(t, len(list), 180) {
		w := list[n%len(list)]
		limit := 6 + n/len(list)
		if !attack.Full() {
			limit = 6 + 2*n
		}
		dir := workDir(t)
		cmd := command(dir, w.command("a")...)
		cmd.Args = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, limit), cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
		status, said := run(t, cmd)
		got := snapshot(t, dir)
		count[fmt.Sprintf("status %d", status)]++
		panicked := strings.Contains(said, "panic") && !notStarted.MatchString(said)
		if status == 0 && got != w.want(t, "a") || status != 0 && got != "" || panicked {
			t.Errorf("%s with %d descriptors: status %d, %s; %s", w.name, limit, status, said, differ(got, w.want(t, "a")))
		}
	}
	t.Log(count)
}

// On a disk that fails, a run that ends with 0 has written what is on the disk then.
func TestAttackFailingDisk(t *testing.T) {
	needRoot(t)
	list := available(t)
	r := random(t)
	count := map[string]int{}
	for n := range attack.Runs(t, 3, 30) {
		w := list[n*4%len(list)]
		want := w.want(t, "a")
		under, dir := workDir(t), workDir(t)
		unmountUnder := mount(t, "tmpfs", under, "tmpfs", "size=64m")
		loop := makeDisk(t, filepath.Join(under, "disk"), 24<<20)
		unmount := mount(t, loop, dir, "ext4", "errors=continue")
		// From here on there is less behind the disk than it says.
		room := int(used(t, filepath.Join(under, "disk"))) + r.IntN(2<<20)
		if err := unix.Mount("tmpfs", under, "tmpfs", unix.MS_REMOUNT, fmt.Sprintf("size=%d", room)); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(dir+"/w", 0o755); err != nil {
			t.Fatal(err)
		}
		status, said := run(t, command(dir+"/w", w.command("a")...))
		unmount()
		got := "the disk cannot be mounted again"
		if err := unix.Mount(loop, dir, "ext4", 0, "errors=continue"); err == nil {
			if got, err = describe(dir + "/w"); err != nil {
				got = err.Error()
			}
			unix.Unmount(dir, 0)
		}
		detach(t, loop)
		unmountUnder()
		count[fmt.Sprintf("status %d", status)]++
		if status == 0 && got != want {
			t.Errorf("run %d, %s: status 0 and %s; it says %q", n, w.name, differ(got, want), said)
		}
	}
	t.Log(count)
}
