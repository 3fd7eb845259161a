package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"imagetools/compress"
	"imagetools/host"
	"imagetools/image"
	"imagetools/internal/cli"
	"imagetools/internal/shell"
	"imagetools/manifest"
	"imagetools/rootfs/edit"
	"imagetools/source/content"
	"imagetools/tree"
	"imagetools/tree/source"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
	"imagetools/zfs/zvol"
)

type createImageOptions struct {
	NameVersion, Source string

	Output      string
	Compression string
	Force       bool
	Quiet       bool
	JSON        bool
	ZPL         int
	zplGiven    bool
	XattrNames  string

	Manifest                                    string // path, or "-"
	Type, OS, UUID, Owner, Creator, Description string
	Homepage                                    string
	Public                                      bool
	MinPlatform                                 []string

	RemoveStale bool
	Incremental bool
	Unprepared  bool
	DryRun      bool
	commands    shownCommands // of a dry run that is told as JSON

	// placed, if set, tells what was made; if that fails, nothing is.
	placed  func(*image.Result, *place) error
	written *tree.Tree // what the image is made of; nil for a disk or a stream

	onlyImage      bool     // SOURCE must be one
	sourceOrigins  []string // of that; empty: what its manifest names
	sourceSnapshot string   // of that; empty: the last

	source sourceOptions
	origin originOptions
	disk   diskOptions
	edits  changeOptions
	lx     lxOptions
	report *edit.Report // of changes on the way; nil if there were no steps
	// Flags that were given and mean nothing for other sources, or images.
	treeOnly, diskOnly, volumeOnly, ociOnly []string
}

