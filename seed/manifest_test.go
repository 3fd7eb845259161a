package seed

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/tree"
)

func TestParseManifest(t *testing.T) {
	m, err := ParseManifest("manifest.gen", strings.NewReader(`# comment
d etc/svc 0755 root sys

f	etc/shadow   0400 root	sys
f etc/sock2path.d/driver%2Fnetwork%2Fbpf 0644 root sys
d var/mail/:saved 1777 root mail
f ./usr//bin/su 4555 root sys
s etc/hosts=inet/hosts
s etc/a=b=c
h etc/rc0.d/K50pppd=etc/init.d/pppd
# d in a comment`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{2, tree.TypeDir, "etc/svc", 0o755, "root", "sys", ""},
		{4, tree.TypeFile, "etc/shadow", 0o400, "root", "sys", ""},
		{5, tree.TypeFile, "etc/sock2path.d/driver%2Fnetwork%2Fbpf", 0o644, "root", "sys", ""},
		{6, tree.TypeDir, "var/mail/:saved", 0o1777, "root", "mail", ""},
		{7, tree.TypeFile, "usr/bin/su", 0o4555, "root", "sys", ""},
		{8, tree.TypeSymlink, "etc/hosts", 0, "", "", "inet/hosts"},
		{9, tree.TypeSymlink, "etc/a", 0, "", "", "b=c"},
		{10, 0, "etc/rc0.d/K50pppd", 0, "", "", "etc/init.d/pppd"},
	}
	if diff := cmp.Diff(want, m.Entries); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// All bad lines are reported, in order, each with its number.
func TestManifestFaults(t *testing.T) {
	text := strings.Join([]string{
		"f etc/passwd 0644 root sys",
		"x etc/passwd 0644 root sys",
		"f etc/passwd 0644 root",
		"f etc/passwd 0644 root sys more",
		"f etc/passwd 0888 root sys",
		"f etc/passwd 10000 root sys",
		"f etc/passwd -1 root sys",
		"s etc/hosts",
		"s etc/hosts=",
		"h etc/hosts=x y",
		"f ../etc/passwd 0644 root sys",
		"d . 0755 root sys",
		"f etc/" + strings.Repeat("n", 256) + " 0644 root sys",
		"f etc/a\x00b 0644 root sys",
	}, "\n")
	_, err := ParseManifest("m", strings.NewReader(text))
	if err == nil {
		t.Fatal("no error")
	}
	got := strings.Split(err.Error(), "\n")
	want := []string{
		`m:2: type "x": it is d, f, s or h`,
		`m:3: 4 fields: a line of type f has 5`,
		`m:4: 6 fields: a line of type f has 5`,
		`m:5: mode "0888": it is octal, at most 7777`,
		`m:6: mode "10000": it is octal, at most 7777`,
		`m:7: mode "-1": it is octal, at most 7777`,
		`m:8: link "etc/hosts": PATH=TARGET is needed`,
		`m:9: link "etc/hosts=": PATH=TARGET is needed`,
		`m:10: 3 fields: a line of type h has 2`,
		`m:11: path "../etc/passwd": bad name ".."`,
		`m:12: path ".": names nothing below the root`,
	}
	if diff := cmp.Diff(want, got[:min(len(got), len(want))]); diff != "" || len(got) != 13 {
		t.Errorf("%d faults (-want +got):\n%s", len(got), diff)
	}
	if line, ok := errors.AsType[*LineError](err); !ok || line.Line != 2 {
		t.Errorf("%v is no LineError of line 2", line)
	}
	if _, err := ParseManifest("m", strings.NewReader("f a 0644 root sys\n"+strings.Repeat("x", maxManifestLine+1))); err == nil || !strings.HasPrefix(err.Error(), "m:2: longer than") {
		t.Errorf("a long line: %v", err)
	}
}

// A manifest without end is not kept in memory.
func TestManifestLimits(t *testing.T) {
	for name, line := range map[string]string{"lines": "f a 0 b c\n", "bytes": "#" + strings.Repeat("x", 1<<15) + "\n"} {
		r := &endless{line: line}
		m, err := ParseManifest("m", r)
		if err == nil || !strings.Contains(err.Error(), "m: over ") || len(m.Entries) > maxManifestLines || r.given > maxManifest+1<<20 {
			t.Errorf("%s: %d entries of %d bytes, error %v", name, len(m.Entries), r.given, err)
		}
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "proto/etc/passwd"), "root:x:0:0::/:\n")
	write(t, filepath.Join(dir, "proto/var/x"), "")
	half := strings.Repeat("f a 0 b c\n", maxManifestLines/2+1)
	write(t, filepath.Join(dir, "manifest.d/a.manifest"), half)
	write(t, filepath.Join(dir, "manifest.d/b.manifest"), half)
	places, err := Locate(dir, LocateOptions{WithoutOverlay: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Build(t.Context(), Options{Places: *places}); err == nil || !strings.Contains(err.Error(), "b.manifest\": with those before it over") {
		t.Errorf("two files: %v", err)
	}
}

// endless repeats a line.
type endless struct {
	line  string
	given int
}

func (r *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], r.line[(r.given+n)%len(r.line):])
	}
	r.given += n
	return n, nil
}

// Whatever a manifest holds, paths stay below the root, and modes within theirs.
func FuzzManifest(f *testing.F) {
	f.Add("d etc/svc 0755 root sys\nf etc/shadow 0400 root sys\ns etc/hosts=inet/hosts\nh a=b\n# x\n")
	f.Add("f ../../etc/passwd 4755 root sys\nf /./a//b/ 1777 root sys\r\n")
	f.Add("s =\nh ==\nd / 0 0 0\nf . . . .")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseManifest("m", strings.NewReader(text))
		if err != nil && err.Error() == "" {
			t.Error("an error without text")
		}
		if len(m.Entries) > strings.Count(text, "\n")+1 {
			t.Fatalf("%d entries", len(m.Entries))
		}
		for _, e := range m.Entries {
			if e.Mode&^tree.PermMask != 0 || e.Line < 1 {
				t.Errorf("entry %+v", e)
			}
			for name := range strings.SplitSeq(e.Path, "/") {
				if err := tree.CheckName(name); err != nil {
					t.Errorf("path %q: %v", e.Path, err)
				}
			}
		}
	})
}
