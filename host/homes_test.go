package host

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"imagetools/internal/nobody"
)

// poolVariable names a pool of this machine that nobody uses, for the suite to run in it alone,
// as root. Where it is not set, the suite runs for directory stores.
// secondsVariable is set if its ZFS does not keep fractions of seconds, as zfs-fuse.
const (
	poolVariable    = "IMAGETOOLS_TEST_POOL"
	secondsVariable = "IMAGETOOLS_TEST_SECONDS"
)

func TestHome(t *testing.T) {
	if pool := os.Getenv(poolVariable); pool != "" {
		h := poolTest(t, pool)
		h.small = smallPool
		testHome(t, h)
		return
	}
	t.Run("store", func(t *testing.T) {
		h := storeTest(filepath.Join(t.TempDir(), "a", "zones"))
		if os.Geteuid() == 0 {
			h.small = func(t *testing.T) *homeTest {
				dir := t.TempDir()
				mountSmall(t, dir)
				return storeTest(filepath.Join(dir, "zones"))
			}
		}
		testHome(t, h)
	})
	t.Run("store of nobody", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("the test is nobody's already")
		}
		dir := t.TempDir()
		nobody.Become(t, dir)
		testHome(t, storeTest(filepath.Join(dir, "zones")))
	})
}

func storeTest(dir string) *homeTest {
	return &homeTest{home: Store{Dir: dir}, id: "store=" + dir, names: func(t *testing.T) []string {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			if name, ok := strings.CutSuffix(e.Name(), ".mtree"); !ok || !isThere(filepath.Join(dir, name)) {
				names = append(names, e.Name())
			}
		}
		return names
	}}
}

func poolTest(t *testing.T, pool string) *homeTest {
	t.Helper()
	homes, err := (&Host{}).Homes(HomeOptions{Pool: pool})
	if err != nil {
		t.Fatal(err)
	}
	home, _, err := FirstHome(t.Context(), homes)
	if err != nil {
		t.Fatal(err)
	}
	h := &homeTest{home: home, id: "pool=" + pool, seconds: os.Getenv(secondsVariable) != "", names: func(t *testing.T) []string {
		var names []string
		for name := range strings.FieldsSeq(command(t, "zfs", "list", "-H", "-r", "-t", "filesystem,volume,snapshot", "-o", "name", pool)) {
			if short, ok := strings.CutPrefix(name, pool+"/"); ok {
				names = append(names, short)
			}
		}
		slices.Sort(names)
		return names
	}}
	// The zfs in which a run is killed comes to its end. The older one is renamed first.
	h.moments = []moment{
		{"get:begin", "old", "old"}, {"create:begin", "old", "old"}, {"create:end", "old", "old"}, {"unmount:end", "new", "old"},
		{"rename:begin", "new", "old"}, {"rename:end", "new", "old"},
		{"mount:begin", "new", "new"}, {"destroy:begin", "new", "new"}, {"destroy:end", "new", "new"},
	}
	if testing.Short() {
		h.moments = []moment{{"rename:end", "new", "old"}}
	}
	return h
}

// smallPool makes a pool of the least size that there is.
func smallPool(t *testing.T) *homeTest {
	const name = "imagetoolssmall"
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk")
	if err := errors.Join(os.WriteFile(disk, nil, 0o600), os.Truncate(disk, 64<<20)); err != nil {
		t.Fatal(err)
	}
	command(t, "zpool", "create", "-o", "cachefile=none", "-m", filepath.Join(dir, "pool"), name, disk)
	t.Cleanup(func() { command(t, "zpool", "destroy", name) })
	return poolTest(t, name)
}

