package zpl_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"imagetools/tree"
	"imagetools/zfs/zpl"
)

// subject is a small tree whose parts a test changes.
type subject struct {
	m                          *maker
	dir, file, link, dev, hard *tree.Node
	fileName, dirName, hardTo  string
	opts                       zpl.Options
}

func newSubject(t testing.TB) *subject {
	s := &subject{m: newTree(t), fileName: "file", dirName: "dir", hardTo: "hard2"}
	s.dir, s.file, s.link = tree.NewDir(0o755), file([]byte("contents")), link("target")
	s.dev = &tree.Node{Mode: tree.TypeChar | 0o600, Device: &tree.Device{Major: 1, Minor: 2}}
	s.hard = file([]byte("hard"))
	s.file.Attrs = &tree.Attrs{
		Xattrs: []tree.Xattr{{Name: "user.a", Value: []byte("1")}, {Name: "user.b", Value: []byte("2")}},
		ACL:    []tree.ACE{{Type: 0, Flags: 0, Mask: 1, ID: 5}},
	}
	return s
}

func (s *subject) tree() *tree.Tree {
	s.m.add(s.dirName, s.dir)
	s.m.add(s.dirName+"/"+s.fileName, s.file)
	s.m.add("link", s.link)
	s.m.add("dev", s.dev)
	s.m.add("hard", s.hard)
	s.m.add(s.hardTo, s.hard)
	return s.m.seal()
}

// A guid stands for one stream: whatever changes the stream changes it.
func TestGUID(t *testing.T) {
	t.Parallel()
	created := int64(2e9)
	seen := make(map[uint64]string)
	for _, tt := range []struct {
		name string
		edit func(*subject)
	}{
		{"nothing", func(*subject) {}},
		{"content", func(s *subject) { s.file.Content = tree.Bytes("contentz") }},
		{"content longer", func(s *subject) { s.file.Content, s.file.Size = tree.Bytes("contents "), 9 }},
		{"content with a NUL", func(s *subject) { s.file.Content, s.file.Size = tree.Bytes("contents\x00"), 9 }},
		{"no content", func(s *subject) { s.file.Content, s.file.Size = nil, 0 }},
		{"file name", func(s *subject) { s.fileName = "filf" }},
		{"directory name", func(s *subject) { s.dirName = "dis" }},
		{"mode", func(s *subject) { s.file.Mode ^= 1 }},
		{"setuid", func(s *subject) { s.file.Mode |= tree.SetUID }},
		{"type", func(s *subject) { s.dev.Mode = tree.TypeBlock | 0o600 }},
		{"uid", func(s *subject) { s.file.UID = 1 }},
		{"gid", func(s *subject) { s.file.GID = 1 }},
		{"second", func(s *subject) { s.file.ModTime.Sec-- }},
		{"nanosecond", func(s *subject) { s.file.ModTime.Nsec++ }},
		{"directory mode", func(s *subject) { s.dir.Mode ^= 1 }},
		{"directory time", func(s *subject) { s.dir.ModTime.Nsec++ }},
		{"root mode", func(s *subject) { s.m.tree.Root.Mode ^= 1 }},
		{"root owner", func(s *subject) { s.m.tree.Root.UID = 1 }},
		{"link target", func(s *subject) { s.link.Target = "targeT" }},
		{"link owner", func(s *subject) { s.link.UID = 3 }},
		{"major", func(s *subject) { s.dev.Device.Major++ }},
		{"minor", func(s *subject) { s.dev.Device.Minor++ }},
		{"xattr name", func(s *subject) { s.file.Attrs.Xattrs[0].Name = "user.c" }},
		{"xattr value", func(s *subject) { s.file.Attrs.Xattrs[0].Value = []byte("3") }},
		{"xattr gone", func(s *subject) { s.file.Attrs.Xattrs = s.file.Attrs.Xattrs[:1] }},
		{"ACE type", func(s *subject) { s.file.Attrs.ACL[0].Type = 1 }},
		{"ACE flags", func(s *subject) { s.file.Attrs.ACL[0].Flags = tree.ACEIdentifierGroup }},
		{"ACE mask", func(s *subject) { s.file.Attrs.ACL[0].Mask = 2 }},
		{"ACE id", func(s *subject) { s.file.Attrs.ACL[0].ID = 6 }},
		{"no ACL", func(s *subject) { s.file.Attrs.ACL = nil }},
		{"hard link is a copy", func(s *subject) { s.hardTo = "hard3" }},
		{"another name", func(s *subject) { s.m.add("more", s.hard) }},
		{"another file", func(s *subject) { s.m.add("more", file([]byte("hard"))) }},
		{"snapshot", func(s *subject) { s.opts.Name = "image@other" }},
		{"dataset", func(s *subject) { s.opts.Name = "other@final" }},
		{"created", func(s *subject) { s.opts.Created = &created }},
		{"version", func(s *subject) { s.opts.Version = 4 }},
		{"xattr names", func(s *subject) { s.opts.XattrNames = zpl.XattrNamesIllumos }},
	} {
		s := newSubject(t)
		tt.edit(s)
		guid, _ := write(t, s.tree(), s.opts)
		if other, ok := seen[guid]; ok {
			t.Errorf("%s and %s give the same guid", other, tt.name)
		}
		if guid == 0 {
			t.Errorf("%s: guid 0", tt.name)
		}
		seen[guid] = tt.name
	}
}