func newCreateImageCommand(env *cli.Env) *cobra.Command {
	var opts createImageOptions
	var (
		output     = cli.NewFlagGroup("Output")
		about      = cli.NewFlagGroup("Manifest")
		trees      = cli.NewFlagGroup("Root file systems")
		linux      = cli.NewFlagGroup("Linux, an lx-dataset")
		containers = cli.NewFlagGroup("Images of containers")
		disks      = cli.NewFlagGroup("Disks")
		volumes    = cli.NewFlagGroup("Manifest of a zvol")
		datasets   = cli.NewFlagGroup("Datasets")
		machines   = cli.NewFlagGroup("Virtual machines")
		increments = cli.NewFlagGroup("Increments")
		changes    = cli.NewFlagGroup("Changes on the way")
	)
	cmd := &cobra.Command{
		Use:   "create-image [flags] NAME-VERSION SOURCE",
		Short: "Make an image and its manifest of a tree, a container image, a disk, an image or a dataset",
		Long: `Create-image writes NAME-VERSION.zfs.gz, a compressed ZFS send stream, and NAME-VERSION.json,
its manifest, into the output folder. NAME is everything before the last hyphen, unless
NAME-VERSION is the joined name and version of the manifest of -m or of SOURCE. No ZFS and no
root are needed for a directory, tar or disk, and the same one gives the same bytes on any machine.

SOURCE is one of
  a directory, or a tar (plain, gzip, bzip2, xz or zstd; "-" is standard input): a root file
    system, which lands under root/ as SmartOS expects it; with --as-dataset it is the whole
    dataset
  the image of a container, a root file system too: oci:DIR[:NAME], oci-archive:FILE[:NAME],
    docker-archive:FILE[:NAME], docker://HOST/REPOSITORY[:TAG] or @DIGEST; DIR or FILE alone is
    recognised
  an image: its file, compressed or not, or its manifest, which stands for the file beside it; of
    an increment the images that it builds on must lie in the same folder
  the disk of a virtual machine: qcow2, vmdk, vhd, vdi, or raw with a partition table or a file
    system; compressed, or the only disk in a tar such as an OVA, too; with --type zvol also data
    of an unknown format
  zones/NAME, or a name without a slash: a dataset, whole: one in the ZFS of this host (also
    POOL/NAME, or in --pool), else one in the store (--store)
  the UUID or alias of a virtual machine, on SmartOS: the dataset of its zone, or its first disk

DIRECTORIES AND TARS
A METALOG (mtree) beside a directory, DIR.mtree, is taken for owners, modes and devices, which
then win over the disk; what it does not name belongs to root. Without one, owners are those on
disk, but if all files belong to one user other than root, they are given to root. POSIX ACLs and
other extended attributes are kept under their Linux names.

LINUX
imagetools recognizes the root of a Linux by its files and makes an lx-dataset of it, unless --type,
--os, --brand or -m say otherwise; contradictions among these are refused. It finishes the root for
zones of the brand lx, by the profile that os-release tells, or by --lx-profile, and logs each edit.
"imagetools lx list" has profiles and steps; none leaves the tree as it is, which is so of an image
unless a profile is named. The manifest says the kernel version that zones report, and the platform
that they need. All profiles but Debian's are untried on a real root.

IMAGES OF CONTAINERS
The layers of a container image become one file system, that of a Linux by default an lx-dataset;
how its containers are run is kept in the tags, as imgadm keeps it. Of several platforms --platform
takes one. All digests are checked. Credentials for a registry come from Docker's configuration
(docker login), or from $IMAGETOOLS_REGISTRY_USER and $IMAGETOOLS_REGISTRY_PASSWORD.

IMAGES
An image stays what it is, whole dataset or volume, in a stream written anew; other streams of a
ZFS are read, too. What its manifest says, but for what tells one image from another, is taken
over as from -m, over which -m and flags win. The UUID is a new one.

DISKS
A disk makes a zvol image, NAME-VERSION.zvol.gz, whose volume has its size in whole MiB, or --size.
Holes and zeros take no room. The manifest says virtio drivers and the CPU type host unless flags
or -m do otherwise. Disks that need another file, such as a backing file, are refused, but for the
files beside a flat vmdk. If there is an EFI system partition, --bootrom uefi is suggested.

DATASETS
Of a dataset in ZFS a snapshot is taken, sent and destroyed, whatever happens. The stream is
taken as it is, after a check; datasets below are not in it, and earlier snapshots and a clone's
origin play no part. A volume makes a zvol image, NAME-VERSION.zvol.gz. The zone that a dataset
belongs to must be halted. A snapshot that a killed run left is found by the next one; on a
terminal its removal is offered, --remove-stale removes it unasked.

VIRTUAL MACHINES
Of a virtual machine, which must be stopped, the brand says the type of the image, and the
manifest of the image that it was made of all that is inherited. A zone of brand joyent needs the
platform of this host, but for the classic names, which need an older one. Of a machine with disks
the manifest has the drivers of the first disk and the first interface. A zone in which
imagetools prepare finds something to do is refused; --unprepared takes it as it is. With
--incremental the image holds what differs from the machine's own image, which must be installed
where it is.

INCREMENTS
With --origin the image is an increment on another one: it holds what differs, by content and
attributes of files, large ones by blocks of 128 KiB, and of volumes by theirs. The origin must be
installed where the image is. It is an image with its manifest; those that it builds on itself are
found by the UUIDs in the manifests in its folder, or named by --origin before it. The type is that
of the origin, whose manifest hands down what "imgadm create" hands down. The new snapshot must not
be older than the origin. Datasets in ZFS and virtual machines are sent whole, or by --incremental.

CHANGES ON THE WAY
The root file system of a directory, a tar or an image, also that of a container, can be changed on
the way; SOURCE stays as it is. --overlay lays a folder over it, in which "@NAME@" is a variable
(--var; IMAGE_NAME and IMAGE_VERSION are known). --edit edits files as in base images: all steps for
the CONFIG of its packages (as install-base has it), or those that are named alone, of which --edit
list prints a list. --prepare takes out what must not become part of an image. Each change is told,
and has the time of the newest file, or SOURCE_DATE_EPOCH. Of a base image the variables are those
of its CONFIG; an overlay may then be one that overlay eject wrote.

TIMES AND QUESTIONS
If SOURCE_DATE_EPOCH is set, it is the time of the snapshot and of the manifest, and no file is
later. Else the snapshot has the time of the newest file, or of its origin if that is later, and
that of a disk is of 1970. On a terminal, what no flag, no -m and no built-in text gives is asked
for.

Exit status: 0 done, 1 failed, 2 usage, 130 interrupted. After a failure no file is left.`,
		Example: `  imagetools create-image web-1.0 ./rootfs --description 'Our web server'
  imagetools create-image debian-12.1 rootfs.tar.xz --type lx-dataset -o images
  mmdebstrap --include=systemd-sysv bookworm - | imagetools create-image debian-12.1 - --type lx-dataset
  imagetools create-image app-1.0 docker://registry.example.com/team/app:1.0
  imagetools create-image freebsd-14.2 disk.qcow2 --os bsd --bootrom uefi --size 20G
  xzcat disk.raw.xz | imagetools create-image debian-12.1 - --type zvol --os linux
  imagetools create-image web-1.1 web-1.0.json --exclude root/var/cache/ --overlay ./files --prepare
  imagetools create-image base-64-24.4.2 base-64-24.4.1.json --edit 2024Q4-x86_64,product,hosts
  imagetools create-image base-64-24.4.0 zones/base -m manifest.json
  imagetools create-image web-1.1 ./rootfs --origin output/web-1.0.json
  imagetools create-image web-1.1 new.zfs.gz --origin old.zfs.gz
  imagetools create-image --incremental web-1.1 54f1cc77-68f1-42ab-acac-5c4f64f5d6e0
  imagetools create-image disk-1.0 tank/vm/disk0 -m manifest.json`,
		Args: func(c *cobra.Command, args []string) error {
			if opts.edits.wantsList() {
				return nil
			}
			return opts.lx.args(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case opts.edits.wantsList():
				return listEdits(env)
			case len(args) == 0:
				return runLXList(env, opts.JSON)
			}
			opts.NameVersion, opts.Source = args[0], args[1]
			opts.lx.given = linux.Given()
			opts.treeOnly = slices.Concat(trees.Given(), changes.Given(), linux.Given())
			opts.ociOnly = containers.Given()
			opts.diskOnly = disks.Given()
			opts.volumeOnly = volumes.Given()
			opts.zplGiven = c.Flags().Changed("zpl")
			var public *bool
			if c.Flags().Changed("public") {
				public = &opts.Public
			}
			return runCreateImage(c.Context(), env, opts, public)
		},
	}
	output.StringVarP(&opts.Output, "output", "o", "output", "folder for both files")
	output.StringVarP(&opts.Compression, "compression", "c", "gzip", "gzip, none, xz or bzip2")
	output.BoolVar(&opts.Force, "force", false, "replace files that exist")
	opts.source.addSpoolFlag(output.FlagSet)
	output.BoolVar(&opts.DryRun, "dry-run", false, "print what would be run and written, and change nothing")
	output.BoolVarP(&opts.Quiet, "quiet", "q", false, "print nothing but warnings and errors, and ask nothing")
	output.BoolVar(&opts.JSON, "json", false, "print what was made as JSON")

	about.StringVarP(&opts.Manifest, "manifest", "m", "", "manifest to start from, \"-\" for standard input; flags win over it, and of the manifest of an image its identity is not inherited")
	about.StringVar(&opts.Type, "type", "", "zone-dataset, lx-dataset or zvol (default by SOURCE: lx-dataset for the root of a Linux and a container image, zvol for a volume or disk, else zone-dataset)")
	about.StringVar(&opts.Description, "description", "", "what the image is")
	about.StringVar(&opts.Homepage, "homepage", "", "URL with more about it")
	about.StringVar(&opts.OS, "os", "", "operating system (default smartos, or linux for lx-dataset)")
	about.StringVar(&opts.UUID, "uuid", "", "UUID of the image; \"random\" for a new one (default: by name, version, contents and kind)")
	about.StringVar(&opts.Owner, "owner", "", "UUID of the owner (default all zeros: nobody)")
	about.StringVar(&opts.Creator, "creator", "", "user name for tags.creator")
	about.BoolVar(&opts.Public, "public", false, "let everybody have it (default for built-in names)")
	about.StringArrayVar(&opts.MinPlatform, "min-platform", nil, "oldest platform, VERSION=STAMP such as 7.0=20141030T081701Z, or none; repeatable")
	about.StringVar(&opts.disk.Brand, "brand", "", "brand of the machines that the image is for, such as bhyve or kvm")

	opts.source.addTreeFlags(trees.FlagSet)
	trees.IntVar(&opts.ZPL, "zpl", 5, "file-system version: 5, or 4 for pools older than version 24; that of --origin is kept")
	trees.StringVar(&opts.XattrNames, "xattr-names", "linux", "linux keeps full names, illumos leaves out \"user.\"")
	opts.lx.addFlags(linux.FlagSet)
	opts.source.oci.addFlags(containers.FlagSet)
	opts.disk.addFlags(disks.FlagSet)
	opts.disk.addVolumeFlags(volumes.FlagSet)

	opts.source.addPlaceFlags(datasets.FlagSet, "SOURCE")
	datasets.BoolVar(&opts.RemoveStale, "remove-stale", false, "destroy snapshots of SOURCE that runs left which were killed")
	machines.BoolVarP(&opts.Incremental, "incremental", "i", false, "only what is not in the image that it was made of")
	machines.BoolVar(&opts.Unprepared, "unprepared", false, "as it is, prepared or not")
	opts.origin.addFlags(increments.FlagSet)
	opts.edits.addFlags(changes.FlagSet)
	cli.GroupFlags(cmd, output, about, trees, linux, containers, disks, volumes, datasets, machines, increments, changes)
	return cmd
}

