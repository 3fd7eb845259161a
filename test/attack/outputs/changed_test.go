package outputs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"imagetools/test/attack"
)

// readers are commands that read the uncompressed source SRC, and what they write.
var readers = []struct {
	from string
	args []string
}{
	{"a.zfs", []string{"extract", "SRC", "-q", "-C", "out"}},
	{"a.zfs", []string{"extract", "SRC", "-q", "--tar", "out"}},
	{"a.zfs", []string{"create-image", "y-1.0", "SRC", "-q", "-c", "none", "-o", "out"}},
	{"a.zfs", []string{"flatten", "SRC", "f-1.0", "-q", "-c", "none", "-o", "out"}},
	{"a.zfs", []string{"stream", "recompress", "off", "SRC", "-q", "-o", "out"}},
	{"a.zfs", []string{"cat", "SRC", "root/usr/bin/f03", "root/usr/bin/f59"}},
	{"a.zfs", []string{"prepare", "SRC", "-q", "-o", "out"}},
	{"a.zvol", []string{"extract", "SRC", "-q", "--raw", "out"}},
	{"a.zvol", []string{"cat", "SRC"}},
	{"a.raw", []string{"create-image", "d-1.0", "SRC", "-q", "--type", "zvol", "--os", "other", "-c", "none", "-o", "out"}},
	{"a.tar", []string{"create-image", "w-1.0", "SRC", "-q", "--type", "lx-dataset", "-c", "none", "-o", "out"}},
	{"a.tar", []string{"prepare", "SRC", "-q", "-o", "out"}},
}

// change is what becomes of a source.
var changes = map[string]func(f *os.File, size int64) error{
	"overwritten": func(f *os.File, size int64) error {
		_, err := f.WriteAt(make([]byte, size/2), size/2)
		return err
	},
	"one byte": func(f *os.File, size int64) error {
		_, err := f.WriteAt([]byte{0x5a}, size*2/3)
		return err
	},
	"truncated": func(f *os.File, size int64) error { return f.Truncate(size / 2) },
	"appended": func(f *os.File, size int64) error {
		_, err := f.WriteAt(bytes.Repeat([]byte("x"), 1000), size)
		return err
	},
}

// A source that changes while it is read gives what it was, or what it is then, or an error: never
// something of both.
func TestAttackChanged(t *testing.T) {
	setUp(t)
	r := random(t)
	count := map[string]int{}
	want := map[string]string{}
	took := map[int]time.Duration{}
	names := []string{"overwritten", "one byte", "truncated", "appended"}
	for n := range attack.Runs(t, len(readers), 1000) {
		i := n % len(readers)
		reader, name := readers[i], names[(n+n/len(readers))%len(names)]
		source, err := os.ReadFile(input(reader.from))
		if err != nil {
			t.Fatal(err)
		}
		dir := workDir(t)
		file := filepath.Join(dir, "src"+filepath.Ext(reader.from))
		args := append([]string{}, reader.args...)
		for j, a := range args {
			if a == "SRC" {
				args[j] = file
			}
		}
		// outcome runs the command and returns what it writes, "" after an error.
		outcome := func(during func()) string {
			var stdout bytes.Buffer
			work := filepath.Join(dir, "work")
			if err := os.Mkdir(work, 0o755); err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(work)
			cmd := command(work, args...)
			cmd.Env = append(cmd.Env, "TMPDIR="+dir)
			cmd.Stdout = &stdout
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			during()
			if err := cmd.Wait(); err != nil {
				if left := snapshot(t, work); left != "" {
					t.Errorf("run %d, %q, %s: %v; left is %q", n, reader.args, name, err, left)
				}
				return ""
			}
			return snapshot(t, work) + stdout.String()
		}
		apply := func() {
			f, err := os.OpenFile(file, os.O_WRONLY, 0)
			if err == nil {
				if err = changes[name](f, int64(len(source))); err == nil {
					err = f.Close()
				}
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		fill := func() {
			if err := os.WriteFile(file, source, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		before, after := fmt.Sprint(i), fmt.Sprint(i, name)
		fill()
		if want[before] == "" {
			begin := time.Now()
			if want[before] = outcome(func() {}); want[before] == "" {
				t.Fatalf("%q fails", args)
			}
			took[i] = time.Since(begin)
		}
		if _, known := want[after]; !known {
			apply()
			want[after] = outcome(func() {})
			os.Remove(file)
			fill()
		}
		got := outcome(func() {
			time.Sleep(time.Duration(r.Int64N(int64(took[i]))))
			apply()
		})
		switch got {
		case "":
			count["error"]++
		case want[before]:
			count["as it was"]++
		case want[after]:
			count["as it is then"]++
		default:
			t.Errorf("run %d, %q, %s: %s", n, reader.args, name, differ(got, want[before]))
		}
		clear(t, dir)
	}
	t.Log(count)
}
