package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"imagetools/internal/cli"
	"imagetools/seed"
	"imagetools/smf"
	"imagetools/smf/list"
	"imagetools/tree"
)

// repository makes the SMF repository of a seed, or takes the one that was named.
func (o *createSeedOptions) repository(ctx context.Context, env *cli.Env, in *seed.Options) error {
	if o.Bootstrap == "-" && (o.ServiceList == "-" || o.Repository == "-") {
		return cli.Usagef("only one of --bootstrap, --service-list and --repository can be standard input")
	}
	if o.Repository != "" {
		return o.takeRepository(ctx, env, in)
	}
	manifests, err := cli.Interruptible(ctx, func() ([]list.Manifest, error) { return o.collectServices(env, in.Places) })
	if err != nil {
		return fmt.Errorf("SMF repository: %w", err)
	}
	repository, err := list.Import(manifests)
	if err != nil {
		return fmt.Errorf("SMF repository: %w", err)
	}
	if in.Repository, err = repository.Encode(); err != nil {
		return fmt.Errorf("SMF repository: %w", err)
	}
	for _, m := range manifests {
		if t := (tree.Time{Sec: m.Time.Unix(), Nsec: uint32(m.Time.Nanosecond())}); !m.Time.IsZero() && in.RepositoryTime.Before(t) {
			in.RepositoryTime = t
		}
	}
	in.RepositoryNote = fmt.Sprintf("%d services, %s", len(repository.Services), countPlaces(manifests))
	return nil
}

// takeRepository takes a repository that is sound.
func (o *createSeedOptions) takeRepository(ctx context.Context, env *cli.Env, in *seed.Options) error {
	db, err := cli.Interruptible(ctx, func() ([]byte, error) { return readDatabase(env, o.Repository) })
	if err != nil {
		return fmt.Errorf("SMF repository: %w", err)
	}
	decoded, err := smf.Decode(db)
	if err != nil {
		return fmt.Errorf("SMF repository: %s: %w", printable(o.Repository), err)
	}
	in.Repository, in.RepositoryNote = db, fmt.Sprintf("%d services, from %q", len(decoded.Services), o.Repository)
	return nil
}

// collectServices finds the manifests of the list in the places of the build.
func (o *createSeedOptions) collectServices(env *cli.Env, at seed.Places) ([]list.Manifest, error) {
	name, text := "built-in", list.Default()
	if o.ServiceList != "" {
		var err error
		if name, text, err = o.readServiceList(env); err != nil {
			return nil, err
		}
	}
	l, err := list.Parse(name, text)
	if err != nil {
		return nil, err
	}
	for _, w := range l.Warnings {
		env.Warnf("%s", w)
	}
	places, err := list.Open(list.Roots{Own: o.ManifestDir, Generic: at.Overlay, Proto: at.Proto, SmartOS: at.Smartos})
	if errors.Is(err, list.ErrNoManifests) {
		return nil, cli.Hint(err, "name the folders of the build with --proto and --overlay, or a repository with --repository")
	}
	if err != nil {
		return nil, err
	}
	defer places.Close()
	return l.Collect(places)
}

func (o *createSeedOptions) readServiceList(env *cli.Env) (name string, text []byte, err error) {
	text, err = readFileOrStdin(env, o.ServiceList, list.MaxSize, "list of manifests")
	return o.ServiceList, text, err
}

// countPlaces says how many manifests came from where, in the order in which the places are
// searched.
func countPlaces(manifests []list.Manifest) string {
	counts, total := make(map[string]int), 0
	for _, m := range manifests {
		counts[m.Place]++
		if m.Place != "" {
			total++
		}
	}
	var parts []string
	for _, place := range []string{"imagetools", "manifest-dir", "generic", "proto", "smartos"} {
		if n := counts[place]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", place, n))
		}
	}
	text := fmt.Sprintf("of %d manifests: %s", total, strings.Join(parts, ", "))
	if n := counts[""]; n > 0 {
		text += fmt.Sprintf("; %d that the list calls optional are nowhere", n)
	}
	return text
}
