package image

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strings"

	"imagetools/compress"
	"imagetools/image/check"
	"imagetools/manifest"
	"imagetools/tree"
	"imagetools/zfs/nvlist"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zap"
	"imagetools/zfs/zpl"
	"imagetools/zfs/zvol"
)

// checkedFS is a file system that was checked, with the private names found in it.
type checkedFS struct {
	s     *objset.Snapshot
	fs    *zpl.FS
	found []zpl.Found
}

// imageVerifier checks what a file is as an image: against its manifest, and for what imgadm
// and vmadm would do with it.
type imageVerifier struct {
	v           *verifier
	in          *Input
	packages    []*objset.Package
	fileSystems []checkedFS
	volumeSize  int64 // 0: none
	m           *manifest.Manifest
	doc         *manifest.Document
}

// refused is the severity of what imgadm refuses: a stream without a manifest may be meant
// for something else.
func (im *imageVerifier) refused() zpl.Severity {
	if im.in.Manifest != nil {
		return zpl.Damage
	}
	return zpl.Warning
}

// stream adds a fault of the stream as an image.
func (im *imageVerifier) stream(s zpl.Severity, format string, args ...any) {
	im.v.add(Fault{Severity: s, File: im.in.Path, Message: fmt.Sprintf(format, args...)})
}

// manifest adds a fault of a field of the manifest.
func (im *imageVerifier) manifest(s zpl.Severity, field, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if field != "" {
		message = field + ": " + message
	}
	if im.doc != nil {
		if line, column := im.doc.Position(field); line > 0 {
			message = fmt.Sprintf("%d:%d: %s", line, column, message)
		}
	}
	im.v.add(Fault{Severity: s, File: im.in.ManifestPath, Message: message})
}

// verify checks the image. whole says that the stream was read to its end.
func (im *imageVerifier) verify(whole bool) {
	if im.in.Manifest != nil {
		im.readManifest()
	}
	if im.m != nil {
		im.file(whole)
	}
	if !whole {
		return
	}
	im.receive()
	if im.m != nil {
		im.contents()
	}
	for _, c := range im.fileSystems {
		im.provision(c)
		im.leaks(c)
	}
}

// readManifest validates the manifest as imgadm does.
func (im *imageVerifier) readManifest() {
	var err error
	if im.doc, err = manifest.Decode(im.in.Manifest); err != nil {
		im.manifest(zpl.Damage, "", "%v", err)
		return
	}
	if k := im.doc.Kind(); k != manifest.KindManifest {
		im.manifest(zpl.Damage, "", "%v", &manifest.NotOneError{Kind: k, Manifests: 1})
		return
	}
	faults, warnings, err := im.doc.Lint(manifest.IMGADM)
	if err != nil {
		im.manifest(zpl.Damage, "", "%v", err)
		return
	}
	for _, f := range faults {
		im.manifest(zpl.Damage, f.Field, "%s (%s)", f.Message, f.Code)
	}
	for _, w := range warnings {
		im.manifest(zpl.Warning, w.Field, "%s", w.Message)
	}
	if im.m, err = manifest.ParsePartial(im.in.Manifest); err != nil && len(faults) == 0 {
		im.manifest(zpl.Damage, "", "%v", err)
	}
}

// file compares the file with what the manifest says of it.
func (im *imageVerifier) file(whole bool) {
	if len(im.m.Files) != 1 {
		im.manifest(zpl.Damage, "files", "%d files: imgadm needs one", len(im.m.Files))
		return
	}
	f, in := im.m.Files[0], im.in
	if f.Size != in.Size {
		im.manifest(zpl.Damage, "files[0].size", "%d bytes, the file has %d", f.Size, in.Size)
	}
	if !strings.EqualFold(f.SHA1, in.SHA1) {
		im.manifest(zpl.Damage, "files[0].sha1", "%s, the file has %s", f.SHA1, in.SHA1)
	}
	switch declared := compress.Format(f.Compression); {
	case declared == in.Format || in.Format == "":
	case in.Format == compress.None:
		im.manifest(zpl.Warning, "files[0].compression", "%q, the file is not compressed: imgadm's decompressors pass it on", declared)
	default:
		im.manifest(zpl.Damage, "files[0].compression", "%q, the file is compressed with %s", declared, in.Format)
	}
	switch t := im.m.Type; {
	case !whole && len(in.Snapshots) == 0 && (t == manifest.TypeDocker || t == manifest.TypeLXD || t == manifest.TypeOther):
		im.manifest(zpl.Warning, "type", "the file of a %s image is no ZFS stream, and is not checked by this program", t)
	case whole && f.DatasetGUID != "" && len(in.Snapshots) > 0:
		if guid := fmt.Sprint(in.Snapshots[len(in.Snapshots)-1].Begin.ToGUID); guid != f.DatasetGUID {
			im.manifest(zpl.Damage, "files[0].dataset_guid", "%s, the snapshot has %s", f.DatasetGUID, guid)
		}
	}
}

