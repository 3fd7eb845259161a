package bundle_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"imagetools/fault"

	"github.com/google/go-cmp/cmp"

	"imagetools/smf"
	"imagetools/smf/bundle"
	"imagetools/smf/internal/smftest"
)

// service is a manifest of one service.
func service(name, body string) string {
	return inBundle.before + "<service name='" + name + "' type='service' version='1'>" + body + "</service>" + inBundle.after
}

// instanceOf is an instance, enabled.
func instanceOf(name, body string) string {
	return "<instance name='" + name + "' enabled='true'>" + body + "</instance>"
}

// dependentOn is a dependent of that name.
func dependentOn(name, target, more string) string {
	return "<dependent name='" + name + "' grouping='require_all' restart_on='none' " + more + "><service_fmri value='" + target + "'/></dependent>"
}

// outline is the repository without properties: a line for each service, instance and level
// of a snapshot, with the names of its property groups.
func outline(repo *smf.Repository) string {
	var b strings.Builder
	line := func(what string, groups []*smf.Group) {
		b.WriteString(what)
		for _, g := range groups {
			b.WriteString(" " + g.Name)
		}
		b.WriteByte('\n')
	}
	for _, s := range repo.Services {
		line(s.Name+":", s.Groups)
		for _, i := range s.Instances {
			line("  "+i.Name+":", i.Groups)
			for _, snap := range i.Snapshots {
				for _, l := range snap.Levels {
					line(fmt.Sprintf("    %s %d:", snap.Name, l.Number), l.Groups)
				}
			}
		}
	}
	return b.String()
}

func TestImport(t *testing.T) {
	const group = "<property_group name='own' type='application'/>"
	tests := []struct {
		name      string
		manifests []string
		want      string
	}{
		{"service without instances", []string{service("a", group)}, "a: own\n"},
		{"service without instances, again", []string{service("a", group), service("a", "<stability value='Stable'/>")}, "a: own general\n"},
		{
			"later dependents are in running alone",
			[]string{service("a", instanceOf("i", "")), service("b", dependentOn("b_a", "svc:/a", "")), service("c", dependentOn("c_i", "svc:/a:i", ""))},
			`a: b_a
  i: general c_i
    initial 1: general
    initial 2:
    last-import 1: general
    last-import 2:
    running 1: general c_i
    running 2: b_a
b: dependents
c: dependents
`,
		},
		{
			"a dependent comes first",
			[]string{service("b", dependentOn("b_a", "svc:/a:i", "")), service("a", instanceOf("i", "")+instanceOf("j", ""))},
			`b: dependents
a:
  i: b_a general
    running 1: b_a general
    running 2:
    previous 1: b_a
    previous 2:
    initial 1: b_a general
    initial 2:
    last-import 1: general
    last-import 2:
  j: general
    previous 1:
    previous 2:
    initial 1: general
    initial 2:
    last-import 1: general
    last-import 2:
    running 1: general
    running 2:
`,
		},
		{
			"the same again",
			[]string{service("a", group+instanceOf("i", dependentOn("i_b", "svc:/b", ""))), service("a", group+instanceOf("i", dependentOn("i_b", "svc:/b", "")))},
			`a: own
  i: general dependents
    initial 1: general dependents
    initial 2: own
    last-import 1: general dependents i_b
    last-import 2: own
    running 1: general dependents
    running 2: own
    previous 1: general dependents
    previous 2: own
b: i_b
`,
		},
		{
			"the same again, switched off",
			[]string{service("a", instanceOf("i", "")), strings.Replace(service("a", instanceOf("i", "")), "'true'", "'false'", 1)},
			`a:
  i: general
    initial 1: general
    initial 2:
    last-import 1: general
    last-import 2:
    running 1: general
    running 2:
    previous 1: general
    previous 2:
`,
		},
		{
			"a deleted dependent makes its target",
			[]string{service("a", dependentOn("a_b", "svc:/b:i", "delete='true'")+instanceOf("i", ""))},
			`a: dependents
  i: general
    initial 1: general
    initial 2: dependents
    last-import 1: general
    last-import 2: dependents
    running 1: general
    running 2: dependents
b:
  i:
    running 1:
    running 2:
`,
		},
		{
			"a group takes the place of one of a dependent",
			[]string{service("b", dependentOn("own", "svc:/a", "")), service("a", group+instanceOf("i", ""))},
			`b: dependents
a: own
  i: general
    previous 1:
    previous 2: own
    initial 1: general
    initial 2: own
    last-import 1: general
    last-import 2: own
    running 1: general
    running 2: own
`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var repo, steps smf.Repository
			importer := bundle.NewImporter(&repo)
			for _, m := range tt.manifests {
				b, err := bundle.Parse("m.xml", []byte(m))
				if err != nil {
					t.Fatal(err)
				}
				if err := importer.Import(b); err != nil {
					t.Fatal(err)
				}
				importAll(t, &steps, []byte(m)) // a new importer each time
			}
			if diff := cmp.Diff(tt.want, outline(&repo)); diff != "" {
				t.Errorf("import (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(smftest.Text(t, &repo), smftest.Text(t, &steps)); diff != "" {
				t.Errorf("with an importer for each manifest (-want +got):\n%s", diff)
			}
		})
	}
}

