package conformance

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"imagetools/image"
	"imagetools/test/reference"
	"imagetools/zfs/stream"
	"imagetools/zfs/zvol"
)

// TestFlattenReference flattens what OpenZFS and zfs-fuse have sent: chains of increments, packages
// of several snapshots, and single streams in every form. The result must be the image that is
// made of the files or the disk, which take another way: through a tar, or a raw file.
func TestFlattenReference(t *testing.T) {
	t.Parallel()
	all := append(reference.RequireOpenZFS(t), reference.RequireZFSFuse(t)...)
	flat, chains := 0, 0
	for _, s := range all {
		if len(s.Snapshots) == 0 {
			continue // not all of a snapshot is in it, or it is encrypted
		}
		t.Run(s.Name, func(t *testing.T) {
			dir := t.TempDir()
			origins, last := s.Files[:len(s.Files)-1], s.Files[len(s.Files)-1]
			var from []string
			for _, file := range origins {
				from = append(from, "--origin", file)
			}
			kind, again := "zfs", []string{"--as-dataset"}
			source, form := filepath.Join(dir, "files.tar"), "--tar"
			if v := volumeOf(t, s.Files); v != nil {
				kind, again = "zvol", []string{"--type", "zvol", "--volblocksize", fmt.Sprint(max(v.BlockSize, zvol.MinBlockSize)), "--size", fmt.Sprint((v.Size + 1<<20 - 1) >> 20)}
				source, form = filepath.Join(dir, "disk.raw"), "--raw"
			}
			out, err := exec.Command(toolPath(t), append([]string{"extract", form, source, last}, from...)...).CombinedOutput()
			if bytes.Contains(out, []byte("redacted")) {
				t.Skipf("%s", out)
			}
			if err != nil {
				t.Fatalf("extract: %v: %s", err, out)
			}
			createImage(t, filepath.Join(dir, "want"), append(again, "-c", "none", "flat-1.0", source)...)
			run(t, toolPath(t), append([]string{"flatten", "-q", "-c", "none", "--description", "a test", "-o", filepath.Join(dir, "got"), last, "flat-1.0"}, from...)...)
			file := "flat-1.0." + kind
			run(t, "cmp", filepath.Join(dir, "want", file), filepath.Join(dir, "got", file))
			flat++
			if len(s.Files) > 1 {
				chains++
			}
		})
	}
	t.Logf("%d flattened, %d of them chains of files", flat, chains)
	if flat < 40 || chains < 5 {
		t.Errorf("only %d were flattened, %d of them chains", flat, chains)
	}
}

// volumeOf is the volume in streams, nil for a file system.
func volumeOf(t *testing.T, files []string) *zvol.Volume {
	t.Helper()
	o, err := image.Open(t.Context(), files, image.OpenOptions{})
	defer o.Close()
	if err != nil {
		t.Fatal(err)
	}
	s, err := o.Snapshot("")
	if err != nil {
		t.Fatal(err)
	}
	if s.Begin.Objset != stream.ObjsetZvol {
		return nil
	}
	v, err := zvol.Open(o.Index, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
