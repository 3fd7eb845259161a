package smf_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"imagetools/smf"
	"imagetools/smf/sqlite2"
)

// withRows is a database of hostid after a change of its rows.
func withRows(t *testing.T, change func(rows map[string][]sqlite2.Row)) []byte {
	t.Helper()
	db, err := hostid().Encode()
	if err != nil {
		t.Fatal(err)
	}
	f, err := sqlite2.Open(db)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]sqlite2.Row{}
	for name := range hostidRows {
		rows[name] = slices.Collect(f.Rows(name))
	}
	change(rows)
	db, err = sqlite2.Encode(f.Schema, rows)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// TestDecodeFaults has sound databases that are no repository.
func TestDecodeFaults(t *testing.T) {
	type rows = map[string][]sqlite2.Row
	set := func(table string, row, column int, value string) func(rows) {
		return func(r rows) { r[table][row-1].Values[column] = sqlite2.Text(value) }
	}
	null := func(table string, row, column int) func(rows) {
		return func(r rows) { r[table][row-1].Values[column] = sqlite2.Null() }
	}
	drop := func(table string, row int) func(rows) {
		return func(r rows) { r[table] = slices.Delete(r[table], row-1, row) }
	}
	for _, test := range []struct {
		change func(rows)
		want   string
	}{
		{drop("schema_version", 1), "schema_version: no row"},
		{set("schema_version", 1, 0, "6"), `schema version "6", not 5`},
		{null("schema_version", 1, 0), `schema version "", not 5`},
		{drop("service_tbl", 1), "instance_tbl, row 2 (page"},
		{drop("instance_tbl", 1), "snapshot_lnk_tbl, row 1 (page"},
		{drop("pg_tbl", 8), ""}, // the group lives on in snapshots
		{drop("pg_tbl", 1), ""},
		{drop("prop_lnk_tbl", 1), "value_tbl, row 1 (page"},
		{drop("value_tbl", 3), "no value 3"},
		{drop("snapshot_lnk_tbl", 2), "no name for snapshot 2"},
		{drop("snaplevel_tbl", 3), "no level 3"},
		{drop("snaplevel_lnk_tbl", 3), ""},
		{drop("id_tbl", 2), "id_tbl: no counter PG"},
		{set("id_tbl", 2, 1, "9"), "PG: 9 is next, but 9 is in use"},
		{set("id_tbl", 1, 1, "2"), "SI: 2 is next, but 2 is in use"},
		{set("id_tbl", 3, 1, "8"), "GEN: 8 is next, but 8 is in use"},
		{set("id_tbl", 5, 1, "18"), "VAL: 18 is next"},
		{set("id_tbl", 6, 1, "3"), "SNAME: 3 is next"},
		{set("id_tbl", 7, 1, "3"), "SHOT: 3 is next"},
		{set("id_tbl", 8, 1, "6"), "SLVL: 6 is next"},
		{set("id_tbl", 4, 0, "PG"), `a counter "PG"`},
		{set("id_tbl", 4, 1, "01"), `column 2: "01" is no number`},
		{set("id_tbl", 4, 1, "0"), "column 2: 0 is the number of nothing"},
		{set("service_tbl", 1, 1, "a//b"), `"" is no name`},
		{set("instance_tbl", 1, 1, "1st"), `"1st" is no name`},
		{set("instance_tbl", 1, 2, "2"), "no service 2"},
		{func(r rows) { r["instance_tbl"][0].ID = 1 }, "a service has the same number"},
		{func(r rows) { r["service_tbl"][0].ID = 0 }, "a number below 1"},
		{set("pg_tbl", 2, 1, "7"), "no service or instance 7"},
		{set("pg_tbl", 2, 2, "general"), `group 2 is "usr" of type "dependency", elsewhere "general"`},
		{set("pg_tbl", 2, 3, "framework"), `elsewhere "usr" of type "framework"`},
		{set("pg_tbl", 2, 4, "1"), "flags 1, those of a group that does not persist"},
		{set("pg_tbl", 2, 5, "3"), "generation 3 of group 2 is one of group 3"},
		{set("pg_tbl", 8, 1, "1"), `group "general": it is there twice`},
		{set("pg_tbl", 2, 5, "0"), "generation 0, but there is a newer one, 2"},
		{set("prop_lnk_tbl", 3, 1, "1"), "generation 2 of group 2 is one of group 1"},
		{set("prop_lnk_tbl", 18, 2, "7"), "generation 7"},
		{set("prop_lnk_tbl", 4, 3, "entities"), `property "entities": it is there twice`},
		{set("prop_lnk_tbl", 4, 4, "sx"), `unknown type "sx"`},
		{set("prop_lnk_tbl", 4, 4, "o"), `type "o", but that of value 4 is "s"`},
		{set("prop_lnk_tbl", 4, 5, "99"), "no value 99"},
		{null("prop_lnk_tbl", 4, 5), "no property has value 4"},
		{set("value_tbl", 8, 2, "060"), `"060" is no value of type "c"`},
		{set("value_tbl", 2, 2, "true"), `"true" is no value of type "b"`},
		{set("value_tbl", 14, 2, "\xff"), `"\xff" is no value of type "su"`},
		{set("value_tbl", 4, 3, "1"), "value_order 1, want 0"},
		{set("value_tbl", 4, 0, "3"), "no value 4"},
		{set("value_tbl", 4, 1, "c"), `type "s", but that of value 4 is "c"`},
		{set("snapshot_lnk_tbl", 1, 1, "1"), "no instance 1"},
		{set("snapshot_lnk_tbl", 1, 3, "9"), "no snapshot 9"},
		{set("snapshot_lnk_tbl", 1, 2, "running"), `snapshot "running": it is there twice`},
		{set("snaplevel_tbl", 1, 1, "3"), "levels are 1 and 2"},
		{set("snaplevel_tbl", 1, 2, "2"), "level 2 is there twice"},
		{set("snaplevel_tbl", 1, 4, "system/cron"), `it is of service "system/cron"`},
		{set("snaplevel_tbl", 1, 5, "0"), "level 1 of no instance"},
		{set("snaplevel_tbl", 1, 6, "other"), `it is of instance "other"`},
		{set("snaplevel_tbl", 2, 5, "2"), "level 2 of an instance"},
		{set("snaplevel_lnk_tbl", 1, 0, "7"), "no level 7"},
		{set("snaplevel_lnk_tbl", 1, 5, "7"), "generation 7 of group 8 is one of group 7"},
	} {
		_, err := smf.Decode(withRows(t, test.change))
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%v, want %q", err, test.want)
		}
	}
}

