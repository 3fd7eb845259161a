//go:build linux

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"imagetools/internal/ocitest"
	"imagetools/tree"
	"imagetools/zfs/block"
	"imagetools/zfs/filter"
	"imagetools/zfs/stream"
	"imagetools/zfs/zap"
	"imagetools/zfs/zpl"
)

// bombs make small inputs that ask for much memory, in a directory, and return the arguments of
// a command that reads them. want is in its messages; empty is for success.
var bombs = []struct {
	name string
	make func(t *testing.T, dir string) []string
	want string
	long bool // with the default limit it succeeds, and takes long
}{
	{"attributes in a tar", func(t *testing.T, dir string) []string {
		return []string{"create-image", "x-1", packedTar(t, dir, 2000, func(i int) tar.Header {
			return tar.Header{Name: fmt.Sprint("f", i), Mode: 0o644, Format: tar.FormatPAX, PAXRecords: map[string]string{"SCHILY.xattr.user.a": strings.Repeat("a", 900_000)}}
		}), "-o", dir}
	}, "memory limit exceeded", false},
	{"deep names in a tar", func(t *testing.T, dir string) []string {
		return []string{"create-image", "x-1", packedTar(t, dir, 400, func(i int) tar.Header {
			return tar.Header{Name: fmt.Sprint(i) + strings.Repeat("/a", 4000), Mode: 0o644}
		}), "-o", dir}
	}, "memory limit exceeded", false},
	{"attributes of a METALOG", func(t *testing.T, dir string) []string {
		root := filepath.Join(dir, "root")
		var log strings.Builder
		log.WriteString("/set type=file uid=0 gid=0")
		for i := range 3000 {
			fmt.Fprintf(&log, " xattr.user.%d=", i)
		}
		for i := range 900 {
			must(t, os.MkdirAll(root, 0o755))
			must(t, os.WriteFile(filepath.Join(root, fmt.Sprint("f", i)), nil, 0o644))
			fmt.Fprintf(&log, "\n./f%d", i)
		}
		must(t, os.WriteFile(root+".mtree", []byte(log.String()+"\n"), 0o644))
		return []string{"create-image", "x-1", root, "-o", dir}
	}, "memory limit exceeded", true},
	{"one value under many names", func(t *testing.T, dir string) []string {
		name := filepath.Join(dir, "bomb.zfs")
		must(t, os.WriteFile(name, sharedValue(t), 0o644))
		return []string{"extract", name, "-C", filepath.Join(dir, "out")}
	}, "too large", false},
	{"snapshots of a file in pieces", func(t *testing.T, dir string) []string {
		name := filepath.Join(dir, "bomb.zfs")
		must(t, os.WriteFile(name, manySnapshots(t), 0o644))
		return []string{"verify", name}
	}, "memory limit exceeded", false},
	{"deep names in layers", func(t *testing.T, dir string) []string {
		image := ocitest.Image{}
		for layer := range 4 {
			var members []any
			for i := range 100 {
				members = append(members, fmt.Sprintf("file %d-%d%s=x", layer, i, strings.Repeat("/a", 4000)))
			}
			image.Layers = append(image.Layers, ocitest.Tar(t, members...))
			image.Pack = append(image.Pack, ocitest.Gzip)
		}
		p := image.Parts(t)
		return []string{"create-image", "x-1", "oci:" + ocitest.Layout(t, p.All(), p.Manifest.Descriptor), "-o", dir}
	}, "memory limit exceeded", true},
	{"whiteouts of layers", func(t *testing.T, dir string) []string {
		image := ocitest.Image{}
		for layer := range 2 {
			members := []any{"file x=" + fmt.Sprint(layer)}
			for i := range 150 {
				members = append(members, fmt.Sprintf("file %d-%d%s/.wh.x=", layer, i, strings.Repeat("/a", 4000)))
			}
			image.Layers = append(image.Layers, ocitest.Tar(t, members...))
			image.Pack = append(image.Pack, ocitest.Gzip)
		}
		p := image.Parts(t)
		return []string{"create-image", "x-1", "oci:" + ocitest.Layout(t, p.All(), p.Manifest.Descriptor), "-o", dir}
	}, "memory limit exceeded", true},
	{"names of one file, flattened", func(t *testing.T, dir string) []string {
		return []string{"flatten", manyNames(t, dir), "x-1", "-o", dir}
	}, "memory limit exceeded", true},
	{"names of one file, compared", func(t *testing.T, dir string) []string {
		name := manyNames(t, dir)
		return []string{"diff", name, name}
	}, "memory limit exceeded", true},
	{"names of one file, listed", func(t *testing.T, dir string) []string {
		return []string{"ls", manyNames(t, dir)}
	}, "", true},
	{"window of zstd", func(t *testing.T, dir string) []string {
		name := filepath.Join(dir, "bomb.zfs.zst")
		must(t, os.WriteFile(name, []byte("\x28\xb5\x2f\xfd\x00\xa8\x4b\x00\x00\x00\x02"), 0o644)) // of 2 GiB
		return []string{"verify", name}
	}, "window of zstd data: memory limit exceeded", false},
	{"deep directories", func(t *testing.T, dir string) []string {
		tr := tree.New()
		at := tr.Root
		for range 4080 {
			next := tree.NewDir(0o755)
			must(t, at.Add(strings.Repeat("d", 250), next))
			at = next
		}
		name := filepath.Join(dir, "bomb.zfs")
		must(t, os.WriteFile(name, written(t, tr), 0o644))
		return []string{"inspect", name}
	}, "", false},
}

