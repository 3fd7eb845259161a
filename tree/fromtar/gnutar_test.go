package fromtar_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/tree"
	"imagetools/tree/fromdir"
	"imagetools/tree/fromtar"
	"imagetools/tree/internal/treetest"
	"imagetools/tree/source"
)

// block is a header of GNU tar, V7 in all but the owner, with its data.
func block(typ byte, name, link, data string) string {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[100:], "0000644\x000001750\x000001751\x00")
	copy(b[124:], fmt.Sprintf("%011o\x00%011o\x00", len(data), 1600000000))
	b[156] = typ
	copy(b[157:], link)
	copy(b[257:], "ustar\x0000")
	if typ == tar.TypeDir {
		copy(b[100:], "0000755\x00")
	}
	return string(sum(b)) + data + strings.Repeat("\x00", -len(data)&511)
}

// extended is an extended header of type 'x', 'g' or 'X'.
func extended(typ byte, records ...string) string {
	var text strings.Builder
	for _, r := range records {
		n := len(r) + 2
		for len(fmt.Sprint(n))+len(r)+2 != n {
			n++
		}
		fmt.Fprintf(&text, "%d %s\n", n, r)
	}
	return block(typ, "PaxHeaders/x", "", text.String())
}

var (
	zeros    = strings.Repeat("\x00", 512)
	unsized  = block('0', "s", "", "") // its data comes after it nevertheless
	longName = block('L', "././@LongLink", "", "fromL\x00")
	longLink = block('K', "././@LongLink", "", "fromK\x00")
)

func reg(name, data string) string { return block('0', name, "", data) }

