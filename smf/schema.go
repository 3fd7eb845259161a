package smf

import (
	"strings"

	"imagetools/smf/sqlite2"
)

// schemaVersion is the version of the schema below (backend.c of svc.configd).
const schemaVersion = "5"

// The schema of svc.configd, in the order in which it makes tables and indexes. The declared
// types matter: they say whether an index sorts a column as text or as a number.
var statements = []string{
	table("service_tbl", "svc_id INTEGER PRIMARY KEY", "svc_name CHAR(256) NOT NULL"),
	table("instance_tbl", "instance_id INTEGER PRIMARY KEY", "instance_name CHAR(256) NOT NULL",
		"instance_svc INTEGER NOT NULL"),
	table("snapshot_lnk_tbl", "lnk_id INTEGER PRIMARY KEY", "lnk_inst_id INTEGER NOT NULL",
		"lnk_snap_name CHAR(256) NOT NULL", "lnk_snap_id INTEGER NOT NULL"),
	table("snaplevel_tbl", "snap_id INTEGER NOT NULL", "snap_level_num INTEGER NOT NULL",
		"snap_level_id INTEGER NOT NULL", "snap_level_service_id INTEGER NOT NULL",
		"snap_level_service CHAR(256) NOT NULL", "snap_level_instance_id INTEGER NULL",
		"snap_level_instance CHAR(256) NULL"),
	table("snaplevel_lnk_tbl", "snaplvl_level_id INTEGER NOT NULL", "snaplvl_pg_id INTEGER NOT NULL",
		"snaplvl_pg_name CHAR(256) NOT NULL", "snaplvl_pg_type CHAR(256) NOT NULL",
		"snaplvl_pg_flags INTEGER NOT NULL", "snaplvl_gen_id INTEGER NOT NULL"),
	index("service_tbl", "name", "svc_name"),
	index("instance_tbl", "name", "instance_svc", "instance_name"),
	index("snapshot_lnk_tbl", "name", "lnk_inst_id", "lnk_snap_name"),
	index("snapshot_lnk_tbl", "snapid", "lnk_snap_id"),
	index("snaplevel_tbl", "id", "snap_id"),
	index("snaplevel_lnk_tbl", "id", "snaplvl_pg_id"),
	index("snaplevel_lnk_tbl", "level", "snaplvl_level_id"),
	table("pg_tbl", "pg_id INTEGER PRIMARY KEY", "pg_parent_id INTEGER NOT NULL",
		"pg_name CHAR(256) NOT NULL", "pg_type CHAR(256) NOT NULL", "pg_flags INTEGER NOT NULL",
		"pg_gen_id INTEGER NOT NULL"),
	table("prop_lnk_tbl", "lnk_prop_id INTEGER PRIMARY KEY", "lnk_pg_id INTEGER NOT NULL",
		"lnk_gen_id INTEGER NOT NULL", "lnk_prop_name CHAR(256) NOT NULL",
		"lnk_prop_type CHAR(2) NOT NULL", "lnk_val_id INTEGER"),
	table("value_tbl", "value_id INTEGER NOT NULL", "value_type CHAR(1) NOT NULL",
		"value_value VARCHAR NOT NULL", "value_order INTEGER DEFAULT 0"),
	table("id_tbl", "id_name STRING NOT NULL", "id_next INTEGER NOT NULL"),
	table("schema_version", "schema_version INTEGER"),
	index("pg_tbl", "parent", "pg_parent_id"),
	index("pg_tbl", "name", "pg_parent_id", "pg_name"),
	index("pg_tbl", "type", "pg_parent_id", "pg_type"),
	index("prop_lnk_tbl", "base", "lnk_pg_id", "lnk_gen_id"),
	index("prop_lnk_tbl", "val", "lnk_val_id"),
	index("value_tbl", "id", "value_id"),
	index("id_tbl", "id", "id_name"),
}

func table(name string, columns ...string) string {
	return sqlite2.Normal("CREATE TABLE " + name + " (" + strings.Join(columns, ", ") + ")")
}

func index(table, suffix string, columns ...string) string {
	return sqlite2.Normal("CREATE INDEX " + table + "_" + suffix + " ON " + table + " (" + strings.Join(columns, ", ") + ")")
}

// counters are the rows of id_tbl in their order: what each hands out numbers for. A service
// and an instance never have the same number.
var counters = []string{"SI", "PG", "GEN", "PROP", "VAL", "SNAME", "SHOT", "SLVL"}
