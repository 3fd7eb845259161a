package conformance

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"imagetools/test/reference"
	"imagetools/zfs/zvol"
)

// TestFlattenReference flattens what OpenZFS and zfs-fuse have sent: chains of increments, packages
// of several snapshots, and single streams in every form. The result must be the image that is
// made of the files or the disk, which take another way: through a tar, or a raw file. What holds
// owners that no image has is refused.
func TestFlattenReference(t *testing.T) {
	t.Parallel()
	for _, source := range []struct {
		name         string
		streams      func(testing.TB) []reference.Stream
		flat, chains int // at least
	}{{"openzfs", reference.RequireOpenZFS, 25, 10}, {"zfs-fuse", reference.RequireZFSFuse, 10, 3}} {
		t.Run(source.name, func(t *testing.T) {
			flat, chains := 0, 0
			for _, s := range source.streams(t) {
				if len(s.Snapshots) == 0 {
					continue // not all of a snapshot is in it, or it is encrypted
				}
				t.Run(s.Name, func(t *testing.T) {
					if !flattenReference(t, s) {
						return
					}
					flat++
					if len(s.Files) > 1 {
						chains++
					}
				})
			}
			t.Logf("%d flattened, %d of them chains of files", flat, chains)
			if flat < source.flat || chains < source.chains {
				t.Errorf("only %d were flattened, %d of them chains", flat, chains)
			}
		})
	}
}

// flattenReference tells whether there was something that can be flattened.
func flattenReference(t *testing.T, s reference.Stream) bool {
	dir := t.TempDir()
	last := s.Files[len(s.Files)-1]
	var origins []string
	for _, file := range s.Files[:len(s.Files)-1] {
		origins = append(origins, "--origin", file)
	}
	file, form, unpacked := "flat-1.0.zfs", "--tar", filepath.Join(dir, "files.tar")
	how := []string{"--as-dataset"}
	if v := volumeOf(t, s.Files); v != nil {
		file, form, unpacked = "flat-1.0.zvol", "--raw", filepath.Join(dir, "disk.raw")
		how = []string{"--type", "zvol", "--volblocksize", fmt.Sprint(max(v.BlockSize, zvol.MinBlockSize))}
	}
	extract := append([]string{"extract", "-q", form, unpacked, last}, origins...)
	flatten := append([]string{"flatten", "-q", "-c", "none", "--description", "a test", "-o", filepath.Join(dir, "got"), last, "flat-1.0"}, origins...)
	if out, err := exec.Command(toolPath(t), extract...).CombinedOutput(); err != nil {
		const tooLarge = "the largest id is 2147483647"
		if !strings.Contains(string(out), tooLarge) {
			t.Fatalf("%q: %v: %s", extract, err, out)
		}
		if out, err := exec.Command(toolPath(t), flatten...).CombinedOutput(); err == nil || !strings.Contains(string(out), tooLarge) {
			t.Errorf("%q: %v: %s", flatten, err, out)
		}
		return false
	}
	createImage(t, filepath.Join(dir, "want"), append(how, "-c", "none", "flat-1.0", unpacked)...)
	run(t, toolPath(t), flatten...)
	run(t, "cmp", filepath.Join(dir, "want", file), filepath.Join(dir, "got", file))
	return true
}

// volumeOf is the volume in streams, nil for a file system.
func volumeOf(t *testing.T, files []string) *zvol.Volume {
	t.Helper()
	o := open(t, files...)
	if !o.IsVolume() {
		return nil
	}
	v, err := o.Volume()
	if err != nil {
		t.Fatal(err)
	}
	return v
}