func runCreateImage(ctx context.Context, env *cli.Env, opts createImageOptions, public *bool) error {
	opts.placed = func(res *image.Result, at *place) error {
		dataset := ""
		if at.inPool != nil {
			dataset = at.inPool.Name
		}
		return opts.printResult(env, res, dataset)
	}
	res, _, err := opts.create(ctx, env, public)
	if err != nil {
		return err
	}
	if opts.DryRun && opts.JSON {
		return printJSON(env.Stdout, plannedImage{
			DryRun: true, Image: res.Image, Manifest: res.ManifestPath, Commands: append([]string{}, opts.commands...),
			LX: opts.lx.adapted, Edits: opts.report, Warnings: env.Warnings(),
		})
	}
	if opts.DryRun {
		_, err = fmt.Fprintf(env.Text(), "# written would be %s and %s\n", shell.Quote(res.Image), shell.Quote(res.ManifestPath))
		return err
	}
	return nil
}

// create makes the image, and says of what. In a dry run the result has but the names of files.
func (o *createImageOptions) create(ctx context.Context, env *cli.Env, public *bool) (res *image.Result, at *place, err error) {
	imageOpts, err := cli.Interruptible(ctx, func() (*image.Options, error) { return o.imageOptions(env, public) })
	if err != nil {
		return nil, nil, err
	}
	h := &o.source.host
	if o.DryRun {
		h.DryRun = env.Text()
		if o.JSON {
			h.DryRun = &o.commands
		}
	}
	at, notFound := cli.Interruptible(ctx, func() (*place, error) { return o.locate(ctx, env, h) })
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	if notFound != nil && o.onlyImage { // then nothing is known to be checked
		return nil, nil, notFound
	}
	if err := o.origin.find(); err != nil {
		return nil, nil, err
	}
	if notFound == nil {
		if err := o.settle(ctx, env, h, at, imageOpts); err != nil {
			return nil, nil, err
		}
	}
	imagePath, manifestPath, err := image.Check(*imageOpts)
	if err != nil {
		return nil, nil, withHint(err)
	}
	if notFound != nil {
		return nil, nil, notFound
	}
	progress := env.NewProgress(o.Quiet)
	defer progress.Finish()
	defer func() { err = errors.Join(err, o.origin.close()) }()
	imageOpts.Note = func(text string) { env.Warnf("%s", text) }
	imageOpts.Placed = func(res *image.Result) error {
		progress.Finish()
		o.judge(env, res)
		if o.placed == nil {
			return nil
		}
		return o.placed(res, at)
	}
	if at.inPool != nil {
		res, err = o.createFromPool(ctx, env, h, at, imageOpts, progress)
	} else if at.disk {
		res, err = o.createFromDisk(ctx, env, at, imageOpts, progress)
	} else {
		res, err = o.createFromTree(ctx, env, at, imageOpts, progress)
	}
	if err == nil && o.DryRun {
		res = &image.Result{Image: imagePath, ManifestPath: manifestPath, Manifest: manifest.New(imageOpts.Manifest)}
	}
	if err == nil && o.DryRun {
		warnOfManifest(env, res.Manifest)
	}
	return res, at, err
}

