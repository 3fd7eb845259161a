package smf_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/smf"
	"imagetools/smf/internal/smftest"
	"imagetools/smf/sqlite2/sqlitetest"
)

func group(name, typ string, properties ...*smf.Property) *smf.Group {
	return &smf.Group{Name: name, Type: typ, Properties: properties}
}

func property(name string, typ smf.Type, values ...string) *smf.Property {
	return &smf.Property{Name: name, Type: typ, Values: values}
}

// hostid is the service system/hostid as it is after its import.
func hostid() *smf.Repository {
	method := func(name, exec string) *smf.Group {
		return group(name, "method", property("exec", smf.AString, exec),
			property("timeout_seconds", smf.Count, "60"), property("type", smf.AString, "method"))
	}
	service := []*smf.Group{
		group("general", "framework", property("entity_stability", smf.AString, "Unstable"), property("single_instance", smf.Boolean, "1")),
		group("usr", "dependency", property("entities", smf.FMRI, "svc:/system/filesystem/minimal"),
			property("grouping", smf.AString, "require_all"), property("restart_on", smf.AString, "none"), property("type", smf.AString, "service")),
		method("start", "/lib/svc/method/svc-hostid"),
		method("stop", ":true"),
		group("startd", "framework", property("duration", smf.AString, "transient")),
		group("tm_common_name", "template", property("C", smf.UString, "hostid")),
		group("tm_man_hostid1", "template", property("manpath", smf.AString, "/usr/share/man"),
			property("section", smf.AString, "1"), property("title", smf.AString, "hostid")),
	}
	instance := []*smf.Group{group("general", "framework", property("enabled", smf.Boolean, "1"))}
	snapshot := func(name string, instance []*smf.Group) *smf.Snapshot {
		return &smf.Snapshot{Name: name, Levels: []smf.Level{
			{Number: 1, Service: "system/hostid", Instance: "default", Groups: instance},
			{Number: 2, Service: "system/hostid", Groups: service},
		}}
	}
	return &smf.Repository{Services: []*smf.Service{{Name: "system/hostid", Groups: service, Instances: []*smf.Instance{{
		Name: "default", Groups: instance, Snapshots: []*smf.Snapshot{
			snapshot("initial", instance),
			snapshot("last-import", []*smf.Group{group("general", "framework")}),
			snapshot("running", instance),
		},
	}}}}}
}

// hostidRows are the rows of the tables: number, then values. A list is cut by ";".
var hostidRows = map[string]string{
	"service_tbl":  `1 . system/hostid`,
	"instance_tbl": `2 . default 1`,
	"pg_tbl": `1 . 1 general framework 0 1; 2 . 1 usr dependency 0 2; 3 . 1 start method 0 3; 4 . 1 stop method 0 4;
		5 . 1 startd framework 0 5; 6 . 1 tm_common_name template 0 6; 7 . 1 tm_man_hostid1 template 0 7; 8 . 2 general framework 0 8`,
	"prop_lnk_tbl": `1 . 1 1 entity_stability s 1; 2 . 1 1 single_instance b 2; 3 . 2 2 entities sf 3; 4 . 2 2 grouping s 4;
		5 . 2 2 restart_on s 5; 6 . 2 2 type s 6; 7 . 3 3 exec s 7; 8 . 3 3 timeout_seconds c 8; 9 . 3 3 type s 9;
		10 . 4 4 exec s 10; 11 . 4 4 timeout_seconds c 11; 12 . 4 4 type s 12; 13 . 5 5 duration s 13; 14 . 6 6 C su 14;
		15 . 7 7 manpath s 15; 16 . 7 7 section s 16; 17 . 7 7 title s 17; 18 . 8 8 enabled b 18`,
	"value_tbl": `1 1 s Unstable 0; 2 2 b 1 0; 3 3 s svc:/system/filesystem/minimal 0; 4 4 s require_all 0; 5 5 s none 0;
		6 6 s service 0; 7 7 s /lib/svc/method/svc-hostid 0; 8 8 c 60 0; 9 9 s method 0; 10 10 s :true 0; 11 11 c 60 0;
		12 12 s method 0; 13 13 s transient 0; 14 14 s hostid 0; 15 15 s /usr/share/man 0; 16 16 s 1 0; 17 17 s hostid 0; 18 18 b 1 0`,
	"snapshot_lnk_tbl": `1 . 2 initial 1; 2 . 2 last-import 2; 3 . 2 running 3`,
	"snaplevel_tbl": `1 1 1 1 1 system/hostid 2 default; 2 1 2 2 1 system/hostid 0 .; 3 2 1 3 1 system/hostid 2 default;
		4 2 2 4 1 system/hostid 0 .; 5 3 1 5 1 system/hostid 2 default; 6 3 2 6 1 system/hostid 0 .`,
	"snaplevel_lnk_tbl": `1 1 8 general framework 0 8; 2 2 1 general framework 0 1; 3 2 2 usr dependency 0 2; 4 2 3 start method 0 3;
		5 2 4 stop method 0 4; 6 2 5 startd framework 0 5; 7 2 6 tm_common_name template 0 6; 8 2 7 tm_man_hostid1 template 0 7;
		9 3 9 general framework 0 0; 10 4 1 general framework 0 1; 11 4 2 usr dependency 0 2; 12 4 3 start method 0 3;
		13 4 4 stop method 0 4; 14 4 5 startd framework 0 5; 15 4 6 tm_common_name template 0 6; 16 4 7 tm_man_hostid1 template 0 7;
		17 5 8 general framework 0 8; 18 6 1 general framework 0 1; 19 6 2 usr dependency 0 2; 20 6 3 start method 0 3;
		21 6 4 stop method 0 4; 22 6 5 startd framework 0 5; 23 6 6 tm_common_name template 0 6; 24 6 7 tm_man_hostid1 template 0 7`,
	"id_tbl":         `1 SI 3; 2 PG 10; 3 GEN 9; 4 PROP 1; 5 VAL 19; 6 SNAME 4; 7 SHOT 4; 8 SLVL 7`,
	"schema_version": `1 5`,
}

// TestRows has the numbers of every row of a small repository.
func TestRows(t *testing.T) {
	tables := sqlitetest.Read(t, roundTrip(t, hostid()))
	got := map[string]string{}
	want := map[string]string{}
	for name, text := range hostidRows {
		want[name] = strings.Join(strings.Fields(text), " ")
	}
	for name, rows := range tables {
		var list []string
		for _, row := range rows {
			words := []string{fmt.Sprint(row.ID)}
			for _, v := range row.Values {
				if v == nil {
					words = append(words, ".")
				} else {
					words = append(words, *v)
				}
			}
			list = append(list, strings.Join(words, " "))
		}
		got[name] = strings.Join(list, "; ")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// TestHostid compares the content with that of the real import.
func TestHostid(t *testing.T) {
	want := string(smftest.Data(t, "smf-manifests/expected/system-hostid.txt"))
	if got := smftest.Text(t, hostid()); got != want {
		t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
	}
}
