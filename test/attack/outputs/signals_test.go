package outputs

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"imagetools/test/attack"
)

// A run that gets a signal at any moment either was done, and says so by status 0, or has written
// nothing. What a kill leaves is removed and named by the next run, which finds its way free.
func TestAttackSignals(t *testing.T) {
	list := available(t)
	r := random(t)
	count := map[string]int{}
	took := map[string]time.Duration{}
	for n := range attack.Runs(t, len(list), 1000) {
		w := list[n%len(list)]
		signal := []syscall.Signal{syscall.SIGKILL, syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL}[n%4]
		dir := workDir(t)
		want := w.want(t, "a")
		if took[w.name] == 0 {
			begin := time.Now()
			if status, said := run(t, command(dir, w.command("a")...)); status != 0 {
				t.Fatalf("%s: %s", w.name, said)
			}
			took[w.name] = time.Since(begin)
			clear(t, dir)
		}
		cmd := command(dir, w.command("a")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(r.Int64N(int64(took[w.name] * 5 / 4))))
		cmd.Process.Signal(signal)
		cmd.Wait()
		status, got := cmd.ProcessState.ExitCode(), snapshot(t, dir)
		count[fmt.Sprintf("%v: status %d", signal, status)]++
		where := fmt.Sprintf("run %d, %s, %v", n, w.name, signal)
		switch {
		case status == 0 && got != want:
			t.Errorf("%s: status 0 and %s", where, differ(got, want))
		case status > 0 && got != "":
			t.Errorf("%s: status %d and left is %q", where, status, got)
		case status < 0 && signal == syscall.SIGKILL:
			again(t, w, dir, where, got, want)
		case status < 0 && got != "": // before it handles signals
			t.Errorf("%s: it was ended and left %q", where, got)
		}
		clear(t, dir)
	}
	t.Log(count)
}

// again runs a command once more where one was killed.
func again(t *testing.T, w writer, dir, where, left, want string) {
	t.Helper()
	if left == want {
		return // it was done
	}
	status, said := run(t, command(dir, w.command("a")...))
	done := status == 1 && strings.Contains(said, "already") // only what is beside it was left
	if got := snapshot(t, dir); status != 0 && !done || got != want {
		t.Errorf("%s: left was %q; the next run: status %d, %s; %s", where, left, status, said, differ(got, want))
	}
	if hidden := strings.Contains(left, ".imagetools-"); hidden && !strings.Contains(said, "a run that was killed") {
		t.Errorf("%s: left was %q, of which the next run says %q", where, left, said)
	}
}

// The same for the preparation of a root in place: what is done by halves is done by the next run,
// which leaves what one that nobody disturbs leaves.
func TestAttackSignalsInPlace(t *testing.T) {
	needRoot(t)
	setUp(t)
	r := random(t)
	dir := workDir(t)
	fill := func() {
		clear(t, dir)
		if err := os.Mkdir(dir+"/out", 0o755); err != nil {
			t.Fatal(err)
		}
		if status, said := run(t, command(dir, "extract", input("a.zfs"), "-q", "--same-owner", "-C", "out")); status != 0 {
			t.Fatal(said)
		}
		os.Remove(dir + "/out.mtree")
		for _, name := range []string{"passwd", "shadow", "hostname", "hosts", "resolv.conf"} {
			if err := os.WriteFile(dir+"/out/root/etc/"+name, []byte("root:x:0:0::/root:/bin/sh\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	prepare := []string{"prepare", "out/root", "-q"}
	fill()
	begin := time.Now()
	if status, said := run(t, command(dir, prepare...)); status != 0 {
		t.Fatal(said)
	}
	took, want := time.Since(begin), snapshot(t, dir)
	killed := 0
	for n := range attack.Runs(t, 2, 250) {
		fill()
		cmd := command(dir, prepare...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(r.Int64N(int64(took))))
		cmd.Process.Kill()
		cmd.Wait()
		left := snapshot(t, dir)
		if cmd.ProcessState.ExitCode() < 0 {
			killed++
		} else if left != want {
			t.Errorf("run %d: status 0 and %s", n, differ(left, want))
		}
		status, said := run(t, command(dir, prepare...))
		done := status == 1 && strings.Contains(said, "already") // only what is beside it was left
		if got := snapshot(t, dir); status != 0 && !done || got != want {
			t.Errorf("run %d: the next run: status %d, %s; %s", n, status, said, differ(got, want))
		}
		if strings.Contains(left, ".imagetools-") && !strings.Contains(said, "a run that was killed") {
			t.Errorf("run %d: left was %q, of which the next run says %q", n, left, said)
		}
	}
	t.Logf("%d killed", killed)
}
