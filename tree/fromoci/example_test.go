package fromoci_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"imagetools/tree/fromoci"
)

func ExampleOpenLayout() {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	err := errors.Join(
		w.WriteHeader(&tar.Header{Name: "etc/motd", Mode: 0o644, Size: 9}),
		func() error { _, err := w.Write([]byte("Welcome!\n")); return err }(),
		w.Close(),
	)
	if err != nil {
		log.Fatal(err)
	}

	dir := ociLayout(archive.Bytes())
	defer os.RemoveAll(dir)
	src, err := fromoci.OpenLayout(context.Background(), dir, "", fromoci.Options{})
	if err != nil {
		log.Fatal(err)
	}

	defer src.Close()
	fmt.Println(src.Tree.Lookup("etc/motd").Mode, src.Report.Counts.Files, "file")
	// Output:
	// file 0644 1 file
}

// ociLayout writes an image of one layer in the OCI layout to a new directory.
func ociLayout(layer []byte) string {
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		log.Fatal(err)
	}

	put := func(mediaType string, data []byte) string {
		sum := fmt.Sprintf("%x", sha256.Sum256(data))
		path := filepath.Join(dir, "blobs", "sha256", sum)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
			log.Fatal(err)
		}
		return fmt.Sprintf(`{"mediaType": %q, "digest": "sha256:%s", "size": %d}`, mediaType, sum, len(data))
	}
	config := put("application/vnd.oci.image.config.v1+json", fmt.Appendf(nil,
		`{"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sh"]}, "rootfs": {"type": "layers", "diff_ids": ["sha256:%x"]}}`, sha256.Sum256(layer)))
	manifest := put("application/vnd.oci.image.manifest.v1+json", fmt.Appendf(nil, `{"schemaVersion": 2, "config": %s, "layers": [%s]}`,
		config, put("application/vnd.oci.image.layer.v1.tar", layer)))
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion": "1.0.0"}`), 0o644),
		os.WriteFile(filepath.Join(dir, "index.json"), fmt.Appendf(nil, `{"schemaVersion": 2, "manifests": [%s]}`, manifest), 0o644),
	)
	if err != nil {
		log.Fatal(err)
	}

	return dir
}
