package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"imagetools/internal/cli"
	"imagetools/internal/plain"
	"imagetools/manifest"
)

type lintOptions struct {
	Manifests []string // paths, or "-"
	For       string
	Stored    bool
	JSON      bool
}

func newLintCommand(env *cli.Env) *cobra.Command {
	var opts lintOptions
	cmd := &cobra.Command{
		Use:   "lint [flags] MANIFEST...",
		Short: "Check image manifests as imgadm and IMGAPI do",
		Long: `Lint checks image manifests by the rules of the program that reads them: imgadm at install, or an
IMGAPI server in public, private or dc mode at import. All faults are listed at once. "-" is
standard input.

A server sets some fields itself at import and ignores others. With --stored manifests are judged
in the form in which a server stores them.

MANIFEST may also be what imgadm get, imgadm list -j, imgadm avail -j and GET /images print. Each
manifest in it is checked.

What passes and causes trouble all the same is printed as a warning and does not change the exit
status, such as a platform that no host has. With --json the answer is an array of objects with
field, code (MissingParameter or Invalid) and message, empty if all manifests are valid. For lists
and several files each object also has file and, in a list, index.

Exit status: 0 valid, 1 invalid or unreadable, 2 usage, 130 interrupted.`,
		Example: `  imagetools lint output/web-1.0.json
  imagetools lint --for public output/*.json
  imgadm avail -j | imagetools lint --for dc --stored --json -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Usagef("lint: MANIFEST is missing")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			opts.Manifests = args
			return runLint(c.Context(), env, opts)
		},
	}
	cmd.Flags().StringVar(&opts.For, "for", string(manifest.IMGADM), "reader to judge for: imgadm, public, private or dc")
	cmd.Flags().BoolVar(&opts.Stored, "stored", false, "judge manifests as a server stores them")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the faults as a JSON array")
	return cmd
}

func runLint(ctx context.Context, env *cli.Env, opts lintOptions) error {
	reader := manifest.For(opts.For)
	if !slices.Contains(manifest.Readers(), reader) {
		return cli.Usagef("lint: --for %q: it is one of %v", opts.For, manifest.Readers())
	}
	if opts.Stored && reader == manifest.IMGADM {
		return cli.Usagef("lint: --stored: use --for to name the mode of a server")
	}
	if i := slices.Index(opts.Manifests, "-"); i >= 0 && slices.Contains(opts.Manifests[i+1:], "-") {
		return cli.Usagef("lint: standard input is named more than once")
	}
	l := &linter{ctx: ctx, env: env, opts: opts, faults: []lintFault{}}
	failed, err := cli.Interruptible(ctx, func() (bool, error) {
		failed := false
		for _, path := range opts.Manifests {
			if err := l.file(path); err != nil {
				if ctx.Err() != nil || len(opts.Manifests) == 1 {
					return true, err
				}
				env.Report(name, "imagetools lint", memoryHint(err))
				failed = true
			}
		}
		if opts.JSON {
			enc := json.NewEncoder(plain.JSONWriter(env.Stdout))
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			return failed, enc.Encode(l.faults)
		}
		return failed, nil
	})
	if err != nil {
		return err
	}
	if failed || l.count > 0 {
		return cli.ExitError(1)
	}
	return nil
}

// linter judges files one after another.
type linter struct {
	ctx    context.Context
	env    *cli.Env
	opts   lintOptions
	faults []lintFault // of all, for JSON
	count  int
}

// lintFault is a fault in the answer of lint --json. Fields are only ever added.
type lintFault struct {
	manifest.Fault
	File  string `json:"file,omitempty"`
	Index *int   `json:"index,omitempty"` // in a list
}

// file judges all manifests in a file.
func (l *linter) file(path string) error {
	text, err := readFileOrStdin(l.env, path, maxManifest, "manifest")
	if err != nil {
		return err
	}
	doc, err := manifest.Decode(text)
	if err != nil {
		return fmt.Errorf("%s: %w", printable(path), err)
	}
	all, err := doc.Manifests()
	if err != nil {
		return fmt.Errorf("%s: %w", printable(path), err)
	}
	if k := doc.Kind(); k != manifest.KindManifest {
		l.env.Warnf("%s: %v; imgadm install and imgadm publish refuse it", printable(path), &manifest.NotOneError{Kind: k, Manifests: len(all)})
	}
	for i, one := range all {
		if err := l.ctx.Err(); err != nil {
			return err
		}
		var index *int
		if doc.Kind() == manifest.KindList {
			index = &i
		}
		if err := l.manifest(path, index, one); err != nil {
			return err
		}
	}
	return nil
}

// manifest judges one manifest, that of an index in a list if that is not nil.
func (l *linter) manifest(path string, index *int, doc *manifest.Document) error {
	where := printable(path)
	if index != nil {
		where += fmt.Sprintf("[%d]", *index)
	}
	lint := doc.Lint
	if l.opts.Stored {
		lint = doc.LintStored
	}
	faults, warnings, err := lint(manifest.For(l.opts.For))
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	for _, w := range warnings {
		l.env.Warnf("%s: %v", where, w)
	}
	l.count += len(faults)
	if l.opts.JSON {
		for _, f := range faults {
			out := lintFault{Fault: f, Index: index}
			if len(l.opts.Manifests) > 1 || index != nil {
				out.File = path
			}
			l.faults = append(l.faults, out)
		}
		return nil
	}
	var b strings.Builder
	for _, f := range faults {
		place := where
		if line, column := doc.Position(f.Field); line > 0 {
			place = fmt.Sprintf("%s:%d:%d", where, line, column)
		}
		fmt.Fprintf(&b, "%s: %s: %s (%s)\n", place, printable(shortened(f.Field)), printable(f.Message), f.Code)
	}
	if len(faults) == 0 {
		fmt.Fprintf(&b, "%s: valid for %s\n", where, l.opts.For)
	}
	_, err = io.WriteString(l.env.Text(), b.String())
	return err
}

// shortened keeps a name in a message to a line.
func shortened(name string) string {
	const limit = 100
	if len(name) <= limit {
		return name
	}
	return strings.ToValidUTF8(name[:limit], "") + fmt.Sprintf("... (%d bytes)", len(name))
}

// maxManifest bounds what is read of a manifest; IMGAPI takes no more than 100 KiB of tags.
const maxManifest = 16 << 20

// readFileOrStdin reads a file of at most limit bytes, or standard input if path is "-". kind is
// what larger ones are not.
func readFileOrStdin(env *cli.Env, path string, limit int64, kind string) ([]byte, error) {
	r := env.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", printable(path), withoutPath(err))
		}
		defer f.Close()
		r = f
	}
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", printable(path), withoutPath(err))
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: over %s: no %s", printable(path), cli.Size(limit), kind)
	}
	return data, nil
}

// withoutPath is what an operation on a file failed for. The path it names is written as it is,
// control characters and all.
func withoutPath(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	if le, ok := errors.AsType[*os.LinkError](err); ok {
		return le.Err
	}
	return err
}