// Neither the number of cores nor the layout of holes in the source has a part in the stream.
func TestDeterminism(t *testing.T) { // not parallel: it sets GOMAXPROCS
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var want [sha256.Size]byte
	var wantGUID uint64
	for i, procs := range []int{1, 2, 8} {
		runtime.GOMAXPROCS(procs)
		guid, data := write(t, zoo(t), zpl.Options{})
		got := sha256.Sum256(data)
		if i == 0 {
			want, wantGUID = got, guid
		} else if got != want || guid != wantGUID {
			t.Errorf("GOMAXPROCS %d: another stream", procs)
		}
	}
}

// source is a [tree.Content] of which every aspect can fail; it counts what is open.
type source struct {
	data    func(opening int) []byte // what the n-th opening reads
	extents func(off int64) (int64, int64, error)
	openErr func(opening int) error
	close   func(opening int) error
	opened  atomic.Int32
	open    *atomic.Int32
	most    *atomic.Int32
}

type sourceFile struct {
	s       *source
	opening int
	data    []byte
	closed  atomic.Bool
}

func (s *source) Open() (tree.File, error) {
	n := int(s.opened.Add(1))
	if s.openErr != nil {
		if err := s.openErr(n); err != nil {
			return nil, err
		}
	}
	if s.open != nil {
		if now := s.open.Add(1); s.most != nil && now > s.most.Load() {
			s.most.Store(now)
		}
	}
	return &sourceFile{s: s, opening: n, data: s.data(n)}, nil
}

func (f *sourceFile) ReadAt(p []byte, off int64) (int, error) {
	if f.closed.Load() {
		return 0, errors.New("read after close")
	}
	return bytes.NewReader(f.data).ReadAt(p, off)
}

func (f *sourceFile) NextData(off int64) (int64, int64, error) {
	if f.s.extents != nil {
		return f.s.extents(off)
	}
	if off >= int64(len(f.data)) {
		return 0, 0, io.EOF
	}
	return off, int64(len(f.data)), nil
}

func (f *sourceFile) Close() error {
	if f.closed.Swap(true) {
		panic("closed twice")
	}
	if f.s.open != nil {
		f.s.open.Add(-1)
	}
	if f.s.close != nil {
		return f.s.close(f.opening)
	}
	return nil
}

func constant(data []byte) func(int) []byte { return func(int) []byte { return data } }

func sized(s *source, size int64) *tree.Node {
	return &tree.Node{Mode: tree.TypeFile | 0o644, Size: size, Content: s}
}

func TestHoleLayout(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	data := make([]byte, size)
	copy(data[262144:], "\x7fELF data") // at the start of a block, but not of the file
	copy(data[size-3:], "end")
	var want []byte
	for _, tt := range []struct {
		name    string
		extents func(off int64) (int64, int64, error)
	}{
		{"all data", nil},
		{"exact", ranges(262144, 262153, size-3, size)},
		{"pages", ranges(262144, 262144+4096, size-4096, size)},
		{"blocks", ranges(262144, 393216, size-131072, size)},
		{"byte by byte", func(off int64) (int64, int64, error) {
			if off >= size {
				return 0, 0, io.EOF
			}
			return off, off + 1, nil
		}},
	} {
		m := newTree(t)
		m.add("f", sized(&source{data: constant(data), extents: tt.extents}, size))
		m.add("a.so", file([]byte("\x7fELF")))
		m.add("b", file([]byte("text")))
		_, got := write(t, m.seal(), zpl.Options{})
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: another stream than with all data", tt.name)
		}
	}
}