// judge warns of what is wrong with a finished image. The answer, which has the warnings, comes after.
func (o *createImageOptions) judge(env *cli.Env, res *image.Result) {
	if o.written != nil {
		warnOfImage(env, o.written, res.Manifest)
	}
	if more := res.Features &^ stream.FeatureSASpill; more != 0 {
		env.Warnf("the stream uses %v: hosts whose ZFS does not know that refuse the image", more)
	}
	warnOfFindings(env, res.Findings.Zone, res.Findings.Leaks)
	if err := res.Findings.Unchecked; err != nil && res.Manifest.Origin == "" {
		env.Warnf("the files in the stream were not checked: %v", err)
	}
	warnOfManifest(env, res.Manifest)
}

// locate finds SOURCE: a path, a dataset or a virtual machine.
func (o *createImageOptions) locate(ctx context.Context, env *cli.Env, h *host.Host) (*place, error) {
	if o.onlyImage {
		at := &place{path: o.Source}
		return at, o.findImage(env, at)
	}
	at, err := locate(ctx, env, o.Source, o.source)
	if o.source.Pool == "" {
		at, err = locateVM(ctx, env, h, o.Source, at, err)
	}
	if err == nil {
		err = o.findImage(env, at)
	}
	return at, err
}

// createFromTree makes the image of a directory or a tar.
func (o *createImageOptions) createFromTree(ctx context.Context, env *cli.Env, at *place, out *image.Options, progress *cli.Progress) (*image.Result, error) {
	src, err := cli.Interruptible(ctx, func() (*openedSource, error) {
		if err := o.complete(env, out); err != nil {
			return nil, err
		}
		return openSource(ctx, env, at, o.source, progress)
	})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	progress.Finish()
	src.report(env, o.Quiet)
	src.describe(out)
	if err := o.findType(ctx, env, src.Tree, at, out); err != nil {
		return nil, err
	}
	if err := o.change(ctx, env, src.Tree, out); err != nil {
		return nil, err
	}
	o.warnOfOutput(env, at)
	if o.DryRun {
		warnOfImage(env, src.Tree, manifest.New(out.Manifest))
		return nil, nil
	}
	if err := o.origin.open(ctx, env, o.source.TmpDir, o.Quiet, out); err != nil {
		return nil, err
	}
	limitMemory(src.Tree.Len(), src.held+o.origin.held())
	out.FileSystem.Progress = func(phase zpl.Phase, done, total int64) {
		progress.Update(map[zpl.Phase]string{zpl.Digesting: "reading", zpl.Writing: "writing"}[phase], done, total)
	}
	o.written = src.Tree
	res, err := image.Create(ctx, src.Tree, *out)
	progress.Finish()
	if err != nil {
		return nil, withHint(err)
	}
	return res, nil
}

