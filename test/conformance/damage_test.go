package conformance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"imagetools/image"
	"imagetools/internal/budget"
	"imagetools/test/oracle"
	"imagetools/tree"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zap"
	"imagetools/zfs/zpl"
)

// parallel calls fn for 0 to n-1 on all cores.
func parallel(n int, fn func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				fn(i)
			}
		})
	}
	wg.Wait()
}

// volumeStream is a stream of a small volume.
func volumeStream(t testing.TB) []byte {
	t.Helper()
	const block, size, guid = 8192, 64 << 10, 77
	var out bytes.Buffer
	w := stream.NewWriter(&out)
	put := func(rec stream.Record, payload []byte) {
		if err := w.WriteRecord(rec, payload); err != nil {
			t.Fatal(err)
		}
	}
	put(&stream.Begin{HeaderType: stream.Substream, Objset: stream.ObjsetZvol, ToGUID: guid, ToName: "volume@final"}, nil)
	put(&stream.Object{Object: 1, ObjType: stream.ObjZvol, BlockSize: block, DnSlots: 1, ToGUID: guid}, nil)
	for _, off := range []uint64{0, 3 * block, 7 * block} {
		put(&stream.Write{Object: 1, ObjType: stream.ObjZvol, Offset: off, LogicalSize: block, ToGUID: guid}, pattern(block))
	}
	props, err := zap.Build(zap.Entries{zap.Uint64("size", size)}, 5)
	if err != nil {
		t.Fatal(err)
	}
	put(&stream.Object{Object: 2, ObjType: stream.ObjZvolProp, BlockSize: uint32(props.BlockSize), DnSlots: 1, ToGUID: guid}, nil)
	for b, err := range props.Blocks() {
		if err != nil {
			t.Fatal(err)
		}
		put(&stream.Write{Object: 2, ObjType: stream.ObjZvolProp, LogicalSize: uint64(len(b)), ToGUID: guid}, b)
	}
	put(&stream.End{ToGUID: guid}, nil)
	return out.Bytes()
}

// compressed is a stream with some blocks compressed and one embedded.
func compressed(t testing.TB) []byte {
	t.Helper()
	data, object := base(t)
	e := newEditor(t, data)
	e.number = object
	e.begin().Features |= stream.FeatureCompressed | stream.FeatureLZ4 | stream.FeatureEmbedData
	e.compress("root/big")
	e.embedded("root/other")
	return e.bytes(t)
}

// damageStreams are streams that are damaged in tests.
func damageStreams(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{
		"zpl5":       planned(t, smallTree(t), zpl.Options{}),
		"zpl4":       planned(t, smallTree(t), zpl.Options{Version: 4}),
		"volume":     volumeStream(t),
		"compressed": compressed(t),
	}
	var out bytes.Buffer
	w := stream.NewWriter(&out)
	for _, rec := range []stream.Record{&stream.Begin{HeaderType: stream.Compound, ToName: "pool/data@final"}, &stream.End{}} {
		if err := w.WriteRecord(rec, nil); err != nil {
			t.Fatal(err)
		}
	}
	out.Write(all["volume"])
	if err := w.WriteTerminator(); err != nil {
		t.Fatal(err)
	}
	all["package"] = out.Bytes()
	for name, data := range all {
		if res := verifyBytes(t, data); res.Count[zpl.Damage] > 0 {
			t.Fatalf("%s: %s", name, list(res.Faults))
		}
	}
	return all
}

// No flipped bit and no cut goes unnoticed.
func TestVerifyDamage(t *testing.T) {
	t.Parallel()
	streams := damageStreams(t)
	names := slices.Sorted(maps.Keys(streams))
	const flips = 5000
	parallel(flips, func(i int) {
		random := rand.New(rand.NewPCG(1, uint64(i)))
		name := names[i%len(names)]
		data := bytes.Clone(streams[name])
		at := random.IntN(len(data))
		what := fmt.Sprintf("%s cut at byte %d", name, at)
		if i%4 == 0 {
			data = data[:at]
		} else {
			bit := random.IntN(8)
			data[at] ^= 1 << bit
			what = fmt.Sprintf("%s with bit %d of byte %d flipped", name, bit, at)
		}
		if res := verifyBytes(t, data); res.Count[zpl.Damage] == 0 {
			t.Errorf("%s: nothing is found: %s", what, list(res.Faults))
		}
	})
}

