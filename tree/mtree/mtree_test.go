package mtree_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/tree"
	"imagetools/tree/internal/treetest"
	"imagetools/tree/mtree"
)

// parse returns the entries as lines in the canonical form, and the faults.
func parse(t testing.TB, text string) (lines, faults []string) {
	t.Helper()
	r := mtree.NewReader(strings.NewReader(text), "M")
	for {
		e, err := r.Next()
		if err == io.EOF {
			return lines, faults
		}
		if err != nil {
			faults = append(faults, err.Error())
			if _, ok := errors.AsType[*mtree.LineError](err); !ok {
				return lines, faults
			}
			continue
		}
		lines = append(lines, strings.TrimSuffix(string(e.Append(nil)), "\n"))
	}
}

func TestReader(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"NetBSD METALOG", `
#mtree v2.0
. type=dir uname=root gname=wheel mode=0755
./bin/cat type=file uname=root gname=wheel mode=0555 size=123 sha256=abc tags=base
./dev/null type=char uname=root gname=wheel mode=0666 device=native,2,2
./dev/sd0 type=block mode=0640 device=netbsd,16,3
./etc/a\040b type=link mode=0777 link=../x\040y time=12.5
`, []string{
			`. type=dir uname=root gname=wheel mode=0755`,
			`./bin/cat type=file uname=root gname=wheel mode=0555 size=123`,
			`./dev/null type=char uname=root gname=wheel mode=0666 device=native,2,2`,
			`./dev/sd0 type=block mode=0640 device=native,16,3`,
			`./etc/a\040b type=link mode=0777 time=12.000000005 link=../x\040y`,
		}},
		{"hierarchy", `
/set type=file uid=0 gid=0 mode=0644
.               type=dir mode=0755
    # a comment
    etc         type=dir mode=0755
        motd    size=3 \
                time=-1.000000000
        rc.d    type=dir nlink=2
/set uid=5
            x   nochange
        ..
/unset mode
        y       uid=7 # to the end
    ..
    ./usr/full  optional
    z
..
`, []string{
			`. type=dir uid=0 gid=0 mode=0755`,
			`./etc type=dir uid=0 gid=0 mode=0755`,
			`./etc/motd type=file uid=0 gid=0 mode=0644 size=3 time=-1.000000000`,
			`./etc/rc.d type=dir uid=0 gid=0 mode=0644`,
			`./etc/rc.d/x nochange`,
			`./etc/y type=file uid=7 gid=0`,
			`./usr/full type=file uid=5 gid=0 optional`,
			`./z type=file uid=5 gid=0`,
		}},
		{"nochange", "/set uid=0 gid=0 mode=0644 type=file\n./a nochange\n./b mode=0755 nochange uname=bin xattr.user.c=aGk=\n./c type=dir optional nochange\n./d\n",
			[]string{`./a nochange`, `./b nochange`, `./c type=dir optional nochange`, `./d type=file uid=0 gid=0 mode=0644`}},
		{"names displace numbers of /set", "/set uid=0 gid=0\n./a uname=bin\n./b gid=3 gname=sys\n",
			[]string{`./a uname=bin gid=0`, `./b uid=0 gname=sys gid=3`}},
		{"devices", "./a device=1,3\n./b device=0x103\n./c device=linux,8,0x10\n./d device=0x12345678\n",
			[]string{`./a device=native,1,3`, `./b device=native,1,3`, `./c device=native,8,16`, `./d device=native,1110,74616`}},
		{"vis", `./\M-a\^A\s\E\x41\#\$q\134 type=file`, []string{`./\341\001\040\033A\043q\134 type=file`}},
		{"no blanks at the end, CR, tabs", "./a\ttype=file\t\r\n./b   ", []string{`./a type=file`, `./b`}},
		{"xattr", "./a xattr.user.a\\075b=aGk= xattrs.user.c=aGk xattr.user.c=\n", []string{`./a xattr.user.a\075b=aGk= xattr.user.c=`}},
		{"path", "././/a//b/ type=dir\n", []string{`./a/b type=dir`}},
	}
	for _, tt := range tests {
		got, faults := parse(t, tt.text)
		if diff := cmp.Diff(tt.want, got); diff != "" || faults != nil {
			t.Errorf("%s: faults %q (-want +got)\n%s", tt.name, faults, diff)
		}
	}
}