// settle completes the options with what the source says.
func (o *createImageOptions) settle(ctx context.Context, env *cli.Env, h *host.Host, at *place, out *image.Options) error {
	if at.vm != nil {
		if err := at.vm.describe(ctx, env, h, out); err != nil {
			return err
		}
	} else if o.Incremental || o.Unprepared {
		return cli.Usagef("--incremental, --unprepared: %v is no virtual machine", at)
	}
	if at.image != nil {
		if err := o.settleImage(at.image, out); err != nil {
			return err
		}
	}
	if at.inPool != nil && len(o.treeOnly) > 0 {
		return cli.Usagef("%s: the stream of the ZFS dataset %q is taken as it is", strings.Join(o.treeOnly, ", "), at.inPool.Name)
	}
	if at.oci != nil {
		o.settleOCI(out)
	}
	given := cmp.Or(out.Manifest.GivenType(), o.origin.imageType())
	var err error
	if at.disk, err = at.isDisk(given); err != nil {
		return err
	}
	if at.disk && len(o.treeOnly) > 0 {
		return cli.Usagef("%s: %v is a disk", strings.Join(o.treeOnly, ", "), at)
	}
	if !at.disk && len(o.diskOnly) > 0 {
		return cli.Usagef("%s: %v is no disk", strings.Join(o.diskOnly, ", "), at)
	}
	if at.oci == nil && len(o.ociOnly) > 0 {
		return cli.Usagef("%s: %v is no container image", strings.Join(o.ociOnly, ", "), at)
	}
	volume := at.disk || at.inPool != nil && at.inPool.Volume
	switch {
	case !volume && len(o.volumeOnly) > 0:
		return cli.Usagef("%s: %v makes no %s", strings.Join(o.volumeOnly, ", "), at, manifest.TypeZvol)
	case volume && given == "":
		out.Manifest.Type = manifest.TypeZvol
	case volume != (given == manifest.TypeZvol):
		if volume {
			return cli.Usagef("type %q: a volume or disk makes a %s", given, manifest.TypeZvol)
		}
		return cli.Usagef("type %q: a tree makes a %s or a %s", given, manifest.TypeZone, manifest.TypeLX)
	}
	if err := o.origin.settle(env, at, out); err != nil {
		return err
	}
	out.Sources = at.files()
	if at.disk {
		return o.disk.settle(out)
	}
	if !volume {
		out.Manifest.Type = cmp.Or(given, out.Manifest.ImpliedType())
	}
	if at.inPool != nil && out.Manifest.Type == "" {
		out.Manifest.Type = mountedType(at.inPool)
	}
	return nil
}

// createFromPool makes the image of a dataset in a ZFS pool.
func (o *createImageOptions) createFromPool(ctx context.Context, env *cli.Env, h *host.Host, at *place, out *image.Options, progress *cli.Progress) (*image.Result, error) {
	ds := at.inPool
	from, err := cli.Interruptible(ctx, func() (from string, err error) {
		if at.vm != nil {
			if from, err = o.prepareVM(ctx, env, h, at, out); err != nil {
				return "", err
			}
		}
		if err := o.prepareDataset(ctx, env, ds); err != nil {
			return "", err
		}
		return from, o.complete(env, out)
	})
	if err != nil {
		return nil, err
	}
	if o.DryRun {
		s, err := ds.Send(ctx, env.Now(), from)
		if err != nil {
			return nil, err
		}
		return nil, s.Close()
	}
	limitMemory(0, 0)
	// While there is a snapshot, a closed standard error must not end the program.
	closed := make(chan os.Signal, 1)
	signal.Notify(closed, syscall.SIGPIPE)
	res, err := image.CreateFromStream(ctx, func(ctx context.Context) (io.ReadCloser, error) {
		s, err := ds.Send(ctx, env.Now(), from)
		if err != nil {
			return nil, err
		}
		return &sending{s, progress, 0}, nil
	}, *out)
	signal.Stop(closed)
	progress.Finish()
	if left, ok := errors.AsType[*host.LeftError](err); ok {
		err = cli.Hint(errors.New(err.Error()), "zfs destroy "+shell.Quote(left.Snapshot)) // not "interrupted; nothing was left"
	}
	if err != nil {
		return nil, withHint(err)
	}
	return res, nil
}

// sending is a stream that shows how far it came.
type sending struct {
	io.ReadCloser
	progress *cli.Progress
	n        int64
}

func (s *sending) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.n += int64(n)
	s.progress.Update("sending", s.n, -1)
	return n, err
}

