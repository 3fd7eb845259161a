package todir

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"imagetools/tree"
	"imagetools/tree/mtree"
	"imagetools/tree/source"
)

// place is where a tree is put together and where it goes.
type place struct {
	above  *os.Root // the directory that the folder lies in
	temp   string   // name of the folder in it
	root   *os.Root // the folder
	name   string   // what the folder is called at the end; "" if its contents move up instead
	dir    string   // the directory as the caller names it, for messages
	moved  []string // names that moved up
	log    pendingLog
	placed bool // nothing is to be undone any more
}

// pendingLog is the METALOG.
type pendingLog struct {
	path string
	file *renameio.PendingFile
	done bool // it has its name
}

// findPlace looks for what is in the way.
func findPlace(dir string, opts Options) (*place, error) {
	p := &place{dir: dir}
	dir = filepath.Clean(dir)
	if !opts.NoMetalog {
		if err := p.checkLog(dir, opts.Metalog); err != nil {
			return nil, err
		}
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(dir); err == nil {
			return nil, fmt.Errorf("%q: a symbolic link to nowhere", p.dir)
		}
		p.name = filepath.Base(dir)
		dir = filepath.Dir(dir)
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, fmt.Errorf("%q: exists and is not a directory", p.dir)
	}
	if p.above, err = os.OpenRoot(dir); err != nil {
		return nil, err
	}
	if p.name == "" {
		if err := p.checkEmpty(); err != nil {
			return nil, errors.Join(err, p.above.Close())
		}
	}
	return p, nil
}

// make makes the folder.
func (p *place) make() (err error) {
	p.temp = ".imagetools-" + rand.Text()
	if err := p.above.Mkdir(p.temp, 0o700); err != nil {
		return fmt.Errorf("make a folder in %q: %w", p.above.Name(), cause(err))
	}
	if p.root, err = p.above.OpenRoot(p.temp); err != nil {
		return errors.Join(err, p.above.Remove(p.temp))
	}
	return nil
}

func (p *place) checkEmpty() error {
	f, err := p.above.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	names, err := f.Readdirnames(1)
	if len(names) > 0 {
		return source.WithHint(fmt.Errorf("%q: the directory is not empty: it holds %q", p.dir, names[0]),
			"name a directory that does not exist, or is empty")
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// checkLog decides where the METALOG goes.
func (p *place) checkLog(dir, log string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if log == "" {
		if p.log.path = dir + ".mtree"; filepath.Base(dir) == "." || filepath.Base(dir) == ".." {
			p.log.path = abs + ".mtree"
		}
	} else {
		p.log.path = log
	}
	absLog, err := filepath.Abs(p.log.path)
	if err != nil {
		return err
	}
	if absLog == abs || strings.HasPrefix(absLog, strings.TrimRight(abs, "/")+"/") {
		return source.WithHint(fmt.Errorf("METALOG %q: lies in the directory it describes", p.log.path), "name another place for it")
	}
	if _, err := os.Lstat(p.log.path); err == nil {
		return source.WithHint(fmt.Errorf("METALOG %q: exists", p.log.path), "remove it, or name another place for it")
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
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
func (p *place) metalog(ctx context.Context, t *tree.Tree, c *choice) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("METALOG %q: %w", p.log.path, err)
		}
	}()
	p.log.file, err = renameio.NewPendingFile(p.log.path, renameio.WithTempDir(filepath.Dir(p.log.path)), renameio.WithPermissions(0o666))
	if err != nil {
		return cause(err)
	}
	w := bufio.NewWriterSize(p.log.file, 256<<10)
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

// commitLog gives the METALOG its name. It comes before the directory has its own: a METALOG
// without directory is of no harm.
func (p *place) commitLog() error {
	if p.log.file == nil {
		return nil
	}
	if err := p.log.file.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("METALOG %q: %w", p.log.path, cause(err))
	}
	p.log.done = true
	return nil
}

// moveUp moves the contents of the folder into the directory around it.
func (p *place) moveUp(names []string) error {
	for _, name := range names {
		if _, err := p.above.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%q: appeared while %q was written", name, p.dir)
		}
		if err := p.above.Rename(p.temp+"/"+name, name); err != nil {
			return fail("move", name, err)
		}
		p.moved = append(p.moved, name)
	}
	return nil
}

// moveBack undoes moveUp.
func (p *place) moveBack(s *dirs) error {
	if p.name != "" {
		return nil
	}
	if p.placed {
		if err := p.above.Mkdir(p.temp, 0o700); err != nil {
			return fmt.Errorf("contents are left in %q: %w", p.dir, cause(err))
		}
		p.placed = false
		root, err := p.above.OpenRoot(p.temp)
		if err != nil {
			return fmt.Errorf("contents are left in %q: %w", p.dir, cause(err))
		}
		p.root.Close() // the folder that was removed
		p.root = root
	}
	for _, name := range p.moved {
		if info, err := p.above.Lstat(name); err == nil && info.IsDir() {
			p.above.Chmod(name, 0o700) // its parent changes, for which it must be writable
		}
		if err := p.above.Rename(name, p.temp+"/"+name); err != nil {
			return fmt.Errorf("%q is left in %q: %w", name, p.dir, cause(err))
		}
	}
	p.moved = nil
	return s.rebase(p.root)
}

// rename gives the folder its name, or removes it if its contents have moved up.
func (p *place) rename() error {
	if p.name == "" {
		if err := p.above.Remove(p.temp); err != nil {
			return fmt.Errorf("folder %q in %q: %w", p.temp, p.dir, cause(err))
		}
	} else if err := p.above.Rename(p.temp, p.name); err != nil {
		return fmt.Errorf("%q: %w", p.dir, cause(err))
	}
	p.placed = true
	return nil
}

// remove removes the folder and the METALOG. Directories in it have mode 0700.
func (p *place) remove() error {
	var errs []error
	if p.log.done {
		errs = append(errs, os.Remove(p.log.path))
	} else if p.log.file != nil {
		errs = append(errs, p.log.file.Cleanup())
	}
	if !p.placed {
		if err := p.above.RemoveAll(p.temp); err != nil {
			errs = append(errs, fmt.Errorf("the folder %q is left beside %q: %w", p.temp, p.dir, cause(err)))
		}
	}
	return errors.Join(errs...)
}

func (p *place) close() error { return errors.Join(p.root.Close(), p.above.Close()) }
