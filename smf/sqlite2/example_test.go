package sqlite2_test

import (
	"fmt"
	"log"

	"imagetools/smf/sqlite2"
)

func Example() {
	db, err := sqlite2.Encode(
		[]string{"CREATE TABLE t (id INTEGER PRIMARY KEY,name CHAR(256))"},
		map[string][]sqlite2.Row{"t": {{ID: 1, Values: []sqlite2.Value{sqlite2.Null(), sqlite2.Text("cron")}}}},
	)
	if err != nil {
		log.Fatal(err)
	}

	f, err := sqlite2.Open(db)
	if err != nil {
		log.Fatal(err)
	}

	for row := range f.Rows("t") {
		fmt.Println(row.ID, row.Values[1].Text)
	}
	// Output:
	// 1 cron
}
