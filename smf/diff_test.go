package smf_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/smf"
	"imagetools/smf/internal/smftest"
)

func TestDiff(t *testing.T) {
	a, b := hostid(), hostid()
	if got := smf.Diff(a, b); len(got) > 0 {
		t.Errorf("equal repositories: %v", got)
	}
	slices.Reverse(b.Services[0].Groups)
	if got := smf.Diff(a, b); len(got) > 0 {
		t.Errorf("another order: %v", got)
	}
	s := b.Services[0]
	i := s.Instances[0]
	i.Groups = []*smf.Group{group("general", "application", property("enabled", smf.Boolean, "0"), property("restarter", smf.FMRI))}
	s.Groups = append(slices.Clone(s.Groups[1:]), group("config", "application"))
	i.Snapshots = i.Snapshots[1:]
	i.Snapshots[0].Levels[0].Instance = "other"
	i.Snapshots[1].Levels = i.Snapshots[1].Levels[1:]
	s.Instances = append(s.Instances, &smf.Instance{Name: "two"})
	b.Services = append(b.Services, &smf.Service{Name: "system/cron"})
	a.Services = append(a.Services, &smf.Service{Name: "network/ssh"})
	a.Services[0].Instances[0].Groups[0].Properties[0].Values = []string{"1", "a\"b"}
	var got []string
	for _, c := range smf.Diff(a, b) {
		got = append(got, c.String())
	}
	want := strings.Split(strings.TrimSpace(`
- svc:/network/ssh
+ svc:/system/cron
+ svc:/system/hostid/:properties/config
- svc:/system/hostid/:properties/tm_man_hostid1
~ svc:/system/hostid:default/:properties/general: type framework -> application
~ svc:/system/hostid:default/:properties/general/enabled: values "1" "a\"b" -> "0"
+ svc:/system/hostid:default/:properties/general/restarter
- svc:/system/hostid:default@initial
~ svc:/system/hostid:default@last-import/1: instance default -> other
- svc:/system/hostid:default@running/1
+ svc:/system/hostid:two`), "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	line, err := json.Marshal(smf.Diff(a, b)[5])
	const wantLine = `{"kind":"changed","service":"system/hostid","instance":"default","group":"general","property":"enabled",` +
		`"fields":[{"name":"values","old":["1","a\"b"],"new":["0"]}]}`
	if err != nil || string(line) != wantLine {
		t.Errorf("as JSON: %s, %v", line, err)
	}
}

// TestControls has in values what a terminal may take for control characters.
func TestControls(t *testing.T) {
	r := &smf.Repository{Services: []*smf.Service{{Name: "a", Groups: []*smf.Group{group("g", "t", property("p", smf.AString, "<é\x1b\x7f\u009b\u202e\xff>"))}}}}
	want := "service a\n  g t 0\n    p s " + `"<é\u001b\u007f\u009b\u202e\ufffd>"` + "\n"
	if got := smftest.Text(t, r); got != want {
		t.Errorf("text %q, want %q", got, want)
	}
	r.Services[0].Name = "a\x1b\nservice b\u202e"
	if got, want := strings.SplitAfter(smftest.Text(t, r), "\n")[0], `service a\x1b\nservice b\u202e`+"\n"; got != want {
		t.Errorf("name %q, want %q", got, want)
	}
}

func TestJSON(t *testing.T) {
	r := &smf.Repository{Services: []*smf.Service{
		{Name: "b", Groups: []*smf.Group{group("z", "t"), group("g", "t", property("p", smf.AString), property("o", smf.Count, "1", "2"))}},
		{Name: "a", Instances: []*smf.Instance{{Name: "i", Snapshots: []*smf.Snapshot{{Name: "s", Levels: []smf.Level{{Number: 2, Service: "a"}, {Number: 1, Service: "a", Instance: "i"}}}}}}},
	}}
	const want = `{"services":[{"name":"a","groups":[],"instances":[{"name":"i","groups":[],"snapshots":[{"name":"s","levels":[` +
		`{"level":1,"service":"a","instance":"i","groups":[]},{"level":2,"service":"a","groups":[]}]}]}]},` +
		`{"name":"b","groups":[{"name":"g","type":"t","flags":0,"properties":[{"name":"o","type":"c","values":["1","2"]},{"name":"p","type":"s","values":[]}]},` +
		`{"name":"z","type":"t","flags":0,"properties":[]}],"instances":[]}]}`
	if got, err := json.Marshal(r); err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	if got, err := json.Marshal(&smf.Repository{}); err != nil || string(got) != `{"services":[]}` {
		t.Errorf("%s, %v", got, err)
	}
}