// ranges are the pairs of start and end in which a file has data.
func ranges(v ...int64) func(int64) (int64, int64, error) {
	return func(off int64) (int64, int64, error) {
		for i := 0; i < len(v); i += 2 {
			if off < v[i+1] {
				return max(off, v[i]), v[i+1], nil
			}
		}
		return 0, 0, io.EOF
	}
}

func TestHostileExtents(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	broken := errors.New("broken")
	for name, extents := range map[string]func(off int64) (int64, int64, error){
		"backwards":  func(off int64) (int64, int64, error) { return off - 1, off + 1, nil },
		"empty":      func(off int64) (int64, int64, error) { return off, off, nil },
		"reversed":   func(off int64) (int64, int64, error) { return off + 10, off, nil },
		"beyond":     func(off int64) (int64, int64, error) { return off, size + 1, nil },
		"far beyond": func(off int64) (int64, int64, error) { return 1 << 62, 1<<63 - 1, nil },
		"error":      func(off int64) (int64, int64, error) { return 0, 0, broken },
		"error, later": func(off int64) (int64, int64, error) {
			if off > 0 {
				return 0, 0, broken
			}
			return 0, 1, nil
		},
	} {
		var open atomic.Int32
		m := newTree(t)
		m.add("dir", tree.NewDir(0o755))
		m.add("dir/f", sized(&source{data: constant(make([]byte, size)), extents: extents, open: &open}, size))
		_, err := zpl.NewPlan(t.Context(), m.seal(), zpl.Options{})
		if err == nil || !strings.Contains(err.Error(), `"dir/f"`) || strings.HasPrefix(name, "error") && !errors.Is(err, broken) {
			t.Errorf("%s: error %v", name, err)
		}
		if n := open.Load(); n != 0 {
			t.Errorf("%s: %d files open", name, n)
		}
	}
}

// A file that is not the same when it is read again, or cannot be read, is an error with its
// path, and nothing stays open or running.
func TestChangingFiles(t *testing.T) {
	broken := errors.New("broken")
	second := func(err error) func(int) error {
		return func(n int) error {
			if n > 1 {
				return err
			}
			return nil
		}
	}
	for _, size := range []int{100, 131072, 131073, 3 << 20} {
		data := noise(size)
		other := bytes.Clone(data)
		other[size-1] ^= 1
		then := func(second []byte) func(int) []byte {
			return func(n int) []byte {
				if n > 1 {
					return second
				}
				return data
			}
		}
		for _, tt := range []struct {
			name   string
			source *source
			want   error
			plan   bool // found by the first reading
		}{
			{"differs", &source{data: then(other)}, tree.ErrChanged, false},
			{"is zeros", &source{data: then(make([]byte, size))}, tree.ErrChanged, false},
			{"shorter", &source{data: then(data[:size-1]), extents: ranges(0, int64(size))}, tree.ErrChanged, false},
			{"empty", &source{data: then(nil), extents: ranges(0, int64(size))}, tree.ErrChanged, false},
			{"gone", &source{data: constant(data), openErr: second(broken)}, broken, false},
			{"close", &source{data: constant(data), close: second(tree.ErrChanged)}, tree.ErrChanged, false},
			{"shorter at once", &source{data: constant(data[:size-1]), extents: ranges(0, int64(size))}, tree.ErrChanged, true},
			{"unreadable", &source{data: constant(data), openErr: func(int) error { return broken }}, broken, true},
			{"first close", &source{data: constant(data), close: func(int) error { return broken }}, broken, true},
		} {
			name := fmt.Sprintf("%s, %d bytes", tt.name, size)
			before := runtime.NumGoroutine()
			var open atomic.Int32
			m := newTree(t)
			m.add("d", tree.NewDir(0o755))
			tt.source.open = &open
			for i := range 20 {
				m.add(fmt.Sprintf("d/before%d", i), sized(&source{data: constant(data), open: &open}, int64(size)))
				m.add(fmt.Sprintf("d/z%d", i), sized(&source{data: constant(data), open: &open}, int64(size)))
			}
			m.add("d/changes", sized(tt.source, int64(size)))
			p, err := zpl.NewPlan(t.Context(), m.seal(), zpl.Options{})
			if !tt.plan {
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				err = p.Write(t.Context(), io.Discard)
			}
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), `"d/changes"`) {
				t.Errorf("%s: error %v, want %v", name, err, tt.want)
			}
			if n := open.Load(); n != 0 {
				t.Errorf("%s: %d files open", name, n)
			}
			settled(t, name, before)
		}
	}
}

