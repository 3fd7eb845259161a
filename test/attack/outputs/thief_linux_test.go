package outputs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"imagetools/test/attack"
)

func exchange(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}

// canary is a directory of root with a file that nobody else may read or change.
type canary struct{ dir, file, was string }

func newCanary(t *testing.T) *canary {
	t.Helper()
	c := &canary{dir: filepath.Join(workDir(t), "canary")}
	c.file = filepath.Join(c.dir, "secret")
	if err := errors.Join(os.Mkdir(c.dir, 0o755), os.WriteFile(c.file, []byte("secret"), 0o600), os.WriteFile(filepath.Join(c.dir, "passwd"), []byte("root:x:0:0::/:\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	c.was = c.state(t)
	return c
}

// state is what can be told of it, but when it was read.
func (c *canary) state(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, path := range []string{c.dir, c.file, filepath.Join(c.dir, "passwd")} {
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, path, st.Mode, st.Uid, st.Gid, st.Nlink, st.Size, st.Mtim, st.Ctim)
	}
	return b.String() + snapshot(t, c.dir)
}

func (c *canary) check(t *testing.T, where string) {
	t.Helper()
	if now := c.state(t); now != c.was {
		t.Errorf("%s: escaped: %s", where, differ(now, c.was))
		c.was = now
	}
}

// Root writes below the directory of another user, who takes away what appears there and puts
// other things in its place: nothing that is not below his directory is changed, and what is not
// what root has written is not said to be.
func TestAttackThief(t *testing.T) {
	needRoot(t)
	list := available(t)
	for i, w := range list {
		if w.name == "extract" {
			list = append(list[:len(list):len(list)], writer{name: "extract as owner", args: append(append([]string{}, list[i].args...), "--same-owner", "--devices")})
		}
	}
	c := newCanary(t)
	count := map[string]int{}
	for n := range attack.Runs(t, len(list), 1000) {
		w := list[n%len(list)]
		want := w.want(t, "a")
		dir := workDir(t)
		if err := os.Chown(dir, user, user); err != nil {
			t.Fatal(err)
		}
		stop := attacker(t, dir, "thief", c.file)
		cmd := command(dir, w.command("a")...)
		cmd.Env = append(cmd.Env, "TMPDIR="+shared.dir)
		status, said := run(t, cmd)
		stop()
		where := fmt.Sprintf("run %d, %s", n, w.name)
		c.check(t, where)
		for _, name := range []string{"trap", "stolen"} {
			os.RemoveAll(filepath.Join(dir, name))
		}
		got := snapshot(t, dir)
		count[fmt.Sprintf("status %d", status)]++
		if status == 0 && got != want {
			t.Errorf("%s: status 0 and %s", where, differ(got, want))
		}
		if strings.Contains(said, "panic") || status != 0 && said == "" {
			t.Errorf("%s: it says %q", where, said)
		}
		clear(t, dir)
	}
	t.Log(count)
}

// Root prepares, or makes an image of, a root file system whose owner exchanges its directories
// and files with links that lead out of it.
func TestAttackSwap(t *testing.T) {
	needRoot(t)
	setUp(t)
	c := newCanary(t)
	count := map[string]int{}
	for n := range attack.Runs(t, 6, 1000) {
		dir := workDir(t)
		root := filepath.Join(dir, "root")
		file := func(name, text string) error { return os.WriteFile(filepath.Join(root, name), []byte(text), 0o644) }
		err := errors.Join(os.MkdirAll(root+"/etc", 0o755), os.MkdirAll(root+"/sbin", 0o755), os.MkdirAll(root+"/var/log", 0o755), os.Symlink(c.dir, root+"/out"), os.Symlink(c.file, root+"/etc/leak"),
			file("etc/os-release", "ID=debian\nVERSION_ID=12\n"), file("etc/passwd", "root:x:0:0::/root:/bin/sh\n"), file("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
			file("etc/resolv.conf", "nameserver 10.0.0.1\n"), file("var/log/messages", "x\n"), file("sbin/init", "x"))
		for _, path := range []string{"", "etc", "var", "var/log", "out", "etc/leak", "etc/machine-id", "etc/resolv.conf", "var/log/messages", "etc/passwd"} {
			err = errors.Join(err, os.Lchown(filepath.Join(root, path), user, user))
		}
		if err = errors.Join(err, os.Chown(dir, user, user)); err != nil {
			t.Fatal(err)
		}
		stop := attacker(t, root, "swap", [][]string{{"etc", "out"}, {"etc/machine-id", "etc/leak"}, {"var/log", "out"}, {"etc", "out", "etc/passwd", "etc/leak"}}[n%4]...)
		args := [][]string{{"prepare", "root", "-q"}, {"create-image", "w-1.0", "root", "-q", "--type", "lx-dataset", "-c", "none", "-o", filepath.Join(shared.dir, "swapped"), "--force"}}[n/4%2]
		status, said := run(t, command(dir, args...))
		stop()
		where := fmt.Sprintf("run %d, %s", n, args[0])
		c.check(t, where)
		count[fmt.Sprintf("%s: status %d", args[0], status)]++
		if strings.Contains(said, "panic") || status != 0 && said == "" {
			t.Errorf("%s: it says %q", where, said)
		}
		if image, err := os.ReadFile(filepath.Join(shared.dir, "swapped/w-1.0.zfs")); err == nil && strings.Contains(string(image), "secret") {
			t.Errorf("%s: the secret is in the image", where)
		}
		os.RemoveAll(filepath.Join(shared.dir, "swapped"))
		clear(t, dir)
	}
	t.Log(count)
}
