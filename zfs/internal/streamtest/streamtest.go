// Package streamtest finds the public send streams that tests read: those of the OpenZFS
// test suite, which stand beside the repository and are no part of it.
package streamtest

import (
	"bytes"
	"compress/bzip2"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"imagetools/internal/required"
)

// Dir is the directory of the streams, see [required.Data].
func Dir(t testing.TB) string {
	t.Helper()
	return required.Data(t, "streams")
}

const prefix, suffix = "openzfs-", ".zsend.bz2"

// Names are the names of the streams, without "openzfs-" and ".zsend.bz2".
func Names(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(Dir(t), prefix+"*"+suffix))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no streams in %s", Dir(t))
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f), prefix), suffix)
	}
	return files
}

// Read returns a stream, unpacked.
func Read(t testing.TB, name string) []byte {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join(Dir(t), prefix+name+suffix))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(bzip2.NewReader(bytes.NewReader(packed)))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
