package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"imagetools/build"
	"imagetools/internal/cli"
)

func newFlattenCommand(env *cli.Env) *cobra.Command {
	var opts flattenOptions
	cmd := &cobra.Command{
		Use:   "flatten [flags] IMAGE [NAME-VERSION]",
		Short: "Make one full image of an increment and all that it builds on",
		Long: `Flatten reads an image that is an increment, with the images that it builds on, and writes the
files of the last one as a full image, which needs no other. It is the image that create-image
makes of the same tree or disk, byte for byte, whatever the increments were made by. A full image
is written anew in that form.

What IMAGE builds on is found by the UUIDs in the manifests, if those lie in the same folder;
--origin names it else, the full one first.

The manifest is that of IMAGE without its origin. It is another image, so the UUID is another one,
by name, version, contents and kind. NAME-VERSION is what the manifest of IMAGE has, unless it is given.

IMAGE is an image file or any other ZFS send stream, compressed or not; an image's manifest,
which stands for the stream beside it; or "-" for standard input.

If SOURCE_DATE_EPOCH is set, it is the time of the snapshot and of the manifest, and no file is
later. Else the snapshot has the time of the newest file, and that of a volume is of 1970.

Exit status: 0 done, 1 failed, 2 usage, 130 interrupted. After a failure no file is left.`,
		Example: `  imagetools flatten web-1.2.json -o flat
  imagetools flatten --origin web-1.0.zfs.gz --origin web-1.1.zfs.gz web-1.2.zfs.gz web-1.2 -o flat`,
		Args: func(c *cobra.Command, args []string) error {
			switch len(args) {
			case 0:
				return cli.Usagef("%s: IMAGE is missing", c.Name())
			case 1, 2:
				return nil
			}
			return cli.Usagef("%s: unexpected argument %q", c.Name(), args[2])
		},
		RunE: func(c *cobra.Command, args []string) error {
			spec, err := cli.Interruptible(c.Context(), func() (*build.Spec, error) { return opts.spec(env, args) })
			if err != nil {
				return err
			}
			return runBuild(c.Context(), env, spec, opts.output)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&opts.output.Dir, "output", "o", "output", "folder for both files")
	f.StringVarP(&opts.output.Compression, "compression", "c", "gzip", "gzip, none, xz or bzip2")
	f.BoolVar(&opts.output.Force, "force", false, "replace files that exist")
	f.BoolVarP(&opts.output.Quiet, "quiet", "q", false, "print nothing but warnings and errors, and ask nothing")
	f.BoolVar(&opts.output.JSON, "json", false, "print what was made as JSON")
	f.BoolVar(&opts.output.DryRun, "dry-run", false, "print what would be written, and write nothing")
	f.StringArrayVar(&opts.origins, "origin", nil, "image that IMAGE is an increment on; repeatable, the full one first (default: what the manifests say)")
	f.StringVar(&opts.snapshot, "snapshot", "", "snapshot to take: its name, DATASET@SNAPSHOT, DATASET or its guid (default the last)")
	f.IntVar(&opts.zpl, "zpl", 5, "file-system version: 5, or 4 for pools older than version 24")
	f.StringVarP(&opts.about.Manifest, "manifest", "m", "", "manifest whose fields win over those of IMAGE, \"-\" for standard input")
	f.StringVar(&opts.about.UUID, "uuid", "", "UUID of the image; \"random\" for a new one (default: by name, version, contents and kind)")
	f.StringVar(&opts.about.Description, "description", "", "what the image is")
	f.StringVar(&opts.source.TmpDir, "tmpdir", "", "folder for the contents of a compressed stream while they are read (default $TMPDIR)")
	opts.flags = f
	return cmd
}

type flattenOptions struct {
	output   outputFlags
	about    manifestFlags
	source   sourceFlags
	origins  []string
	snapshot string
	zpl      int
	flags    *pflag.FlagSet
}

// spec is the full image that the flags ask for.
func (o *flattenOptions) spec(env *cli.Env, args []string) (*build.Spec, error) {
	nameVersion := ""
	if len(args) > 1 {
		nameVersion = args[1]
	}
	about, err := o.about.options(env, args[0])
	if err != nil {
		return nil, err
	}
	spec, err := o.output.spec(env, nameVersion, args[0], about)
	if err != nil {
		return nil, err
	}
	if spec.Read, err = o.source.options(env, args[0]); err != nil {
		return nil, err
	}
	spec.Read.OnlyImage, spec.Read.Origins, spec.Read.Snapshot = true, o.origins, o.snapshot
	if o.flags.Changed("zpl") {
		spec.FileSystem = o.zpl
	}
	return spec, nil
}
