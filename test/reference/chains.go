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
	"strings"
	"testing"
	"time"

	"imagetools/internal/required"
	"imagetools/test/oracle"
	"imagetools/test/oracle/listing"
)

//go:embed chains/*.sh chaintree/*.go chainsets.go
var chainSources embed.FS

// A Chain is a full stream and up to two increments on it, each of which was sent with other
// flags, and what OpenZFS made of them.
type Chain struct {
	Name    string
	Files   []string
	Refused bool            // the last file
	Listing listing.Listing // what the last snapshot showed, if it was received
}

// ChainsOfSet is how many chains of three streams each dataset gives.
const ChainsOfSet = 64

// RequireChains returns the chains of the first n datasets. It makes them in one boot of the guest
// if they are missing, and ends the test where that cannot be done.
func RequireChains(t testing.TB, n int) []Chain {
	t.Helper()
	guest, err := oracle.OpenGuest()
	if err != nil {
		oracle.Unavailable(t, err)
	}
	dir, err := prepareChains(guest, n)
	if errors.Is(err, required.ErrNotPrepared) {
		oracle.Unavailable(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("chains: %s", dir)
	chains, err := loadChains(dir)
	if err != nil {
		t.Fatal(err)
	}
	return chains
}

// PrepareChains makes the chains of the first n datasets, if they are missing, and returns the
// folder they are in.
func PrepareChains(n int) (string, error) {
	guest, err := oracle.OpenGuest()
	if err != nil {
		return "", err
	}
	return prepareChains(guest, n)
}

// prepareChains returns the folder with the chains, which one process makes.
func prepareChains(guest *oracle.Guest, n int) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintln(h, guest.ID(), n)
	err = fs.WalkDir(chainSources, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := chainSources.ReadFile(path)
		fmt.Fprintf(h, "%s %d\n%s", path, len(text), text)
		return err
	})
	if err != nil {
		return "", err
	}
	final := filepath.Join(cache, fmt.Sprintf("chains-%d-%x", n, h.Sum(nil)[:6]))
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	if !required.All() {
		return "", fmt.Errorf("chains of streams: %w", required.ErrNotPrepared)
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(cache, "chains.lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	tmp := filepath.Join(cache, "tmp.chains") // of a process that was killed, if it is there
	made := filepath.Join(tmp, "made")
	if err := errors.Join(os.RemoveAll(tmp), os.MkdirAll(made, 0o755)); err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := makeChains(guest, n, tmp, made); err != nil {
		return "", fmt.Errorf("making chains of streams: %w", err)
	}
	return final, os.Rename(made, final)
}

func makeChains(guest *oracle.Guest, n int, tmp, made string) error {
	chaintree := filepath.Join(tmp, "chaintree")
	compile := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s", "-o", chaintree, "imagetools/test/reference/chaintree")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := compile.CombinedOutput(); err != nil {
		return fmt.Errorf("go build chaintree: %w: %s", err, text)
	}
	script, err := chainSources.ReadFile("chains/chain.sh")
	if err != nil {
		return err
	}
	jobs := []oracle.Job{{Name: "chaintree", Script: "input 1 >/tmp/chaintree; chmod +x /tmp/chaintree", Inputs: []string{chaintree}}}
	for _, set := range chainSets[:n] {
		before := fmt.Sprintf("name=%q step1=%q step2=%q step3=%q\n", set[0], set[1], set[2], set[3])
		jobs = append(jobs, oracle.Job{Name: set[0], Script: before + string(script)})
	}
	boot := filepath.Join(tmp, "boot")
	if err := os.Mkdir(boot, 0o755); err != nil {
		return err
	}
	guest.Timeout = 2 * time.Hour // two minutes a dataset on an idle machine
	results, err := guest.RunIn(context.Background(), boot, jobs)
	for i, r := range results {
		if r.Err != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", r.Name, r.Err))
		} else if i > 0 {
			err = errors.Join(err, os.Rename(r.Out, filepath.Join(made, r.Name)))
		}
	}
	return err
}

// loadChains reads what chain.sh has left.
func loadChains(dir string) (all []Chain, err error) {
	sets, err := filepath.Glob(filepath.Join(dir, "*", "chains"))
	if err != nil {
		return nil, err
	}
	for _, path := range sets { // one for each dataset
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		dir := filepath.Dir(path)
		listings := make(map[string]listing.Listing)
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) < 2 || len(fields) > 4 {
				return nil, fmt.Errorf("%s: %q", path, line)
			}
			flags, verdict := fields[:len(fields)-1], fields[len(fields)-1]
			c := Chain{Name: filepath.Base(dir) + "/" + strings.Join(flags, ""), Refused: verdict == "refused"}
			for i, f := range flags {
				c.Files = append(c.Files, filepath.Join(dir, fmt.Sprintf("%d-%s.zfs", i+1, f)))
			}
			from := fmt.Sprintf("source-%d", len(flags))
			if verdict == "differs" {
				from = "taken-" + strings.Join(flags, "")
			}
			if _, ok := listings[from]; !ok && !c.Refused {
				l, err := readListing(filepath.Join(dir, from))
				if err != nil {
					return nil, err
				}
				listings[from] = l
			}
			c.Listing = listings[from]
			all = append(all, c)
		}
	}
	return all, nil
}
