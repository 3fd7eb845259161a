package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"imagetools/image"
	"imagetools/internal/cli"
	"imagetools/zfs/zpl"
)

type verifyOptions struct {
	Images    []string
	Origins   []string // of the first; they are verified, too. Empty: those that the manifests tell
	Strict    bool
	JSON      bool
	Quiet     bool
	MaxFaults int
}

func newVerifyCommand(env *cli.Env) *cobra.Command {
	var opts verifyOptions
	cmd := &cobra.Command{
		Use:   "verify [flags] IMAGE...",
		Short: "Check that an image is sound, complete and installable",
		Long: `Verify reads images once and checks all that can be checked without installing them:
  the checksum of every record, and the order, ranges and flags of all records
  every compressed block, by decompressing it
  the file system: directories against objects, link counts, sizes, parents, attributes, ACLs;
    or the size and the blocks of a volume, and what it begins with
  the file against its manifest, and the manifest by the rules of imgadm
  what imgadm and vmadm would do with it
  metadata, keys and histories that are better not in an image

IMAGE is an image file or any other ZFS send stream, compressed or not; an image's manifest,
which stands for the stream beside it; or "-" for standard input. The origins of an incremental
image are verified before it. They are
  found by the manifests beside it,
  named by --origin, or
  images named before it.
Without its origin an incremental image is incomplete: only its records are checked. So is an
encrypted stream, and the rest of an interrupted send.

Each fault is one line: how bad, where, what. Damage is what receivers refuse, what kernels
fail on, or what is not as it was stored; a notice is what sound images may have; everything
else is a warning. With --json the answer is one document with faults, counts and verdict
(sound, warnings, incomplete or damaged).

Nothing is written to disk. Exit status: 0 no damage, 1 damage or unreadable, 2 usage, 3 with
--strict if there are warnings or the image is incomplete.`,
		Example: `  imagetools verify output/web-1.0.json
  imagetools verify --strict base-1.0.json web-1.0.json
  imagetools verify --origin base-1.0.json web-1.0.json
  zfs send zones/web@final | imagetools verify --json -`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Usagef("verify: IMAGE is missing")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			opts.Images = slices.Concat(opts.Origins, args)
			return runVerify(c.Context(), env, opts)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&opts.Origins, "origin", nil, "image that the first IMAGE is incremental on, to be checked too; repeatable, the full one first (default: found by the manifests beside IMAGE)")
	f.BoolVar(&opts.Strict, "strict", false, "exit with status 3 if there are warnings")
	f.BoolVar(&opts.JSON, "json", false, "print a JSON document")
	f.BoolVarP(&opts.Quiet, "quiet", "q", false, "print faults alone")
	f.IntVar(&opts.MaxFaults, "max-faults", 100, "how many faults are told; all are counted")
	return cmd
}

func runVerify(ctx context.Context, env *cli.Env, opts verifyOptions) error {
	if opts.MaxFaults < 1 || opts.MaxFaults > 1<<16 {
		return cli.Usagef("verify: --max-faults %d: it is 1 to %d", opts.MaxFaults, 1<<16)
	}
	stdin := 0
	for _, arg := range opts.Images {
		if arg == "-" {
			stdin++
		}
	}
	if stdin > 1 {
		return cli.Usagef("verify: standard input is named %d times", stdin)
	}
	if stdin == 1 && cli.IsTerminal(env.Stdin) {
		return cli.Usagef("verify: standard input is a terminal, not a stream")
	}
	progress := env.NewProgress(opts.Quiet)
	defer progress.Finish()
	collector.follow(0)
	verifyOpts := image.VerifyOptions{
		Stdin: env.Stdin, Limit: opts.MaxFaults, Budget: env.Memory, FindOrigins: len(opts.Origins) == 0,
		Progress: func(name string, done, total int64) { progress.Update("reading "+name, done, total) },
	}
	res, err := cli.Interruptible(ctx, func() (*image.Verified, error) { return image.Verify(ctx, opts.Images, verifyOpts) })
	progress.Finish()
	if err != nil {
		return err
	}
	if opts.JSON {
		err = printJSON(env.Stdout, newVerification(res))
	} else {
		err = printVerified(env.Text(), res)
	}
	if err != nil {
		return err
	}
	if !opts.Quiet {
		for _, n := range res.Begins {
			fmt.Fprintf(env.Stderr, "%s\n", printable(n))
		}
		for _, n := range res.Notes {
			fmt.Fprintf(env.Stderr, "note: %s\n", n)
		}
		fmt.Fprintf(env.Stderr, "%s: %s, %s, %s, %s, %s, %s of stream: %d times damage, %s, %s\n",
			verdict(res), plural(res.Files, "file"), plural(res.Snapshots, "snapshot"), plural(res.Objects, "object"), plural(res.Directories, "directory"), plural(res.Records, "record"), cli.Size(res.Bytes),
			res.Count[zpl.Damage], plural(res.Count[zpl.Warning], "warning"), plural(res.Count[zpl.Notice], "notice"))
	}
	switch {
	case res.Count[zpl.Damage] > 0:
		return cli.ExitError(1)
	case res.Count[zpl.Warning] > 0 && opts.Strict:
		return cli.ExitError(3)
	}
	return nil
}

