//go:build linux

package smartos_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"imagetools/base"
	"imagetools/test/oracle"
	"imagetools/test/smartos"
)

// zoneSteps are those of a minimal image, as install-base tells them.
var zoneSteps = []string{"bootstrap", "package-tools", "certificates", "packages", "certificate-bundle", "linker-paths",
	"mail-maps", "services", "users", "local-directories", "alternatives", "clean", "prepare"}

// moment is when a program says a line that begins with something, and what happens to it then.
type moment struct {
	prefix string
	do     func(pid int)
}

// runUntil runs a program that tells of its steps on standard error, does something to it at the
// first line that has a prefix, and returns what it said and its exit status.
func runUntil(t *testing.T, cmd *exec.Cmd, prefix string, do func(pid int)) (said string, status int) {
	t.Helper()
	return runThrough(t, cmd, moment{prefix, do})
}

// runThrough is runUntil for several moments, one after another.
func runThrough(t *testing.T, cmd *exec.Cmd, moments ...moment) (said string, status int) {
	t.Helper()
	cmd.Stdout = nil
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		fmt.Fprintln(&b, lines.Text())
		if len(moments) > 0 && strings.HasPrefix(lines.Text(), moments[0].prefix) {
			moments[0].do(cmd.Process.Pid)
			moments = moments[1:]
		}
	}
	err = cmd.Wait()
	if len(moments) > 0 {
		t.Fatalf("no %q: %v\n%s", moments[0].prefix, err, &b)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return b.String(), cmd.ProcessState.ExitCode()
}

// interrupt is Ctrl-C.
func interrupt(pid int) { syscall.Kill(pid, syscall.SIGINT) }

// killChild kills what a process runs, now or next, without any notice.
func killChild(pid int) {
	for range 1000 { // there is none for a moment between the scripts
		if killChildren(pid) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func killChildren(pid int) (killed bool) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if child, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil && fields[0] != "Z" && fields[1] == strconv.Itoa(pid) {
			killed = syscall.Kill(child, syscall.SIGKILL) == nil || killed
		}
	}
	return killed
}

// TestInterruptedInstall interrupts install-base in each step, and kills what it runs in each.
// Run once more to its end it makes what it makes undisturbed.
func TestInterruptedInstall(t *testing.T) {
	b := smartos.BaseImages[0]
	smartos.RunThen(t, func(t *testing.T, m *smartos.Machine) {
		img := base.Standard.Image(b.Config)
		bootstrap := kit(t, m, img)
		zone := newZone(t, m, img, installSeed(t, m, img.Brand()))
		tmp := filepath.Join(m.Dir, "tmp")
		if err := os.Mkdir(tmp, 0o777); err != nil {
			t.Fatal(err)
		}
		log := filepath.Join(m.Dir, "log")
		command := func() *exec.Cmd {
			cmd := exec.Command(m.Tool, "install-base", "-c", img.Config.String(), "-n", img.Name, "-r", img.Release, "-z", zone, "--bootstrap", bootstrap, "--log", log)
			cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
			return cmd
		}
		restart := func() {
			m.Must(t, "vmadm", "stop", zone)
			m.Must(t, "vmadm", "start", zone)
		}
		check := func(step, said string, want ...string) {
			t.Helper()
			for _, w := range append(want, log) {
				if !strings.Contains(said, w) {
					t.Errorf("%s: it says %q, want %q in it", step, said, w)
				}
			}
			if files, err := os.ReadDir(tmp); err != nil || len(files) > 0 {
				t.Errorf("%s: temporary files are left: %v, %v", step, files, err)
			}
			if text, err := os.ReadFile(log); err != nil || !strings.Contains(string(text), "hand-in\n") {
				t.Errorf("%s: the log: %v\n%s", step, err, text)
			}
		}
		testFull(t, m, zone, command)
		for _, step := range append([]string{"hand-in"}, zoneSteps...) {
			prefix := "zone: " + step
			if step == "hand-in" {
				prefix = step
			}
			said, status := runUntil(t, command(), prefix, interrupt)
			if status != 130 {
				t.Errorf("%s: interrupted, it ends with %d", step, status)
			}
			check(step, said, fmt.Sprintf(`interrupted; the zone %q stays as it was, with /var/tmp/basesetup in it, and what runs there goes on until it is halted; the log is`, zone))
			restart()
		}
		for _, step := range zoneSteps[:len(zoneSteps)-2] {
			said, status := runUntil(t, command(), "zone: "+step, killChild)
			if status != 1 {
				t.Errorf("%s: with zlogin killed, it ends with %d: %s", step, status, said)
			}
			check(step, said, "zlogin "+zone, "signal: killed", "hint: the zone stays as it was")
			restart()
		}
		said, status := killInClean(t, m, zone, command())
		if status != 1 || !zoneIs(t, m, zone, "running") {
			t.Errorf("clean: with zlogin killed, it ends with %d: %s", status, said)
		}
		check("clean", said, "zlogin "+zone, "signal: killed", "hint: the zone stays as it was")
		restart()
		// What zlogin has begun in the last step is done without it, unless it dies, too.
		said, status = holdInPrepare(t, m, zone, command(), killChild)
		if status != 0 || !zoneIs(t, m, zone, "stopped") {
			t.Errorf("prepare: with zlogin killed, it ends with %d: %s", status, said)
		}
		m.Must(t, "vmadm", "start", zone)
		said, status = holdInPrepare(t, m, zone, command(), func(pid int) {
			killChild(pid)
			killInZone(t, filepath.Join(m.Mountpoint(t, "zones/"+zone), "root"))
			interrupt(pid) // or it would wait for the halt
		})
		if status != 130 || !zoneIs(t, m, zone, "running") {
			t.Errorf("prepare: with all killed, it ends with %d: %s", status, said)
		}
		check("prepare", said, fmt.Sprintf("interrupted; the zone %q stays as it was", zone))
		restart()
		// A zone that comes down in its last step is what was wanted, whoever did it.
		if said, status := runUntil(t, command(), "zone: prepare", func(int) { m.Must(t, "vmadm", "stop", zone) }); status != 0 {
			t.Errorf("halted at the end: status %d: %s", status, said)
		}
		m.Must(t, "vmadm", "start", zone)
		m.Must(t, m.Tool, command().Args[1:]...)
		m.Must(t, m.Tool, "create-image", "-q", "-o", m.Dir, img.Name+"-"+img.Release, zone)
		m.Must(t, "vmadm", "delete", zone)
	}, func(t *testing.T, dir string) {
		checkImage(t, oracle.RequireJudge(t), filepath.Join(dir, "../bin/imagetools"), b.Name, filepath.Join(dir, b.NameVersion()))
	})
}

