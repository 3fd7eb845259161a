// Package seedtest prepares smartos-live builds for tests, and has what the classic create-seed
// does to one, as a script.
package seedtest

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"imagetools/internal/required"

	"golang.org/x/sys/unix"
)

// Original is the path of the script that does what the classic create-seed does.
func Original(t testing.TB) string {
	t.Helper()
	path, err := required.Path("test/seed/original")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Moment is when the first file of the build was made; each further one is a second later.
var Moment = time.Date(2015, 4, 30, 12, 0, 0, 0, time.UTC)

// Build is [Prepare] in a test, which ends if there is no test data.
func Build(t testing.TB, dir string) {
	t.Helper()
	if _, err := required.FindData("smartos-live"); err != nil {
		required.Unavailable(t, err)
	}
	if err := Prepare(dir); err != nil {
		t.Fatal(err)
	}
}

// Prepare copies the miniature build of the test data into dir, which it makes, and gives it back
// what a checkout does not keep: empty directories, links, modes and times.
func Prepare(dir string) error {
	from, err := required.FindData("smartos-live")
	if err == nil {
		err = copyBuild(from, dir)
	}
	if err == nil {
		err = complete(dir)
	}
	if err == nil {
		err = stamp(dir)
	}
	return err
}

func copyBuild(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch d.Type() {
		case fs.ModeDir:
			return os.MkdirAll(target, 0o777)
		case fs.ModeSymlink:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o666)
	})
}

// Linked has the tests that follow in t find the test data of a build in which symbolic links are
// links. In the test data they may also be plain files that name the target, as git leaves them on
// hosts without links.
func Linked(t testing.TB) {
	t.Helper()
	from := required.Data(t, "smartos-live")
	dir := t.TempDir()
	to := filepath.Join(dir, "smartos-live")
	err := copyBuild(from, to)
	for _, layer := range []string{"proto", "overlay/generic", "overlay/smartos"} {
		if err == nil {
			err = link(to, layer)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("IMAGETOOLS_TESTDATA", dir)
}

// link makes links of the files in a layer of a build that name the target of one.
func link(dir, layer string) error {
	text, err := os.ReadFile(filepath.Join(dir, "manifest.gen"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		field := strings.Fields(line)
		name, target, _ := strings.Cut(field[1], "=")
		path := filepath.Join(dir, layer, name)
		if field[0] != "s" {
			continue
		}
		if content, err := os.ReadFile(path); err != nil || string(content) != target {
			continue
		}
		if err := errors.Join(os.Remove(path), os.Symlink(target, path)); err != nil {
			return err
		}
	}
	return nil
}

// complete makes what manifest.gen says of etc and var: directories; symbolic links where a
// file holds the target of one, as git leaves it on hosts without links; hard links to files
// that are there.
func complete(dir string) (err error) {
	f, err := os.Open(filepath.Join(dir, "manifest.gen"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	proto := filepath.Join(dir, "proto")
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		field := strings.Fields(lines.Text())
		if top, _, _ := strings.Cut(field[1], "/"); top != "etc" && top != "var" {
			continue
		}
		name, target, _ := strings.Cut(field[1], "=")
		path := filepath.Join(proto, name)
		switch field[0] {
		case "d":
			err = os.MkdirAll(path, 0o777)
		case "s":
			if content, e := os.ReadFile(path); e == nil && string(content) == target {
				err = errors.Join(os.Remove(path), os.Symlink(target, path))
			}
		case "h":
			if _, e := os.Lstat(filepath.Join(proto, target)); e == nil {
				err = os.Link(filepath.Join(proto, target), path)
			}
		}
		if err != nil {
			return err
		}
	}
	return lines.Err()
}

// stamp sets all modes and times.
func stamp(dir string) error {
	var dirs []string
	when := Moment
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			dirs = append(dirs, path)
			return os.Chmod(path, 0o755)
		}
		when = when.Add(time.Second)
		if d.Type() != fs.ModeSymlink {
			err = os.Chmod(path, 0o644)
		}
		times := []unix.Timespec{unix.NsecToTimespec(when.UnixNano()), unix.NsecToTimespec(when.UnixNano())}
		return errors.Join(err, unix.UtimesNanoAt(unix.AT_FDCWD, path, times, unix.AT_SYMLINK_NOFOLLOW))
	})
	for _, path := range dirs {
		err = errors.Join(err, os.Chtimes(path, Moment, Moment))
	}
	return err
}

// Repository writes the repository that the real importer made of the classic list to a file.
func Repository(t testing.TB, path string) {
	t.Helper()
	from, err := required.FindData("smf-expected", "imagetools-list.repository.db.gz")
	if err != nil {
		required.Unavailable(t, err)
	}
	if err := unpack(from, path); err != nil {
		t.Fatal(err)
	}
}

func unpack(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	r, err := gzip.NewReader(in)
	if err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, r)
	return err
}