// settled fails if there are more goroutines than before.
func settled(t *testing.T, what string, before int) {
	t.Helper()
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%s: %d goroutines, before %d", what, runtime.NumGoroutine(), before)
}

// Cancelled at any moment, nothing stays open or running, and the cause comes out.
func TestCancel(t *testing.T) {
	cause := errors.New("enough")
	rnd := rand.New(rand.NewPCG(7, 8))
	var open, reads atomic.Int32
	m := newTree(t)
	var at atomic.Int32
	var cancel atomic.Pointer[context.CancelCauseFunc]
	for i := range 300 {
		size := []int{1, 5000, 131073, 700000}[i%4]
		data := noise(size)
		m.add(fmt.Sprint(i), sized(&source{open: &open, data: func(int) []byte {
			if reads.Add(1) == at.Load() {
				(*cancel.Load())(cause)
			}
			return data
		}}, int64(size)))
	}
	tr := m.seal()
	p, err := zpl.NewPlan(t.Context(), tr, zpl.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		before := runtime.NumGoroutine()
		ctx, stop := context.WithCancelCause(context.Background())
		cancel.Store(&stop)
		reads.Store(0)
		at.Store(1 + rnd.Int32N(290))
		if i%2 == 0 {
			_, err = zpl.NewPlan(ctx, tr, zpl.Options{})
		} else {
			err = p.Write(ctx, io.Discard)
		}
		if !errors.Is(err, cause) {
			t.Errorf("cancelled at %d: error %v", at.Load(), err)
		}
		if n := open.Load(); n != 0 {
			t.Errorf("cancelled at %d: %d files open", at.Load(), n)
		}
		stop(nil)
		settled(t, "cancelled", before)
	}
	// Before anything is read.
	ctx, stop := context.WithCancelCause(context.Background())
	stop(cause)
	if err := p.Write(ctx, io.Discard); !errors.Is(err, cause) {
		t.Errorf("cancelled at first: error %v", err)
	}
}

// A writer that fails ends it all.
func TestWriteError(t *testing.T) {
	p, err := zpl.NewPlan(t.Context(), zoo(t), zpl.Options{})
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk full")
	for _, n := range []int{0, 1000, 300000, 1500000} {
		before := runtime.NumGoroutine()
		if err := p.Write(t.Context(), &limited{n, full}); !errors.Is(err, full) {
			t.Errorf("after %d bytes: error %v", n, err)
		}
		settled(t, "write error", before)
	}
}

type limited struct {
	left int
	err  error
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, l.err
	}
	return len(p), nil
}

// Files that are all hole are many in a batch; they must not be open at the same time.
func TestManySparseFiles(t *testing.T) {
	var open, most atomic.Int32
	m := newTree(t)
	for i := range 3000 {
		m.add(fmt.Sprint(i), sized(&source{data: constant(nil), extents: ranges(), open: &open, most: &most}, 1<<40))
	}
	guid, data := write(t, m.seal(), zpl.Options{})
	if guid == 0 || most.Load() > 200 || open.Load() != 0 {
		t.Errorf("%d files were open at the same time, %d are", most.Load(), open.Load())
	}
	if _, err := parse(data); err != nil {
		t.Error(err)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	negative := int64(-1)
	for _, tt := range []struct {
		opts zpl.Options
		want string
	}{
		{zpl.Options{Version: 3}, "version 3"},
		{zpl.Options{Name: "image"}, "DATASET@SNAPSHOT"},
		{zpl.Options{Name: "@final"}, "DATASET@SNAPSHOT"},
		{zpl.Options{Name: "image@"}, "DATASET@SNAPSHOT"},
		{zpl.Options{Name: "image@a@b"}, "DATASET@SNAPSHOT"},
		{zpl.Options{Name: strings.Repeat("x", 220) + "@abc"}, "at most 223 bytes"},
		{zpl.Options{Created: &negative}, "before 1970"},
	} {
		if _, err := zpl.NewPlan(t.Context(), newTree(t).seal(), tt.opts); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want %q", tt.opts, err, tt.want)
		}
	}
}

