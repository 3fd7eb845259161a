package image

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"imagetools/manifest"
	"imagetools/zfs/stream"
	"imagetools/zfs/zap"
)

// CreateFromStream writes the image of a plain stream of one snapshot as zfs send makes it, byte
// by byte. On the way it is checked: a stream that is damaged, or that receivers choke on, is
// refused, and so is a volume for an image of another type than zvol.
//
// open is called when all that [Create] refuses at once has been refused. The stream it
// returns is closed before the files get their names, also when ctx has ended, and an error of
// that Close is one of CreateFromStream.
//
// Findings in the result are what keeps zones from booting, and files that are better not in an image.
// Features in the result, other than SA_SPILL, are such that old receivers refuse the stream.
func CreateFromStream(ctx context.Context, open func(context.Context) (io.ReadCloser, error), opts Options) (*Result, error) {
	return create(ctx, opts, func(out *output) (*contents, error) {
		in, err := open(ctx)
		if err != nil {
			return nil, err
		}
		var c *contents
		watch := newWatcher(ctx)
		size, err := out.writeStream(func(w io.Writer) (err error) {
			c, err = copyStream(io.MultiWriter(w, watch), in, out.imageType, opts.FromGUID)
			return err
		})
		findings := watch.judge(manifest.New(opts.Manifest))
		if ended := context.Cause(ctx); ended != nil {
			err = ended // what else went wrong came of it
		}
		if err := errors.Join(err, in.Close()); err != nil {
			return nil, err
		}
		c.size, c.findings = size, findings
		return c, nil
	})
}

// copyStream copies a stream for an image of a type and checks it.
func copyStream(w io.Writer, r io.Reader, imageType string, fromGUID uint64) (*contents, error) {
	in := bufio.NewReaderSize(r, 1<<20)
	out := &firstError{w: w}
	c, err := readStream(io.TeeReader(in, out), imageType, fromGUID)
	if out.err != nil {
		return nil, out.err
	}
	if err != nil {
		return nil, err
	}
	switch _, err := in.ReadByte(); err {
	case io.EOF:
		return c, nil
	case nil:
		return nil, errors.New("more follows behind the end of the stream")
	default:
		return nil, err
	}
}

// firstError remembers why writing failed.
type firstError struct {
	w   io.Writer
	err error
}

func (f *firstError) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if f.err == nil {
		f.err = err
	}
	return n, err
}

// readStream reads a stream to its END.
func readStream(r io.Reader, imageType string, fromGUID uint64) (*contents, error) {
	in := stream.NewReader(r)
	check := stream.Checker{Foreign: true}
	c := &contents{}
	for {
		rec, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := check.Check(rec); err != nil {
			return nil, fmt.Errorf("record %d at byte %d of the stream: %w", in.Record(), in.Offset(), err)
		}
		switch rec := rec.(type) {
		case *stream.Begin:
			if err := checkKind(rec, imageType, fromGUID); err != nil {
				return nil, err
			}
			c.guid, c.features = rec.ToGUID, rec.Features
		case *stream.Write:
			if rec.ObjType != stream.ObjZvolProp || rec.Offset != 0 {
				continue
			}
			if c.volume, err = volumeSize(in); err != nil {
				return nil, fmt.Errorf("object %d: properties of the volume: %w", rec.Object, err)
			}
		}
	}
	if imageType == manifest.TypeZvol && c.volume == 0 && fromGUID == 0 {
		return nil, errors.New("the stream does not tell the size of the volume")
	}
	return c, nil
}

// checkKind tells whether a stream begins where it should and fits the type of image.
func checkKind(b *stream.Begin, imageType string, fromGUID uint64) error {
	switch {
	case b.FromGUID == fromGUID:
	case fromGUID == 0:
		return fmt.Errorf("stream of %q: it is incremental, a full one is needed", b.ToName)
	default:
		return fmt.Errorf("stream of %q: it begins at the snapshot with the guid %d, not at %d", b.ToName, b.FromGUID, fromGUID)
	}
	if volume := b.Objset == stream.ObjsetZvol; volume != (imageType == manifest.TypeZvol) {
		kind := map[bool]string{true: "volume", false: "file system"}[volume]
		return fmt.Errorf("stream of %q: a %s makes no %s", b.ToName, kind, imageType)
	}
	return nil
}

// volumeSize reads the size of a volume in bytes from the only block of its properties, a
// micro ZAP with an entry "size" (zvol.c).
func volumeSize(in *stream.Reader) (uint64, error) {
	block, err := in.Payload()
	if err != nil {
		return 0, err
	}
	var size uint64
	blocks := func(number uint64) ([]byte, error) {
		if number > 0 {
			return nil, errors.New("more than one block")
		}
		return block, nil
	}
	err = zap.ReadTable(blocks, in.Order(), func(e zap.Entry) error {
		if e.Name == "size" && len(e.Values) == 1 {
			size = e.Values[0]
		}
		return nil
	})
	if err == nil && (size == 0 || size%512 != 0 || size > 1<<62) {
		err = fmt.Errorf("size of %d bytes", size)
	}
	return size, err
}

const mebi = 1 << 20

// setImageSize puts the size of a volume into the manifest, in MiB; part of one counts whole.
func (o *Options) setImageSize(volume uint64) error {
	if volume == 0 {
		return nil
	}
	size := int64((volume + mebi - 1) / mebi)
	var base manifest.Manifest
	if o.Manifest.Base != nil {
		base = *o.Manifest.Base
	}
	if base.ImageSize != 0 && base.ImageSize != size {
		return fmt.Errorf("image_size is %d in the manifest, the volume has %d MiB", base.ImageSize, size)
	}
	base.ImageSize = size
	o.Manifest.Base = &base
	return nil
}