func verdict(res *image.Verified) string {
	switch {
	case res.Count[zpl.Damage] > 0:
		return "damaged"
	case res.Incomplete:
		return "incomplete"
	case res.Count[zpl.Warning] > 0:
		return "warnings"
	}
	return "sound"
}

// printVerified prints a line for each fault.
func printVerified(w io.Writer, res *image.Verified) error {
	var b strings.Builder
	for _, f := range res.Faults {
		b.WriteString(f.Severity.String() + ": " + f.File)
		if p := f.Place; p != nil {
			fmt.Fprintf(&b, ": record %d at byte %d", p.Record, p.Offset)
			if p.What != "" {
				fmt.Fprintf(&b, " (%s)", printable(p.What))
			}
		}
		if f.Object != 0 && (f.Place == nil || !strings.Contains(f.Place.What, "object=")) {
			fmt.Fprintf(&b, ": object %d", f.Object)
		}
		if f.Path != "" {
			b.WriteString(": " + printable(f.Path))
		}
		b.WriteString(": " + printable(f.Message) + "\n")
	}
	if more := res.Count[zpl.Damage] + res.Count[zpl.Warning] + res.Count[zpl.Notice] - len(res.Faults); more > 0 {
		fmt.Fprintf(&b, "and %d more; --max-faults tells more of them\n", more)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// verification is the answer of verify --json. Fields are only ever added.
type verification struct {
	Verdict     string          `json:"verdict"` // sound, warnings, incomplete or damaged
	Damage      int             `json:"damage"`
	Warnings    int             `json:"warnings"`
	Notices     int             `json:"notices"`
	Files       int             `json:"files"`
	Snapshots   int             `json:"snapshots"`
	Objects     int             `json:"objects"`
	Directories int             `json:"directories"`
	Records     int64           `json:"records"`
	StreamSize  int64           `json:"stream_size"`
	Notes       []string        `json:"notes,omitempty"`
	Begins      []string        `json:"volumes_begin_with,omitempty"`
	Faults      []verifiedFault `json:"faults"` // at most --max-faults
}

type verifiedFault struct {
	Severity zpl.Severity `json:"severity"` // damage, warning or notice
	File     string       `json:"file"`
	Snapshot text         `json:"snapshot,omitempty"`
	Record   *int64       `json:"record,omitempty"`
	Offset   *int64       `json:"offset,omitempty"` // in the uncompressed stream
	What     text         `json:"what,omitempty"`   // the record
	Object   uint64       `json:"object,omitempty"`
	Path     text         `json:"path,omitempty"`
	Message  text         `json:"message"`
}

func newVerification(res *image.Verified) *verification {
	out := &verification{
		Verdict: verdict(res), Damage: res.Count[zpl.Damage], Warnings: res.Count[zpl.Warning], Notices: res.Count[zpl.Notice],
		Files: res.Files, Snapshots: res.Snapshots,
		Objects: res.Objects, Directories: res.Directories, Records: res.Records, StreamSize: res.Bytes,
		Notes: res.Notes, Begins: res.Begins, Faults: []verifiedFault{},
	}
	for _, f := range res.Faults {
		v := verifiedFault{
			Severity: f.Severity, File: f.File, Snapshot: text(f.Snapshot), Object: f.Object, Path: text(f.Path), Message: text(f.Message),
		}
		if p := f.Place; p != nil {
			v.Record, v.Offset, v.What = &p.Record, &p.Offset, text(p.What)
		}
		out.Faults = append(out.Faults, v)
	}
	return out
}
