//go:build linux

// Package reference has send streams that real ZFS implementations have made, each with the
// listings of the mounted snapshots it was made from, so that a reader of streams can be judged.
//
//	for _, s := range reference.RequireOpenZFS(t) {
//		t.Run(s.Name, func(t *testing.T) {
//			... read s.Files in order, compare with s.Snapshots["zones/base@s1"] ...
//		})
//	}
//
// The scripts in openzfs and zfs-fuse make datasets, snapshots and streams: openzfs in the guest of
// package oracle, all in one boot, which takes some minutes; zfs-fuse on this machine. The program
// maketree fills the datasets. What they leave is kept in a folder of the cache
// ($IMAGETOOLS_CACHE, by default imagetools in the user's cache), whose name has a hash of all
// sources, and made again when it is missing.
package reference

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"imagetools/internal/required"
	"imagetools/test/oracle"
	"imagetools/test/oracle/listing"
)

// A Stream is one stream, or a chain of streams that are received one after the other.
type Stream struct {
	Name     string   // such as "openzfs/xattr-sa"
	Files    []string // in the order in which they are applied
	Commands []string // that made the files

	// Snapshots are what the mounted snapshots of the source showed, by the name that stands in
	// BEGIN, such as "zones/base@s1"; of volumes the size and the hash. There are none for
	// streams that do not hold all of a snapshot, or only in encrypted form.
	Snapshots map[string]listing.Listing
}

// RequireOpenZFS returns the streams of OpenZFS 2.1. It makes them if they are missing, and ends
// the test where that cannot be done.
func RequireOpenZFS(t testing.TB) []Stream {
	t.Helper()
	return require(t, openZFS)
}

// RequireZFSFuse returns the streams of zfs-fuse 0.7, see RequireOpenZFS.
//
// It shows times in whole seconds and device numbers in a form of its own: compare with
// oracle.ZFSFuseDiff.
func RequireZFSFuse(t testing.TB) []Stream {
	t.Helper()
	return require(t, zfsFuse)
}

func require(t testing.TB, s source) []Stream {
	t.Helper()
	m, err := s.open()
	if err != nil {
		oracle.Unavailable(t, err)
	}
	dir, err := s.prepare(m)
	if errors.Is(err, required.ErrNotPrepared) {
		required.Unavailable(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("reference streams: %s", dir)
	streams, err := load(dir, s.name)
	if err != nil {
		t.Fatal(err)
	}
	return streams
}

// load reads what the scripts of a source have left, see openzfs/functions.sh.
func load(dir, source string) ([]Stream, error) {
	commands := make(map[string]string)
	err := eachLine(filepath.Join(dir, "commands"), 2, func(f []string) error {
		commands[f[0]] = f[1]
		return nil
	})
	if err != nil {
		return nil, err
	}
	listings := make(map[string]listing.Listing)
	var streams []Stream
	err = eachLine(filepath.Join(dir, "index"), 3, func(f []string) error {
		s := Stream{Name: source + "/" + f[0], Snapshots: make(map[string]listing.Listing)}
		for file := range strings.FieldsSeq(f[1]) {
			if commands[file] == "" {
				return fmt.Errorf("%s: no command made %s", s.Name, file)
			}
			s.Files = append(s.Files, filepath.Join(dir, file+".zfs"))
			s.Commands = append(s.Commands, commands[file])
		}
		for name := range strings.FieldsSeq(f[2]) {
			l, ok := listings[name]
			if !ok {
				var err error
				if l, err = readListing(filepath.Join(dir, strings.NewReplacer("/", "%", "@", "%").Replace(name))); err != nil {
					return err
				}
				listings[name] = l
			}
			s.Snapshots[name] = l
		}
		streams = append(streams, s)
		return nil
	})
	return streams, err
}

func readListing(path string) (listing.Listing, error) {
	f, err := os.Open(path)
	if err != nil {
		return listing.Listing{}, err
	}
	defer f.Close()
	l, err := listing.Parse(f)
	if err != nil {
		return listing.Listing{}, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

// eachLine calls fn with the fields of each line, of which there are n, parted by tabs.
func eachLine(path string, n int, fn func(fields []string) error) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) != n {
			return fmt.Errorf("%s: %q has %d fields, want %d", path, line, len(fields), n)
		}
		if err := fn(fields); err != nil {
			return err
		}
	}
	return nil
}
