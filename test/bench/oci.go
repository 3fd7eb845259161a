//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// compareContainers makes images of the tree as the image of a container with three layers, gzipped
// as registries have them, and of a plain tar of it.
func (b *bench) compareContainers(ctx context.Context, input input) {
	dir := filepath.Join(b.work, "oci")
	defer os.RemoveAll(dir)
	layout, tar := filepath.Join(dir, "layout"), filepath.Join(dir, "tree.tar")
	say("making a container image")
	missing := makeLayout(ctx, b.tree, layout)
	if missing == nil {
		missing = packTar(ctx, tar, b.tree, ".")
	}
	rounds := 5
	if b.quick {
		rounds = 2
	}
	of := func(name, path string) job {
		run := b.createImage(path, "gzip", "--type", "zone-dataset", "--os", "linux")
		return job{name, rounds, "", func(ctx context.Context) (sample, error) {
			if missing != nil {
				return sample{}, missing
			}
			return run(ctx)
		}}
	}
	s := b.alternate(ctx, of("imagetools create-image LAYOUT", layout), of("imagetools create-image TREE.tar", tar))
	b.report.add(timeRow("oci", "time of three layers", s[0], s[1], 1.2))
	b.report.add(memoryRow("oci", "peak memory", s[0], input.Entries))
}

func packTar(ctx context.Context, path, dir string, args ...string) error {
	args = append([]string{"--xattrs", "--xattrs-include=*", "-C", dir, "-cf", path}, args...)
	if out, err := exec.CommandContext(ctx, "tar", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("tar %q: %w: %s", args, err, out)
	}
	return nil
}

// makeLayout packs a tree into three layers, the largest folders of a root file system apart.
func makeLayout(ctx context.Context, tree, layout string) error {
	type descriptor struct {
		MediaType string `json:"mediaType"`
		Digest    string `json:"digest"`
		Size      int64  `json:"size"`
	}
	blobs := filepath.Join(layout, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o777); err != nil {
		return err
	}
	// put gives a file the name of a blob.
	put := func(path, mediaType string) (descriptor, error) {
		sum, size, err := hashFile(path)
		return descriptor{mediaType, "sha256:" + sum, size}, errors.Join(err, os.Rename(path, filepath.Join(blobs, sum)))
	}
	putJSON := func(mediaType string, v any) (descriptor, error) {
		text, err := json.Marshal(v)
		path := filepath.Join(layout, "document")
		if err := errors.Join(err, os.WriteFile(path, text, 0o666)); err != nil {
			return descriptor{}, err
		}
		return put(path, mediaType)
	}
	const oci = "application/vnd.oci.image."
	var layers []descriptor
	var diffIDs []string
	for _, args := range [][]string{
		{"--exclude=./usr/lib", "--exclude=./usr/share", "."}, {"./usr/lib"}, {"./usr/share"},
	} {
		path := filepath.Join(layout, "layer.tar")
		if _, err := os.Stat(filepath.Join(tree, args[len(args)-1])); err != nil {
			continue // of a tree that is no root file system
		}
		if err := packTar(ctx, path, tree, args...); err != nil {
			return err
		}
		sum, _, err := hashFile(path)
		if err != nil {
			return err
		}
		if out, err := exec.CommandContext(ctx, "gzip", "-6", path).CombinedOutput(); err != nil {
			return fmt.Errorf("gzip: %w: %s", err, out)
		}
		d, err := put(path+".gz", oci+"layer.v1.tar+gzip")
		if err != nil {
			return err
		}
		layers, diffIDs = append(layers, d), append(diffIDs, "sha256:"+sum)
	}
	config, err := putJSON(oci+"config.v1+json", map[string]any{
		"os": "linux", "architecture": "amd64", "rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs},
	})
	if err != nil {
		return err
	}
	manifest, err := putJSON(oci+"manifest.v1+json", map[string]any{"schemaVersion": 2, "config": config, "layers": layers})
	if err != nil {
		return err
	}
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": []descriptor{manifest}})
	return errors.Join(err,
		os.WriteFile(filepath.Join(layout, "index.json"), index, 0o666),
		os.WriteFile(filepath.Join(layout, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o666))
}

func hashFile(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), size, err
}