// target is a place in a stream whose bits are flipped: a part of a record or its payload.
type target struct {
	at, n   int
	what    string
	object  uint64
	objType uint32
	header  bool
}

// metadata are the places in a stream of ours that are metadata: headers and bonus buffers of
// objects, directories, tables, ACLs and spill blocks.
func metadata(t testing.TB, data []byte) (all []target) {
	t.Helper()
	r := stream.NewReader(bytes.NewReader(data))
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		payload, err := r.Payload()
		if err != nil {
			t.Fatal(err)
		}
		at, what := int(r.Offset()), stream.Describe(rec)
		switch rec := rec.(type) {
		case *stream.Object:
			all = append(all, target{at + 8, 56, what, rec.Object, rec.ObjType, true})
			if len(payload) > 0 {
				all = append(all, target{at + stream.HeaderSize, len(payload), what, rec.Object, rec.ObjType, false})
			}
		case *stream.Write:
			if rec.ObjType != stream.ObjPlainFile {
				all = append(all, target{at + stream.HeaderSize, len(payload), what, rec.Object, rec.ObjType, false})
			}
		case *stream.Spill:
			all = append(all, target{at + stream.HeaderSize, min(len(payload), 320), what, rec.Object, stream.ObjSA, false})
		}
	}
}

// reseal makes the checksums of a stream right again. The records lie where they did before
// the stream was edited.
func reseal(data []byte, records []int) {
	var sum stream.Checksum
	store := func(p []byte) {
		for i, v := range sum {
			le.PutUint64(p[8*i:], v)
		}
	}
	for i, at := range records {
		end := len(data)
		if i+1 < len(records) {
			end = records[i+1]
		}
		header := data[at:][:stream.HeaderSize]
		kind := stream.Type(le.Uint32(header))
		if kind == stream.TypeEnd {
			store(header[8:])
		}
		sum.Update(header[:280], le)
		if kind != stream.TypeBegin {
			store(header[280:])
		}
		sum.Update(header[280:], le)
		sum.Update(data[at+stream.HeaderSize:end], le)
	}
}

// facts are what a reader sees of one name.
type facts struct {
	z    zpl.Znode
	text string // of all that is known
}

// look reads all of a file system: every attribute and the contents of every name.
func look(data []byte) (map[string]facts, error) {
	x := objset.New(objset.Options{Keep: zpl.Keep})
	if err := x.Read(stream.NewReader(bytes.NewReader(data)), objset.InPlace{ReaderAt: bytes.NewReader(data)}, nil); err != nil {
		return nil, err
	}
	fs, err := zpl.Open(x, x.Snapshots()[0])
	if err != nil {
		return nil, err
	}
	all := make(map[string]facts)
	add := func(path string, _ zpl.DirEntry, z *zpl.Znode) error {
		xattrs, err := fs.Xattrs(z)
		if err != nil {
			return err
		}
		sum := sha256.New()
		if z.Mode.Type() == tree.TypeFile {
			if err := hashData(sum, fs, z); err != nil {
				return err
			}
		}
		all[path] = facts{*z, fmt.Sprintf("%+v %q %x", *z, xattrs, sum.Sum(nil))}
		return nil
	}
	root, err := fs.Znode(fs.Root())
	if err == nil {
		err = add(".", zpl.DirEntry{}, root)
	}
	if err == nil {
		err = fs.Walk(fs.Root(), "", add)
	}
	return all, err
}

// hashData hashes what is no hole in a file, block by block without the zeros.
func hashData(w io.Writer, fs *zpl.FS, z *zpl.Znode) error {
	f, err := fs.Content(z).Open()
	if err != nil {
		return err
	}
	defer f.Close()
	for off := int64(0); ; {
		start, end, err := f.NextData(off)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		b := make([]byte, end-start)
		if _, err := f.ReadAt(b, start); err != nil && err != io.EOF {
			return err
		}
		fmt.Fprintf(w, "%d:", start)
		w.Write(bytes.TrimRight(b, "\x00"))
		off = end
	}
}