// prepareDataset looks whether a dataset can be sent, says what is sent, and deals with the
// snapshots that other runs took.
func (o *createImageOptions) prepareDataset(ctx context.Context, env *cli.Env, ds *host.PoolDataset) error {
	if err := ds.CheckZones(ctx); err != nil {
		return withHaltHint(err)
	}
	if !o.Quiet {
		fmt.Fprintf(env.Stderr, "dataset %s in ZFS: %s\n", ds.Name, map[bool]string{false: "file system", true: "volume"}[ds.Volume])
	}
	left, err := ds.Leftovers(ctx)
	if err != nil {
		return err
	}
	for _, l := range left {
		if err := o.dealWith(ctx, env, l); err != nil {
			return err
		}
	}
	children, err := ds.Children(ctx)
	if err == nil && len(children) > 0 && !o.Quiet {
		fmt.Fprintf(env.Stderr, "note: the image does not hold the datasets below: %s\n", strings.Join(children, ", "))
	}
	return err
}

// dealWith removes a snapshot that another run took and left, or says what it is.
func (o *createImageOptions) dealWith(ctx context.Context, env *cli.Env, l host.Leftover) error {
	what := fmt.Sprintf("snapshot %s, taken at %s by process %d", l.Name, l.Taken.Format(time.RFC3339), l.PID)
	switch l.Fate {
	case host.Alive:
		env.Warnf("%s, is left alone: the process runs", what)
		return nil
	case host.Unknown:
		env.Warnf("%s of another host, is left alone; if that has ended, remove it: zfs destroy %s", what, shell.Quote(l.Name))
		return nil
	}
	remove := o.RemoveStale
	if !remove && o.mayAsk(env) {
		fmt.Fprintf(env.Stderr, "%s, was left behind.\n", what)
		var err error
		if remove, err = confirm(env, "Destroy it?"); err != nil {
			return err
		}
	}
	if !remove {
		env.Warnf("%s, was left behind; --remove-stale destroys it", what)
		return nil
	}
	if err := l.Destroy(ctx); err != nil {
		return err
	}
	if !o.Quiet && !o.DryRun {
		fmt.Fprintf(env.Stderr, "note: %s, was left behind and is destroyed\n", what)
	}
	return nil
}

// warnOfOutput warns of an output folder that is part of the source, and so of its next image.
func (o *createImageOptions) warnOfOutput(env *cli.Env, at *place) {
	if at.path == "-" || at.oci != nil {
		return
	}
	path, inside := pathInside(at.path, cmp.Or(o.Output, "."))
	if !inside {
		return
	}
	excludes, err := source.NewExcludes(o.source.Exclude)
	if path == "." {
		env.Warnf("the output folder is SOURCE itself, so images found there are packed into later ones; -o names another")
	} else if err == nil && !excludes.Covers(path, true) {
		env.Warnf("the output folder %q lies in SOURCE, so images found there are packed into later ones; -o names another, --exclude %s leaves it out",
			o.Output, shell.Quote("/"+path))
	}
}

// pathInside returns where a path, which may not exist yet, lies below a directory.
func pathInside(dir, path string) (below string, inside bool) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", false
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", false
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", false
	}
	missing := ""
	for {
		real, err := filepath.EvalSymlinks(path)
		if err == nil {
			path = filepath.Join(real, missing)
			break
		}
		if path == filepath.Dir(path) {
			return "", false
		}
		path, missing = filepath.Dir(path), filepath.Join(filepath.Base(path), missing)
	}
	below, err = filepath.Rel(dir, path)
	return below, err == nil && filepath.IsLocal(below)
}

func withHint(err error) error {
	switch {
	case errors.Is(err, image.ErrOrigin), errors.Is(err, image.ErrSource):
		return cli.Hint(err, "-o names another folder")
	case errors.Is(err, image.ErrExists):
		return cli.Hint(err, "--force replaces it, -o names another folder")
	case errors.Is(err, zpl.ErrLater), errors.Is(err, zvol.ErrLater):
		return cli.Hint(err, "SOURCE_DATE_EPOCH must not be before the origin")
	}
	return err
}

// Memory that the program is to stay below: 256 MiB and 400 bytes for each file, less what
// the runtime does not count.
const (
	memoryBase    = 224 << 20
	memoryPerFile = 380
)

// limitMemory has the collector keep to the bound, now that the number of files is known. held is
// what the indexes of images take that are read; up to a point, there is room for it.
func limitMemory(files int, held int64) {
	tree := memoryPerFile * int64(files)
	collector.raise(max(memoryBase+tree, openMemory+tree+held+held/4))
}

