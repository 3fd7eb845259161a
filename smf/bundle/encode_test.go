package bundle_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/smf"
	"imagetools/smf/sqlite2/sqlitetest"
)

// TestDatabase writes what the classic list and the manifest of everything give as a database,
// twice, has it judged and reads it again.
func TestDatabase(t *testing.T) {
	for name, manifests := range map[string][][]byte{
		"everything": {read(t, filepath.Join(testdata(t), "smf-expected", "everything.xml"))},
		"classic":    classic(t),
	} {
		t.Run(name, func(t *testing.T) {
			var written [2][]byte
			for i := range written {
				var repo smf.Repository
				importAll(t, &repo, manifests...)
				db, err := repo.Encode()
				if err != nil {
					t.Fatal(err)
				}
				sqlitetest.Read(t, db)
				got, err := smf.Decode(db)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(text(t, &repo), text(t, got)); diff != "" {
					t.Errorf("written and read (-want +got):\n%s", diff)
				}
				written[i] = db
			}
			if !bytes.Equal(written[0], written[1]) {
				t.Error("the same manifests give other bytes")
			}
			t.Logf("%d bytes", len(written[0]))
		})
	}
}