// consistent tells why what was seen contradicts itself: how many names files have, how many
// names and directories are in directories. It shares nothing with verify.
func consistent(all map[string]facts) error {
	names, children, dirs := make(map[uint64]uint64), make(map[string]uint64), make(map[string]uint64)
	for path, f := range all {
		if path == "." {
			continue
		}
		names[f.z.Object]++
		parent := filepath.Dir(path)
		children[parent]++
		if f.z.IsDir() {
			dirs[parent]++
			if all[parent].z.Object != f.z.Parent {
				return fmt.Errorf("%q: parent %d", path, f.z.Parent)
			}
		}
	}
	for path, f := range all {
		switch f.z.Mode.Type() {
		case tree.TypeDir:
			if f.z.Size != children[path]+2 || f.z.Links != dirs[path]+2 {
				return fmt.Errorf("%q: size %d, %d links, %d names and %d directories in it", path, f.z.Size, f.z.Links, children[path], dirs[path])
			}
		case tree.TypeSymlink:
			if f.z.Size != uint64(len(f.z.Target)) {
				return fmt.Errorf("%q: size %d, target of %d bytes", path, f.z.Size, len(f.z.Target))
			}
			fallthrough
		default:
			if f.z.Links != names[f.z.Object] {
				return fmt.Errorf("%q: %d links, %d names", path, f.z.Links, names[f.z.Object])
			}
		}
		for _, t := range []zpl.Time{f.z.ATime, f.z.MTime, f.z.CTime, f.z.CRTime} {
			if t.Nsec >= 1e9 {
				return fmt.Errorf("%q: %d nanoseconds", path, t.Nsec)
			}
		}
	}
	return nil
}

// Classes of what is seen of a stream whose metadata was changed.
const (
	sameTree    = "the same tree"
	otherValue  = "another value of one attribute"
	otherName   = "another name"
	otherTables = "other tables"
)

// classify compares what is seen with what there was, and with the place of the change. The
// difference must be confined to the object that was changed, or to names in the directory that
// was; in all cases what is seen must not contradict itself.
func classify(was, is map[string]facts, place target) (string, error) {
	if err := consistent(is); err != nil {
		return "", fmt.Errorf("the tree contradicts itself: %w", err)
	}
	if maps.Equal(texts(was), texts(is)) {
		return sameTree, nil
	}
	switch place.objType {
	case stream.ObjSARegistration, stream.ObjSALayouts, stream.ObjSAMasterNode, stream.ObjMasterNode:
		return otherTables, nil
	}
	gone, come := 0, 0
	var differ []string
	for path, f := range was {
		if g, ok := is[path]; !ok {
			gone++
		} else if f.text != g.text && f.z.Object != place.object {
			differ = append(differ, path)
		}
	}
	for path := range is {
		if _, ok := was[path]; !ok {
			come++
		}
	}
	// Of an extended attribute, the file that has it shows the change.
	if len(differ) > 1 || len(differ) == 1 && was[differ[0]].z.XattrDir == 0 {
		return "", fmt.Errorf("object %d was changed, but %q differ", place.object, differ)
	}
	if gone != come || gone > 0 && place.objType != stream.ObjDirectory {
		return "", fmt.Errorf("%d names are gone, %d have come", gone, come)
	}
	if gone > 0 {
		return otherName, nil
	}
	return otherValue, nil
}

func texts(all map[string]facts) map[string]string {
	out := make(map[string]string, len(all))
	for path, f := range all {
		out[path] = f.text
	}
	return out
}

// flipped is one metadata flip, and what is made of it.
type flipped struct {
	data  func() []byte
	what  string
	res   *image.Verified
	class string
}

// Flipped bits in metadata, with all checksums made right again, are found, or are harmless.
// Real ZFS is asked about a sample.
func TestVerifyMetadata(t *testing.T) {
	t.Parallel()
	streams := damageStreams(t)
	const flips, asked = 5000, 300
	all := make([]flipped, flips)
	for k, name := range []string{"zpl5", "zpl4"} {
		data := streams[name]
		was, err := look(data)
		if err != nil {
			t.Fatal(err)
		}
		if err := consistent(was); err != nil {
			t.Fatal(err)
		}
		places, records := metadata(t, data), recordOffsets(t, data)
		parallel(flips/2, func(n int) {
			i := 2*n + k
			all[i] = flip(t, data, was, places, records, rand.New(rand.NewPCG(2, uint64(i))), name)
		})
	}
	counts := map[string]int{}
	for _, f := range all {
		counts[f.class]++
	}
	t.Logf("of %d flips: %v", flips, counts)
	askJudge(t, all, asked)
}

