package base_test

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"imagetools/base"
	"imagetools/rootfs"
	"imagetools/test/oracle"
)

// zone is a folder that looks to the scripts like the root of a zone: /usr is the host's, and
// the programs that SmartOS has, and packages bring, are testdata/standin.
type zone struct {
	dir string
	img *base.Image
}

// newZone makes a zone for a config, whose bootstrap has what is asked for.
func newZone(t *testing.T, c base.Config, bootstrap ...string) *zone {
	t.Helper()
	if os.Geteuid() != 0 {
		oracle.Unavailable(t, errors.New("chroot needs root"))
	}
	z := &zone{dir: t.TempDir(), img: base.Standard.Image(c)}
	system := ""
	if z.img.Arch == "sngl" {
		system = "/system"
	}
	for _, dir := range []string{system + "/usr", "usr/local", "dev", "etc", "home", "opt/local", "root", "standin", "var/tmp", "tmp", "local/sbin"} {
		z.mkdir(t, dir)
	}
	for _, link := range []string{"bin", "lib", "lib64", "sbin"} {
		z.link(t, "."+system+"/usr/"+link, link)
	}
	z.link(t, system+"/usr/bin/bash", "standin/bash")
	program, err := os.ReadFile("testdata/standin")
	if err != nil {
		t.Fatal(err)
	}
	z.write(t, "standin/program", string(program))
	z.write(t, "standin/calls", "")
	z.write(t, "standin/packages", "")
	z.write(t, "standin/prefix", z.img.Variables["IMAGE_PREFIX"])
	z.write(t, "standin/sysconfdir", z.img.Variables["IMAGE_SYSCONFDIR"])
	for _, name := range strings.Fields("crle groupadd gtar sleep svcadm svccfg useradd usermod") {
		z.link(t, "/standin/program", "local/sbin/"+name)
	}
	z.write(t, "dev/null", "")
	z.write(t, "etc/passwd", "root:x:0:0::/root:/usr/bin/bash\n")
	z.write(t, "etc/group", "root::0:\nstaff::10:\n")
	z.write(t, "root/zoneconfig", "")
	z.write(t, "etc/inet/hosts", "127.0.0.1\tlocalhost\n10.0.0.1\ta pkgsrc.smartos.org\n10.0.0.2 xpkgsrc.smartos.org")
	z.link(t, "inet/hosts", "etc/hosts")
	z.mkdir(t, strings.TrimPrefix(z.img.Variables["IMAGE_SYSCONFDIR"], "/")+"/postfix")
	z.overlay(t)
	z.bootstrap(t, bootstrap)
	return z
}

func (z *zone) mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(z.dir, path), 0o755); err != nil {
		t.Fatal(err)
	}
}

func (z *zone) link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, filepath.Join(z.dir, path)); err != nil {
		t.Fatal(err)
	}
}

