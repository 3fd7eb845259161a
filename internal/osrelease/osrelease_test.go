package osrelease_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"imagetools/internal/osrelease"
)

func TestParse(t *testing.T) {
	got := osrelease.Parse("# a comment\nID=debian\nVERSION_ID=\"12\"\n  NAME='Debian GNU/Linux'\nID_LIKE=\n" +
		"ODD=\"a\\\"b\\$c\\d\"\nTWICE=1\nTWICE=2\nOPEN=\"x\nno assignment\n=x\nQ=\"\nLAST=end")
	want := map[string]string{"ID": "debian", "VERSION_ID": "12", "NAME": "Debian GNU/Linux", "ID_LIKE": "",
		"ODD": `a"b$c\d`, "TWICE": "2", "OPEN": `"x`, "Q": `"`, "LAST": "end"}
	if !maps.Equal(got, want) {
		t.Errorf("Parse = %q, want %q", got, want)
	}
}

// The format is that of a shell's assignments, so a shell must say the same.
func TestParseAsShell(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell")
	}
	text := "ID=ubuntu\nVERSION_ID=\"24.04\"\nNAME='a b'\nODD=\"a\\\"b\\$c\\`d\\\\e\"\nEMPTY=\n"
	path := filepath.Join(t.TempDir(), "os-release")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, got := range osrelease.Parse(text) {
		want, err := exec.Command(sh, "-c", `. "$1"; eval "printf %s \"\$$2\""`, "sh", path, name).Output()
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s = %q, a shell says %q", name, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("ID=debian\nVERSION_ID=\"12\\\"\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		for name, value := range osrelease.Parse(text) {
			if name == "" || len(value) > len(text) {
				t.Errorf("%q = %q", name, value)
			}
		}
	})
}
