// Package seed makes the baseline of a SmartOS image from a smartos-live build: the pristine
// etc and var of the platform, adapted to what images need, with an SMF repository.
//
//	places, err := seed.Locate("smartos-live", seed.LocateOptions{})
//	...
//	s, err := seed.Build(ctx, seed.Options{Places: *places, Repository: db})
//	...
//	for _, step := range s.Steps { fmt.Println(step) }
//	_, err = host.Store{Dir: "zones"}.Create(ctx, "seed-20150430", s.Tree, host.CreateOptions{})
//
// The seed is a tree, a whole dataset with the root file system under root/. Nothing is
// written anywhere; contents of files lie where the build has them until the tree is written.
//
// # Builds
//
// Builds of every generation are understood; see [Locate]. What create-seed of the project
// joyent/imagetools does is done here, with these differences: owners are resolved by the
// build's own names, links are never followed, users are told apart by their whole name, what
// a build does not have is no fault, root's password is locked, and everything is the same
// whoever does it and when.
//
// Extended attributes and ACLs of the build are left out, as rsync -a does, and owners on disk,
// which are those of whoever built it.
//
// # Times
//
// What is taken from the build keeps its times. Entries that are made or rewritten, and
// directories in which names appear or vanish, have the time of [Options], else the newest
// time of the build's files.
package seed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"imagetools/tree"
	"imagetools/tree/source"
)

// Options say what a seed is made of.
type Options struct {
	Places Places

	// Repository is the SMF repository, a database file; RepositoryNote says in a few words
	// where it comes from, and RepositoryTime is the newest time of the manifests that went
	// into it.
	Repository     []byte
	RepositoryNote string
	RepositoryTime tree.Time

	KeepRootPassword bool       // the build's password of root, which is public
	Time             *tree.Time // of what is made or changed; nil for the newest of the build

	// Bootstrap is unpacked over the finished seed, if it is set. It is used up. BootstrapName
	// stands for it in the report.
	Bootstrap     *tree.Tree
	BootstrapName string

	// Progress, if set, is told now and then how many names of the build were read.
	Progress func(names int)
}

// Seed is a sealed tree, and how it came about.
type Seed struct {
	Tree     *tree.Tree
	Steps    []Step
	Warnings []source.Warning // paths are those of the build, or below root/ of the seed
	Time     tree.Time        // of what was made or changed
}

// Step is one thing that was done.
type Step struct {
	Name  string   `json:"step"`
	Did   string   `json:"did"`             // for people
	Paths []string `json:"paths,omitempty"` // of single names that it was about, below root/
}

// maxShown is how many paths are shown of a step.
const maxShown = 6

// String is the step on one line.
func (s Step) String() string {
	text := fmt.Sprintf("%-19s %s", s.Name, s.Did)
	if len(s.Paths) > 0 {
		shown := s.Paths[:min(len(s.Paths), maxShown)]
		text += ": " + strings.Join(shown, " ")
		if more := len(s.Paths) - len(shown); more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
	}
	return text
}

// builder is the state of one seed in the making.
type builder struct {
	opts     Options
	tree     *tree.Tree
	root     *tree.Node // root/ of the dataset
	build    *parts
	time     tree.Time
	names    *source.Names
	listed   map[*tree.Node]bool // what has owner and mode from the manifest
	warnings source.Report
}

// steps are all that is done to an empty dataset, in order.
func (b *builder) steps() []namedStep {
	steps := []namedStep{
		{"proto", b.copyProto},
		{"overlay", b.layOverlay},
		{"directories", b.makeDirectories},
		{"rc2.d scripts", b.removeScripts},
		{"issue", b.removeIssue},
		{"root's crontab", b.removeCrontab},
		{"profile", b.editProfile},
		{"accounts", b.removeAccounts},
		{"order of accounts", b.sortAccounts},
		{"user_attr", b.editUserAttr},
		{"root's password", b.lockRoot},
		{"SMF repository", b.addRepository},
		{"owners and modes", b.setOwners},
		{"zoneinit", b.addZoneinit},
	}
	if b.opts.Bootstrap != nil {
		steps = append(steps, namedStep{"bootstrap", b.unpackBootstrap})
	}
	return steps
}

type namedStep struct {
	name string
	do   func(*Step) error
}

// Build makes a seed. Faults of files and of lines of manifest.gen come joined.
func Build(ctx context.Context, opts Options) (*Seed, error) {
	if opts.Places.Proto == "" {
		return nil, errors.New("Options.Places names no proto area; Locate finds it")
	}
	b, err := newBuilder(ctx, opts)
	if err != nil {
		return nil, err
	}
	s := &Seed{Tree: b.tree, Time: b.time}
	for _, step := range b.steps() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		done := Step{Name: step.name}
		if err := step.do(&done); err != nil {
			return nil, fmt.Errorf("%s: %w", step.name, err)
		}
		s.Steps = append(s.Steps, done)
	}
	if err := b.tree.Seal(); err != nil {
		return nil, err
	}
	b.warnings.Sort()
	s.Warnings = b.warnings.Warnings
	return s, nil
}

