package seed

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/tree"
)

func lines(list ...string) string { return strings.Join(list, "\n") + "\n" }

func TestRemoveAccounts(t *testing.T) {
	b := testBuilder(t, map[string]string{
		"etc/passwd": lines("root:x:0:0::/:", "lp:x:71:8::/:", "lpadmin:x:72:8::/:", "gdm:x:50:50", "mysql:x:70:70::/:", "# mysql", "", "postgres:x:-1:90::/:"),
		"etc/shadow": lines("root:hash:1::::::", "lp:NP:1::::::", "webservd:*LK*:::::::", "openldap:NP"),
		"etc/group":  "root::0:\nlp::8:root,adm\nstaff::10:lp", // no newline
	})
	s := do(t, b.removeAccounts)
	if diff := cmp.Diff([]string{"etc/passwd", "etc/shadow", "etc/group"}, s.Paths); diff != "" {
		t.Error(diff)
	}
	for path, want := range map[string]string{
		"etc/passwd": lines("root:x:0:0::/:", "lpadmin:x:72:8::/:", "gdm:x:50:50", "# mysql", "", "postgres:x:-1:90::/:"),
		"etc/shadow": lines("root:hash:1::::::", "openldap:NP"),
		"etc/group":  lines("root::0:", "staff::10:lp"),
	} {
		if diff := cmp.Diff(want, content(t, b, path)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	want := []string{
		`"etc/passwd": line 4 is kept as it is: 4 fields, not 7`,
		`"etc/passwd": line 6 is kept as it is: 1 fields, not 7`,
		`"etc/passwd": line 7 is kept as it is: 1 fields, not 7`,
		`"etc/passwd": line 8 is kept as it is: id "-1"`,
		`"etc/shadow": line 4 is kept as it is: 2 fields, not 9`,
	}
	if diff := cmp.Diff(want, warnings(b)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"etc/group", "etc/passwd", "etc/shadow"}, changed(b)); diff != "" {
		t.Error(diff)
	}
}

// Files without what is to go are not touched.
// A file of nothing but broken lines is no flood of warnings.
func TestManyBrokenLines(t *testing.T) {
	b := testBuilder(t, map[string]string{"etc/passwd": strings.Repeat("\n", 1000)})
	do(t, b.removeAccounts)
	got := warnings(b)
	if len(got) != maxLineWarnings+1 || got[maxLineWarnings] != `"etc/passwd": so are 980 more broken lines` {
		t.Errorf("%d warnings: %q", len(got), got)
	}
}

func TestRemoveNoAccounts(t *testing.T) {
	b := testBuilder(t, map[string]string{"etc/passwd": "root:x:0:0::/:", "etc/group": "root::0:\n"})
	if s := do(t, b.removeAccounts); s.Paths != nil {
		t.Errorf("%+v", s)
	}
	if s := do(t, b.sortAccounts); s.Paths != nil {
		t.Errorf("%+v", s)
	}
	if got := changed(b); got != nil || content(t, b, "etc/passwd") != "root:x:0:0::/:" {
		t.Errorf("changed: %v", got)
	}
}

func TestSortAccounts(t *testing.T) {
	b := testBuilder(t, map[string]string{
		"etc/passwd": lines("# comment", "z:x:100:1::/:", "toor:x:0:0::/:", "root:x:0:0::/:", "broken:x", "a:x:9:1::/:", "b:x:10:1::/:", "+::::::"),
		"etc/group":  lines("nobody::60001:", "netadm::65:", "root::0:"),
	})
	do(t, b.sortAccounts)
	want := lines("# comment", "toor:x:0:0::/:", "root:x:0:0::/:", "a:x:9:1::/:", "broken:x", "b:x:10:1::/:", "z:x:100:1::/:", "+::::::")
	if diff := cmp.Diff(want, content(t, b, "etc/passwd")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(lines("root::0:", "netadm::65:", "nobody::60001:"), content(t, b, "etc/group")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestUserAttr(t *testing.T) {
	b := testBuilder(t, map[string]string{"etc/user_attr": lines("# lp", "lp::::profiles=x", "admin::::y", "adm::::z", "lpx::::z")})
	do(t, b.editUserAttr)
	if diff := cmp.Diff(lines("# lp", "adm::::z", "lpx::::z"), content(t, b, "etc/user_attr")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s := do(t, b.editUserAttr); s.Paths != nil {
		t.Errorf("the second time: %+v", s)
	}
}

func TestLockRoot(t *testing.T) {
	for in, want := range map[string]string{
		"root:$5$hash:1::::::\nadm:$5$x:1::::::\n": "root:NP:1::::::\nadm:$5$x:1::::::\n",
		"root::1::::::\n":                          "root:NP:1::::::\n",
		"root:*LK*:1::::::\n":                      "root:NP:1::::::\n",
		"root:NP:1::::::":                          "root:NP:1::::::",
		"root:$5$hash":                             "root:NP\n",
		"root:a:1::::::\nroot:b:1::::::\n":         "root:NP:1::::::\nroot:NP:1::::::\n",
		"root\n":                                   "root\n",
		"toor:x:1::::::\n":                         "toor:x:1::::::\n",
		"":                                         "",
	} {
		b := testBuilder(t, map[string]string{"etc/shadow": in})
		do(t, b.lockRoot)
		if got := content(t, b, "etc/shadow"); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
		b = testBuilder(t, map[string]string{"etc/shadow": in})
		b.opts.KeepRootPassword = true
		do(t, b.lockRoot)
		if got := content(t, b, "etc/shadow"); got != in {
			t.Errorf("kept, %q becomes %q", in, got)
		}
	}
	if s := do(t, testBuilder(t, nil).lockRoot); s.Paths != nil {
		t.Errorf("without shadow: %+v", s)
	}
}

// All names of a file have the same contents, also afterwards.
func TestRewriteLinked(t *testing.T) {
	b := testBuilder(t, map[string]string{"etc/shadow": "root:hash:1::::::\n"})
	if err := b.find("etc").Add("oshadow", b.find("etc/shadow")); err != nil {
		t.Fatal(err)
	}
	do(t, b.lockRoot)
	if got := content(t, b, "etc/oshadow"); got != "root:NP:1::::::\n" {
		t.Errorf("the other name has %q", got)
	}
}

func TestTextLimits(t *testing.T) {
	b := testBuilder(t, map[string]string{"etc/passwd": "x", "etc/group": "y"})
	b.find("etc/passwd").Size = maxText + 1
	if err := b.removeAccounts(&Step{}); err == nil || !strings.Contains(err.Error(), `"etc/passwd": 1048577 bytes, the limit is`) {
		t.Errorf("a file that is too large: %v", err)
	}
	b.find("etc/passwd").Size = 2 // one byte more than there is
	if err := b.removeAccounts(&Step{}); err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
		t.Errorf("a file that is shorter: %v", err)
	}
	b.find("etc/passwd").Mode = tree.TypeFIFO
	b.find("etc/passwd").Size = 0
	if _, ok, err := b.text("etc/passwd"); ok || err != nil {
		t.Errorf("a FIFO: %v, %v", ok, err)
	}
}

// Sorting moves lines and nothing else, and broken ones not at all.
func FuzzSortAccounts(f *testing.F) {
	f.Add("root:x:0:0::/:\n# comment\nb:x:2:2::/:\na:x:1:1::/:\n+::::::")
	f.Add("x::5:\ny::1:\nz::5:\n\n:::\nw::4294967296:")
	f.Fuzz(func(t *testing.T, text string) {
		for _, file := range []accountFile{passwdFile, groupFile} {
			before := strings.Split(text, "\n")
			after := slices.Clone(before)
			changed := file.sort(after)
			if changed == slices.Equal(before, after) {
				t.Errorf("%q: changed %v, now %q", before, changed, after)
			}
			last := uint64(0)
			for i, line := range after {
				if file.check(line) != nil {
					if line != before[i] {
						t.Errorf("line %d is %q now, was %q", i+1, line, before[i])
					}
					continue
				}
				if file.id(line) < last {
					t.Errorf("%q is not sorted", after)
				}
				last = file.id(line)
			}
			slices.Sort(before)
			slices.Sort(after)
			if !slices.Equal(before, after) {
				t.Errorf("lines %q became %q", before, after)
			}
		}
	})
}
