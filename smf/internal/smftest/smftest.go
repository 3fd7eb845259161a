// Package smftest finds real manifests and repositories, and what the real importer made of
// them, which stand beside the project and are no part of it.
package smftest

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/internal/required"
	"imagetools/smf"
	"imagetools/smf/sqlite2/sqlitetest"
)

// Data is a file of the test data, unpacked if its name ends in .gz.
func Data(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(required.Data(t, name))
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