func recordOffsets(t testing.TB, data []byte) (all []int) {
	t.Helper()
	r := stream.NewReader(bytes.NewReader(data))
	for {
		if _, err := r.Next(); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, int(r.Offset()))
	}
}

// memoryOfFlips bounds the index of a small stream: flips must not make it large.
const memoryOfFlips = 16 << 20

// flip flips a bit that is likely to mean something: nine of ten are near bytes that are not
// zero.
func flip(t *testing.T, good []byte, was map[string]facts, places []target, records []int, random *rand.Rand, name string) flipped {
	place := places[random.IntN(len(places))]
	at := place.at + random.IntN(place.n)
	for try := 0; try < 40 && random.IntN(10) > 0 && good[at] == 0; try++ {
		at = place.at + random.IntN(place.n)
	}
	bit := random.IntN(8)
	rewrite := func() []byte {
		data := bytes.Clone(good)
		data[at] ^= 1 << bit
		reseal(data, records)
		return data
	}
	data := rewrite()
	f := flipped{data: rewrite, what: fmt.Sprintf("%s: bit %d of byte %d of %s (header %v)", name, bit, at-place.at, place.what, place.header)}
	res, err := image.Verify(context.Background(), []string{"-"}, image.VerifyOptions{Stdin: bytes.NewReader(data), Budget: budget.New(budget.Fixed(memoryOfFlips))})
	switch {
	case errors.Is(err, objset.ErrTooLarge):
		f.class = "refused: too large"
		return f
	case err != nil:
		t.Errorf("%s: %v", f.what, err)
		return f
	}
	f.res = res
	if res.Count[zpl.Damage] > 0 {
		f.class = "damage"
		return f
	}
	is, err := look(data)
	if err == nil {
		f.class, err = classify(was, is, place)
	}
	if err != nil {
		t.Errorf("%s: accepted, but %v\n%s", f.what, err, list(res.Faults))
		f.class = "wrongly accepted"
	}
	return f
}

// debugAssertion is why the judge may stop at what verify warns of, and kernels do not: it is
// built with assertions, of which one is that no WRITE is smaller than a block. Without it the
// same code writes the smaller part, as it must when blocks were split for the stream.
const debugAssertion, debugWarning = "flush_write_batch_impl()", "kernels for debugging stop at it"

// askJudge has real ZFS receive a sample of flips, the accepted ones first. What it refuses or
// finds faulty, verify must have told.
func askJudge(t *testing.T, all []flipped, n int) {
	sessions := oracle.RequireJudge(t).Sessions(t, oracle.JudgeOptions{})
	var accepted, damaged []flipped
	for _, f := range all {
		if f.res != nil && f.res.Count[zpl.Damage] == 0 {
			accepted = append(accepted, f)
		} else if f.res != nil {
			damaged = append(damaged, f)
		}
	}
	sample := slices.Concat(every(accepted, n*2/3), every(damaged, n/3))
	dir := t.TempDir()
	lines := make([]string, len(sample))
	parallel(len(sample), func(i int) {
		f := sample[i]
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(path, f.data(), 0o600); err != nil {
			t.Error(err)
			return
		}
		defer os.Remove(path)
		_, err := sessions.Verdict(path)
		told := strings.TrimSpace(list(slices.DeleteFunc(slices.Clone(f.res.Faults), notAnImage)))
		lines[i] = fmt.Sprintf("%s\n  ours: %s: %s\n  real ZFS: %v", f.what, f.class, firstLine(told), firstLine(fmt.Sprint(err)))
		if err == nil || f.res.Count[zpl.Damage] > 0 {
			return
		}
		var faults *oracle.FaultError
		if errors.As(err, &faults) && told != "" {
			return
		}
		if strings.Contains(err.Error(), debugAssertion) && strings.Contains(told, debugWarning) {
			lines[i] += "\n  which only an assertion does"
			return
		}
		t.Errorf("%s: accepted as %s (%s), but real ZFS: %v", f.what, f.class, told, err)
	})
	t.Logf("asked real ZFS about %d:\n%s", len(sample), strings.Join(lines, "\n"))
}

// every returns up to n of a list, evenly.
func every(list []flipped, n int) (out []flipped) {
	for i := range min(n, len(list)) {
		out = append(out, list[i*len(list)/min(n, len(list))])
	}
	return out
}

func firstLine(s string) string {
	first, _, more := strings.Cut(s, "\n")
	if more {
		first += " …"
	}
	return first
}