// No time is later than the snapshot if its time is given, and none is touched otherwise.
func TestTimes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		created        *int64
		mtime, want    tree.Time
		wantedCreation uint64
	}{
		{nil, tree.Time{Sec: 5, Nsec: 7}, tree.Time{Sec: 5, Nsec: 7}, 5},
		{nil, tree.Time{Sec: -5, Nsec: 7}, tree.Time{Sec: -5, Nsec: 7}, 0},
		{nil, tree.Time{Sec: 1 << 40}, tree.Time{Sec: 1 << 40}, 1 << 40},
		{new(int64(100)), tree.Time{Sec: 99, Nsec: 999999999}, tree.Time{Sec: 99, Nsec: 999999999}, 100},
		{new(int64(100)), tree.Time{Sec: 100, Nsec: 1}, tree.Time{Sec: 100}, 100},
		{new(int64(100)), tree.Time{Sec: 1 << 40}, tree.Time{Sec: 100}, 100},
		{new(int64(0)), tree.Time{Sec: 1}, tree.Time{}, 0},
		{new(int64(0)), tree.Time{Sec: -1, Nsec: 1}, tree.Time{Sec: -1, Nsec: 1}, 0},
	} {
		m := newTree(t)
		m.tree.Root.ModTime = tree.Time{Sec: -1 << 40}
		n := m.add("f", file(nil))
		n.ModTime = tt.mtime
		_, data := write(t, m.seal(), zpl.Options{Created: tt.created})
		fs, err := parse(data)
		if err != nil {
			t.Fatal(err)
		}
		n.ModTime = tt.want
		if err := fs.verify(m.tree); err != nil || fs.begin.CreationTime != tt.wantedCreation {
			t.Errorf("%+v: created %d, %v", tt, fs.begin.CreationTime, err)
		}
	}
}

func TestXattrNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		names []string
		want  string // of the error
	}{
		{[]string{"user.a", "security.b"}, ""},
		{[]string{"user.", "user.b"}, `"user."`},
		{[]string{"user.."}, `"user.."`},
		{[]string{"user..."}, `"user..."`},
		{[]string{"user.security.x", "security.x"}, `"security.x" and "user.security.x"`},
		{[]string{"user.user.x", "user.x"}, ""},
	} {
		m := newTree(t)
		m.add("d", tree.NewDir(0o755))
		n := m.add("d/f", file([]byte("x")))
		n.Attrs = &tree.Attrs{}
		for _, name := range tt.names {
			n.Attrs.Xattrs = append(n.Attrs.Xattrs, tree.Xattr{Name: name})
		}
		tr := m.seal()
		if _, err := zpl.NewPlan(t.Context(), tr, zpl.Options{}); err != nil {
			t.Errorf("%q: full names: %v", tt.names, err)
		}
		_, err := zpl.NewPlan(t.Context(), tr, zpl.Options{XattrNames: zpl.XattrNamesIllumos})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), `"d/f"`)) {
			t.Errorf("%q: error %v, want %q", tt.names, err, tt.want)
		}
	}
}

func TestACLRefused(t *testing.T) {
	t.Parallel()
	for _, a := range []tree.ACE{{Type: 4}, {Type: 5}, {Type: 8}, {Flags: 0x100}, {Flags: 0x8000}, {Flags: 0x2000},
		{Flags: 0x1040}, {Flags: 0x4040}, {Flags: 0x5000}, {ID: 1 << 31}} {
		m := newTree(t)
		m.add("f", file(nil)).Attrs = &tree.Attrs{ACL: []tree.ACE{{Flags: tree.ACEOwner}, a}}
		if _, err := zpl.NewPlan(t.Context(), m.seal(), zpl.Options{}); err == nil || !strings.Contains(err.Error(), `"f": ACL entry 1`) {
			t.Errorf("%+v: error %v", a, err)
		}
	}
}