// TestBombs runs the program on them with 1 GiB for its data, and with a limit of its own.
func TestBombs(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds for each")
	}
	program, err := exec.LookPath("imagetools")
	must(t, err)
	for _, bomb := range bombs {
		t.Run(bomb.name, func(t *testing.T) {
			dir := t.TempDir()
			args := bomb.make(t, dir)
			for _, limit := range []struct {
				flag string
				most int64 // MiB
			}{{"--memory-limit=256M", 256}, {"", 1024}} {
				if bomb.long && limit.flag == "" {
					continue
				}
				run := append([]string{"-c", `ulimit -d 1048576 && exec "$0" "$@"`, program}, args...)
				if limit.flag != "" {
					run = append(run, limit.flag)
				}
				cmd := exec.Command("sh", run...)
				cmd.Env = append(os.Environ(), "TMPDIR="+dir)
				var stderr bytes.Buffer
				cmd.Stdout, cmd.Stderr = io.Discard, &stderr
				peak, err := runMeasured(t, cmd)
				t.Logf("limit %d MiB: peak %d MiB, %v of CPU, %v, %.200s", limit.most, peak, cmd.ProcessState.UserTime(), err, stderr.String())
				code := cmd.ProcessState.ExitCode()
				switch {
				case code > 2 || code < 0 || strings.Contains(stderr.String(), "goroutine"):
					t.Errorf("status %d: %.500s", code, stderr.String())
				case peak > limit.most:
					t.Errorf("%d MiB of memory, the limit is %d", peak, limit.most)
				case limit.flag != "" && (bomb.want == "") != (err == nil), limit.flag != "" && !strings.Contains(stderr.String(), bomb.want):
					t.Errorf("status %d: %.500s, want %q", code, stderr.String(), bomb.want)
				case strings.Contains(stderr.String(), "memory limit") && !strings.Contains(stderr.String(), "hint: use --memory-limit"):
					t.Errorf("no way out is told: %.500s", stderr.String())
				case stderr.Len() > 20_000:
					t.Errorf("%d bytes of messages", stderr.Len())
				}
				must(t, os.RemoveAll(filepath.Join(dir, "out")))
			}
		})
	}
}