func (z *zone) write(t *testing.T, path, content string) {
	t.Helper()
	z.mkdir(t, filepath.Dir(path))
	if err := os.WriteFile(filepath.Join(z.dir, path), []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

func (z *zone) read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(z.dir, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// overlay lays the built-in overlay over the zone.
func (z *zone) overlay(t *testing.T) {
	t.Helper()
	root, err := rootfs.OpenDir(z.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	apply(t, root, z.img)
}

// bootstrap hands the package tools in, and further files: links to the stand-in, but for
// certificates.
func (z *zone) bootstrap(t *testing.T, files []string) {
	t.Helper()
	var b strings.Builder
	gz := gzip.NewWriter(&b)
	w := tar.NewWriter(gz)
	v := z.img.Variables
	for _, name := range append([]string{"sbin/pkg_add", "sbin/pkg_admin", "sbin/pkg_info"}, files...) {
		h := &tar.Header{Name: v["IMAGE_PREFIX"] + "/" + name, Typeflag: tar.TypeSymlink, Linkname: "/standin/program"}
		if name == certificate {
			h = &tar.Header{Name: v["IMAGE_SYSCONFDIR"] + "/" + name, Typeflag: tar.TypeReg}
		}
		h.Name = "." + h.Name
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	z.write(t, z.img.BootstrapFile(), b.String())
}

// enter makes the mounts of a zone in a name space of its own, which ends with the process.
const enter = `set -e
root=$1 usr=$2
shift 2
mount --make-rprivate /
mount --bind /usr "$root$usr"
mount -o remount,ro,bind "$root$usr"
mount --bind "$root/local" "$root/usr/local"
mount --bind /dev/null "$root/dev/null"
exec chroot "$root" "$@"`

// run runs a script as zlogin does, and returns what it says.
func (z *zone) run(t *testing.T, script string) (output string, err error) {
	t.Helper()
	usr := "/usr"
	if z.img.Arch == "sngl" {
		usr = "/system/usr"
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", enter, "enter", z.dir, usr, z.img.Shell(), script)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		oracle.Unavailable(t, fmt.Errorf("mounts are not allowed: %w", err))
	}
	return string(out), err
}

// progress is what a script says of its steps.
func progress(output string) (all []base.Progress) {
	for line := range strings.Lines(output) {
		if p, ok := base.ParseProgress(line); ok {
			all = append(all, p)
		}
	}
	return all
}

// The golden file has the steps and the calls of both scripts.
func TestScripts(t *testing.T) {
	for _, tt := range zones {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			z := newZone(t, tt.config, tt.bootstrap...)
			var b strings.Builder
			for _, script := range []string{base.FirstScript, base.SecondScript} {
				output, err := z.run(t, script)
				if err != nil {
					t.Fatalf("%s: %v\n%s", script, err, output)
				}
				for _, p := range progress(output) {
					fmt.Fprintf(&b, "%s: %s %s\n", script, p.Step, p.State)
				}
				if script == base.FirstScript {
					if log := z.read(t, base.LogFile); log != output {
						t.Errorf("the log is\n%s\nwant\n%s", log, output)
					}
				}
			}
			b.WriteString(z.read(t, "standin/calls"))
			golden(t, "testdata/"+tt.file+".calls", b.String())
			for _, gone := range []string{"etc/opasswd", "root/customize", "root/zoneconfig", "root/.npm", base.WorkDir} {
				if _, err := os.Lstat(filepath.Join(z.dir, gone)); err == nil {
					t.Errorf("%s is left", gone)
				}
			}
			for _, there := range []string{"etc/ssl/certs/ca-certificates.crt", "local/share/man", "local/man", "var/lock", "var/ld/64/ld.config"} {
				if _, err := os.Stat(filepath.Join(z.dir, there)); err != nil {
					t.Error(err)
				}
			}
			if hosts := z.read(t, "etc/inet/hosts"); hosts != "127.0.0.1\tlocalhost\n10.0.0.2 xpkgsrc.smartos.org\n" {
				t.Errorf("hosts is %q", hosts)
			}
			conf := z.read(t, z.img.Variables["IMAGE_SYSCONFDIR"]+"/pkg_install.conf")
			if want := fmt.Sprintf("PKG_PATH=https://pkgsrc.smartos.org/packages/SmartOS/%s/%s/All\n", z.img.Branch, z.img.Arch); conf != want {
				t.Errorf("pkg_install.conf is %q, want %q", conf, want)
			}
			if tt.file == "pkgbuild" {
				for _, dir := range []string{"trunk/tools/All", "2024Q4/x86_64/All"} {
					if _, err := os.Stat(filepath.Join(z.dir, "data/packages/SmartOS", dir)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
}

// Whichever program fails, its script ends there and says in which step. Run again, it ends as
// it would have.
func TestFailingPrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the scripts once for each program")
	}
	tt := zones[2] // pkgbuild has all steps
	ok := newZone(t, tt.config, tt.bootstrap...)
	for _, script := range []string{base.FirstScript, base.SecondScript} {
		if out, err := ok.run(t, script); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	calls := ok.calls(t)
	for i, call := range calls {
		program, _, _ := strings.Cut(call, " ")
		if program == "pkg_info" || program == "curl" || i > 0 && strings.HasPrefix(calls[i-1], program+" ") {
			continue // the failure is an answer, or the call is one of several
		}
		t.Run(fmt.Sprintf("%d %s", i+1, program), func(t *testing.T) {
			t.Parallel()
			z := newZone(t, tt.config, tt.bootstrap...)
			z.write(t, "standin/fail", fmt.Sprint(i+1))
			scripts := []string{base.FirstScript, base.SecondScript}
			output, err := z.run(t, scripts[0])
			if err == nil {
				scripts = scripts[1:]
				output, err = z.run(t, scripts[0])
			}
			if err == nil {
				t.Fatalf("%s failed, and nobody cares:\n%s", call, output)
			}
			all := progress(output)
			last := all[len(all)-1]
			if last.State != base.Failed || last.Step != all[len(all)-2].Step || !strings.HasSuffix(last.Reason, "status 3") {
				t.Errorf("after %s the last word is %+v", call, last)
			}
			if program == "pkg_add" && last.Reason != "mozilla-rootcerts-openssl: status 3" {
				t.Errorf("%+v does not name the package", last)
			}
			if got := z.calls(t); !slices.Equal(got, calls[:i+1]) {
				t.Errorf("calls after %s: %q", call, got[min(i+1, len(got)):])
			}
			if last.Step == "prepare" {
				return // the script is gone
			}
			if log := z.read(t, base.LogFile); !strings.HasSuffix(log, output) {
				t.Errorf("the log ends in %q", log[max(0, len(log)-200):])
			}
			if err := os.Remove(filepath.Join(z.dir, "standin/fail")); err != nil {
				t.Fatal(err)
			}
			for _, script := range scripts {
				if output, err := z.run(t, script); err != nil {
					t.Fatalf("%s: %v\n%s", script, err, output)
				}
			}
			for _, file := range []string{"etc/passwd", "etc/group", "opt/local/etc/pkg_install.conf"} {
				if got, want := z.read(t, file), ok.read(t, file); got != want {
					t.Errorf("%s is\n%s\nwant\n%s", file, got, want)
				}
			}
		})
	}
}

// calls are those of the stand-ins so far.
func (z *zone) calls(t *testing.T) []string {
	t.Helper()
	return strings.Split(strings.TrimSuffix(z.read(t, "standin/calls"), "\n"), "\n")
}

func TestCertificates(t *testing.T) {
	c := base.Config{Branch: "2018Q2", Arch: "x86_64", Name: "minimal", Release: "18.2.0"}

	z := newZone(t, c)
	output, err := z.run(t, base.FirstScript)
	all := progress(output)
	want := base.Progress{Step: "certificates", State: base.Failed,
		Reason: "the bootstrap has no root certificates, and none were given: status 1"}
	if err == nil || all[len(all)-1] != want {
		t.Errorf("no certificates: %v\n%s", err, output)
	}
	if calls := z.read(t, "standin/calls"); strings.Contains(calls, "pkg_add") {
		t.Errorf("a package is fetched without certificates:\n%s", calls)
	}

	z = newZone(t, c)
	z.write(t, base.CACertFile, "certificates of the host")
	if output, err := z.run(t, base.FirstScript); err != nil {
		t.Errorf("certificates from outside: %v\n%s", err, output)
	}
	if calls := z.read(t, "standin/calls"); !strings.Contains(calls, "mozilla-rootcerts 'install'") {
		t.Errorf("the image's own certificates are not unpacked:\n%s", calls)
	}
}

func TestNoBootstrap(t *testing.T) {
	z := newZone(t, zones[0].config)
	if err := os.Remove(filepath.Join(z.dir, z.img.BootstrapFile())); err != nil {
		t.Fatal(err)
	}
	output, err := z.run(t, base.FirstScript)
	all := progress(output)
	if last := all[len(all)-1]; err == nil || last.Step != "bootstrap" || last.State != base.Failed {
		t.Errorf("no bootstrap: %v, %+v", err, last)
	}
}
