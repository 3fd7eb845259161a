//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

// input is a tree that was measured on.
type input struct {
	Name    string `json:"name"`
	Entries int    `json:"entries"`
	Bytes   int64  `json:"bytes"` // in regular files, hard links counted each time
	warm    string // the tree, if it is to be read before each run
}

func (i input) String() string {
	return fmt.Sprintf("%s: %d entries, %s", i.Name, i.Entries, megabytes(i.Bytes))
}

// warmLimit is the largest tree that is read before each run: larger ones take
// too long, and may not fit into memory anyway.
const warmLimit = 2 << 30

func measureTree(ctx context.Context, name, dir string) (input, error) {
	in := input{Name: name}
	var blocks int64
	err := walkFiles(ctx, dir, func(_ string, info fs.FileInfo) error {
		in.Entries++
		if info.Mode().IsRegular() {
			in.Bytes += info.Size()
			blocks += onDisk(info)
		}
		return nil
	})
	if blocks <= warmLimit {
		in.warm = dir
	}
	return in, err
}

// warm reads the dense files of a tree, since some machines drop from memory
// what was not used for half a minute.
func warm(ctx context.Context, dir string) error {
	if dir == "" {
		return nil
	}
	return walkFiles(ctx, dir, func(path string, info fs.FileInfo) error {
		if !info.Mode().IsRegular() || onDisk(info) < info.Size() {
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(io.Discard, f)
		return err
	})
}

func walkFiles(ctx context.Context, dir string, visit func(path string, info fs.FileInfo) error) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return visit(path, info)
	})
}

func onDisk(info fs.FileInfo) int64 { return info.Sys().(*syscall.Stat_t).Blocks << 9 }

// unpackDebian makes b.tree, a Debian root file system.
func (b *bench) unpackDebian(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("a Debian root needs root, for its devices and owners; -tree DIR compares on another tree")
	}
	make := exec.CommandContext(ctx, filepath.Join(b.root, "test", "conformance", "debian-root"))
	make.Stderr = os.Stderr
	out, err := make.Output()
	if err != nil {
		return fmt.Errorf("test/conformance/debian-root: %w", err)
	}
	tar := strings.TrimSpace(string(out))
	b.tree = filepath.Join(b.work, "debian")
	if err := os.Mkdir(b.tree, 0o755); err != nil {
		return err
	}
	unpack := exec.CommandContext(ctx, "tar", "-C", b.tree, "--numeric-owner", "--xattrs", "--xattrs-include=*", "-xpf", tar)
	if out, err := unpack.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", tar, err, out)
	}
	return nil
}

const filesPerDir = 500

// growFiles adds small files of 0 to 8 KiB to a tree that has the first `have`,
// until it has `want`. Contents and sizes are a function of the number of the file.
func growFiles(ctx context.Context, dir string, have, want int64) error {
	pool := make([]byte, 1<<20)
	fill(pool, 1)
	dirs := make(chan int64)
	errs := make([]error, runtime.NumCPU())
	var workers sync.WaitGroup
	for w := range errs {
		workers.Go(func() {
			for d := range dirs {
				if errs[w] == nil {
					errs[w] = errors.Join(ctx.Err(), smallFiles(filepath.Join(dir, fmt.Sprintf("d%05d", d)), d, pool))
				}
			}
		})
	}
	for d := have / filesPerDir; d < want/filesPerDir; d++ {
		dirs <- d
	}
	close(dirs)
	workers.Wait()
	return errors.Join(errs...)
}

func smallFiles(dir string, number int64, pool []byte) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(2, uint64(number)))
	var data [8 << 10]byte
	for i := range filesPerDir {
		size := r.IntN(len(data) + 1)
		copy(data[:], pool[r.IntN(len(pool)-len(data)):])
		binary.LittleEndian.PutUint64(data[:], r.Uint64()) // no two are alike
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("file-%03d", i)), data[:size], 0o644); err != nil {
			return err
		}
	}
	return nil
}

const (
	chunk        = 1 << 20
	sparseExtent = 64 << 10
	sparseEvery  = 100 * sparseExtent // one hundredth is data
)

// growDense writes a file on, from its size to another.
func growDense(ctx context.Context, name string, have, want int64) error {
	return grow(ctx, name, have, want, chunk, chunk)
}

// growSparse does the same for a file that is mostly holes.
func growSparse(ctx context.Context, name string, have, want int64) error {
	return grow(ctx, name, have, want, sparseExtent, sparseEvery)
}

func grow(ctx context.Context, name string, have, want int64, extent int, every int64) (err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data := make([]byte, extent)
	for at := (have + every - 1) / every * every; at+int64(extent) <= want; at += every {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		fill(data, uint64(at))
		if _, err := f.WriteAt(data, at); err != nil {
			return err
		}
	}
	if err := f.Truncate(want); err != nil {
		return err
	}
	return f.Sync()
}

// fill makes data that compresses by about a half and never repeats.
func fill(data []byte, seed uint64) {
	r := rand.NewPCG(3, seed)
	for ; len(data) >= 8; data = data[8:] {
		binary.LittleEndian.PutUint64(data, r.Uint64()&0x0f0f0f0f0f0f0f0f|0x4040404040404040)
	}
}