// TestEnabled has properties "enabled" outside of general, and what a second import leaves.
func TestEnabled(t *testing.T) {
	const group = "<property_group name='g' type='a'><propval name='enabled' type='boolean' value='true'/></property_group>"
	var repo smf.Repository
	importAll(t, &repo, []byte(service("a", group+instanceOf("i", group))),
		[]byte(service("a", group+strings.Replace(instanceOf("i", group), "'true'", "'false'", 1))))
	i := repo.Services[0].Instances[0]
	if got := i.Groups[0].Properties[0]; got.Name != "enabled" || got.Values[0] != "1" {
		t.Errorf("general has %s %q after the second import, want it left as it is", got.Name, got.Values)
	}
	last := i.Snapshots[1]
	if last.Name != "last-import" {
		t.Fatalf("the second snapshot is %q", last.Name)
	}
	for k, want := range []int{0, 1} {
		for _, g := range last.Levels[k].Groups {
			if len(g.Properties) != want {
				t.Errorf("last-import level %d: group %q has %d properties, want %d", k+1, g.Name, len(g.Properties), want)
			}
		}
	}
}

func TestImportRefused(t *testing.T) {
	tests := []struct {
		name      string
		manifests []string
		want      string
	}{
		{
			"another manifest",
			[]string{service("a", instanceOf("i", "")), service("a", "<stability value='Stable'/>")},
			`service "a": another manifest of it was imported before, and upgrades are not supported`,
		},
		{
			"another instance",
			[]string{service("a", instanceOf("i", "")), service("a", instanceOf("i", "")+instanceOf("j", ""))},
			`service "a": another manifest of it was imported before, and upgrades are not supported`,
		},
		{
			"an instance less",
			[]string{service("a", instanceOf("i", "")+instanceOf("j", "")), service("a", instanceOf("i", ""))},
			`service "a": another manifest of it was imported before, and upgrades are not supported`,
		},
		{
			"another value",
			[]string{service("a", instanceOf("i", "<property_group name='g' type='t'><propval name='p' type='count' value='1'/></property_group>")),
				service("a", instanceOf("i", "<property_group name='g' type='t'><propval name='p' type='count' value='2'/></property_group>"))},
			`service "a": another manifest of it was imported before, and upgrades are not supported`,
		},
		{
			"two dependents of one name",
			[]string{service("a", dependentOn("x", "svc:/c", "")), service("b", instanceOf("i", dependentOn("x", "svc:/c", "")))},
			`service "b": instance "i": dependent "x": "svc:/c" has a property group of that name already`,
		},
		{
			"a dependent and a group of its target",
			[]string{service("c", instanceOf("i", "<property_group name='x' type='t'/>")), service("a", dependentOn("x", "svc:/c:i", ""))},
			`service "a": dependent "x": "svc:/c:i" has a property group of that name already`,
		},
		{
			"a dependent on an instance of its own",
			[]string{service("a", dependentOn("x", "svc:/a:i", "")+instanceOf("i", ""))},
			`service "a": instance "i": a dependent of this manifest aims at it before it is imported`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			importer := bundle.NewImporter(new(smf.Repository))
			for k, m := range tt.manifests {
				b, err := bundle.Parse("m.xml", []byte(m))
				if err != nil {
					t.Fatal(err)
				}
				err = importer.Import(b)
				switch want := `import "m.xml": ` + tt.want; {
				case k < len(tt.manifests)-1:
					if err != nil {
						t.Fatal(err)
					}
				case err == nil || err.Error() != want:
					t.Errorf("Import = %v, want %s", err, want)
				case strings.Contains(tt.want, "another manifest"):
					if hint, ok := errors.AsType[*fault.HintError](err); !ok || hint.Hint() == "" {
						t.Errorf("%v has no hint", err)
					}
				}
			}
		})
	}
}

// TestForeignRepository imports into one whose instance came from no manifest.
func TestForeignRepository(t *testing.T) {
	general := &smf.Group{Name: "general", Type: "framework", Properties: []*smf.Property{{Name: "enabled", Type: smf.Boolean, Values: []string{"1"}}}}
	repo := &smf.Repository{Services: []*smf.Service{{Name: "a", Instances: []*smf.Instance{{Name: "i", Groups: []*smf.Group{general}}}}}}
	for _, name := range []string{"i", "j"} {
		b, err := bundle.Parse("m.xml", []byte(service("a", instanceOf(name, ""))))
		if err != nil {
			t.Fatal(err)
		}
		if err := bundle.NewImporter(repo).Import(b); err == nil || !strings.Contains(err.Error(), `instance "i" has general/enabled`) {
			t.Errorf("Import of instance %q = %v, want it refused", name, err)
		}
	}
}

// BenchmarkImport imports services that all put a dependent into one. Time for each should
// not depend on their number.
func BenchmarkImport(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		var bundles []*bundle.Bundle
		for k := range n {
			name := fmt.Sprintf("s%d", k)
			m, err := bundle.Parse(name, []byte(service(name, dependentOn(name+"_all", "svc:/all", "")+instanceOf("i", ""))))
			if err != nil {
				b.Fatal(err)
			}
			bundles = append(bundles, m)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				importer := bundle.NewImporter(new(smf.Repository))
				for _, m := range bundles {
					if err := importer.Import(m); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/service")
		})
	}
}
