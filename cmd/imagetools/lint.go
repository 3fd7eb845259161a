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
	"imagetools/manifest"
)

type lintOptions struct {
	Manifest string // path, or "-"
	For      string
	JSON     bool
}

func newLintCommand(env *cli.Env) *cobra.Command {
	var opts lintOptions
	cmd := &cobra.Command{
		Use:   "lint [--for imgadm|public|private|dc] MANIFEST|-",
		Short: "Check an image manifest as imgadm and IMGAPI do",
		Long: `Lint checks an image manifest by the rules of the program that will read it: imgadm, or an
IMGAPI server in public, private or dc mode. All faults are listed at once.

What is no fault but will cause trouble is printed as a warning and does not change the exit
status. With --json the answer is an array of objects with field, code (MissingParameter or
Invalid) and message, empty if the manifest is valid.

Exit status: 0 valid, 1 invalid or unreadable, 2 usage.`,
		Example: `  imagetools lint output/web-1.0.json
  imagetools lint --for public --json - < output/web-1.0.json`,
		Args: exactArgs("MANIFEST"),
		RunE: func(c *cobra.Command, args []string) error {
			opts.Manifest = args[0]
			return runLint(c.Context(), env, opts)
		},
	}
	cmd.Flags().StringVar(&opts.For, "for", string(manifest.IMGADM), "the reader to judge for: imgadm, public, private or dc")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the faults as a JSON array")
	return cmd
}

func runLint(ctx context.Context, env *cli.Env, opts lintOptions) error {
	reader := manifest.For(opts.For)
	if !slices.Contains(manifest.Readers(), reader) {
		return cli.Usagef("lint: --for %q: it is one of %v", opts.For, manifest.Readers())
	}
	text, err := cli.Interruptible(ctx, func() ([]byte, error) { return readFileOrStdin(env, opts.Manifest, maxManifest, "manifest") })
	if err != nil {
		return err
	}
	doc, err := manifest.Decode(text)
	if err != nil {
		return fmt.Errorf("%s: %w", printable(opts.Manifest), err)
	}
	faults, warnings, err := doc.Lint(reader)
	if err != nil {
		return fmt.Errorf("%s: %w", printable(opts.Manifest), err)
	}
	for _, w := range warnings {
		env.Warnf("%s: %v", printable(opts.Manifest), w)
	}
	if err := printFaults(env, opts, doc, faults); err != nil {
		return err
	}
	if len(faults) > 0 {
		return cli.ExitError(1)
	}
	return nil
}

func printFaults(env *cli.Env, opts lintOptions, doc *manifest.Document, faults []manifest.Fault) error {
	if opts.JSON {
		enc := json.NewEncoder(env.Stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if faults == nil {
			faults = []manifest.Fault{}
		}
		return enc.Encode(faults)
	}
	var b strings.Builder
	for _, f := range faults {
		where := printable(opts.Manifest)
		if line, column := doc.Position(f.Field); line > 0 {
			where = fmt.Sprintf("%s:%d:%d", where, line, column)
		}
		fmt.Fprintf(&b, "%s: %s: %s (%s)\n", where, f.Field, f.Message, f.Code)
	}
	if len(faults) == 0 {
		fmt.Fprintf(&b, "%s: valid for %s\n", printable(opts.Manifest), opts.For)
	}
	_, err := io.WriteString(env.Stdout, b.String())
	return err
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
