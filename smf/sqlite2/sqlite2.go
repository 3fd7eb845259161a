// Package sqlite2 reads and writes database files of SQLite 2.1, the format before SQLite 3
// and unlike it, in which svc.configd of illumos keeps the SMF repository.
//
//	f, err := sqlite2.Open(db)
//	for row := range f.Rows("service_tbl") {
//		fmt.Println(row.ID, row.Values[1].Text)
//	}
//
// [Open] takes a file only if it is sound in every respect that SQLite's own integrity check
// knows, which configd runs at each start, and in some more. What cannot be seen is damage
// to bytes that stand for nothing (between payloads, in free blocks, behind the end of the
// last overflow page, in free pages, meta numbers of page 1) and to those letters of a value
// that no index repeats.
//
// [Encode] makes a file from a schema and rows, the same bytes for the same input. It packs
// pages full and writes no free pages.
//
// # Limits
//
// Databases are byte slices: a repository has a few MiB. There is no SQL beyond what is needed
// to find columns and indexes: views, triggers, UNIQUE, a PRIMARY KEY other than one INTEGER
// column, table constraints and quoted names are refused. Pages have 1024 bytes, as in all
// builds of illumos. A rollback journal beside a file is for the caller to look for.
//
// Sources: libsqlite of illumos, SQLite 2.8.15 (btree.c, vdbe.c, util.c, pragma.c).
package sqlite2

// Row is a row of a table.
type Row struct {
	ID     int32   // the rowid, and the value of an INTEGER PRIMARY KEY
	Values []Value // a column each; NULL for an INTEGER PRIMARY KEY
	Offset int     // of the row in the file it was read from
}

// Value is a text or NULL. Numbers are decimal text. No text holds a NUL.
type Value struct {
	Text string
	Null bool
}

// Null is the value NULL.
func Null() Value { return Value{Null: true} }

// Text is a value that is not NULL.
func Text(s string) Value { return Value{Text: s} }
