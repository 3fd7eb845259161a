package main

import (
	"fmt"
	"strings"
	"testing"

	"imagetools/smf"
	"imagetools/smf/bundle"
	"imagetools/smf/list"
	"imagetools/smf/sqlite2"
)

var smfRows = []row{
	{"SMF manifest: services", 500, services(func(n int) string {
		return repeat(n, func(i int) string {
			return fmt.Sprintf("<service name='lab/s%d' type='service' version='1'><create_default_instance enabled='true'/></service>\n", i)
		})
	})},
	{"SMF manifest: properties", 500, services(func(n int) string {
		return "<service name='lab/s' type='service' version='1'><property_group name='g' type='application'>" + repeat(n, func(i int) string {
			return fmt.Sprintf("<propval name='p%d' type='astring' value='x'/>", i)
		}) + "</property_group></service>"
	})},
	{"SMF manifest: dependents", 300, services(func(n int) string {
		return "<service name='lab/s' type='service' version='1'>" + repeat(n, func(i int) string {
			return fmt.Sprintf("<dependent name='d%d' grouping='require_all' restart_on='none'><service_fmri value='svc:/lab/t%d'/></dependent>", i, i)
		}) + "</service>"
	})},
	{"SMF manifest: instances", 300, services(func(n int) string {
		return "<service name='lab/s' type='service' version='1'>" + repeat(n, func(i int) string {
			return fmt.Sprintf("<instance name='i%d' enabled='true'/>", i)
		}) + "</service>"
	})},
	{"SMF manifest: values of a property", 500, services(func(n int) string {
		return "<service name='lab/s' type='service' version='1'><property_group name='g' type='application'><property name='p' type='astring'><astring_list>" +
			strings.Repeat("<value_node value='x'/>", n) + "</astring_list></property></property_group></service>"
	})},
	{"SMF manifest: characters", 8000, services(func(n int) string {
		return "<service name='lab/s' type='service' version='1'><!-- " + strings.Repeat("a\n", n) + " --></service>"
	})},
	{"SMF list: lines", 2000, func(t testing.TB, n int) func() {
		text := []byte(repeat(n, func(i int) string { return fmt.Sprintf("system/s%d.xml enabled\n", i) }))
		return func() { must2(list.Parse("LIST", text))(t) }
	}},
	{"SMF list: manifests", 100, func(t testing.TB, n int) func() {
		var all []list.Manifest
		for i := range n {
			all = append(all, list.Manifest{Entry: list.Entry{Name: fmt.Sprintf("s%d.xml", i), Enabled: true}, Place: "x", XML: []byte(service(fmt.Sprintf("<service name='lab/s%d' type='service' version='1'><create_default_instance enabled='false'/></service>", i)))})
		}
		return func() { must2(list.Import(all))(t) }
	}},
	{"SMF repository", 200, func(t testing.TB, n int) func() {
		a, b := repository(n, 0), repository(n, n/2)
		db := must2(a.Encode())(t)
		return func() {
			must2(smf.Decode(db))(t)
			smf.Diff(a, b)
			must(t, a.Validate())
			must(t, a.WriteText(&strings.Builder{}))
		}
	}},
	{"sqlite: rows", 500, database(func(n int) []sqlite2.Row {
		rows := make([]sqlite2.Row, n)
		for i := range rows {
			rows[i] = sqlite2.Row{ID: int32(i + 1), Values: []sqlite2.Value{sqlite2.Text(fmt.Sprint(i)), sqlite2.Text("x")}}
		}
		return rows
	})},
	{"sqlite: bytes of a value", 20000, database(func(n int) []sqlite2.Row {
		return []sqlite2.Row{{ID: 1, Values: []sqlite2.Value{sqlite2.Text("x"), sqlite2.Text(strings.Repeat("y", n))}}}
	})},
}

func service(body string) string {
	return `<?xml version="1.0"?>
<!DOCTYPE service_bundle SYSTEM "/usr/share/lib/xml/dtd/service_bundle.dtd.1">
<service_bundle type='manifest' name='x'>` + body + `</service_bundle>
`
}

func services(body func(n int) string) func(testing.TB, int) func() {
	return func(t testing.TB, n int) func() {
		text := []byte(service(body(n)))
		return func() {
			b := must2(bundle.Parse("m.xml", text))(t)
			must(t, bundle.NewImporter(&smf.Repository{}).Import(b))
		}
	}
}

// repository has n services, numbered from the first on.
func repository(n, first int) *smf.Repository {
	r := &smf.Repository{}
	for i := range n {
		r.Services = append(r.Services, &smf.Service{
			Name: fmt.Sprintf("lab/s%06d", first+i),
			Groups: []*smf.Group{{Name: "g", Type: "application", Properties: []*smf.Property{
				{Name: "p", Type: smf.AString, Values: []string{"x", fmt.Sprint(i)}},
			}}},
			Instances: []*smf.Instance{{Name: "default"}},
		})
	}
	return r
}

func database(rows func(n int) []sqlite2.Row) func(testing.TB, int) func() {
	return func(t testing.TB, n int) func() {
		db := must2(sqlite2.Encode([]string{"CREATE TABLE plain (name TEXT, free TEXT)", "CREATE INDEX plain_name ON plain (name)"}, map[string][]sqlite2.Row{"plain": rows(n)}))(t)
		return func() {
			f := must2(sqlite2.Open(db))(t)
			for range f.Rows("plain") {
			}
		}
	}
}
