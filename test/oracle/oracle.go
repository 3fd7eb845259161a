//go:build linux

// Package oracle lets real ZFS implementations judge send streams: OpenZFS's
// receive code in user space (Judge), OpenZFS in a guest's kernel (Guest), and
// the older FUSE port (ZFSFuse). Nothing of it is part of the product.
//
// The programs come from Debian's packages and from sources beside this file;
// the script prepare fetches and builds them into a cache. A test asks for one
// with RequireJudge, RequireGuest or RequireZFSFuse, and is skipped where it
// cannot be had, or fails if IMAGETOOLS_REQUIRE_ORACLES=1.
package oracle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"imagetools/internal/required"
	"imagetools/test/oracle/listing"
)

// The listing's types, for callers that need no more than this package.
type (
	Entry       = listing.Entry
	Dataset     = listing.Dataset
	Listing     = listing.Listing
	DiffOptions = listing.DiffOptions
	DirOptions  = listing.DirOptions
	Extent      = listing.Extent
)

// The listing's functions, see there.
var (
	ParseListing  = listing.Parse
	ParseListings = listing.ParseAll
	Diff          = listing.Diff
	Escape        = listing.Escape
	ListDir       = listing.ListDir
	ListTar       = listing.ListTar
	Sum           = listing.Sum
	HashSparse    = listing.HashSparse
	IllumosRdev   = listing.IllumosRdev
)

// part is a prepared folder of the cache.
type part struct {
	dir     string
	version string
}

// ID names all that an oracle is made of: versions, and a hash of its sources.
// It is fit to be part of a file's name.
func (p part) ID() string { return filepath.Base(p.dir) }

var parts sync.Map // name → func() (part, error)

// prepared runs the script prepare for a part, once per process.
func prepared(name string) (part, error) {
	once, _ := parts.LoadOrStore(name, sync.OnceValues(func() (part, error) {
		dir, err := required.Prepare("test/oracle/prepare", name)
		if err != nil {
			return part{}, err
		}
		version, err := os.ReadFile(filepath.Join(dir, "version"))
		if err != nil {
			return part{}, err
		}
		return part{dir, strings.TrimSpace(string(version))}, nil
	}))
	return once.(func() (part, error))()
}

func require(t testing.TB, name string) part {
	t.Helper()
	p, err := prepared(name)
	if err != nil {
		Unavailable(t, err)
	}
	t.Logf("%s: %s", name, p.version)
	return p
}

// Unavailable skips a test for a reason, or fails it where nothing may be skipped.
func Unavailable(t testing.TB, reason error) {
	t.Helper()
	required.Unavailable(t, reason)
}

// RefusedError says that a ZFS did not take a stream.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return "stream refused: " + e.Reason }

// FaultError says that a stream was taken, but what it made is inconsistent.
type FaultError struct{ Faults string }

func (e *FaultError) Error() string { return "faults found: " + e.Faults }

// Judge is OpenZFS's receive code in user space, with a strict lister and zdb.
type Judge struct{ part }

// JudgeOptions changes how a judge looks at streams.
type JudgeOptions struct {
	Legacy  bool // receive into a pool without feature flags (version 28)
	Foreign bool // a real ZFS made the streams: do not ask for what it does not keep
	NoZDB   bool // leave out zdb's check of the pool (a second)
	Timeout time.Duration
}

// RequireJudge returns the judge, or ends the test.
func RequireJudge(t testing.TB) *Judge {
	t.Helper()
	return &Judge{require(t, "judge")}
}

// OpenJudge returns the judge outside of tests.
func OpenJudge() (*Judge, error) {
	p, err := prepared("judge")
	if err != nil {
		return nil, err
	}
	return &Judge{p}, nil
}

// Receive has the judge receive a chain of streams (files), and returns the
// listing of the last snapshot. Any complaint is fatal for the test.
func (j *Judge) Receive(t testing.TB, streams []string, opts JudgeOptions) Listing {
	t.Helper()
	all, err := j.Verdict(streams, opts)
	if err != nil {
		t.Fatalf("judge: %v", err)
	}
	return all[len(all)-1]
}

