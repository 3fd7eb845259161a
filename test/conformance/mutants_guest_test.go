package conformance

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"imagetools/test/oracle"
	"imagetools/test/oracle/listing"
	"imagetools/zfs/stream"
)

// mutantsScript receives the chains of an archive, a folder each, one after another into datasets
// of their own, and lists the last snapshot of each. "progress" tells how far it came if the kernel stops.
const mutantsScript = `
# A panic of ZFS alone stops one thread, and all others wait for it.
echo 1 >/sys/module/spl/parameters/spl_panic_halt
mkdir /tmp/streams
hide() { # its device goes some time later
	zfs set volmode=none $1
	for i in 1 2 3 4 5; do
		ls /dev/zd* >/dev/null 2>&1 || break
		sleep 1
	done
}
input 1 | tar -x -C /tmp/streams
for f in $(ls /tmp/streams | sort -n); do
	echo $f >>progress
	sync
	d=zones/m$f
	last=$(ls -d /tmp/streams/$f/* | tail -n1)
	for s in /tmp/streams/$f/*; do
		options=
		case $s in
		*.clone)
			[ "$(zfs get -H -o value type $d)" != volume ] || hide $d
			options="-o origin=$(last_snapshot $d)" d=$d-clone
			;;
		esac
		[ $s = $last ] || options="-u $options"
		timeout 120 zfs receive $options $d <$s 2>refused.$f || continue 2
	done
	rm refused.$f
	list "$(last_snapshot $d)" >listing.$f 2>failed.$f && rm failed.$f
	[ "$(zfs get -H -o value type $d)" != volume ] || hide $d
	zfs destroy -R zones/m$f >/dev/null 2>>failed.$f || true
	[ -s failed.$f ] || rm -f failed.$f
done
rm -r /tmp/streams
`

// guestVerdicts has the kernel module receive mutants, in as many boots as kernels stop, and
// returns what it makes of each that it does not list as we do: the numbers are indexes of the list.
func guestVerdicts(t *testing.T, guest *oracle.Guest, list []*mutated) map[int]string {
	t.Helper()
	differ := make(map[int]string)
	for next := 0; next < len(list); {
		end := min(next+mutantsOfBoot, len(list))
		done, stopped := guestBoot(t, guest, list, next, end, differ)
		if done == next && stopped == "" {
			t.Fatal("the guest does nothing")
		}
		if next = done; stopped != "" {
			differ[next] = stopped
			next++
		}
	}
	return differ
}

// mutantsOfBoot bounds what a boot that hangs costs.
const mutantsOfBoot = 100

// guestBoot boots the guest once for some of a list. It returns how far it came, and why the kernel
// stopped at the next, if it did.
func guestBoot(t *testing.T, guest *oracle.Guest, list []*mutated, from, to int, differ map[int]string) (done int, stopped string) {
	t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for i := from; i < to; i++ {
		for k, data := range append(slices.Clip(list[i].seed.below), list[i].data) {
			name := fmt.Sprintf("%d/%d", i, k)
			if k > 0 && isClone(t, data) {
				name += ".clone"
			}
			if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data))}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(data); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "streams.tar")
	if err := os.WriteFile(path, archive.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	// A kernel that stops ends the guest at once; one that hangs ends here, on a busy machine.
	guest.Timeout = 10*time.Minute + time.Duration(to-from)*30*time.Second
	results, err := guest.RunIn(t.Context(), t.TempDir(), []oracle.Job{{Name: "mutants", Script: mutantsScript, Inputs: []string{path}}})
	out := results[0].Out
	progress, readErr := os.ReadFile(filepath.Join(out, "progress"))
	if readErr != nil {
		t.Fatal(errors.Join(err, results[0].Err, readErr))
	}
	last := from + len(strings.Fields(string(progress)))
	_, finished := os.Stat(filepath.Join(out, "done"))
	if finished != nil {
		last-- // the kernel stopped at it
	}
	for i := from; i < last; i++ {
		if why := guestListing(list[i], out, i); why != "" {
			differ[i] = why
		}
	}
	if finished != nil {
		return last, fmt.Sprintf("the kernel stopped: %v", err)
	}
	if err != nil {
		t.Errorf("mutants %d to %d: the pool: %v", from, to-1, err)
	}
	return last, ""
}

// guestListing compares what the guest made of a mutant with what we do.
func guestListing(m *mutated, dir string, i int) string {
	for _, what := range []string{"refused", "failed"} {
		if text, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%s.%d", what, i))); err == nil {
			if what == "failed" && m.tooLarge() {
				return "" // the kernel's listing does not read it either
			}
			return fmt.Sprintf("%s: %s", what, bytes.TrimSpace(text))
		}
	}
	f, err := os.Open(filepath.Join(dir, fmt.Sprintf("listing.%d", i)))
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	got, err := listing.Parse(f)
	if err != nil {
		return err.Error()
	}
	if m.tooLarge() {
		return ""
	}
	if m.reads != nil {
		return fmt.Sprintf("our reader does not read what it receives: %v", m.reads)
	}
	return listing.Diff(asLinuxOwns(m.want), got, mounted)
}

// asLinuxOwns is a listing with the owner that Linux shows for the one number that is no owner there.
func asLinuxOwns(l listing.Listing) listing.Listing {
	const invalid, nobody = 1<<32 - 1, 65534
	entries := make(map[string]listing.Entry, len(l.Entries))
	for path, e := range l.Entries {
		if e.UID == invalid {
			e.UID = nobody
		}
		if e.GID == invalid {
			e.GID = nobody
		}
		entries[path] = e
	}
	l.Entries = entries
	return l
}

func isClone(t *testing.T, data []byte) bool {
	t.Helper()
	rec, err := stream.NewReader(bytes.NewReader(data)).Next()
	if err != nil {
		t.Fatal(err)
	}
	begin, ok := rec.(*stream.Begin)
	return ok && begin.Flags&stream.FlagClone != 0
}