// TestLongFaults has long texts in all places that faults tell of.
func TestLongFaults(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for table, columns := range map[string][]int{
		"schema_version": {0}, "id_tbl": {0, 1}, "service_tbl": {1}, "instance_tbl": {1}, "pg_tbl": {2, 3}, "value_tbl": {1},
		"prop_lnk_tbl": {3, 4}, "snapshot_lnk_tbl": {2}, "snaplevel_tbl": {4, 6}, "snaplevel_lnk_tbl": {2, 3},
	} {
		for _, c := range columns {
			_, err := smf.Decode(withRows(t, func(rows map[string][]sqlite2.Row) { rows[table][0].Values[c] = sqlite2.Text(long) }))
			if err == nil || len(err.Error()) > 4000 {
				t.Errorf("%s, column %d: an error of %d bytes: %.200v", table, c+1, len(fmt.Sprint(err)), err)
			}
		}
	}
}

// TestOldValues has values from before they had an order.
func TestOldValues(t *testing.T) {
	db := withRows(t, func(rows map[string][]sqlite2.Row) {
		for _, r := range rows["value_tbl"][:2] {
			r.Values[3] = sqlite2.Null()
		}
		for _, text := range []string{"svc:/b", "svc:/a"} {
			rows["value_tbl"] = append(rows["value_tbl"], sqlite2.Row{ID: int32(len(rows["value_tbl"]) + 1),
				Values: []sqlite2.Value{sqlite2.Text("3"), sqlite2.Text("s"), sqlite2.Text(text), sqlite2.Text("0")}})
		}
	})
	r, err := smf.Decode(db)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"svc:/system/filesystem/minimal", "svc:/b", "svc:/a"}
	if got := r.Services[0].Groups[1].Properties[0].Values; !slices.Equal(got, want) {
		t.Errorf("values %q, want %q", got, want)
	}
}

// TestHugeRepository has few groups that many snapshots name, and many values that are far
// apart in the database: neither can be written, as neither could be read.
func TestHugeRepository(t *testing.T) {
	many := hostid()
	s := many.Services[0]
	for i := range 1000 {
		s.Groups = append(s.Groups, &smf.Group{Name: fmt.Sprint("g", i), Type: "application"})
	}
	for i := range 400 {
		instance := &smf.Instance{Name: fmt.Sprint("i", i)}
		instance.Snapshots = []*smf.Snapshot{{Name: "running", Levels: []smf.Level{{Number: 2, Service: s.Name, Groups: s.Groups}}}}
		s.Instances = append(s.Instances, instance)
	}
	if _, err := many.Encode(); err == nil || err.Error() != `service "system/hostid": groups and snapshots to here take over 64 MiB` {
		t.Errorf("%v", err)
	}

	var values []string
	for range 60_000 {
		values = append(values, strings.Repeat("x", 260)) // an overflow page for each
	}
	group := &smf.Group{Name: "g", Type: "application", Properties: []*smf.Property{property("p", smf.AString, values...)}}
	long := &smf.Repository{Services: []*smf.Service{{Name: "s", Groups: []*smf.Group{group}}}}
	if _, err := long.Encode(); err == nil || err.Error() != "a database of over 64 MiB" {
		t.Errorf("%v", err)
	}
	if _, err := smf.Decode(make([]byte, smf.MaxSize+1)); err == nil || !strings.Contains(err.Error(), "has at most 67108864") {
		t.Errorf("%v", err)
	}
}