// imageOptions turns the flags into options, before anything is read.
func (o *createImageOptions) imageOptions(env *cli.Env, public *bool) (*image.Options, error) {
	base, err := o.readBase(env)
	if err != nil {
		return nil, err
	}
	var name, version string // that of SOURCE if neither is given
	if o.NameVersion != "" {
		name, version, err = base.SplitNameVersion(o.NameVersion)
	}
	if err != nil {
		return nil, cli.Hint(&cli.UsageError{Err: err}, "the first argument is NAME-VERSION, such as web-1.0")
	}
	compression, err := compress.ParseFormat(o.Compression)
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	if err := checkOutputDir("-o", o.Output); err != nil {
		return nil, err
	}
	created, err := env.SourceDateEpoch()
	if err != nil {
		return nil, err
	}
	out := &image.Options{
		Dir: o.Output, Force: o.Force, Compression: compression, Now: env.Now(),
		FileSystem: zpl.Options{Version: o.ZPL, Created: created},
		Manifest: manifest.Options{
			Base: base, Name: name, Version: version, UUID: o.UUID, Type: o.Type, OS: o.OS, Owner: o.Owner,
			Creator: o.Creator, Description: o.Description, Homepage: o.Homepage, Public: public,
		},
	}
	if err := checkUTF8(&out.Manifest); err != nil {
		return nil, err
	}
	if o.ZPL != 4 && o.ZPL != 5 {
		return nil, cli.Usagef("--zpl %d: it is 4 or 5", o.ZPL)
	}
	if !o.zplGiven && len(o.origin.Paths) > 0 {
		out.FileSystem.Version = 0 // that of the origin
	}
	switch o.XattrNames {
	case "linux":
	case "illumos":
		out.FileSystem.XattrNames = zpl.XattrNamesIllumos
	default:
		return nil, cli.Usagef("--xattr-names %q: it is linux or illumos", o.XattrNames)
	}
	if out.Manifest.MinPlatform, err = parseMinPlatform(o.MinPlatform); err != nil {
		return nil, err
	}
	if o.UUID == "random" {
		out.Manifest.UUID = uuid.NewString()
		env.Warnf("with a random UUID, an image of the same contents made before or after has another UUID and the same snapshot guid, and ZFS looks for the origins of incremental streams by guid in the whole pool")
	}
	if err := o.edits.check(); err != nil {
		return nil, err
	}
	if _, err := source.NewExcludes(o.source.Exclude); err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	o.disk.manifest(&out.Manifest)
	switch t := manifest.New(out.Manifest).Type; t {
	case manifest.TypeZone, manifest.TypeLX, manifest.TypeZvol:
	default:
		return nil, cli.Usagef("type %q: a tree makes a %s or a %s, a volume or disk a %s", t, manifest.TypeZone, manifest.TypeLX, manifest.TypeZvol)
	}
	return out, nil
}

// readBase reads the manifest that the new one starts from; nil for none.
func (o *createImageOptions) readBase(env *cli.Env) (*manifest.Manifest, error) {
	if o.Manifest == "" {
		return nil, nil
	}
	if o.Manifest == "-" && o.Source == "-" {
		return nil, cli.Usagef("the manifest and SOURCE cannot both be standard input")
	}
	text, err := readFileOrStdin(env, o.Manifest, maxManifest, "manifest")
	if err != nil {
		return nil, err
	}
	if err := content.CheckMibe(text); err != nil {
		return nil, cli.Hint(fmt.Errorf("%s: %w", printable(o.Manifest), err), "write name, version, description and homepage into a JSON file for -m")
	}
	m, err := manifest.ParsePartial(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", printable(o.Manifest), err)
	}
	base, left := manifest.Template(m)
	if len(left) > 0 && !o.Quiet {
		fmt.Fprintf(env.Stderr, "note: %s is the manifest of the image %s; the new image does not inherit its %s\n", printable(o.Manifest), m.UUID, strings.Join(left, ", "))
	}
	return base, nil
}

// checkUTF8 refuses what JSON, the manifest's form, cannot hold.
func checkUTF8(m *manifest.Options) error {
	var faults []error
	for _, field := range []struct{ name, value string }{
		{"type", m.Type}, {"os", m.OS}, {"uuid", m.UUID}, {"owner", m.Owner}, {"creator", m.Creator},
		{"description", m.Description}, {"homepage", m.Homepage},
	} {
		if !utf8.ValidString(field.value) {
			faults = append(faults, fmt.Errorf("%s %q: not UTF-8", field.name, field.value))
		}
	}
	if len(faults) > 0 {
		return cli.Hint(&cli.UsageError{Err: errors.Join(faults...)}, "iconv -f latin1 -t utf8 recodes a text")
	}
	return nil
}

// parseMinPlatform reads VERSION=STAMP; "none" is an empty map.
func parseMinPlatform(list []string) (map[string]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := map[string]string{}
	for _, s := range list {
		if s == "none" && len(list) == 1 {
			continue
		}
		version, stamp, ok := strings.Cut(s, "=")
		if !ok || version == "" || !utf8.ValidString(s) {
			return nil, cli.Usagef("--min-platform %q: VERSION=STAMP or none is needed", s)
		}
		out[version] = stamp
	}
	return out, nil
}