// killInClean kills zlogin when the zone cleans itself: at the reading of /etc/hosts, which does
// not come to an end.
func killInClean(t *testing.T, m *smartos.Machine, zone string, cmd *exec.Cmd) (said string, status int) {
	t.Helper()
	hosts := filepath.Join(m.Mountpoint(t, "zones/"+zone), "root/etc/hosts")
	release := hold(t, m, "pkg_alternatives")
	defer func() {
		if err := errors.Join(os.Remove(hosts), os.Rename(hosts+".kept", hosts)); err != nil {
			t.Error(err)
		}
	}()
	return runThrough(t, cmd, moment{"zone: alternatives", func(int) {
		if err := errors.Join(os.Rename(hosts, hosts+".kept"), syscall.Mkfifo(hosts, 0o644)); err != nil {
			t.Error(err)
		}
		release()
	}}, moment{"zone: clean", killChild})
}

// holdInPrepare does something while the zone prepares itself, and then has it go on.
func holdInPrepare(t *testing.T, m *smartos.Machine, zone string, cmd *exec.Cmd, do func(pid int)) (said string, status int) {
	t.Helper()
	release := hold(t, m, "sm-prepare-image")
	before := len(m.ZoneCalls(t, zone))
	return runUntil(t, cmd, "zone: prepare", func(pid int) {
		for calls := m.ZoneCalls(t, zone); !slices.Contains(calls[before:], "sm-prepare-image -y"); calls = m.ZoneCalls(t, zone) {
			time.Sleep(10 * time.Millisecond)
		}
		do(pid)
		release()
	})
}

// hold has the calls of a program in zones wait until they are released.
func hold(t *testing.T, m *smartos.Machine, program string) (release func()) {
	t.Helper()
	path := filepath.Join(m.Packages(), "hold")
	if err := os.WriteFile(path, []byte(program+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

func zoneIs(t *testing.T, m *smartos.Machine, zone, state string) bool {
	t.Helper()
	return m.Must(t, "vmadm", "lookup", "uuid="+zone, "state="+state) == zone
}

// killInZone kills what runs in a zone.
func killInZone(t *testing.T, root string) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/root")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if at, err := os.Readlink(link); err != nil || at != root {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link))); err == nil {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// testFull hands a bootstrap to a zone that has no room for it.
func testFull(t *testing.T, m *smartos.Machine, zone string, command func() *exec.Cmd) {
	dataset := "zones/" + zone
	var used int
	if _, err := fmt.Sscan(m.ZFS(t, "get", "-H", "-p", "-o", "value", "used", dataset), &used); err != nil {
		t.Fatal(err)
	}
	quota := m.ZFS(t, "get", "-H", "-o", "value", "quota", dataset)
	large := filepath.Join(m.Dir, "large.tar.gz")
	m.Must(t, "sh", "-c", `head -c 8000000 /dev/urandom | gzip -1 >"$1"`, "sh", large)
	m.ZFS(t, "set", fmt.Sprintf("quota=%d", used+4_000_000), dataset)
	cmd := command()
	cmd.Args = append(cmd.Args, "--bootstrap", large)
	said, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(said), `write "/var/tmp/basesetup/bootstrap-2024Q4-x86_64.tar.gz": disk quota exceeded`) {
		t.Errorf("no space: %v, %s", err, said)
	}
	left, err := filepath.Glob(filepath.Join(m.Mountpoint(t, dataset), "root/var/tmp/basesetup/*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left is %v, %v", left, err)
	}
	m.ZFS(t, "set", "quota="+quota, dataset)
}