// TestHugeContent has a small database whose rows name others again and again.
func TestHugeContent(t *testing.T) {
	db := withRows(t, func(rows map[string][]sqlite2.Row) {
		value := strings.Repeat("x", 4000)
		for i := range 100 {
			rows["value_tbl"] = append(rows["value_tbl"], sqlite2.Row{ID: int32(100 + i),
				Values: []sqlite2.Value{sqlite2.Text("30"), sqlite2.Text("s"), sqlite2.Text(value), sqlite2.Text(fmt.Sprint(i))}})
		}
		for i := range 1000 {
			rows["prop_lnk_tbl"] = append(rows["prop_lnk_tbl"], sqlite2.Row{ID: int32(100 + i), Values: []sqlite2.Value{sqlite2.Null(),
				sqlite2.Text("8"), sqlite2.Text("8"), sqlite2.Text(fmt.Sprint("p", i)), sqlite2.Text("s"), sqlite2.Text("30")}})
		}
	})
	if _, err := smf.Decode(db); err == nil || !strings.Contains(err.Error(), "stands for over 128 MiB") {
		t.Errorf("%v", err)
	}
}

func TestSchema(t *testing.T) {
	db, err := sqlite2.Encode([]string{"CREATE TABLE schema_version (schema_version INTEGER)", "CREATE TABLE other (a CHAR)"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = smf.Decode(db)
	for _, want := range []string{"no part of a repository of version 5: CREATE TABLE other", "missing in the repository: CREATE TABLE pg_tbl("} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestValidate(t *testing.T) {
	long := strings.Repeat("n", 120)
	for _, test := range []struct {
		change func(s *smf.Service)
		want   string
	}{
		{func(s *smf.Service) { s.Name = long }, "has 120 bytes, over 119"},
		{func(s *smf.Service) { s.Name = "system/hostid/" }, `"" is no name`},
		{func(s *smf.Service) { s.Instances[0].Name = "a.b,c" }, `level "1": it is of instance "default"`},
		{func(s *smf.Service) { s.Instances[0].Name = "a,b.c" }, `"a,b.c" is no name`},
		{func(s *smf.Service) { s.Instances = append(s.Instances, s.Instances[0]) }, `service "system/hostid": instance "default": it is there twice`},
		{func(s *smf.Service) { s.Groups[1].Name = "general" }, `service "system/hostid": group "general": it is there twice`},
		{func(s *smf.Service) { s.Groups[1].Type = "" }, `group "usr": type: "" is no name`},
		{func(s *smf.Service) { s.Groups[1].Flags = 1 }, "flags 1"},
		{func(s *smf.Service) { s.Groups[0].Properties[0].Name = "a b" }, `"a b" is no name`},
		{func(s *smf.Service) { s.Groups[0].Properties[0].Type = "x" }, `unknown type "x"`},
		{func(s *smf.Service) { s.Groups[0].Properties[0].Values = []string{strings.Repeat("v", 4096)} }, "a value of 4096 bytes, over 4095"},
		{func(s *smf.Service) { s.Groups[0].Properties[0].Values = []string{"a\x00b"} }, `"a\x00b" is no value of type "s"`},
		{func(s *smf.Service) { s.Instances[0].Snapshots[1].Name = "initial" }, `snapshot "initial": it is there twice`},
		{func(s *smf.Service) { s.Instances[0].Snapshots[0].Levels[0].Number = 2 }, `level "2": it is there twice`},
		{func(s *smf.Service) { s.Instances[0].Snapshots[0].Levels = nil }, `snapshot "initial": no level`},
	} {
		r := hostid()
		test.change(r.Services[0])
		if _, err := r.Encode(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %q", err, test.want)
		}
	}
	r := hostid()
	r.Services[0].Name = "TEMP/system/hostid" // as svccfg has it during an import
	if err := r.Validate(); err != nil {
		t.Error(err)
	}
}

func TestValues(t *testing.T) {
	for typ, values := range map[smf.Type]struct{ good, bad []string }{
		smf.Boolean:   {[]string{"0", "1"}, []string{"", "2", "true"}},
		smf.Count:     {[]string{"0", "18446744073709551615"}, []string{"", "-1", "00", "+1", "18446744073709551616", "1 "}},
		smf.Integer:   {[]string{"0", "-9223372036854775808"}, []string{"", "-0", "9223372036854775808", "1.0"}},
		smf.Timestamp: {[]string{"0", "5.500000000", "-1"}, []string{"", "5.5", "5.000000000", "007", "5.", "5.50000000x"}},
		smf.Opaque:    {[]string{"", "00ff", strings.Repeat("0", 8190)}, []string{"0", "FF", "0g", strings.Repeat("0", 8192)}},
		smf.AString:   {[]string{"", "\xff"}, []string{"\x00"}},
		smf.URI:       {[]string{"", "http://é"}, []string{"\xff"}},
	} {
		check := func(v string) error {
			r := hostid()
			r.Services[0].Groups[0].Properties[0] = property("p", typ, v)
			return r.Validate()
		}
		for _, v := range values.good {
			if err := check(v); err != nil {
				t.Errorf("%s %q: %v", typ, v, err)
			}
		}
		for _, v := range values.bad {
			if check(v) == nil {
				t.Errorf("%s %q: no fault", typ, v)
			}
		}
	}
}
