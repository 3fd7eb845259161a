package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"imagetools/internal/cli"
	"imagetools/internal/plain"
	"imagetools/tree"
	"imagetools/zfs/zpl"
)

type lsOptions struct {
	openOptions
	Image, Path           string
	Long, Recursive, JSON bool
}

func newLsCommand(env *cli.Env) *cobra.Command {
	var opts lsOptions
	cmd := &cobra.Command{
		Use:   "ls [flags] IMAGE [PATH]",
		Short: "List the files in an image",
		Long: `Ls lists a directory of an image, or all below it with -R, one path a line in byte order.
Control characters and bytes that are not UTF-8 are printed as \ooo.

` + imageArgument + `

With -l a line has mode, links, owner, size (or major, minor), modification time in UTC and
path. Behind the mode, "+" tells of an ACL and "@" of extended attributes. With --json there
is a JSON object a line with all that is known.

Contents are not kept anywhere: listing needs no room on disk. Memory is some 350 bytes for
each file in the image.`,
		Example: `  imagetools ls output/web-1.0.json root/etc
  imagetools ls -lR output/web-1.0.zfs.gz
  zfs send zones/web@final | imagetools ls -R --json -`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 2 {
				return nil
			}
			return exactArgs("IMAGE")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			opts.Image = args[0]
			if len(args) == 2 {
				opts.Path = args[1]
			}
			return runLs(c.Context(), env, opts)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&opts.Long, "long", "l", false, "print attributes as well")
	f.BoolVarP(&opts.Recursive, "recursive", "R", false, "list all that is below")
	f.BoolVar(&opts.JSON, "json", false, "print JSON lines")
	opts.addFlags(f)
	return cmd
}

func runLs(ctx context.Context, env *cli.Env, opts lsOptions) error {
	img, err := opts.open(ctx, env, opts.Image, false)
	if err != nil {
		return err
	}
	defer img.Close()
	f, err := img.FileSystem()
	if err != nil {
		return err
	}
	z, err := lookup(f, opts.Path)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(env.Text(), 64<<10)
	l := lister{f: f, out: out, opts: opts}
	if err := l.list(ctx, z, cleanPath(opts.Path)); err != nil {
		out.Flush()
		return err
	}
	return out.Flush()
}