// complete asks for what is missing, on a terminal.
func (o *createImageOptions) complete(env *cli.Env, out *image.Options) error {
	m := &out.Manifest
	have := manifest.New(*m)
	if o.mayAsk(env) {
		if err := askManifest(env, m, have); err != nil {
			return err
		}
		if err := checkUTF8(m); err != nil {
			return err
		}
		have = manifest.New(*m)
	}
	if have.Description == "" {
		env.Warnf("the image has no description; --description gives it one")
	}
	if have.Type == manifest.TypeZvol {
		warnOfDrivers(env, have)
	}
	return nil
}

// warnOfDrivers names what the manifest of a volume lacks.
func warnOfDrivers(env *cli.Env, m *manifest.Manifest) {
	var fields, flags []string
	for _, f := range []struct{ value, field, flag string }{
		{m.NICDriver, "nic_driver", "--nic-driver"}, {m.DiskDriver, "disk_driver", "--disk-driver"}, {m.CPUType, "cpu_type", "--cpu-type"},
	} {
		if f.value == "" {
			fields, flags = append(fields, f.field), append(flags, f.flag)
		}
	}
	if len(fields) > 0 {
		env.Warnf("the manifest lacks %s, which image servers ask for; use %s", strings.Join(fields, ", "), strings.Join(flags, ", "))
	}
}

// mayAsk tells whether there is somebody to answer questions.
func (o *createImageOptions) mayAsk(env *cli.Env) bool {
	stdinTaken := o.Manifest == "-" || o.Source == "-"
	return !o.Quiet && !o.DryRun && !stdinTaken && cli.IsTerminal(env.Stdin)
}

// createdImage is the answer of create-image --json. Fields are only ever added.
type createdImage struct {
	Image        string `json:"image"`
	Manifest     string `json:"manifest"`
	UUID         string `json:"uuid"`
	DatasetGUID  string `json:"dataset_guid"`
	Size         int64  `json:"size"`
	SHA1         string `json:"sha1"`
	SHA256       string `json:"sha256"`
	Compression  string `json:"compression"`
	StreamSize   int64  `json:"stream_size"`
	InstallsWith string `json:"install"`
	Type         string `json:"type"`
	Dataset      string `json:"dataset,omitzero"`    // in ZFS, that was the source
	ImageSize    int64  `json:"image_size,omitzero"` // MiB of a volume
	Origin       string `json:"origin,omitzero"`     // UUID of the image that it is incremental on

	Changes  *createdChanges `json:"changes,omitempty"` // from that; null for a dataset in ZFS
	Edits    *edit.Report    `json:"edits,omitempty"`   // of the root file system, on the way
	LX       *adaptedLX      `json:"lx,omitzero"`       // for what its root was adapted
	Warnings []string        `json:"warnings"`
}

// plannedImage is the answer of create-image --dry-run --json.
type plannedImage struct {
	DryRun   bool         `json:"dry_run"`
	Image    string       `json:"image"`
	Manifest string       `json:"manifest"`
	Commands []string     `json:"commands"` // that would be run and change something, as a shell takes them
	Edits    *edit.Report `json:"edits,omitempty"`
	LX       *adaptedLX   `json:"lx,omitzero"`
	Warnings []string     `json:"warnings"`
}

// shownCommands gathers the commands of a dry run, each of which comes in one Write.
type shownCommands []string

func (s *shownCommands) Write(p []byte) (int, error) {
	*s = append(*s, strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

// printResult prints what was made, of a dataset in ZFS if that is not empty.
func (o *createImageOptions) printResult(env *cli.Env, res *image.Result, dataset string) error {
	install := fmt.Sprintf("imgadm install -m %s -f %s", shell.Quote(res.ManifestPath), shell.Quote(res.Image))
	file := res.Manifest.Files[0]
	if o.JSON {
		return printJSON(env.Stdout, createdImage{
			Image: res.Image, Manifest: res.ManifestPath, UUID: res.Manifest.UUID,
			DatasetGUID: strconv.FormatUint(res.GUID, 10), Size: file.Size, SHA1: file.SHA1,
			SHA256: res.SHA256, Compression: file.Compression, StreamSize: res.StreamSize, InstallsWith: install,
			Type: res.Manifest.Type, Dataset: dataset, ImageSize: res.Manifest.ImageSize,
			Origin: res.Manifest.Origin, Changes: o.origin.json(res), LX: o.lx.adapted, Edits: o.report,
			Warnings: env.Warnings(),
		})
	}
	if o.Quiet {
		return nil
	}
	o.origin.report(env, res)
	_, err := fmt.Fprintf(env.Text(), `image     %s (%s of a %s stream)
manifest  %s
uuid      %s
sha1      %s
sha256    %s

Done.  Now run this to install the image:

  %s
`, res.Image, cli.Size(file.Size), cli.Size(res.StreamSize), res.ManifestPath, res.Manifest.UUID, file.SHA1, res.SHA256, install)
	return err
}
