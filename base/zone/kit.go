package zone

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"imagetools/fault"
)

// maxKit is how long a bootstrap may be. It is held in memory for a moment; those of 2013 to
// 2024 have 20 to 70 MB.
const maxKit = 256 << 20

// Kit is a bootstrap of pkgsrc: a gzipped tar.
type Kit struct {
	Source string `json:"source"` // path or URL
	Size   int64  `json:"size"`   // 0 of one that was not fetched, as in a dry run
	SHA256 string `json:"sha256,omitzero"`

	path string
	file *os.File // what was fetched, in place of a path; closed by Close
}

// OpenKit looks at a kit on disk. With a digest, that is the one it must have.
func OpenKit(ctx context.Context, path, digest string) (*Kit, error) {
	k := &Kit{Source: path, path: path}
	if err := k.look(ctx, digest); err != nil {
		return nil, err
	}
	return k, nil
}

// Close removes what was fetched.
func (k *Kit) Close() error {
	if k.file == nil {
		return nil
	}
	f := k.file
	k.file = nil
	return f.Close()
}

// open opens the file from its beginning.
func (k *Kit) open() (_ io.ReadCloser, size int64, err error) {
	if k.file != nil {
		info, err := k.file.Stat()
		if err != nil {
			return nil, 0, fmt.Errorf("bootstrap: %w", err)
		}
		return io.NopCloser(io.NewSectionReader(k.file, 0, info.Size())), info.Size(), nil
	}
	f, info, err := openRegular(k.path)
	if err != nil {
		return nil, 0, fmt.Errorf("bootstrap: %w", err)
	}
	return f, info.Size(), nil
}

// look reads the file, and checks what can be told of it.
func (k *Kit) look(ctx context.Context, digest string) error {
	f, size, err := k.open()
	if err != nil {
		return err
	}
	defer f.Close()
	if size > maxKit {
		return fmt.Errorf("bootstrap %q: %d bytes are more than %d", k.Source, size, maxKit)
	}
	var magic [2]byte
	if _, err := io.ReadFull(f, magic[:]); err != nil || magic != [2]byte{0x1f, 0x8b} {
		return fault.WithHint(fmt.Errorf("bootstrap %q: it is not compressed by gzip", k.Source), "the kits of pkgsrc are called bootstrap-BRANCH-ARCH.tar.gz")
	}
	sum := sha256.New()
	sum.Write(magic[:])
	n, err := io.Copy(sum, &interrupted{ctx, f})
	if err != nil {
		return fmt.Errorf("bootstrap %q: %w", k.Source, err)
	}
	k.Size, k.SHA256 = n+int64(len(magic)), hex.EncodeToString(sum.Sum(nil))
	if digest != "" && !strings.EqualFold(digest, k.SHA256) {
		return fmt.Errorf("bootstrap %q: SHA-256 is %s, not %s", k.Source, k.SHA256, strings.ToLower(digest))
	}
	return nil
}

// read returns the content, which must still be what was looked at.
func (k *Kit) read() ([]byte, error) {
	f, _, err := k.open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data := make([]byte, k.Size+1)
	n, err := io.ReadFull(f, data)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("bootstrap %q: %w", k.Source, err)
	}
	data = data[:n]
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != k.SHA256 {
		return nil, fmt.Errorf("bootstrap %q: it changed while it was used", k.Source)
	}
	return data, nil
}

// ReadCACert reads root certificates, of which there must be one at least.
func ReadCACert(path string) ([]byte, error) {
	f, info, err := openRegular(path)
	if err != nil {
		return nil, fmt.Errorf("root certificates: %w", err)
	}
	defer f.Close()
	const limit = 4 << 20
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("root certificates: %w", err)
	case info.Size() > limit || len(data) > limit:
		return nil, fmt.Errorf("root certificates %q: more than %d bytes", path, limit)
	case !bytes.Contains(data, []byte("-----BEGIN CERTIFICATE-----")):
		return nil, fault.WithHint(fmt.Errorf("root certificates %q: there is none in it", path), "give a PEM file, such as the ca-certificates.crt of another system")
	}
	return data, nil
}

// openRegular opens a regular file, and does not wait for the other end of a FIFO.
func openRegular(path string) (*os.File, os.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%q is not a regular file", path)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// interrupted is a reader that ends with a context.
type interrupted struct {
	ctx context.Context
	r   io.Reader
}

func (i *interrupted) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}
