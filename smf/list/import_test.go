package list_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/internal/required"
	"imagetools/smf"
	"imagetools/smf/internal/smftest"
	"imagetools/smf/list"
)

// importList imports a list and also returns the names of what is absent.
func importList(t testing.TB, roots list.Roots, text []byte) (*smf.Repository, []string) {
	t.Helper()
	manifests, err := collect(t, roots, string(text))
	if err != nil {
		t.Fatal(err)
	}
	repository, err := list.Import(manifests)
	if err != nil {
		t.Fatal(err)
	}
	var absent []string
	for _, m := range manifests {
		if m.Place == "" {
			absent = append(absent, m.Name)
		}
	}
	return repository, absent
}

// rootsOf are the roots of a smartos-live build.
func rootsOf(dir string) list.Roots {
	return list.Roots{
		Generic: filepath.Join(dir, "overlay/generic"),
		Proto:   filepath.Join(dir, "proto"),
		SmartOS: filepath.Join(dir, "overlay/smartos"),
	}
}

// checkMdata: vmadm sets start/exec of fetch and start/timeout_seconds of execute, so both
// instances have a start method of their own, now and as it was imported.
func checkMdata(t *testing.T, r *smf.Repository) {
	t.Helper()
	k := slices.IndexFunc(r.Services, func(s *smf.Service) bool { return s.Name == "smartdc/mdata" })
	if k < 0 {
		t.Fatal("no service smartdc/mdata")
	}
	found := map[string]smf.Type{}
	for _, i := range r.Services[k].Instances {
		if !slices.ContainsFunc(i.Snapshots, func(s *smf.Snapshot) bool { return s.Name == "last-import" }) {
			t.Errorf("%s has no last-import", i.Name)
		}
		for _, g := range i.Groups {
			for _, p := range g.Properties {
				found[i.Name+" "+g.Name+" "+g.Type+" "+p.Name] = p.Type
			}
		}
	}
	for _, instance := range []string{"fetch", "execute"} {
		prefix := instance + " start method "
		if found[prefix+"exec"] != smf.AString || found[prefix+"timeout_seconds"] != smf.Count || found[instance+" general framework enabled"] != smf.Boolean {
			t.Errorf("%s has %v", instance, found)
		}
	}
}

// TestOwnBuild: the built-in list and the miniature build that the project carries.
func TestOwnBuild(t *testing.T) {
	r, absent := importList(t, rootsOf("../../doc/smartos-live"), list.Default())
	checkMdata(t, r)
	if len(absent) == 0 || slices.Contains(absent, "network/ssh.xml") {
		t.Errorf("absent: %q", absent)
	}
}

func TestImportFaults(t *testing.T) {
	manifests, err := collect(t, build(t, map[string]string{
		inProto + "a.xml": "<a", inGeneric + "b.xml": "<b/>", inProto + "c.xml": "no XML",
	}), "a.xml enabled\nb.xml disabled\ngone.xml enabled optional\nsystem/mdata.xml disabled\nc.xml enabled\n")
	if err != nil {
		t.Fatal(err)
	}
	r, err := list.Import(manifests)
	if r != nil || err == nil {
		t.Fatalf("Import = %v, %v", r, err)
	}
	for _, name := range []string{"proto: a.xml:", "generic: b.xml:", "proto: c.xml:"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%v\nwithout %s", err, name)
		}
	}
	if strings.Contains(err.Error(), "mdata") {
		t.Error(err)
	}

	_, err = list.Import(slices.Repeat(manifests[:1], 1200))
	if n := strings.Count(fmt.Sprint(err), "\n") + 1; n != 1001 || !strings.HasSuffix(err.Error(), "and 200 more of this kind") {
		t.Errorf("%d lines for 1200 faults", n)
	}
}

// classicRoots are those of the miniature build, with the classic tool's own manifest.
func classicRoots(t testing.TB) list.Roots {
	t.Helper()
	roots := rootsOf(required.Data(t, "smartos-live"))
	roots.Own = t.TempDir()
	write(t, filepath.Join(roots.Own, "system/mdata.xml"), string(smftest.Data(t, "smf-expected/imagetools-mdata.xml")))
	return roots
}

// TestRealLists: what the real importer made of whole lists, snapshots included, also when it
// was written as a database and read again.
func TestRealLists(t *testing.T) {
	small := t.TempDir()
	if err := os.MkdirAll(filepath.Join(small, "lib/svc"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(small, "lib/svc/manifest"), os.DirFS(required.Data(t, "smf-manifests"))); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		roots      list.Roots
		list, want string
	}{
		{list.Roots{Proto: small}, "smf-manifests/manifests", "smf-manifests/expected/all-with-list.txt.gz"},
		{classicRoots(t), "smf-expected/imagetools.manifests", "smf-expected/imagetools-list.txt.gz"},
		{classicRoots(t), "smf-expected/joyent-minimal.manifests", "smf-expected/joyent-minimal-list.txt.gz"},
	} {
		t.Run(filepath.Base(test.want), func(t *testing.T) {
			r, _ := importList(t, test.roots, smftest.Data(t, test.list))
			if d := cmp.Diff(string(smftest.Data(t, test.want)), smftest.Text(t, r)); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
			db, _ := smftest.RoundTrip(t, r)
			r, _ = importList(t, test.roots, smftest.Data(t, test.list))
			if other, err := r.Encode(); err != nil || !bytes.Equal(db, other) {
				t.Errorf("made again: other bytes, or %v", err)
			}
		})
	}
}

func BenchmarkClassicList(b *testing.B) {
	roots, text := classicRoots(b), smftest.Data(b, "smf-expected/imagetools.manifests")
	for b.Loop() {
		importList(b, roots, text)
	}
}

// TestDefaultList: in a real build of 2015 the built-in list finds all but what came later, and
// it says the same as the classic tool's list of what is in both.
func TestDefaultList(t *testing.T) {
	r, absent := importList(t, rootsOf(required.Data(t, "smartos-live")), list.Default())
	if d := cmp.Diff([]string{"system/process-security.xml"}, absent); d != "" {
		t.Errorf("absent (-want +got)\n%s", d)
	}
	checkMdata(t, r)

	status := func(text []byte) map[string]string {
		l, err := list.Parse("LIST", text)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, e := range l.Entries {
			out[e.Name] = e.Status()
		}
		return out
	}
	ours := status(list.Default())
	classic := status(smftest.Data(t, "smf-expected/imagetools.manifests"))
	var differ []string
	for name, s := range classic {
		if own, ok := ours[name]; ok && own != s {
			differ = append(differ, fmt.Sprintf("%s is %s, was %s", name, own, s))
		}
	}
	// The instances of network/login.xml are not called default: the list says nothing of them.
	if d := cmp.Diff([]string{"network/login.xml is disabled, was enabled"}, differ); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