func command(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// A dry run shows what would be run and written, and makes nothing.
func TestHomeDryRun(t *testing.T) {
	standIn(t, map[string]string{"zfs": `case $* in
		"get -H -p -o property,value type,mountpoint tank"*) printf 'type\tfilesystem\nmountpoint\t/tank\n' ;;
		"list -H -r -d 1 -t filesystem,volume,snapshot -o name -s name tank") printf 'tank\ntank/seed\n' ;;
		"list -H -r -d 1 -t filesystem,volume,snapshot -o name -s name tank/seed") echo tank/seed ;;
		*) echo "no such call: $*" >&2; exit 99 ;;
		esac`})
	dir := filepath.Join(t.TempDir(), "a store")
	temp := "tank/seed.imagetools-20010909T014640Z-"
	for _, test := range []struct {
		opts HomeOptions
		want []string // of each line, the beginning
	}{
		{HomeOptions{Store: dir}, []string{"# written would be '" + dir + "/seed' and '" + dir + "/seed.mtree'"}},
		{HomeOptions{Pool: "tank"}, []string{"zfs create " + temp, "# written would be 18 names below", "zfs unmount tank/seed",
			"zfs rename tank/seed " + temp, "zfs unmount " + temp, "zfs rename " + temp, "zfs mount tank/seed", "zfs destroy " + temp}},
	} {
		var shown strings.Builder
		homes, err := (&Host{DryRun: &shown}).Homes(test.opts)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := homes[0].Create(t.Context(), "seed", marked(t, "x"), CreateOptions{Replace: true, Now: time.Unix(1e9, 0)}); err != nil {
			t.Error(err)
		}
		lines := strings.Split(strings.TrimSpace(shown.String()), "\n")
		if !slices.EqualFunc(lines, test.want, strings.HasPrefix) {
			t.Errorf("%v shows\n%s\nwant\n%s", homes[0], shown.String(), strings.Join(test.want, "\n"))
		}
	}
	if isThere(dir) {
		t.Error("a store was made")
	}
}

// Which home there is, by what the user says and what the host has.
func TestHomes(t *testing.T) {
	zfs := `[ "$7" != broken ] || { echo 'The ZFS modules are not loaded.' >&2; exit 1; }
		[ "$7" = zones ] || { echo 'dataset does not exist' >&2; exit 1; }
		printf 'type\tfilesystem\nmountpoint\t/zones\n'`
	for _, test := range []struct {
		zfs   bool
		opts  HomeOptions
		all   string
		first string
		fault string // of the first, or of all
		doubt bool
	}{
		{zfs: true, all: `the ZFS pool "zones", the directory store "./zones"`, first: `the ZFS pool "zones"`},
		{zfs: true, opts: HomeOptions{DefaultPool: "tank", DefaultStore: "s"}, all: `the ZFS pool "tank", the directory store "s"`, first: `the directory store "s"`},
		{zfs: true, opts: HomeOptions{DefaultPool: "broken"}, all: `the ZFS pool "broken", the directory store "./zones"`, first: `the directory store "./zones"`, doubt: true},
		{zfs: true, opts: HomeOptions{Pool: "zones", DefaultStore: "s"}, all: `the ZFS pool "zones"`, first: `the ZFS pool "zones"`},
		{zfs: true, opts: HomeOptions{Pool: "tank"}, all: `the ZFS pool "tank"`, fault: `dataset "tank" does not exist in ZFS`},
		{zfs: true, opts: HomeOptions{Pool: "zones/a"}, all: `the ZFS pool "zones/a"`, fault: `"zones/a" is not the name of a pool`},
		{zfs: true, opts: HomeOptions{Store: "s"}, all: `the directory store "s"`, first: `the directory store "s"`},
		{all: `the directory store "./zones"`, first: `the directory store "./zones"`},
		{opts: HomeOptions{Pool: "tank"}, fault: `ZFS pool "tank": there is no program zfs`},
	} {
		if test.zfs {
			standIn(t, map[string]string{"zfs": zfs})
		} else {
			t.Setenv("PATH", t.TempDir())
		}
		h := &Host{}
		if !test.zfs && h.Has("zfs") {
			continue // of this machine
		}
		homes, err := h.Homes(test.opts)
		var all []string
		for _, home := range homes {
			all = append(all, home.String())
		}
		if got := strings.Join(all, ", "); got != test.all {
			t.Errorf("%+v: homes %s, want %s", test.opts, got, test.all)
		}
		if err == nil {
			var first Home
			var doubt error
			first, doubt, err = FirstHome(t.Context(), homes)
			if (doubt != nil) != test.doubt || err == nil && first.String() != test.first {
				t.Errorf("%+v: the first is %v, doubt %v; want %s", test.opts, first, doubt, test.first)
			}
		}
		if (err != nil) != (test.fault != "") || err != nil && !strings.Contains(err.Error(), test.fault) {
			t.Errorf("%+v: error %v, want %s", test.opts, err, test.fault)
		}
	}
}

// A dataset that was unmounted may still be in use, by the word of zfs.
func TestBusyMount(t *testing.T) {
	dir := t.TempDir()
	standIn(t, map[string]string{"zfs": `cd ` + dir + `
		case $1 in
		get) printf 'mountpoint\t/tank/seed\nmounted\t%s\n' $(cat mounted || echo no) ;;
		mount) [ -e asked ] && echo yes >mounted && exit
			>asked
			echo "cannot mount 'tank/seed': mountpoint or dataset is busy" >&2
			exit 1 ;;
		esac`})
	home := &PoolHome{Pool: "tank", zfs: (&Host{}).ZFS()}
	if at, err := home.mountpoint(t.Context(), "tank/seed"); err != nil || at != "/tank/seed" {
		t.Errorf("mounted at %q, %v", at, err)
	}
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