// receive tells what imgadm's zfs receive makes of the stream: it gives no options, and
// expects one snapshot.
func (im *imageVerifier) receive() {
	if im.in.Format == compress.Zstd {
		im.stream(im.refused(), "the file is compressed with zstd, which imgadm cannot read")
	}
	if n := len(im.in.Snapshots); n != 1 {
		im.stream(im.refused(), "the stream has %d snapshots: imgadm refuses what is not one", n)
	}
	for _, p := range im.packages {
		if props := properties(p); len(props) > 0 {
			im.stream(im.refused(), "the stream sets properties of the received dataset: %s; zfs send without -p and -R does not", strings.Join(props, ", "))
		} else {
			im.stream(zpl.Warning, "the stream %q is a package (zfs send -R, -I or -p): images are plain streams", p.Begin.ToName)
		}
	}
	var features stream.Features
	for _, s := range im.in.Snapshots {
		b := s.Begin
		features |= b.Features
		if b.FromGUID != 0 && b.Flags&stream.FlagClone == 0 && len(im.packages) == 0 {
			im.stream(im.refused(), "snapshot %q is incremental without the flag CLONE: zfs receive does not make a new dataset of it", b.ToName)
		}
		if s.Resumed() {
			im.stream(im.refused(), "snapshot %q: %v", b.ToName, objset.ErrResumed)
		}
		if s.Encrypted() {
			im.stream(im.refused(), "snapshot %q is encrypted: imgadm has no key for it", b.ToName)
		}
	}
	im.platform(features)
}

