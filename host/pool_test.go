package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestIsDatasetName(t *testing.T) {
	for name, want := range map[string]bool{
		"zones": true, "zones/a": true, "zones/a/b c.d:e-_9": true, "zones/" + strings.Repeat("a", 249): true,
		"": false, "/zones": false, "zones/": false, "zones//a": false, "zones/./a": false, "zones/../a": false, "./zones": false,
		"1zones": false, "-r": false, "zones/a@b": false, "zones/a#b": false, "zones/\n": false, "zones/ä": false,
		"zones/" + strings.Repeat("a", 250): false,
	} {
		if got := IsDatasetName(name); got != want {
			t.Errorf("IsDatasetName(%q) = %v, want %v", name, got, want)
		}
	}
}

// The line of a host with colons in a zonepath is made up; the others are SmartOS's.
func TestParseZones(t *testing.T) {
	got, err := parseZones(`0:global:running:/:::shared:0
12:54a2:running:/zones/54a2:54a2:joyent:excl:12
-:77b1:installed:/zones/77b1:77b1:joyent:excl:13
3:odd:shutting_down:/zones/a\:b\\c:odd:lx:excl
`)
	want := []Zone{
		{Name: "54a2", ID: "12", State: "running", Path: "/zones/54a2", UUID: "54a2", Brand: "joyent"},
		{Name: "77b1", State: "installed", Path: "/zones/77b1", UUID: "77b1", Brand: "joyent"},
		{Name: "odd", ID: "3", State: "shutting_down", Path: `/zones/a:b\c`, UUID: "odd", Brand: "lx"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, line := range []string{"12:54a2:running", "-:a:asleep:/zones/a:u:joyent:excl", "-:-a:installed:/zones/a:u:joyent:excl", "-:a:installed:zones:u:joyent:excl"} {
		if got, err := parseZones(line + "\n"); err == nil || !strings.Contains(err.Error(), line) {
			t.Errorf("parseZones(%q) = %v, %v", line, got, err)
		}
	}
}

// standIn puts programs with the given texts, shell scripts, before all others.
func standIn(t *testing.T, programs map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range programs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
}

// A dataset belongs to a running zone as its zonepath, as a dataset in that, or as a disk.
func TestCheckZones(t *testing.T) {
	standIn(t, map[string]string{
		"zoneadm": `[ "$*" = "list -pc" ] || exit 99
			echo 0:global:running:/::ipkg:shared
			echo 5:run:running:/zones/run:run:joyent:excl
			echo -:halted:installed:/zones/halted:halted:joyent:excl`,
		"zfs": `[ "$1 $2 $3 $4 $5" = "get -H -o value mountpoint" ] || exit 99
			shift 5
			for d; do case $d in */disk*) echo - ;; *) echo "/$d" ;; esac; done`,
	})
	for _, test := range []struct {
		name    string
		volume  bool
		running bool
	}{
		{"zones/run", false, true}, {"zones/run/data", false, true}, {"zones/run/disk0", true, true}, {"zones/run-disk1", true, true},
		{"zones/halted", false, false}, {"zones/runner", false, false}, {"zones", false, false}, {"zones/run-disk1", false, false},
		{"zones/halted-disk0", true, false}, {"tank/zones/run", false, false},
	} {
		d := &PoolDataset{Name: test.name, Volume: test.volume, zfs: (&Host{}).ZFS()}
		err := d.CheckZones(context.Background())
		running, ok := errors.AsType[*RunningZoneError](err)
		if ok != test.running || (err != nil) != test.running || ok && running.Zone != "run" {
			t.Errorf("%s: %v, want an error: %v", test.name, err, test.running)
		}
	}
	standIn(t, map[string]string{"zoneadm": "echo 'no privileges' >&2; exit 1"})
	err := (&PoolDataset{Name: "zones/x", zfs: (&Host{}).ZFS()}).CheckZones(context.Background())
	if err == nil || !strings.Contains(err.Error(), "zoneadm list -pc: exit status 1: no privileges") {
		t.Errorf("where zoneadm fails: %v", err)
	}
}

func TestFate(t *testing.T) {
	me, err := self(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	other := func(edit func(*taker)) taker {
		o := me
		edit(&o)
		return o
	}
	for _, test := range []struct {
		name string
		t    taker
		want Fate
	}{
		{"our own number, which another had before", me, Ended},
		{"our parent", other(func(o *taker) { o.pid = os.Getppid() }), Alive},
		{"a number over the limit of any system", other(func(o *taker) { o.pid = 1<<31 - 1 }), Ended},
		{"another host", other(func(o *taker) { o.host = "00000000" }), Unknown},
	} {
		if got := test.t.fate(me); got != test.want {
			t.Errorf("%s: fate %v, want %v", test.name, got, test.want)
		}
	}
	if got, ok := parseTaker(me.String()); !ok || got != me {
		t.Errorf("parseTaker(%q) = %v, %v", me, got, ok)
	}
}

// No name of another's snapshot is taken for one of ours.
func FuzzParseTaker(f *testing.F) {
	for _, s := range []string{"final", "imagetools-20261123T092927Z-1234-0a1b2c3d", "imagetools-20261399T092927Z-1-0a1b2c3d",
		"imagetools-20261123T092927Z-0-0a1b2c3d", "imagetools-20261123T092927Z-9999999999-0a1b2c3d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, ok := parseTaker(s); ok && (got.String() != s || got.pid <= 0) {
			t.Errorf("parseTaker(%q) = %v", s, got)
		}
	})
}

func FuzzParseZones(f *testing.F) {
	f.Add("0:global:running:/:::shared:0\n-:a:installed:/zones/a\\:b:u:joyent:excl:13\n")
	f.Add("\\")
	f.Fuzz(func(t *testing.T, s string) {
		zones, err := parseZones(s)
		if err == nil && len(zones) > strings.Count(s, "\n")+1 {
			t.Errorf("parseZones(%q) = %v", s, zones)
		}
	})
}

// A program that does not end when asked to is killed.
func TestCommandIsKilled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	ready := filepath.Join(t.TempDir(), "ready")
	cmd, err := (&Host{}).newProcess(ctx, Command{Program: "/bin/sh", Args: []string{"-c", `trap "" TERM; : >"$0"; while :; do sleep 0.1; done`, ready}})
	if err != nil {
		t.Fatal(err)
	}
	cmd.WaitDelay = 200 * time.Millisecond
	if err := cmd.start(); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(ready); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := cmd.wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestTail(t *testing.T) {
	var tl tail
	for range 10_000 {
		tl.Write([]byte("0123456789"))
	}
	if got := tl.String(); len(got) != maxTail || !strings.HasSuffix(got, "789") || cap(tl.b) > 8*maxTail {
		t.Errorf("%d bytes kept in %d", len(got), cap(tl.b))
	}
}
