// Package smftest finds real manifests and repositories, and what the real importer made of
// them, which stand beside the project and are no part of it.
package smftest

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/smf"
	"imagetools/smf/sqlite2/sqlitetest"
)

// Path is a file or folder of the test data in $IMAGETOOLS_TESTDATA, by default in
// shared/testdata beside the project. Without it the test is skipped, or fails if
// IMAGETOOLS_REQUIRE_ORACLES is 1.
func Path(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("IMAGETOOLS_TESTDATA")
	for up := ".."; dir == "" && len(up) < 20; up = filepath.Join(up, "..") {
		if _, err := os.Stat(filepath.Join(up, "shared/testdata")); err == nil {
			dir = filepath.Join(up, "shared/testdata")
		}
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("IMAGETOOLS_REQUIRE_ORACLES") == "1" {
			t.Fatalf("test data of SMF are required (IMAGETOOLS_TESTDATA): %v", err)
		}
		t.Skipf("no test data of SMF (IMAGETOOLS_TESTDATA): %v", err)
	}
	return path
}

// Data is a file of the test data, unpacked if its name ends in .gz.
func Data(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(Path(t, name))
	if err == nil && strings.HasSuffix(name, ".gz") {
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(data)); err == nil {
			data, err = io.ReadAll(z)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// RoundTrip writes a repository as a database, has it judged, reads it again, and fails the test
// if that says something else. It returns the database and what was read.
func RoundTrip(t testing.TB, r *smf.Repository) ([]byte, *smf.Repository) {
	t.Helper()
	db, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	sqlitetest.Read(t, db)
	again, err := smf.Decode(db)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Text(t, r), Text(t, again)); d != "" {
		t.Errorf("written and read (-want +got):\n%s", d)
	}
	return db, again
}

// Text is what a repository says.
func Text(t testing.TB, r *smf.Repository) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