// The ACL of every mode, by the rule of the reference stated per permission.
func TestTrivialACL(t *testing.T) {
	t.Parallel()
	m := newTree(t)
	for mode := range tree.Mode(512) {
		n := file(nil)
		n.Mode = tree.TypeFile | mode
		m.add(fmt.Sprintf("%03o", mode), n)
	}
	_, data := write(t, m.seal(), zpl.Options{})
	fs, err := parse(data)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := fs.numbers(fs.master["ROOT"])
	if err != nil {
		t.Fatal(err)
	}
	for mode := range uint32(512) {
		var want []byte
		ace := func(typ, flags uint16, mask uint32) {
			want = le.AppendUint32(le.AppendUint16(le.AppendUint16(want, typ), flags), mask)
		}
		var allow0, deny1, deny2 uint32
		owner, group, everyone := uint32(0x120088|0xC0110), uint32(0x120088), uint32(0x120088)
		for bit, mask := range map[uint32]uint32{4: 1, 2: 6, 1: 0x20} {
			u, g, o := mode>>6&bit != 0, mode>>3&bit != 0, mode&bit != 0
			if u && !g && o {
				allow0 |= mask
			}
			if !u && (g || o) {
				deny1 |= mask
			}
			if !g && o {
				deny2 |= mask
			}
			if u {
				owner |= mask
			}
			if g {
				group |= mask
			}
			if o {
				everyone |= mask
			}
		}
		if allow0 != 0 {
			ace(0, 0x1000, allow0)
		}
		if deny1 != 0 {
			ace(1, 0x1000, deny1)
		}
		if deny2 != 0 {
			ace(1, 0x2040, deny2)
		}
		ace(0, 0x1000, owner)
		ace(0, 0x2040, group)
		ace(0, 0x4000, everyone)
		a, err := fs.attrs(entries[fmt.Sprintf("%03o", mode)] & (1<<48 - 1))
		if err != nil {
			t.Fatal(err)
		}
		flags := uint64(0x40800000004)
		if mode&0o111 == 0o111 {
			flags |= 0x100
		}
		if !bytes.Equal(a["ZPL_DACL_ACES"], want) || le.Uint64(a["ZPL_DACL_COUNT"]) != uint64(len(want)/8) || le.Uint64(a["ZPL_FLAGS"]) != flags {
			t.Errorf("%03o: ACL % x, want % x; flags %#x", mode, a["ZPL_DACL_ACES"], want, le.Uint64(a["ZPL_FLAGS"]))
		}
	}
}

// Directories may nest as deep as the tree allows.
func TestDeep(t *testing.T) {
	t.Parallel()
	m := newTree(t)
	dir := m.tree.Root
	for range 4094 {
		d := tree.NewDir(0o755)
		if err := dir.Add("d", d); err != nil {
			t.Fatal(err)
		}
		dir = d
	}
	_, data := write(t, m.seal(), zpl.Options{})
	fs, err := parse(data)
	if err == nil {
		err = fs.verify(m.tree)
	}
	if err != nil {
		t.Error(err)
	}
}

// verified is a source whose small contents are kept from the first reading.
type verified struct {
	*source
	verify error
	asked  atomic.Int32
}

func (v *verified) Verify() error {
	v.asked.Add(1)
	return v.verify
}

// What was kept from the first reading gives the same stream as a second reading, and is
// asked whether it changed.
func TestKept(t *testing.T) {
	broken := errors.New("broken")
	for _, size := range []int{1, 512, 16 << 10, 16<<10 + 1, 200000} {
		data := noise(size)
		build := func(c tree.Content) *zpl.Plan {
			m := newTree(t)
			m.add("f", &tree.Node{Mode: tree.TypeFile | 0o644, Size: int64(size), Content: c})
			p, err := zpl.NewPlan(t.Context(), m.seal(), zpl.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		var open atomic.Int32
		var want, got bytes.Buffer
		if err := build(&source{data: constant(data), open: &open}).Write(t.Context(), &want); err != nil {
			t.Fatal(err)
		}
		v := &verified{source: &source{data: constant(data), open: &open}}
		if err := build(v).Write(t.Context(), &got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("%d bytes: another stream", size)
		}
		if kept := v.asked.Load() == 1; kept != (size <= 16<<10) {
			t.Errorf("%d bytes: asked %d times", size, v.asked.Load())
		}
		if size > 16<<10 {
			continue
		}
		v = &verified{source: &source{data: constant(data), open: &open}, verify: broken}
		if err := build(v).Write(t.Context(), io.Discard); !errors.Is(err, broken) || !strings.Contains(err.Error(), `"f"`) {
			t.Errorf("%d bytes: changed: error %v", size, err)
		}
	}
}
