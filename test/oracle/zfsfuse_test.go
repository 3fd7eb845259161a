//go:build linux

package oracle

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// sampleTree makes a small directory with one of everything.
func sampleTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	script := `
		cd "$1"; umask 022
		echo content >file; chmod 4755 file; ln file second
		mkdir -p sub/deep; ln "file" sub/deep/third; chmod 1777 sub
		ln -s ../target sub/link
		ln -s "$(printf '%0300d' 0)" longlink
		mkfifo fifo
		printf 'caf\303\251 \377\n' >"$(printf 'caf\303\251 \377')"
		dd if=/dev/urandom of=large bs=1000 count=1000 status=none
		truncate -s 3000000000 sparse; echo end >>sparse
		truncate -s 1000000 hole
		touch -d '1960-01-02 03:04:05.678901234' file
		touch -h -d '2001-01-01 00:00:00.5' sub/link longlink fifo sub/deep sub .`
	if out, err := exec.Command("bash", "-ec", script, "bash", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := unix.Lsetxattr(filepath.Join(dir, "large"), "user.name", []byte("value"), 0); err != nil {
		t.Log("no xattr in the sample: ", err)
	}
	return dir
}

// TestSecondOpinion has zfs-fuse make a stream from a directory, which the
// directory's own listing, the judge and zfs-fuse must see alike.
func TestSecondOpinion(t *testing.T) {
	z, judge := RequireZFSFuse(t), RequireJudge(t)
	dir := sampleTree(t)
	want, err := ListDir(dir, DirOptions{Computed: true})
	if err != nil {
		t.Fatal(err)
	}
	stream := filepath.Join(t.TempDir(), "stream")
	took, _, err := z.Send(t.Context(), dir, "cat >"+stream)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("zfs send took %v", took)

	judged := judge.Receive(t, []string{stream}, JudgeOptions{Foreign: true, Legacy: true})
	// The FUSE port's xattr calls lose nanoseconds of the file's own time.
	if d := Diff(want, judged, DiffOptions{IgnoreNsec: true}); d != "" {
		t.Errorf("directory and judge differ:\n%s", d)
	}
	if judged.Dataset.ZPL != 4 || judged.Dataset.Root != 3 {
		t.Errorf("unexpected facts %+v", judged.Dataset)
	}
	listed := z.Receive(t, []string{stream}, ZFSFuseOptions{Modify: true})
	if d := Diff(judged, listed, ZFSFuseDiff); d != "" {
		t.Errorf("judge and zfs-fuse differ:\n%s", d)
	}
	if judged.Dataset.GUID != listed.Dataset.GUID || judged.Dataset.Creation != listed.Dataset.Creation {
		t.Errorf("facts differ: %+v, %+v", judged.Dataset, listed.Dataset)
	}

	good, err := os.ReadFile(stream)
	if err != nil {
		t.Fatal(err)
	}
	const root = 3
	wantFault(t, judge, editStream(t, good, editEntry(root, "file", func(e []byte) { e[7] = 0x40 })), "file: entry has type 4")
	wantFault(t, judge, editStream(t, good, editEntry(root, "file", func(e []byte) { e[1] = 0x77 })), "which is no file")
	wantFault(t, judge, editStream(t, good, editEntry(root, "file", func(e []byte) { clear(e) })), "3 links, but 2 names")

	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	for name, bad := range map[string][]byte{"cut": good[:len(good)-312], "flipped byte": flipped} {
		_, err := z.Verdict([]string{writeFile(t, bad)}, ZFSFuseOptions{})
		var refused *RefusedError
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
}