func TestFaults(t *testing.T) {
	text := `./a type=pipe mode=9
./b uid=-1 gid=4294967296

./c time=1.1234567890 colour=red \
  size=-1
..
./../x
/abs type=file
./d mode=010000 link
./e\9 type=file
./f device=native,1,2,3 device=,1
./g xattr.user.x=%% acl=0:1:2 acl=0:0x1000:65536:-1
/set mode=z
./ok
./h link=\$ uname=\$
`
	want := []string{
		"M:1: type=pipe: file, dir, link, char, block, fifo or socket are possible; mode=9: invalid syntax",
		"M:2: uid=-1: invalid syntax; gid=4294967296: value out of range",
		"M:4: time=1.1234567890: more than 999999999 nanoseconds; unknown keyword \"colour\"; size=-1: invalid syntax",
		"M:6: \"..\" at the root",
		"M:7: bad name \"..\"",
		"M:8: \"/abs\": neither a command nor a path relative to the root",
		"M:9: mode=010000: value out of range; keyword \"link\" without a value",
		"M:11: device=native,1,2,3: unit and subunit are not supported: give major and minor; device=,1: FORMAT,MAJOR,MINOR is expected",
		"M:12: extended attribute \"user.x\": illegal base64 data at input byte 0; " +
			"ACL entry 1: \"0:1:2\": TYPE:FLAGS:MASK:ID is expected; " +
			"ACL entry 1: \"0:0x1000:65536:-1\": TYPE:FLAGS:MASK:ID are numbers of 16, 16, 32 and 32 bits",
		"M:13: mode=z: invalid syntax",
		`M:15: link=\\$: nothing is left when it is decoded; uname=\\$: nothing is left when it is decoded`,
	}
	lines, faults := parse(t, text)
	if diff := cmp.Diff(want, faults); diff != "" {
		t.Errorf("faults (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{`./e9 type=file`, "./ok"}, lines); diff != "" {
		t.Errorf("lines (-want +got)\n%s", diff)
	}
	if _, faults := parse(t, "./a acl="+strings.Repeat("0:0:0:0,", 1024)+"0:0:0:0"); len(faults) != 1 {
		t.Errorf("an ACL of 1025 entries: %q", faults)
	}
	if _, faults := parse(t, strings.Repeat("x", 5<<20)); len(faults) != 1 || !strings.Contains(faults[0], "M:1: line longer") {
		t.Errorf("endless line: %.80q", faults)
	}
}

func TestMerge(t *testing.T) {
	read := func(s string) *mtree.Entry {
		e, err := mtree.NewReader(strings.NewReader(s), "M").Next()
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := read("./a type=char uid=1 gid=2 mode=0600 xattr.a=YQ== xattr.b=YQ== acl=0:0x1000:1:0")
	e.Merge(read("./a uname=bin mode=0640 xattr.b=Yg== device=native,1,3 acl=1:0x1000:1:0"))
	e.Merge(read("./a uname=bin"))
	want := "./a type=char uname=bin gid=2 mode=0640 device=native,1,3 xattr.a=YQ== xattr.b=Yg== acl=1:0x1000:0x1:0\n"
	if got := string(e.Append(nil)); got != want {
		t.Errorf("merged %s, want %s", got, want)
	}
}

// TestOf reads back what the encoder wrote about every type.
func TestOf(t *testing.T) {
	nodes := map[string]*tree.Node{
		"dir": tree.NewDir(0o1777), "file #1": {Mode: tree.TypeFile | 0o4755, Size: 7, UID: 1, GID: 2, ModTime: tree.Time{Sec: -5, Nsec: 7}},
		"l\xffnk": {Mode: tree.TypeSymlink | 0o777, Target: "a b\n"}, "dev": {Mode: tree.TypeBlock, Device: &tree.Device{Major: 259, Minor: 1 << 20}},
		"fifo": {Mode: tree.TypeFIFO | 0o600, Attrs: &tree.Attrs{Xattrs: []tree.Xattr{{Name: "user.x=y", Value: []byte{0, 1}}}}},
		"acl": {Mode: tree.TypeFile, Attrs: &tree.Attrs{ACL: []tree.ACE{
			{Flags: tree.ACEOwner, Mask: 0x1f01ff, ID: 1<<32 - 1}, {Type: 1<<16 - 1, Flags: 0x43, ID: 7},
		}}},
	}
	for path, n := range nodes {
		want := mtree.Of(path, n)
		got, err := mtree.NewReader(strings.NewReader(mtree.Header+string(want.Append(nil))), "M").Next()
		if err != nil {
			t.Errorf("%q: %v", path, err)
			continue
		}
		want.Line = 2
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%q (-want +got)\n%s", path, diff)
		}
	}
}

// TestReference reads what the original programs write about a directory.
func TestReference(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a b", "c#d", "é"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{os.Mkdir(filepath.Join(dir, "sub"), 0o755), os.Symlink("a b", filepath.Join(dir, "sub", "li nk"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		`. type=dir`, `./a\040b type=file mode=0640 size=3`, `./c\043d type=file mode=0640 size=3`,
		`./sub type=dir mode=0755`, `./sub/li\040nk type=link link=a\040b`, `./\303\251 type=file mode=0640 size=2`,
	}
	var spec string
	for _, cmd := range [][]string{
		{"mtree", "-c", "-p", dir, "-k", "type,mode,size,link"},
		{"mtree", "-C", "-f", "SPEC", "-k", "type,mode,size,link"}, // of what the first wrote, as full paths
		{"bsdtar", "-c", "-f", "-", "--format=mtree", "--options=!all,type,mode,size,link", "-C", dir, "."},
	} {
		t.Run(strings.Join(cmd[:2], ""), func(t *testing.T) {
			treetest.Tool(t, cmd[0])
			for i, arg := range cmd {
				if arg == "SPEC" {
					cmd[i] = filepath.Join(t.TempDir(), "spec")
					if err := os.WriteFile(cmd[i], []byte(spec), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			text := treetest.Run(t, dir, cmd[0], cmd[1:]...)
			if cmd[1] == "-c" && cmd[0] == "mtree" {
				spec = text
			}
			got, faults := parse(t, text)
			have := make(map[string]bool)
			for _, line := range got {
				line = strings.Replace(line, "link mode=0777", "link", 1) // not all tell it
				line = strings.Replace(line, ". type=dir mode=0755", ". type=dir", 1)
				have[line] = true
			}
			for _, line := range want {
				if !have[line] {
					t.Errorf("missing %s, faults %q in\n%s", line, faults, text)
				}
			}
		})
	}
}

func FuzzMtree(f *testing.F) {
	f.Add("/set type=file uid=0\n. type=dir\n  etc type=dir\n  motd mode=0644 time=1.5\n  ..\n..\n")
	f.Add("./dev/null type=char device=native,1,3 xattr.user.a=aGk= \\\n optional\n")
	f.Add("./a acl=0:0x1000:0x1e01bf:0,1:0x40:1:7")
	f.Add("./\\M-a\\^?\\x41 link=\\s uname=a gname=b size=1")
	f.Fuzz(func(t *testing.T, text string) {
		lines, _ := parse(t, text)
		again, faults := parse(t, strings.Join(lines, "\n"))
		if diff := cmp.Diff(lines, again); diff != "" || faults != nil {
			t.Errorf("written and read again: %q (-want +got)\n%s", faults, diff)
		}
	})
}

// A line may have any number of attributes, and a line of /set as well; each file below it has
// them in common with the others.
func TestManyXattrs(t *testing.T) {
	t.Parallel()
	const n = 20000
	var words strings.Builder
	for i := range n {
		fmt.Fprintf(&words, " xattr.user.%d=YQ==", i)
	}
	text := "/set type=file" + words.String() + "\nf\ng\nh xattr.user.7=Yg== xattr.user.new=Yw==\n"
	r := mtree.NewReader(strings.NewReader(text), "M")
	var got []*mtree.Entry
	for {
		e, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	if len(got) != 3 || len(got[0].Xattrs) != n || len(got[2].Xattrs) != n+1 {
		t.Fatalf("%d entries", len(got))
	}
	if &got[0].Xattrs[0] != &got[1].Xattrs[0] {
		t.Error("two files have attributes of /set twice in memory")
	}
	if string(got[2].Xattrs[7].Value) != "b" || string(got[0].Xattrs[7].Value) != "a" {
		t.Errorf("attributes %q and %q", got[2].Xattrs[7].Value, got[0].Xattrs[7].Value)
	}
	got[0].Merge(got[2])
	if len(got[0].Xattrs) != n+1 || string(got[0].Xattrs[7].Value) != "b" || string(got[1].Xattrs[7].Value) != "a" {
		t.Error("merged attributes are wrong")
	}
}

// Short lines cannot have long attributes or paths copied over and over.
func TestAmplifiedLines(t *testing.T) {
	t.Parallel()
	var words strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&words, " xattr.user.%d=", i)
	}
	deep := strings.Repeat(strings.Repeat("d", 250)+" type=dir\n", 100)
	for name, text := range map[string]string{
		"attributes": "/set type=file" + words.String() + "\n" + strings.Repeat("f xattr.user.0=\n", 2000),
		"set":        "/set type=file" + words.String() + "\n" + strings.Repeat("/set xattr.user.0=\n", 2000),
		"path":       deep,
	} {
		r := mtree.NewReader(strings.NewReader(text), "M")
		var fault *mtree.LineError
		for {
			_, err := r.Next()
			if err == io.EOF {
				break
			}
			if errors.As(err, &fault) {
				break
			}
		}
		if fault == nil || len(fault.Error()) > 500 {
			t.Errorf("%s: error %.600v", name, fault)
		}
	}
}

func TestManyFaultsInOneLine(t *testing.T) {
	t.Parallel()
	_, err := mtree.NewReader(strings.NewReader("./f"+strings.Repeat(" "+strings.Repeat("k", 3000), 1000)), "M").Next()
	if err == nil || len(err.Error()) > 4000 || !strings.Contains(err.Error(), "and 990 more") {
		t.Errorf("error of %d bytes: %.300v", len(fmt.Sprint(err)), err)
	}
}
