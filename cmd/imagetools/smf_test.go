package main

import (
	"os"

	"github.com/rogpeppe/go-internal/testscript"

	"imagetools/smf"
)

// makeRepositories writes a.db, b.db and damaged.db for scripts.
func makeRepositories(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: makerepositories")
	}
	general := func(property string, value string) []*smf.Group {
		return []*smf.Group{{Name: "general", Type: "framework", Properties: []*smf.Property{
			{Name: property, Type: smf.Boolean, Values: []string{value}}}}}
	}
	service := &smf.Service{Name: "system/cron", Groups: general("single_instance", "1"), Instances: []*smf.Instance{{
		Name: "default", Groups: general("enabled", "1"), Snapshots: []*smf.Snapshot{{Name: "running", Levels: []smf.Level{
			{Number: 1, Service: "system/cron", Instance: "default", Groups: general("enabled", "1")},
			{Number: 2, Service: "system/cron", Groups: general("single_instance", "1")},
		}}},
	}}}
	write := func(name string, damage int, services ...*smf.Service) {
		db, err := (&smf.Repository{Services: services}).Encode()
		ts.Check(err)
		db[damage] ^= 1
		ts.Check(os.WriteFile(ts.MkAbs(name), db, 0o666))
	}
	const cookie = 60 // any number will do
	write("a.db", cookie, service)
	write("damaged.db", 1024+4, service)
	service.Instances[0].Groups = general("enabled", "0")
	write("b.db", cookie, service, &smf.Service{Name: "system/ssh"})
}