// cleanPath is a path in an image without slashes at its ends, "" for the top.
func cleanPath(p string) string {
	var parts []string
	for part := range strings.SplitSeq(p, "/") {
		if part != "" && part != "." {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/")
}

type lister struct {
	f    *zpl.FS
	out  *bufio.Writer
	opts lsOptions
}

func (l *lister) list(ctx context.Context, z *zpl.Znode, path string) error {
	if !z.IsDir() {
		return l.print(path, z)
	}
	if l.opts.Recursive {
		if err := l.print(path, z); err != nil {
			return err
		}
	}
	return l.f.Walk(z.Object, path, func(path string, _ zpl.DirEntry, z *zpl.Znode) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.print(path, z); err != nil || l.opts.Recursive {
			return err
		}
		return fs.SkipDir
	})
}

func (l *lister) print(path string, z *zpl.Znode) error {
	if path == "" {
		path = "."
	}
	if l.opts.JSON {
		return l.printJSON(path, z)
	}
	if l.opts.Long {
		if err := l.printLong(z); err != nil {
			return fmt.Errorf("%q: %w", path, err)
		}
	}
	l.out.WriteString(printable(path))
	if l.opts.Long && z.Mode.Type() == tree.TypeSymlink {
		l.out.WriteString(" -> " + printable(z.Target))
	}
	return l.out.WriteByte('\n')
}

func (l *lister) printLong(z *zpl.Znode) error {
	size := fmt.Sprint(z.Size)
	if t := z.Mode.Type(); t == tree.TypeChar || t == tree.TypeBlock {
		d := z.Device()
		size = fmt.Sprintf("%d, %d", d.Major, d.Minor)
	}
	mark := " "
	if !z.TrivialACL() {
		mark = "+"
	} else if z.XattrDir != 0 || len(z.Xattrs) > 0 {
		mark = "@"
	}
	_, err := fmt.Fprintf(l.out, "%s%s %3d %5d %5d %11s %s ", modeString(z.Mode), mark, z.Links, z.UID, z.GID, size,
		time.Unix(z.MTime.Sec, 0).UTC().Format(time.DateTime))
	return err
}

// modeString is a mode as ls(1) prints it.
func modeString(m tree.Mode) string {
	types := map[tree.Mode]byte{tree.TypeFIFO: 'p', tree.TypeChar: 'c', tree.TypeDir: 'd', tree.TypeBlock: 'b',
		tree.TypeFile: '-', tree.TypeSymlink: 'l', tree.TypeSocket: 's'}
	b := []byte("?rwxrwxrwx")
	if c, ok := types[m.Type()]; ok {
		b[0] = c
	}
	for i := range 9 {
		if m&(1<<(8-i)) == 0 {
			b[1+i] = '-'
		}
	}
	special := func(bit tree.Mode, at int, c byte) {
		switch {
		case m&bit == 0:
		case b[at] == 'x':
			b[at] = c
		default:
			b[at] = c - 'a' + 'A'
		}
	}
	special(tree.SetUID, 3, 's')
	special(tree.SetGID, 6, 's')
	special(tree.Sticky, 9, 't')
	return string(b)
}

// lsEntry is a line of ls --json.
type lsEntry struct {
	Path     text      `json:"path"`
	Type     string    `json:"type"`
	Mode     string    `json:"mode"` // octal
	UID      uint64    `json:"uid"`
	GID      uint64    `json:"gid"`
	Size     uint64    `json:"size"`
	Links    uint64    `json:"links"`
	Object   uint64    `json:"object"`
	ModTime  string    `json:"mtime"`
	ATime    string    `json:"atime"`
	CTime    string    `json:"ctime"`
	CRTime   string    `json:"crtime"`
	Target   text      `json:"target,omitempty"`
	Device   *lsDevice `json:"device,omitempty"`
	Xattrs   []text    `json:"xattrs,omitempty"`
	ACL      []lsACE   `json:"acl,omitempty"`
	Flags    string    `json:"pflags"`
	Redacted bool      `json:"redacted,omitempty"`
}

type lsDevice struct {
	Major uint32 `json:"major"`
	Minor uint32 `json:"minor"`
	Raw   string `json:"raw"`
}

type lsACE struct {
	Type  uint16  `json:"type"`
	Flags string  `json:"flags"`
	Mask  string  `json:"mask"`
	ID    *uint64 `json:"id,omitempty"`
}

func (l *lister) printJSON(path string, z *zpl.Znode) error {
	e := lsEntry{
		Path: text(path), Type: z.Mode.TypeName(), Mode: fmt.Sprintf("%04o", uint32(z.Mode.Perm())),
		UID: z.UID, GID: z.GID, Size: z.Size, Links: z.Links, Object: z.Object,
		ModTime: stamp(z.MTime), ATime: stamp(z.ATime), CTime: stamp(z.CTime), CRTime: stamp(z.CRTime),
		Target: text(z.Target), Flags: fmt.Sprintf("%#x", z.Flags),
	}
	if t := z.Mode.Type(); t == tree.TypeChar || t == tree.TypeBlock {
		d := z.Device()
		e.Device = &lsDevice{d.Major, d.Minor, fmt.Sprintf("%#x", z.Rdev)}
	}
	for _, x := range z.Xattrs {
		e.Xattrs = append(e.Xattrs, text(x.Name))
	}
	dir, err := l.f.XattrDir(z)
	if err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	for _, x := range dir {
		e.Xattrs = append(e.Xattrs, text(x.Name))
	}
	if !z.TrivialACL() {
		for _, a := range z.ACL {
			ace := lsACE{Type: a.Type, Flags: fmt.Sprintf("%#x", a.Flags), Mask: fmt.Sprintf("%#x", a.Mask)}
			if a.HasID {
				ace.ID = &a.ID
			}
			e.ACL = append(e.ACL, ace)
		}
	}
	if z.Mode.Type() == tree.TypeFile {
		e.Redacted = l.f.Snapshot().Object(z.Object).Redacted()
	}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	l.out.Write(plain.JSON(line))
	return l.out.WriteByte('\n')
}

// stamp is a time with nanoseconds in UTC; a time that no calendar has is left in seconds.
func stamp(t zpl.Time) string {
	if t.Nsec >= 1e9 || t.Sec < -62135596800 || t.Sec > 253402300799 {
		return fmt.Sprintf("%d.%09d", t.Sec, t.Nsec)
	}
	return time.Unix(t.Sec, int64(t.Nsec)).UTC().Format(time.RFC3339Nano)
}