// properties are the names of the properties that a package sets: it has a list of datasets,
// by their guids, each with a list of properties.
func properties(p *objset.Package) []string {
	var names []string
	datasets, _ := p.List.Lookup("fss").(nvlist.List)
	for _, d := range datasets {
		dataset, _ := d.Value.(nvlist.List)
		props, _ := dataset.Lookup("props").(nvlist.List)
		for _, prop := range props {
			if !slices.Contains(names, prop.Name) {
				names = append(names, prop.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// platform compares the features of the stream with the platforms that the manifest allows.
func (im *imageVerifier) platform(f stream.Features) {
	since, why, ok := OldestPlatform(f)
	if !ok {
		im.stream(zpl.Warning, "no SmartOS platform receives the stream: %s", why)
		return
	}
	if f&^(stream.FeatureSASpill) == 0 {
		return // since 2010
	}
	if im.m != nil && im.m.Requirements != nil && im.m.Requirements.MinPlatform["7.0"] >= since {
		return
	}
	im.stream(zpl.Warning, "platforms before %s refuse the stream (%s), and the manifest does not exclude them", since, why)
}

// contents compares what is in the stream with the manifest.
func (im *imageVerifier) contents() {
	m := im.m
	if len(im.in.Snapshots) == 0 {
		return
	}
	s := im.in.Snapshots[len(im.in.Snapshots)-1]
	if im.v.uuids == nil {
		im.v.uuids = map[uint64]string{}
	}
	im.v.uuids[s.Begin.ToGUID] = m.UUID
	volume := s.Begin.Objset == stream.ObjsetZvol
	switch {
	case m.Type != "" && volume != (m.Type == manifest.TypeZvol):
		im.manifest(zpl.Damage, "type", "%q, the stream holds a %s", m.Type, Kind(s.Begin.Objset))
	case volume && im.volumeSize > 0 && m.ImageSize == 0:
		im.manifest(zpl.Warning, "image_size", "missing: the volume has %d MiB", (im.volumeSize+mebi-1)/mebi)
	case volume && im.volumeSize > 0 && m.ImageSize != (im.volumeSize+mebi-1)/mebi:
		im.manifest(zpl.Damage, "image_size", "%d MiB, the volume has %d bytes", m.ImageSize, im.volumeSize)
	}
	switch incremental := s.Begin.FromGUID != 0; {
	case incremental && m.Origin == "":
		im.manifest(zpl.Damage, "origin", "missing, and the stream is incremental: it builds on the snapshot with the guid %#x", s.Begin.FromGUID)
	case incremental && im.v.uuids[s.Begin.FromGUID] != "" && im.v.uuids[s.Begin.FromGUID] != m.Origin:
		im.manifest(zpl.Warning, "origin", "%s, but the stream builds on the snapshot of image %s", m.Origin, im.v.uuids[s.Begin.FromGUID])
	case !incremental && m.Origin != "":
		im.manifest(zpl.Warning, "origin", "%s, but the stream is a full one and needs none", m.Origin)
	}
}

// provision tells whether vmadm can make a zone of a file system.
func (im *imageVerifier) provision(c checkedFS) {
	var opts check.Options
	if im.m != nil {
		opts = check.Of(im.m)
	}
	dataset := newDatasetFS(c.fs)
	for _, f := range check.Zone(dataset, opts) {
		severity := zpl.Warning
		if f.Fatal {
			severity = im.refused()
		}
		im.inFS(c, severity, f.Path, "%s", f.Message)
	}
	for _, path := range dataset.unread {
		im.v.note("snapshot %q: %s: the contents were not kept while the stream was read, and are not judged", c.s.Begin.ToName, path)
	}
}

// datasetFS is a file system in a stream, as package check looks at it. Of contents it has what a
// [smallStore] kept.
type datasetFS struct {
	fs     *zpl.FS
	dirs   map[string]uint64 // objects of directories, by path: of those in what was listed
	unread []string          // files whose contents were not kept
}

func newDatasetFS(fs *zpl.FS) *datasetFS { return &datasetFS{fs: fs, dirs: make(map[string]uint64)} }

// maxKnownDirs bounds how many directories a [datasetFS] knows the objects of.
const maxKnownDirs = 10_000

func (d *datasetFS) Lookup(path string) (check.Node, error) {
	z, err := d.fs.Lookup(path)
	if err != nil {
		return check.Node{}, err
	}
	return check.Node{Mode: z.Mode, UID: uint32(min(z.UID, math.MaxUint32)), Size: int64(min(z.Size, math.MaxInt64)), Target: z.Target}, nil
}

func (d *datasetFS) ReadDir(dir string) ([]check.Entry, error) {
	object, ok := d.dirs[dir]
	if !ok {
		z, err := d.fs.Lookup(dir)
		if err != nil {
			return nil, err
		}
		object = z.Object
	}
	names, err := d.fs.Dir(object)
	if err != nil {
		return nil, err
	}
	list := make([]check.Entry, len(names))
	for i, e := range names {
		list[i] = check.Entry{Name: e.Name, Dir: d.isDir(e)}
		if list[i].Dir && len(d.dirs) < maxKnownDirs {
			d.dirs[path.Join(dir, e.Name)] = e.Object
		}
	}
	return list, nil
}

func (d *datasetFS) isDir(e zpl.DirEntry) bool {
	if e.Type != 0 {
		return e.Type == tree.TypeDir
	}
	z, err := d.fs.Znode(e.Object)
	return err == nil && z.IsDir()
}

func (d *datasetFS) ReadFile(path string, limit int64) (_ []byte, err error) {
	z, err := d.fs.Lookup(path)
	if err != nil {
		return nil, err
	}
	if z.Mode.Type() != tree.TypeFile || z.Size > uint64(limit) {
		return nil, errors.ErrUnsupported
	}
	f, err := d.fs.Content(z).Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data := make([]byte, z.Size)
	if n, err := f.ReadAt(data, 0); n < len(data) {
		if errors.Is(err, objset.ErrNotStored) {
			d.unread = append(d.unread, path)
			return nil, errors.ErrUnsupported
		}
		return nil, cmp.Or(err, io.ErrUnexpectedEOF)
	}
	return data, nil
}

// inFS adds a fault at a path of a file system.
func (im *imageVerifier) inFS(c checkedFS, s zpl.Severity, path, format string, args ...any) {
	im.v.add(Fault{Severity: s, File: im.in.Path, Snapshot: c.s.Begin.ToName, Path: path, Message: fmt.Sprintf(format, args...)})
}

// volume checks a volume.
func (v *verifier) volume(in *Input, s *objset.Snapshot, im *imageVerifier) {
	fault := func(sev zpl.Severity, object uint64, format string, args ...any) {
		v.addObject(in, s, zpl.Fault{Severity: sev, Object: object, Message: fmt.Sprintf(format, args...)})
	}
	vol, err := zvol.Open(v.x, s)
	if err != nil {
		fault(zpl.Damage, 1, "%s", strings.TrimPrefix(err.Error(), fmt.Sprintf("snapshot %q: ", s.Begin.ToName)))
		return
	}
	im.volumeSize = vol.Size
	data, props := s.Object(1), s.Object(2)
	if data.Type != stream.ObjZvol {
		fault(zpl.Damage, 1, "it holds the data of the volume, and its type is %s", stream.ObjTypeName(data.Type))
	}
	if props.Type != stream.ObjZvolProp {
		fault(zpl.Damage, 2, "it holds the properties of the volume, and its type is %s", stream.ObjTypeName(props.Type))
	}
	if vol.BlockSize&(vol.BlockSize-1) != 0 {
		fault(zpl.Damage, 1, "blocks of %d bytes: no power of two", vol.BlockSize)
	} else if vol.Size%int64(vol.BlockSize) != 0 {
		fault(zpl.Damage, 2, "the volume has %d bytes: no multiple of its blocks of %d", vol.Size, vol.BlockSize)
	}
	if end := data.End(); end > uint64(vol.Size) {
		fault(zpl.Damage, 1, "data up to %d in a volume of %d bytes", end, vol.Size)
	}
	v.volumeContents(s, vol, fault)
	err = zap.Read(v.x.Data(props).Block, s.Order, func(e zap.Entry) error {
		if e.Name == "size" && (e.IntSize != 8 || len(e.Values) != 1) {
			fault(zpl.Damage, 2, "the size of the volume is no number")
		}
		return nil
	})
	if err != nil {
		fault(zpl.Damage, 2, "%v", err)
	}
	zpl.CheckTable(v.x, s, props, 0, func(sev zpl.Severity, format string, args ...any) { fault(sev, 2, format, args...) })
	for o := range s.Objects() {
		if o.Number > 2 {
			fault(zpl.Warning, o.Number, "a volume has no such object, of type %s", stream.ObjTypeName(o.Type))
		}
	}
}