// runMeasured runs a program, and tells how many MiB it had at most. What wait(2) tells counts
// what this process had when it made the other.
func runMeasured(t *testing.T, cmd *exec.Cmd) (peak int64, err error) {
	must(t, cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	status := fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)
	for {
		select {
		case err := <-done:
			return peak >> 10, err
		case <-time.After(5 * time.Millisecond):
		}
		text, _ := os.ReadFile(status)
		name, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", cmd.Process.Pid))
		for line := range strings.Lines(string(text)) {
			var n int64
			if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &n); err == nil && strings.HasSuffix(name, "imagetools") {
				peak = max(peak, n)
			}
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// packedTar writes a gzipped tar of n empty members.
func packedTar(t *testing.T, dir string, n int, header func(i int) tar.Header) string {
	name := filepath.Join(dir, "bomb.tar.gz")
	f, err := os.Create(name)
	must(t, err)
	z, _ := gzip.NewWriterLevel(f, gzip.BestSpeed)
	w := tar.NewWriter(z)
	for i := range n {
		h := header(i)
		h.Typeflag = tar.TypeReg
		must(t, w.WriteHeader(&h))
	}
	must(t, w.Close())
	must(t, z.Close())
	must(t, f.Close())
	return name
}

// manyNames writes a small stream in which one file has 1.8 million names.
func manyNames(t *testing.T, dir string) string {
	tr, hard := tree.New(), &tree.Node{Mode: tree.TypeFile | 0o644}
	for i := range 900 {
		d := tree.NewDir(0o755)
		must(t, tr.Root.Add(fmt.Sprint("d", i), d))
		for k := range 2000 {
			must(t, d.Add(fmt.Sprint("f", k), hard))
		}
	}
	var packed bytes.Buffer
	_, err := filter.Recompress(&packed, bytes.NewReader(written(t, tr)), block.LZ4)
	must(t, err)
	name := filepath.Join(dir, "bomb.zfs")
	must(t, os.WriteFile(name, packed.Bytes(), 0o644))
	return name
}

// written is a stream of a tree.
func written(t *testing.T, tr *tree.Tree) []byte {
	must(t, tr.Seal())
	plan, err := zpl.NewPlan(t.Context(), tr, zpl.Options{})
	must(t, err)
	var out bytes.Buffer
	must(t, plan.Write(t.Context(), &out))
	return out.Bytes()
}

// sharedValue is a stream with a file whose 5,000 extended attributes are one object of 60 KiB.
func sharedValue(t *testing.T) []byte {
	tr := tree.New()
	must(t, tr.Root.Add("f", &tree.Node{Mode: tree.TypeFile | 0o644,
		Attrs: &tree.Attrs{Xattrs: []tree.Xattr{{Name: "user.bomb", Value: bytes.Repeat([]byte("x"), 60<<10)}}}}))
	data := written(t, tr)
	names, object := zap.Entries{}, uint64(0)
	scan(t, data, func(rec stream.Record, payload []byte) {
		if w, ok := rec.(*stream.Write); ok && bytes.Contains(payload, []byte("user.bomb")) {
			object = w.Object
			must(t, zap.Read(func(uint64) ([]byte, error) { return payload, nil }, binary.LittleEndian, func(e zap.Entry) error {
				for i := range 5000 {
					names = append(names, zap.Uint64(fmt.Sprintf("user.%07d", i), e.Values[0]))
				}
				return nil
			}))
		}
	})
	z, err := zap.Build(names, 1)
	must(t, err)
	var out bytes.Buffer
	to := stream.NewWriter(&out)
	scan(t, data, func(rec stream.Record, payload []byte) {
		switch rec := rec.(type) {
		case *stream.Object:
			if rec.Object == object {
				rec.BlockSize = uint32(z.BlockSize)
			}
		case *stream.Write:
			if rec.Object != object {
				break
			}
			offset := uint64(0)
			for block, err := range z.Blocks() {
				must(t, err)
				part := *rec
				part.Offset, part.LogicalSize = offset, uint64(len(block))
				must(t, to.WriteRecord(&part, block))
				offset += uint64(len(block))
			}
			return
		}
		must(t, to.WriteRecord(rec, payload))
	})
	return out.Bytes()
}

// scan calls fn for each record of a stream.
func scan(t *testing.T, data []byte, fn func(stream.Record, []byte)) {
	r := stream.NewReader(bytes.NewReader(data))
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return
		}
		must(t, err)
		payload, err := r.Payload()
		must(t, err)
		fn(rec, bytes.Clone(payload))
	}
}

// manySnapshots are streams one after the other, each of which changes one of 20,000 blocks.
func manySnapshots(t *testing.T) []byte {
	var out bytes.Buffer
	for guid := uint64(1); guid <= 900; guid++ {
		w := stream.NewWriter(&out)
		add := func(rec stream.Record, payload []byte) { must(t, w.WriteRecord(rec, payload)) }
		add(&stream.Begin{HeaderType: stream.Substream, Objset: stream.ObjsetZFS, ToGUID: guid, FromGUID: guid - 1, ToName: fmt.Sprint("a@", guid)}, nil)
		first, last := uint64(0), uint64(20_000)
		if guid > 1 {
			first, last = guid, guid+1
		} else {
			add(&stream.Object{Object: 8, ObjType: stream.ObjPlainFile, BlockSize: 512, DnSlots: 1, ToGUID: guid}, nil)
		}
		for i := first; i < last; i++ {
			add(&stream.Write{Object: 8, ObjType: stream.ObjPlainFile, Offset: 1024 * i, LogicalSize: 512, ToGUID: guid}, bytes.Repeat([]byte{byte(i), 1}, 256))
		}
		add(&stream.End{ToGUID: guid}, nil)
	}
	return out.Bytes()
}
