package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// churn works on everything in a directory the way a running system would, so
// that a kernel trips over whatever a stream got wrong: each directory gets new
// entries, each file is appended to and written over (some get a second name or
// an xattr), everything has its mode, owner and time changed and is renamed;
// then all is removed.
func churn(dir string) error {
	if err := churnDir(dir); err != nil {
		return err
	}
	names, err := dirNames(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		errs = append(errs, os.RemoveAll(dir+"/"+name))
	}
	return errors.Join(errs...)
}

func dirNames(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// sample: one of so many files of a directory gets what takes several objects.
const sample = 16

func churnDir(dir string) error {
	names, err := dirNames(dir)
	if err != nil {
		return err
	}
	for i, name := range names {
		// Short new names, so that those of 255 bytes can be renamed too.
		path, renamed := dir+"/"+name, fmt.Sprintf("%s/~%d", dir, i)
		if err := churnEntry(path, renamed, i%sample == 0); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if err := os.Mkdir(dir+"/~new", 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(dir+"/~new/file", []byte("new\n"), 0o600); err != nil {
		return err
	}
	after, err := dirNames(dir)
	if err != nil {
		return err
	}
	if len(after) != len(names)+1 {
		return fmt.Errorf("%s: %d names after renaming %d and adding one", dir, len(after), len(names))
	}
	return nil
}

func churnEntry(path, renamed string, more bool) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	switch {
	case info.IsDir():
		if err := churnDir(path); err != nil {
			return err
		}
	case info.Mode().IsRegular():
		if err := churnFile(path, info.Size()); err != nil {
			return err
		}
		if !more {
			break
		}
		if err := os.Link(path, renamed+".link"); err != nil {
			return err
		}
		if err := os.Remove(renamed + ".link"); err != nil {
			return err
		}
	}
	if info.Mode()&os.ModeSymlink == 0 {
		if err := unix.Chmod(path, 0o751); err != nil {
			return fmt.Errorf("chmod: %w", err)
		}
	}
	if more && info.Mode().IsRegular() {
		if err := unix.Lsetxattr(path, "trusted.churn", []byte("value"), 0); err != nil {
			return fmt.Errorf("setting an xattr: %w", err)
		}
	}
	if err := unix.Lchown(path, 123, 456); err != nil {
		return fmt.Errorf("chown: %w", err)
	}
	times := []unix.Timespec{{Sec: 1}, {Sec: 2}}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, path, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("setting times: %w", err)
	}
	return os.Rename(path, renamed)
}

// churnFile appends a few bytes and writes over the first ones. A file with
// several names comes here once for each.
func churnFile(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("end"), size); err != nil {
		return err
	}
	if _, err := f.WriteAt([]byte("start"), 0); err != nil {
		return err
	}
	tail := make([]byte, 3)
	// In a file of less than five bytes the start was written over the end.
	if _, err := f.ReadAt(tail, size); err != nil {
		return err
	}
	if size >= 5 && string(tail) != "end" {
		return fmt.Errorf("reads %q where \"end\" was written", tail)
	}
	return f.Close()
}
