package todir

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"imagetools/fault"

	"golang.org/x/sys/unix"

	"imagetools/internal/durable"
	"imagetools/tree"
	"imagetools/tree/mtree"
)

// place is where a tree is put together and where it goes.
type place struct {
	set   *durable.Set
	root  *os.Root      // where it is put together; only the caller can enter it
	made  *durable.Dir  // a new directory
	into  *durable.Into // or the contents of one that exists
	dir   string        // the directory as the caller names it, for messages
	clean string
	full  bool   // there is a directory, whose contents it will be
	log   string // path of the METALOG; "" for none
}

// findPlace says where the tree and its METALOG go.
func findPlace(dir string, opts Options) (*place, error) {
	p := &place{dir: dir, clean: filepath.Clean(dir)}
	if !opts.NoMetalog {
		if err := p.findLog(opts.Metalog); err != nil {
			return nil, err
		}
	}
	if opts.Replace {
		return p, nil
	}
	info, err := os.Stat(p.clean)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(p.clean); err == nil {
			return nil, fmt.Errorf("%q: a symbolic link to nowhere", p.dir)
		}
		above, err := os.Stat(filepath.Dir(p.clean))
		if opts.MakeDirs && errors.Is(err, fs.ErrNotExist) {
			return p, nil
		}
		if err == nil && !above.IsDir() {
			err = fmt.Errorf("%q: %w", filepath.Dir(p.clean), unix.ENOTDIR)
		}
		return p, err
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, fmt.Errorf("%q: exists and is not a directory", p.dir)
	}
	p.full = true
	return p, nil
}

// open opens the directories around, and puts right what killed runs left there: it may be what
// would be in the way.
func (p *place) open(opts Options) error {
	p.set = durable.New(durable.Options{Replace: opts.Replace, MakeDirs: opts.MakeDirs, Note: opts.Note})
	dirs := []string{filepath.Dir(p.clean)}
	if p.full {
		dirs[0] = p.dir
	}
	if p.log != "" {
		dirs = append(dirs, filepath.Dir(p.log))
	}
	return p.set.Open(dirs...)
}

// check looks for what is in the way.
func (p *place) check(replace bool) error {
	if replace {
		return nil
	}
	if p.log != "" {
		if _, err := os.Lstat(p.log); err == nil {
			return fault.WithHint(fmt.Errorf("METALOG %q: %w", p.log, durable.ErrExists), "remove it, or name another place for it")
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if p.full {
		return p.checkEmpty()
	}
	if _, err := os.Lstat(p.clean); err == nil {
		return fmt.Errorf("%q: %w", p.dir, durable.ErrExists) // put back, or somebody was faster
	}
	return nil
}

// make makes the folder and the METALOG under temporary names.
func (p *place) make() (log *durable.File, err error) {
	if p.log != "" { // it gets its name first: a METALOG without directory is of no harm
		if log, err = p.set.File(p.log, 0o666); err != nil {
			return nil, fmt.Errorf("METALOG: %w", err)
		}
	}
	if p.full {
		if p.into, err = p.set.Into(p.dir); err == nil {
			p.root = p.into.Root
		}
		return log, notEmpty(err)
	}
	if p.made, err = p.set.Dir(p.clean); err == nil {
		p.root = p.made.Root
	}
	return log, err
}

// checkEmpty finds what an existing directory holds, but for what killed runs left.
func (p *place) checkEmpty() error {
	f, err := os.Open(p.clean)
	if err != nil {
		return err
	}
	defer f.Close()
	held := ""
	for {
		names, err := f.Readdirnames(1000)
		if slices.ContainsFunc(names, durable.IsTemp) {
			return nil // what else there is may go with it
		}
		if held == "" && len(names) > 0 {
			held = names[0]
		}
		switch {
		case err == io.EOF && held != "":
			return notEmpty(fmt.Errorf("%q: %w: it holds %q", p.dir, durable.ErrNotEmpty, held))
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

func notEmpty(err error) error {
	if errors.Is(err, durable.ErrNotEmpty) {
		return fault.WithHint(err, "name a directory that does not exist, or is empty")
	}
	return err
}

// findLog decides where the METALOG goes.
func (p *place) findLog(log string) error {
	abs, err := filepath.Abs(p.clean)
	if err != nil {
		return err
	}
	base := filepath.Base(p.clean)
	switch {
	case log != "":
		p.log = log
	case base == "." || base == "..":
		p.log = abs + ".mtree"
	default:
		p.log = p.clean + ".mtree"
	}
	absLog, err := filepath.Abs(p.log)
	if err != nil {
		return err
	}
	if absLog == abs || strings.HasPrefix(absLog, strings.TrimRight(abs, "/")+"/") {
		return fault.WithHint(fmt.Errorf("METALOG %q: lies in the directory it describes", p.log), "name another place for it")
	}
	return nil
}

// umask finds what the host takes from the mode of a new file. It must leave the owner's bits.
func (p *place) umask() (uint32, error) {
	if err := dropInherited(p.root); err != nil {
		return 0, fmt.Errorf("%q: inherited ACL: %w", p.dir, cause(err))
	}
	const probe = "probe"
	f, err := p.root.OpenFile(probe, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o777)
	if err != nil {
		return 0, fmt.Errorf("make a file in %q: %w", p.dir, cause(err))
	}
	info, err := f.Stat()
	if err = errors.Join(err, f.Close(), p.root.Remove(probe)); err != nil {
		return 0, err
	}
	mask := 0o777 &^ uint32(info.Mode().Perm())
	if mask&0o700 != 0 {
		return 0, fmt.Errorf("%q: new files get mode %04o, which keeps even their owner out: check the umask", p.dir, info.Mode().Perm())
	}
	return mask, nil
}

// maxXattrs is how many bytes of attributes go into one line of the METALOG: what does not fit
// goes into further ones for the same path.
const maxXattrs = 1 << 20

// metalog writes the METALOG under a temporary name.
func (p *place) metalog(ctx context.Context, f *durable.File, t *tree.Tree, c *choice) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("METALOG %q: %w", p.log, err)
		}
	}()
	w := bufio.NewWriterSize(f, 256<<10)
	if _, err := w.WriteString(mtree.Header); err != nil {
		return cause(err)
	}
	var line []byte
	for path, n := range c.all(t) {
		if err := ctx.Err(); err != nil {
			return err
		}
		line = line[:0]
		e := mtree.Of(path, n)
		for rest := e.Xattrs; ; {
			e.Xattrs, rest = split(rest)
			at := len(line)
			if line = e.Append(line); len(line)-at > mtree.MaxLine {
				return fmt.Errorf("%q: a line of %d bytes: the limit is %d", path, len(line)-at, mtree.MaxLine)
			}
			if len(rest) == 0 {
				break
			}
			e = mtree.Entry{Path: path}
		}
		if _, err := w.Write(line); err != nil {
			return cause(err)
		}
	}
	if err := w.Flush(); err != nil {
		return cause(err)
	}
	return nil
}

// split parts a list of attributes so that the first of the two fits into a line.
func split(list []tree.Xattr) (head, tail []tree.Xattr) {
	size := 0
	for i, x := range list {
		if size += len(x.Name) + len(x.Value); size > maxXattrs {
			return list[:i], list[i:]
		}
	}
	return list, nil
}