// Verdict receives a chain of streams and returns the listing of each snapshot.
// The error is a *RefusedError, a *FaultError (with the listings), or says that
// the judge itself failed. An abort of the judge counts as a refusal.
func (j *Judge) Verdict(streams []string, opts JudgeOptions) ([]Listing, error) {
	dir, err := os.MkdirTemp("", "judge")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if opts.Timeout == 0 {
		opts.Timeout = 5 * time.Minute
	}
	ctx, cancel := context.WithTimeout(context.Background(), opts.Timeout)
	defer cancel()

	var args []string
	if opts.Legacy {
		args = append(args, "-l")
	}
	if opts.Foreign {
		args = append(args, "-f")
	}
	args = append(args, filepath.Join(dir, "pool"))
	args = append(args, streams...)
	cmd := exec.CommandContext(ctx, filepath.Join(j.dir, "judge"), args...)
	var stdout, stderr bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = j.environment(), &stdout, &stderr
	err = cmd.Run()
	complaint := strings.TrimSpace(stderr.String())
	if ctx.Err() != nil {
		return nil, fmt.Errorf("judge: not done after %v: %s", opts.Timeout, complaint)
	}
	switch code := cmd.ProcessState.ExitCode(); {
	case err == nil, code == 1:
	case code == 2, code < 0: // refused, or killed by an assertion
		return nil, &RefusedError{strings.TrimPrefix(complaint, "refused: ")}
	default:
		return nil, fmt.Errorf("judge: %w: %s", err, complaint)
	}
	all, err := ParseListings(&stdout)
	if err != nil {
		return nil, fmt.Errorf("judge's listing: %w", err)
	}
	if complaint != "" {
		return all, &FaultError{complaint}
	}
	if len(all) == 0 {
		return nil, errors.New("judge listed nothing")
	}
	if !opts.NoZDB {
		if err := j.checkPool(ctx, dir); err != nil {
			return all, err
		}
	}
	return all, nil
}

// environment is that of a judge. Its memory stays with it: it allocates buffers of up to
// 16 MiB all the time, and would spend most of its time on mapping and clearing pages.
func (j *Judge) environment() []string {
	return append(os.Environ(), "MALLOC_MMAP_THRESHOLD_=1073741824", "MALLOC_TRIM_THRESHOLD_=4294967296",
		"MALLOC_TOP_PAD_=67108864", "MALLOC_ARENA_MAX=2")
}

// checkPool has zdb traverse the exported pool in a folder: checksums of all
// metadata, leaks, space accounts.
func (j *Judge) checkPool(ctx context.Context, dir string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(j.dir, "zdb"), "-e", "-p", dir, "-bc", "zones")
	cmd.Env = append(j.environment(), "LD_LIBRARY_PATH="+filepath.Join(j.dir, "lib"))
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("No leaks")) {
		return &FaultError{fmt.Sprintf("zdb: %v: %s", err, bytes.TrimSpace(out))}
	}
	return nil
}

// ZStream returns a run of zstream with arguments.
func (j *Judge) ZStream(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(j.dir, "zstream"), args...)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+filepath.Join(j.dir, "lib"))
	return cmd
}

// Lint has zstream check the framing and the checksums of a stream.
func (j *Judge) Lint(stream string) error {
	out, err := j.ZStream("dump", stream).CombinedOutput()
	if err != nil {
		return fmt.Errorf("zstream: %w: %s", err, out)
	}
	info, err := os.Stat(stream)
	if err != nil {
		return err
	}
	// Its exit status is 0 for wrong checksums and for streams that are cut.
	text := string(out)
	begins, ends := count(text, "Total DRR_BEGIN records"), count(text, "Total DRR_END records")
	length := count(text, "Total stream length")
	if strings.Contains(text, "Incorrect checksum") || begins == 0 || ends < begins || length != info.Size() {
		return fmt.Errorf("zstream: bad stream:\n%s", text)
	}
	return nil
}

// count finds "LABEL = NUMBER" in a text.
func count(text, label string) int64 {
	var n int64
	_, rest, ok := strings.Cut(text, label+" = ")
	if ok {
		fmt.Sscan(rest, &n)
	}
	return n
}
