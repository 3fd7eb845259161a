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
)

// Dir is the folder of the streams: streams in $IMAGETOOLS_TESTDATA, by default in
// shared/testdata beside the repository. Without it the test is skipped, or fails if
// IMAGETOOLS_REQUIRE_ORACLES is 1.
func Dir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("IMAGETOOLS_TESTDATA")
	if dir == "" {
		dir = filepath.Join(root(t), "..", "shared", "testdata")
	}
	dir = filepath.Join(dir, "streams")
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("IMAGETOOLS_REQUIRE_ORACLES") == "1" {
			t.Fatalf("public streams are required: %v", err)
		}
		t.Skipf("no public streams: %v", err)
	}
	return dir
}

// root is the folder of go.mod, above the package under test.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = up
	}
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