// What GNU tar extracts is what an archive holds, in odd ones, too; what it fails at is refused.
func TestAsGNUTar(t *testing.T) {
	gnu := treetest.Tool(t, "tar")
	for _, c := range []struct {
		name string
		data []string
	}{
		{"global path", []string{extended('g', "path=global"), reg("raw", "x")}},
		{"global linkpath", []string{extended('g', "linkpath=global"), block('2', "l", "raw", "")}},
		{"global owner and time", []string{extended('g', "uid=0", "gid=7", "mtime=1000000000.5"), block('5', "./", "", ""), reg("./f", "x")}},
		{"global size", []string{extended('g', "size=3"), unsized + "abc" + zeros[3:], block('5', "d/", "", ""), block('2', "l", "x", ""), block('1', "h", "s", "")}},
		{"global and own", []string{extended('g', "uid=5", "gid=6"), extended('x', "uid=9"), reg("f", "x")}},
		{"global twice", []string{extended('g', "uid=5"), reg("f", "x"), extended('g', "gid=7"), reg("g", "x")}},
		{"global comment", []string{extended('g', "uid=5"), reg("f", "x"), extended('g', "comment=none"), reg("g", "x")}},
		{"global between", []string{extended('X', "uid=5"), extended('g', "gid=6"), reg("f", "x")}},
		{"global name of an owner", []string{extended('g', "uname=daemon"), reg("f", "x")}},
		{"global path and a GNU header", []string{extended('g', "path=global"), longName, reg("raw", "x")}},
		{"Solaris", []string{extended('X', "path=solaris", "uid=5", "size=3", "mtime=1.25"), unsized + "abc" + zeros[3:], reg("f", "x")}},
		{"Solaris and POSIX", []string{extended('X', "uid=5"), extended('x', "gid=6"), reg("f", "x")}},
		{"POSIX before GNU", []string{extended('x', "path=fromx"), longName, reg("raw", "x")}},
		{"GNU before POSIX", []string{longName, extended('x', "path=fromx"), reg("raw", "x")}},
		{"POSIX before GNU, links", []string{extended('x', "linkpath=fromx"), longLink, block('2', "l", "raw", "")}},
		{"GNU before POSIX, links", []string{longLink, extended('x', "linkpath=fromx"), block('2', "l", "raw", "")}},
		{"sparse name", []string{longName, extended('x', "path=p", "GNU.sparse.name=sn", "GNU.sparse.size=3", "GNU.sparse.numblocks=1", "GNU.sparse.map=0,3"), reg("raw", "abc")}},
		{"one block of zeros", []string{reg("a", "x"), zeros, reg("b", "y")}},
		{"directory twice", []string{block('5', "d/", "", ""), reg("d/a", "x"), extended('x', "uid=3", "mtime=5"), block('5', "d/", "", "")}},
		{"root twice", []string{block('5', "./", "", ""), reg("a", "x"), block('5', "./", "", "")}},
		{"file twice", []string{reg("a", "old"), reg("a", "new")}},
		{"link to itself", []string{reg("a", "x"), block('1', "a", "a", "")}},
		{"link to itself, spelled otherwise", []string{block('5', "d/", "", ""), reg("d/a", "x"), block('1', "d/a", "./d/a", "")}},
		{"hard link for a file", []string{reg("a", "x"), reg("b", "y"), block('1', "b", "a", "")}},
		{"file for one of two names", []string{reg("a", "x"), block('1', "b", "a", ""), reg("b", "new")}},
		{"file for a link", []string{reg("a", "x"), block('2', "l", "a", ""), reg("l", "new")}},
		{"file for an empty directory", []string{block('5', "d/", "", ""), reg("d", "x")}},
		{"file for a directory", []string{block('5', "d/", "", ""), reg("d/a", "x"), reg("d", "x")}},
		{"directory for a file", []string{reg("d", "x"), block('5', "d/", "", ""), reg("d/a", "x")}},
		{"directory for a link", []string{block('5', "r/", "", ""), block('2', "l", "r", ""), block('5', "l/", "", ""), reg("l/a", "x")}},
		{"below a link", []string{block('5', "usr/", "", ""), block('5', "usr/lib/", "", ""), block('2', "lib", "usr/lib", ""), reg("lib/a", "x"), reg("lib/d/a", "x")}},
		{"below links", []string{block('5', "d/", "", ""), block('2', "l", "./d", ""), block('2', "k", "l", ""), reg("k/a", "x"), reg("l/b", "x"), block('1', "c", "k/b", "")}},
		{"below a link to nothing", []string{block('2', "l", "d", ""), reg("l/a", "x")}},
		{"below a link to the root", []string{block('5', "d/", "", ""), block('2', "l", "/d", ""), reg("l/a", "x")}},
		{"below a link upwards", []string{block('5', "d/", "", ""), block('5', "e/", "", ""), block('2', "e/l", "../d", ""), reg("e/l/a", "x")}},
		{"below a loop", []string{block('2', "l", "l", ""), reg("l/a", "x")}},
		{"below a file", []string{reg("a", "x"), reg("a/b", "x")}},
		{"hard link through a link", []string{block('5', "d/", "", ""), reg("d/a", "x"), block('2', "l", "d", ""), block('1', "h", "l/a", "")}},
		{"absolute names", []string{block('5', "/d/", "", ""), reg("/d/a", "x"), block('1', "/h", "/d/a", "")}},
		{"slash behind a file", []string{reg("d/", "abc"), reg("b", "x")}},
		{"empty name in a record", []string{extended('x', "path="), reg("b", "x")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := []byte(strings.Join(c.data, "") + zeros + zeros)
			name := save(t, data)
			dir := t.TempDir()
			cmd := exec.Command(gnu, "--numeric-owner", "-xpf", name, "-C", dir)
			cmd.Env = append(cmd.Environ(), "LC_ALL=C")
			out, failed := cmd.CombinedOutput()

			src, err := fromtar.Open(t.Context(), name, fromtar.Options{})
			if failed != nil {
				if err == nil {
					t.Errorf("%s\nwe read %q", out, treetest.List(t, src.Tree))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			want, _, err := fromdir.Read(t.Context(), dir, fromdir.Options{Owners: source.OwnersDisk})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(gnuLines(t, want), gnuLines(t, src.Tree)); diff != "" {
				t.Error(diff)
			}
			if lone := strings.Contains(string(out), "lone zero block"); lone != strings.Contains(fmt.Sprint(src.Report.Warnings), "a lone block of zeros at byte 1024") {
				t.Errorf("warnings %v, those of tar: %s", src.Report.Warnings, out)
			}
		})
	}
}

// gnuLines lists a tree. A directory that changed after its entry, or has none, has the time at
// which that was; and only root can give files away.
func gnuLines(t *testing.T, tr *tree.Tree) []string {
	if err := tr.Seal(); err != nil {
		t.Fatal(err)
	}
	for path, n := range tr.All() {
		switch n.Mode.Type() {
		case tree.TypeDir:
			n.ModTime = tree.Time{}
		case tree.TypeSymlink:
			n.Mode = tree.TypeSymlink | 0o777
		}
		if os.Geteuid() != 0 || path == "." {
			n.UID, n.GID = 0, 0
		}
		if path == "." {
			n.Mode = tree.TypeDir
		}
	}
	return treetest.List(t, tr)
}

// Members, of which several archives make one tree, are read alike.
func TestMembersWithOddHeaders(t *testing.T) {
	data := strings.Join([]string{
		extended('g', "uid=5", "size=3"), unsized + "abc" + zeros[3:], extended('X', "path=solaris", "size=1", "uid=6"), reg("raw", "x"),
		extended('x', "path=fromx", "size=2"), longName, block('0', "raw", "", "xy"), zeros, zeros,
	}, "")
	report := &source.Report{}
	members, err := fromtar.NewMembers(t.Context(), strings.NewReader(data), fromtar.MembersOptions{Name: "a.tar", Report: report, Fault: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	spool := fromtar.NewSpool(t.TempDir(), "a.tar", 1<<20)
	defer spool.Close()
	var got []string
	for {
		m, err := members.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := members.Keep(spool); err != nil {
			t.Fatal(err)
		}
		if err := spool.Flush(); err != nil {
			t.Fatal(err)
		}
		f, err := m.Node.Content.Open()
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if _, err := io.Copy(&text, io.NewSectionReader(f, 0, m.Node.Size)); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %d %s", m.Path, m.Node.UID, &text))
	}
	if diff := cmp.Diff([]string{"s 5 abc", "solaris 6 x", "fromx 5 xy"}, got); diff != "" {
		t.Error(diff)
	}
}

// Extended headers that cannot be rendered, or of which archive/tar loses one, are errors.
func TestOddHeadersRefused(t *testing.T) {
	var many []string
	for i := range 101 {
		many = append(many, fmt.Sprintf("SCHILY.xattr.user.%d=1", i))
	}
	for name, c := range map[string]struct{ data, want string }{
		"many globals":        {extended('g', many...) + reg("a", "abc"), "a global extended header with 101 records"},
		"large globals":       {extended('g', "SCHILY.xattr.user.a="+strings.Repeat("x", 65<<10)) + reg("a", "abc"), "the limit is 100 and 65536"},
		"global sparse":       {extended('g', "GNU.sparse.map=0,3") + reg("a", "abc"), "a sparse file must have it in its own extended header"},
		"size of a sparse":    {extended('g', "size=3") + extended('x', "GNU.sparse.size=3", "GNU.sparse.numblocks=1", "GNU.sparse.map=0,3") + reg("a", "abc"), "the member is sparse"},
		"negative size":       {extended('X', "size=-3") + reg("a", "abc"), "negative"},
		"owner":               {extended('X', "uid=x") + reg("a", "abc"), `record uid="x" of an extended header before it`},
		"time":                {extended('X', "mtime=0x10") + reg("a", "abc"), "not a time"},
		"charset":             {extended('g', "hdrcharset=KOI8") + reg("a", "abc"), "unsupported character set"},
		"records":             {block('X', "x", "", "99 path=a\n") + reg("a", "abc"), "damaged records"},
		"POSIX, then global":  {extended('x', "uid=5") + extended('g', "gid=5") + reg("a", "abc"), `an extended header of type 'x' before one of type 'g'`},
		"POSIX, then Solaris": {extended('x', "uid=5") + extended('X', "gid=5") + reg("a", "abc"), `an extended header of type 'x' before one of type 'X'`},
		"GNU, then Solaris":   {longName + extended('X', "gid=5") + reg("a", "abc"), `an extended header of type 'L' before one of type 'X'`},
		"cut":                 {extended('X', "gid=5")[:515], "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			src, err := fromtar.Open(t.Context(), save(t, []byte(c.data)), fromtar.Options{})
			if err == nil {
				src.Close()
				t.Fatal("it is read")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}