// newBuilder reads the build.
func newBuilder(ctx context.Context, opts Options) (*builder, error) {
	b := &builder{opts: opts, tree: tree.New(), listed: make(map[*tree.Node]bool)}
	var err error
	if b.build, err = readParts(ctx, opts.Places, opts.Progress); err != nil {
		return nil, err
	}
	b.warnings.Warnings = b.build.warnings
	b.time = later(b.build.newest, opts.RepositoryTime)
	if opts.Time != nil {
		b.time = *opts.Time
	}
	b.tree.Root.ModTime = b.time
	b.root, err = b.mkdir(b.tree.Root, "root", 0o755)
	return b, err
}

func later(a, b tree.Time) tree.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// mkdir returns the directory called name in dir, and makes it if there is none. What else may
// be there, a link above all, is an error.
func (b *builder) mkdir(dir *tree.Node, name string, mode tree.Mode) (*tree.Node, error) {
	if n := dir.Lookup(name); n != nil {
		if !n.IsDir() {
			return nil, fmt.Errorf("%q: a %s of the build, not a directory", name, n.Mode.TypeName())
		}
		return n, nil
	}
	n := tree.NewDir(mode)
	return n, b.add(dir, name, n)
}

// mkdirAll returns the directory at a path below root/.
func (b *builder) mkdirAll(path string) (*tree.Node, error) {
	dir := b.root
	for name := range strings.SplitSeq(path, "/") {
		next, err := b.mkdir(dir, name, 0o755)
		if err != nil {
			return nil, fmt.Errorf("directory %q: %w", path, err)
		}
		dir = next
	}
	return dir, nil
}

// add gives a node that we made a name.
func (b *builder) add(dir *tree.Node, name string, n *tree.Node) error {
	n.ModTime, dir.ModTime = b.time, b.time
	return dir.Add(name, n)
}

// put makes a file in a directory below root/, in place of what is no directory.
func (b *builder) put(path string, mode tree.Mode, content []byte) error {
	i := strings.LastIndexByte(path, '/')
	name := path[i+1:]
	dir, err := b.mkdirAll(path[:i])
	if err != nil {
		return err
	}
	if n := dir.Lookup(name); n != nil {
		if n.IsDir() {
			return fmt.Errorf("%q: a directory of the build, not a file", path)
		}
		if err := dir.Remove(name); err != nil {
			return err
		}
	}
	return b.add(dir, name, &tree.Node{Mode: tree.TypeFile | mode, Size: int64(len(content)), Content: tree.Bytes(content)})
}

// find returns the node at a path below root/; nil if there is none, or if only a link leads
// to it.
func (b *builder) find(path string) *tree.Node {
	return b.tree.Lookup("root/" + path)
}

// maxText is the largest file that is edited. Those of builds have a few KiB.
const maxText = 1 << 20

// text returns the lines of a file, without their ends; ok is false if there is no file, and
// a warning was given if there is something else.
func (b *builder) text(path string) (lines []string, ok bool, err error) {
	n := b.find(path)
	if n == nil {
		return nil, false, nil
	}
	if n.Mode.Type() != tree.TypeFile {
		b.warnings.Warn(path, fmt.Sprintf("a %s, which is left as it is", n.Mode.TypeName()))
		return nil, false, nil
	}
	content, err := readAll(n)
	if err != nil {
		return nil, false, fmt.Errorf("read %q: %w", path, err)
	}
	if len(content) == 0 {
		return nil, true, nil
	}
	return strings.Split(strings.TrimSuffix(string(content), "\n"), "\n"), true, nil
}

func readAll(n *tree.Node) (content []byte, err error) {
	if n.Size > maxText {
		return nil, fmt.Errorf("%d bytes, the limit is %d", n.Size, maxText)
	}
	if n.Size == 0 {
		return nil, nil
	}
	f, err := n.Content.Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	content = make([]byte, n.Size)
	if got, err := f.ReadAt(content, 0); got < len(content) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return content, nil
}

// rewrite gives a file, under all its names, other lines.
func (b *builder) rewrite(path string, lines []string) {
	var content []byte
	for _, line := range lines {
		content = append(append(content, line...), '\n')
	}
	n := b.find(path)
	n.Size, n.Content, n.ModTime = int64(len(content)), tree.Bytes(content), b.time
}
