//go:build linux

package oracle

import (
	"os"
	"path/filepath"
	"testing"
)

// A boot costs seconds, and the conformance tests boot anyway: this test of the
// guest itself runs only when asked for.
func TestGuest(t *testing.T) {
	if os.Getenv("IMAGETOOLS_TEST_GUEST") == "" {
		t.Skip("set IMAGETOOLS_TEST_GUEST to boot the guest")
	}
	guest, judge := RequireGuest(t), RequireJudge(t)
	stream := publicStream(t, "openzfs-zstream-decompress")
	want := judge.Receive(t, []string{stream}, JudgeOptions{Foreign: true})

	script := `
		zfs create -o version=4 -o mountpoint=none zones/made
		mount -t zfs -o zfsutil zones/made /mnt
		input 1 >/mnt/file
		mkdir -p /mnt/dir/sub; ln -s target /mnt/dir/link; mkfifo /mnt/dir/fifo
		ln /mnt/file /mnt/dir/sub/second
		setfattr -n user.name -v value /mnt/file
		truncate -s 2G /mnt/sparse; echo tail >>/mnt/sparse
		umount /mnt
		zfs snapshot zones/made@final
		zfs send zones/made@final >made.zfs
		zfs create -V 16M zones/volume
		zfs snapshot zones/volume@final
		zfs send zones/volume@final >volume.zfs
		zfs set volmode=none zones/volume
		zfs receive zones/made-again <made.zfs
		list zones/made-again@final >made.listing
		modify zones/made-again@final zones/made-changed
		zfs receive zones/volume-again <volume.zfs
		list zones/volume-again@final >volume.listing`
	results := guest.Run(t, []Job{
		{Name: "receive", Streams: []string{stream}, Modify: true, SendBack: true},
		{Name: "script", Script: script, Inputs: []string{stream}},
		{Name: "refused", Streams: []string{writeFile(t, []byte("no stream"))}},
	})
	for _, r := range results[:2] {
		if r.Err != nil {
			t.Fatalf("%s: %v", r.Name, r.Err)
		}
	}
	if results[2].Err == nil {
		t.Error("the guest received what is no stream")
	}
	if d := Diff(want, results[0].Listing, DiffOptions{}); d != "" {
		t.Errorf("guest and judge differ:\n%s", d)
	}
	again := judge.Receive(t, []string{results[0].Sent}, JudgeOptions{Foreign: true})
	if d := Diff(want, again, DiffOptions{}); d != "" {
		t.Errorf("the stream sent back differs:\n%s", d)
	}

	// What the guest's kernel made, guest and judge see alike.
	for _, name := range []string{"made", "volume"} {
		base := filepath.Join(results[1].Out, name)
		f, err := os.Open(base + ".listing")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got, err := ParseListing(f)
		if err != nil {
			t.Fatal(err)
		}
		want := judge.Receive(t, []string{base + ".zfs"}, JudgeOptions{Foreign: true})
		if d := Diff(want, got, DiffOptions{}); d != "" {
			t.Errorf("%s: guest and judge differ:\n%s", name, d)
		}
	}
}
