package conformance

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"imagetools/test/oracle"
	"imagetools/test/oracle/listing"
	"imagetools/zfs/zpl"
)

// incrementJob has the kernel module receive increments on one tree, and a chain of ten. Each
// becomes a clone, which is listed and destroyed; of the last of the chain everything is changed
// and removed, too. All fifty scripts, for which an emulated guest takes minutes, are put to the
// judge and to zfs-fuse.
func incrementJob(t *testing.T) guestJob {
	t.Helper()
	on, after := scripts(t, 5, zpl.Options{}), chain(t, zpl.Options{})
	job := oracle.Job{Name: "increments", Script: incrementScript, Inputs: []string{pack(t, on.streams), pack(t, after.streams)}}
	return guestJob{job, func(t *testing.T, res oracle.Result) {
		check := func(name string, in *increments) {
			for i, want := range in.wants {
				f, err := os.Open(filepath.Join(res.Out, fmt.Sprintf("%s%d", name, i)))
				if err != nil {
					t.Fatal(err)
				}
				got, err := listing.Parse(f)
				f.Close()
				if err != nil {
					t.Fatal(err)
				}
				if diff := listing.Diff(want, got, mounted); diff != "" {
					t.Errorf("%s %d:\n%s", name, i, diff)
				}
			}
		}
		check("script", on)
		check("chain", after)
	}}
}

// incrementScript unpacks streams as they are received: the first is full.
const incrementScript = `
show() {
	mount -t zfs -o ro "$1" /mnt
	lister /mnt >"$2"
	umount /mnt
}
input 1 | tar -xf -
for i in $(seq 0 $(($(ls *.zfs | wc -l) - 1))); do
	zfs receive "zones/script$i" <"$i.zfs"
	show "zones/script$i@final" "script$i"
	[ "$i" = 0 ] || zfs destroy -r "zones/script$i"
done
rm *.zfs
input 2 | tar -xf -
last=$(($(ls *.zfs | wc -l) - 1))
for i in $(seq 0 $last); do
	zfs receive "zones/chain$i" <"$i.zfs"
	show "zones/chain$i@final" "chain$i"
done
rm *.zfs
mount -t zfs -o zfsutil "zones/chain$last" /mnt
lister -churn /mnt
[ -z "$(ls -A /mnt)" ]
umount /mnt
`

// pack makes a tar of streams, named by their number: a guest has few disks.
func pack(t *testing.T, streams []string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "streams.tar")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(out)
	for i, name := range streams {
		in, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		info, err := in.Stat()
		if err == nil {
			err = w.WriteHeader(&tar.Header{Name: fmt.Sprintf("%d.zfs", i), Mode: 0o644, Size: info.Size()})
		}
		if err == nil {
			_, err = io.Copy(w, in)
		}
		in.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}
