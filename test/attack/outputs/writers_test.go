package outputs

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"imagetools/internal/required"
	seedtest "imagetools/test/seed"
)

// writer is a command that writes to out, in the directory that it runs in.
type writer struct {
	name string
	args []string // of two kinds: "%" stands for a or b
}

// writers are those that write files or directories.
var writers = []writer{
	{name: "create-image", args: []string{"create-image", "w-1.0", "IN/%.tar", "-q", "--type", "lx-dataset", "-o", "out"}},
	{name: "create-image disk", args: []string{"create-image", "d-1.0", "IN/%.raw", "-q", "--type", "zvol", "--os", "other", "-o", "out"}},
	{name: "extract", args: []string{"extract", "IN/%.zfs", "-q", "-C", "out"}},
	{name: "extract tar", args: []string{"extract", "IN/%.zfs", "-q", "--tar", "out"}},
	{name: "extract raw", args: []string{"extract", "IN/%.zvol", "-q", "--raw", "out"}},
	{name: "flatten", args: []string{"flatten", "IN/%.zfs", "f-1.0", "-q", "-c", "none", "-o", "out"}},
	{name: "recompress", args: []string{"stream", "recompress", "lz4", "IN/%.zfs", "-q", "-o", "out"}},
	{name: "prepare", args: []string{"prepare", "IN/%.tar", "-q", "-o", "out"}},
	{name: "create-seed", args: []string{"create-seed", "IN/%.build", "out", "-q", "--store", ".", "--repository", "IN/repository.db"}},
}

// available are the writers for which there are inputs. create-seed needs test data.
func available(t *testing.T) []writer {
	t.Helper()
	setUp(t)
	if shared.noSeed == nil {
		return writers
	}
	if required.All() {
		t.Fatal(shared.noSeed)
	}
	t.Logf("without create-seed: %v", shared.noSeed)
	return slices.DeleteFunc(slices.Clone(writers), func(w writer) bool { return w.name == "create-seed" })
}

// command is the writer's of a kind.
func (w writer) command(kind string, further ...string) []string {
	args := make([]string, len(w.args), len(w.args)+len(further))
	for i, a := range w.args {
		args[i] = strings.ReplaceAll(strings.ReplaceAll(a, "IN/", shared.dir+"/"), "%", kind)
	}
	return append(args, further...)
}

// want is what an undisturbed run writes.
func (w writer) want(t *testing.T, kind string) string {
	t.Helper()
	setUp(t)
	key := w.name + kind
	if wanted[key] == "" {
		dir := workDir(t)
		if status, said := run(t, command(dir, w.command(kind)...)); status != 0 {
			t.Fatalf("%s: status %d: %s", w.name, status, said)
		}
		wanted[key] = snapshot(t, dir)
	}
	return wanted[key]
}

var wanted = map[string]string{}

// makeInputs makes the inputs of two kinds.
func makeInputs(t *testing.T) error {
	for i, kind := range []string{"a", "b"} {
		r := rand.New(rand.NewPCG(uint64(i), 0))
		if err := errors.Join(os.WriteFile(input(kind+".tar"), rootTar(r, kind), 0o644), os.WriteFile(input(kind+".raw"), disk(r), 0o644)); err != nil {
			return err
		}
		dir := input(kind)
		for _, args := range [][]string{
			{"create-image", "w-1.0", kind + ".tar", "-q", "--type", "lx-dataset", "-c", "none", "-o", dir},
			{"create-image", "d-1.0", kind + ".raw", "-q", "--type", "zvol", "--os", "other", "-c", "none", "-o", dir},
		} {
			if out, err := command(shared.dir, args...).CombinedOutput(); err != nil {
				return fmt.Errorf("%s: %w\n%s", args, err, out)
			}
		}
		if err := errors.Join(os.Rename(dir+"/w-1.0.zfs", dir+".zfs"), os.Rename(dir+"/d-1.0.zvol", dir+".zvol")); err != nil {
			return err
		}
		if shared.noSeed == nil {
			err := errors.Join(seedtest.Prepare(dir+".build"), os.WriteFile(dir+".build/proto/etc/issue.kind", []byte(kind), 0o644))
			if err != nil {
				return err
			}
		}
	}
	if shared.noSeed == nil {
		seedtest.Repository(t, input("repository.db"))
	}
	return nil
}

// rootTar is a root with files that fit no block, of which some are set-id, links and FIFOs.
func rootTar(r *rand.Rand, kind string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(h tar.Header, content []byte) {
		h.Size = int64(len(content))
		w.WriteHeader(&h)
		w.Write(content)
	}
	for _, d := range []string{"etc/", "usr/", "usr/bin/", "var/", "sbin/"} {
		add(tar.Header{Name: d, Typeflag: tar.TypeDir, Mode: 0o755}, nil)
	}
	add(tar.Header{Name: "sbin/init", Typeflag: tar.TypeReg, Mode: 0o755}, []byte("#!/bin/sh\n"))
	add(tar.Header{Name: "etc/os-release", Typeflag: tar.TypeReg, Mode: 0o644}, []byte("ID=debian\nVERSION_ID=12\n"))
	add(tar.Header{Name: "etc/kind", Typeflag: tar.TypeReg, Mode: 0o644}, []byte(kind))
	add(tar.Header{Name: "etc/machine-id", Typeflag: tar.TypeReg, Mode: 0o444}, []byte("0123456789abcdef0123456789abcdef\n"))
	for i := range 60 {
		content := make([]byte, r.IntN(1<<r.IntN(17)))
		for j := range content {
			content[j] = byte(r.Uint32())
		}
		add(tar.Header{Name: fmt.Sprintf("usr/bin/f%02d", i), Typeflag: tar.TypeReg, Mode: []int64{0o755, 0o4755, 0o2711}[i%3], Uid: i % 4}, content)
		add(tar.Header{Name: fmt.Sprintf("var/fifo%02d", i), Typeflag: tar.TypeFifo, Mode: 0o6777}, nil)
		add(tar.Header{Name: fmt.Sprintf("var/link%02d", i), Typeflag: tar.TypeSymlink, Linkname: "../usr/bin", Mode: 0o777}, nil)
	}
	w.Close()
	return b.Bytes()
}

// disk is a volume of 2 MiB with a partition table, by its last two bytes, and some data.
func disk(r *rand.Rand) []byte {
	d := make([]byte, 2<<20)
	copy(d[446:], []byte{0x80, 0, 2, 0, 0x83, 0, 0, 0, 1, 0, 0, 0, 0xff, 0x0f, 0, 0})
	d[510], d[511] = 0x55, 0xaa
	for i := 1 << 16; i < 1<<20; i++ {
		d[i] = byte(r.Uint32())
	}
	return d
}
