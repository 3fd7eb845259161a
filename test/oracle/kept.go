//go:build linux

package oracle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"imagetools/internal/required"
)

// keptFor is how long a folder of the cache stays that nobody uses.
const keptFor = 24 * time.Hour

// Kept returns the folder NAME-KEY of the cache ($IMAGETOOLS_CACHE, by default imagetools in the
// user's cache). If it is missing one process fills it, for which others wait, and it gets its
// name when it is complete. Then those of other keys go that were not used for a day.
//
// Unless [required.All] is true nothing is filled: the error is [required.ErrNotPrepared].
func Kept(name, key string, fill func(dir string) error) (string, error) {
	cache := os.Getenv("IMAGETOOLS_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		cache = filepath.Join(user, "imagetools")
	}
	cache, err := filepath.Abs(cache)
	if err != nil {
		return "", err
	}
	final := filepath.Join(cache, name+"-"+key)
	if _, err := os.Stat(final); err != nil && !required.All() {
		return "", fmt.Errorf("%s: %w", name, required.ErrNotPrepared)
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(cache, name+".lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", &os.PathError{Op: "lock", Path: lock.Name(), Err: err}
	}
	now := time.Now()
	if err := os.Chtimes(final, now, now); err == nil || !errors.Is(err, os.ErrNotExist) {
		return final, err
	}
	// What is there already was left by a process that was killed: this one has the lock.
	tmp := filepath.Join(cache, "tmp."+name)
	if err := errors.Join(os.RemoveAll(tmp), os.Mkdir(tmp, 0o755)); err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := fill(tmp); err != nil {
		return "", err
	}
	return final, errors.Join(os.Rename(tmp, final), prune(filepath.Join(cache, name+"-*"), now.Add(-keptFor)))
}

// prune removes folders that were not used since a time.
func prune(pattern string, since time.Time) error {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	var faults []error
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.ModTime().Before(since) {
			faults = append(faults, os.RemoveAll(path))
		}
	}
	return errors.Join(faults...)
}
