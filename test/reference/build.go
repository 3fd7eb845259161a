//go:build linux

package reference

import (
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"imagetools/test/oracle"
)

//go:embed openzfs/*.sh zfs-fuse/*.sh maketree/*.go build.go
var sources embed.FS

// A source is an implementation of ZFS that makes streams.
type source struct {
	name string // also of the folder with its scripts
	open func() (maker, error)
}

// A maker is a source that is there.
type maker struct {
	id string // the version
	// build runs the scripts, and leaves in the folder dir what they have made: commands, index,
	// streams and listings. The program maketree fills the datasets.
	build func(dir, maketree string) error
}

var (
	openZFS = source{"openzfs", func() (maker, error) {
		guest, err := oracle.OpenGuest()
		if err != nil {
			return maker{}, err
		}
		return maker{guest.ID(), func(dir, maketree string) error { return buildOpenZFS(guest, dir, maketree) }}, nil
	}}
	zfsFuse = source{"zfs-fuse", func() (maker, error) {
		z, err := oracle.OpenZFSFuse()
		if err != nil {
			return maker{}, err
		}
		return maker{z.ID(), func(dir, maketree string) error { return buildZFSFuse(z, dir, maketree) }}, nil
	}}
)

// Prepare makes what is missing of the streams, and returns the folders they are in. The error is
// about all sources that failed.
func Prepare() (dirs []string, err error) {
	for _, s := range []source{openZFS, zfsFuse} {
		m, openErr := s.open()
		if openErr != nil {
			err = errors.Join(err, openErr)
			continue
		}
		dir, buildErr := s.prepare(m)
		if buildErr != nil {
			err = errors.Join(err, buildErr)
			continue
		}
		dirs = append(dirs, dir)
	}
	return dirs, err
}

// prepare returns the folder with the streams of a source. If it is missing it is made by one
// process, for which others wait; it gets its name when it is complete.
func (s source) prepare(m maker) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	key, err := s.key(m)
	if err != nil {
		return "", err
	}
	final := filepath.Join(cache, fmt.Sprintf("reference-%s-%s", s.name, key))
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(cache, "reference-"+s.name+".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}

	// What is there already was left by a process that was killed: this one has the lock.
	tmp := filepath.Join(cache, "tmp.reference-"+s.name)
	if err := errors.Join(os.RemoveAll(tmp), os.Mkdir(tmp, 0o755)); err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	maketree := filepath.Join(tmp, "maketree")
	compile := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s", "-o", maketree, "imagetools/test/reference/maketree")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := compile.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build maketree: %w: %s", err, text)
	}
	made := filepath.Join(tmp, "made")
	if err := os.Mkdir(made, 0o755); err != nil {
		return "", err
	}
	if err := m.build(made, maketree); err != nil {
		return "", fmt.Errorf("making the reference streams of %s: %w", s.name, err)
	}
	return final, os.Rename(made, final)
}

// key names all that the streams depend on.
func (s source) key(m maker) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, m.id)
	err := fs.WalkDir(sources, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path == "." || path == s.name || path == "maketree" {
				return nil
			}
			return fs.SkipDir // the scripts of the other source
		}
		text, err := sources.ReadFile(path)
		fmt.Fprintf(h, "%s %d\n%s", path, len(text), text)
		return err
	})
	return fmt.Sprintf("%x", h.Sum(nil)[:6]), err
}

func cacheDir() (string, error) {
	if dir := os.Getenv("IMAGETOOLS_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "imagetools"), err
}

// lock waits until no other process holds the lock file.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

// scripts returns the scripts of a source by name, each with the functions before it.
func scripts(source string) (names []string, text map[string]string, err error) {
	functions := source + "/functions.sh"
	prelude, err := sources.ReadFile(functions)
	if err != nil {
		return nil, nil, err
	}
	all, err := fs.Glob(sources, source+"/*.sh")
	if err != nil {
		return nil, nil, err
	}
	text = make(map[string]string)
	for _, name := range all {
		if name == functions {
			continue
		}
		body, err := sources.ReadFile(name)
		if err != nil {
			return nil, nil, err
		}
		names = append(names, name)
		text[name] = string(prelude) + string(body)
	}
	return names, text, nil
}

// buildOpenZFS runs every script as a job of its own, all in one boot of the guest.
func buildOpenZFS(guest *oracle.Guest, dir, maketree string) error {
	names, text, err := scripts("openzfs")
	if err != nil {
		return err
	}
	jobs := []oracle.Job{{Name: "maketree", Script: "input 1 >/tmp/maketree; chmod +x /tmp/maketree", Inputs: []string{maketree}}}
	for _, name := range names {
		jobs = append(jobs, oracle.Job{Name: name, Script: text[name]})
	}
	boot, err := os.MkdirTemp("", "reference")
	if err != nil {
		return err
	}
	defer os.RemoveAll(boot)
	guest.Timeout = 30 * time.Minute // three on an idle machine
	results, err := guest.RunIn(context.Background(), boot, jobs)
	for _, r := range results {
		if r.Err != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", r.Name, r.Err))
			continue
		}
		err = errors.Join(err, collect(dir, r.Out))
	}
	return err
}

// collect adds what one script has made to a folder.
func collect(dir, from string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			return err
		}
		// The two lists are those of all scripts; any other name must be new.
		flags := os.O_EXCL
		switch e.Name() {
		case "commands", "index":
			flags = os.O_APPEND
		case "log", "done", "script":
			continue
		}
		f, err := os.OpenFile(filepath.Join(dir, e.Name()), os.O_WRONLY|os.O_CREATE|flags, 0o644)
		if err != nil {
			return err
		}
		_, err = f.Write(text)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// buildZFSFuse runs every script beside a daemon of its own. A session that does not end in time is
// begun again: the daemon now and then stops answering.
func buildZFSFuse(z *oracle.ZFSFuse, dir, maketree string) error {
	names, text, err := scripts("zfs-fuse")
	if err != nil {
		return err
	}
	const attempts, timeout = 3, 3 * time.Minute
	for _, name := range names {
		for range attempts {
			err = runZFSFuse(z, text[name], dir, maketree, timeout)
			if !errors.Is(err, context.DeadlineExceeded) {
				break
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func runZFSFuse(z *oracle.ZFSFuse, script, dir, maketree string, timeout time.Duration) error {
	out, err := os.MkdirTemp("", "reference")
	if err != nil {
		return err
	}
	defer os.RemoveAll(out)
	path := filepath.Join(out, "script")
	if err := os.WriteFile(path, []byte(script), 0o644); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if output, err := z.Shell(ctx, nil, "bash", "-e", path, out, maketree); err != nil {
		return fmt.Errorf("%w\n%s", err, output)
	}
	return collect(dir, out)
}
