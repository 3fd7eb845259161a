// Package registry is the client of registries of container images, as a store of package fromoci.
//
//	repo, err := registry.Open(ctx, "debian:12", registry.Options{})
//	...
//	src, err := fromoci.Read(ctx, repo, "", fromoci.Options{…})
//
// Registries speak HTTPS. Plain HTTP is taken from a loopback address only, unless
// [Options.Insecure] is set; that goes for the servers of tokens and blobs, too, that a registry
// leads to. Only a registry at a loopback address may lead to one over plain HTTP. A body that is cut, or stalls for a minute, is resumed where it ended, and a registry
// that is busy is asked again after the time it asks for, up to a minute, five times.
//
// Credentials are those of the options, or of Docker's configuration ($DOCKER_CONFIG, or
// ~/.docker/config.json with its helpers, or Podman's). They go to the registry, and to the server
// of tokens that it names. No error has them, nor anything else that a server sent but status,
// error code and digest.
package registry

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"imagetools/fault"
	"imagetools/tree/fromoci"
)

// Options say how a registry is reached.
type Options struct {
	Insecure       bool   // allow HTTP, and certificates that nobody vouches for
	User, Password string // in place of Docker's configuration

	Backoff time.Duration // before the second request for one thing, doubled then; 0 is half a second
	Stall   time.Duration // without a byte, after which a body counts as cut; 0 is a minute

	// Waiting is told when a registry asked to wait. It may be nil.
	Waiting func(time.Duration)
}

// Repository is a name in a registry that stands for an image.
type Repository struct {
	ref    name.Reference
	opts   Options
	gate   *gate
	client *http.Client

	document   []byte // that the name stands for
	descriptor fromoci.Descriptor
}

// Open finds the image that a name stands for: HOST/REPOSITORY:TAG or @DIGEST, where the host
// may be left out for Docker Hub, and the tag if it is "latest".
func Open(ctx context.Context, ref string, opts Options) (*Repository, error) {
	opts.Backoff = cmp.Or(opts.Backoff, 500*time.Millisecond)
	opts.Stall = cmp.Or(opts.Stall, time.Minute)
	var how []name.Option
	if opts.Insecure {
		how = append(how, name.Insecure)
	}
	if _, after, ok := strings.Cut(ref, "@"); ok && (!strings.HasPrefix(after, "sha") || strings.Contains(after, "@")) { // no digest: a password may be before it
		return nil, fault.With(errors.New("docker://…: credentials are not taken from a name"), WayCredentials)
	}
	parsed, err := name.ParseReference(ref, how...)
	if err == nil && !isRepository(parsed.Context().RepositoryStr()) {
		err = errors.New("bad name of a repository")
	}
	if err != nil {
		return nil, fault.WithHint(fmt.Errorf("docker://%s: %w", ref, err), "it is docker://HOST/REPOSITORY:TAG, such as docker://debian:12")
	}
	r := &Repository{ref: parsed, opts: opts}
	if err := r.connect(ctx); err != nil {
		return nil, r.fail(err)
	}
	if err := r.find(ctx); err != nil {
		return nil, r.fail(err)
	}
	return r, nil
}

// isRepository tells whether a name stays what it is as part of a URL.
func isRepository(name string) bool { return name != "." && fs.ValidPath(name) }

// String is the name as skopeo spells it.
func (r *Repository) String() string { return "docker://" + r.ref.Name() }

// Name is the name of the repository as Docker shows it, and Tag its tag, "" for a digest.
func (r *Repository) Name() string {
	host, repo := r.ref.Context().RegistryStr(), r.ref.Context().RepositoryStr()
	if host == name.DefaultRegistry {
		return strings.TrimPrefix(repo, "library/")
	}
	return host + "/" + repo
}

// Tag is the tag of the image, "" if it was named by its digest.
func (r *Repository) Tag() string {
	if tag, ok := r.ref.(name.Tag); ok {
		return tag.TagStr()
	}
	return ""
}

// connect finds out how the registry wants to be talked to.
func (r *Repository) connect(ctx context.Context) error {
	auth := authn.FromConfig(authn.AuthConfig{Username: r.opts.User, Password: r.opts.Password})
	if r.opts.User == "" && r.opts.Password == "" {
		var err error
		if auth, err = authn.Resolve(ctx, authn.DefaultKeychain, r.ref.Context()); err != nil {
			return fmt.Errorf("credentials of Docker's configuration: %w", err)
		}
	}
	r.gate = newTransport(r.ref.Context().RegistryStr(), r.opts)
	base := transport.NewUserAgent(r.gate, "imagetools")
	scopes := []string{r.ref.Context().Scope(transport.PullScope)}
	return r.again(ctx, func() error {
		rt, err := transport.NewWithContext(ctx, r.ref.Context().Registry, auth, base, scopes)
		if err == nil {
			r.client = &http.Client{Transport: rt}
		}
		return err
	})
}

// find asks what the name stands for.
func (r *Repository) find(ctx context.Context) error {
	var contentType, told string
	err := r.again(ctx, func() error {
		resp, err := r.get(ctx, "manifests/"+r.ref.Identifier(), http.Header{"Accept": {strings.Join(fromoci.ManifestTypes, ", ")}})
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		contentType, told = resp.Header.Get("Content-Type"), resp.Header.Get("Docker-Content-Digest")
		r.document, err = io.ReadAll(io.LimitReader(resp.Body, fromoci.MaxManifest+1))
		return err
	})
	if err != nil {
		return err
	}
	if len(r.document) > fromoci.MaxManifest {
		return fmt.Errorf("manifest of more than %d bytes", fromoci.MaxManifest)
	}
	sum := sha256.Sum256(r.document)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	if d, ok := r.ref.(name.Digest); ok {
		told = d.DigestStr()
	}
	if strings.HasPrefix(told, "sha256:") && told != digest {
		return fmt.Errorf("manifest: %w: it should be %s and is %s", fromoci.ErrDigest, short(told), digest)
	}
	r.descriptor = fromoci.Descriptor{
		MediaType: mediaType(contentType, r.document), Digest: fromoci.Digest(digest), Size: int64(len(r.document)),
	}
	return nil
}

// short keeps what a server sent short.
func short(s string) string { return s[:min(len(s), 80)] }

// mediaType tells what a document is: as it says itself, as the server says, or by what is in it.
func mediaType(contentType string, document []byte) string {
	var d struct {
		MediaType string            `json:"mediaType"`
		Manifests []json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(document, &d); err != nil {
		return "" // whoever reads it says what is wrong
	}
	contentType, _, _ = mime.ParseMediaType(contentType)
	for _, t := range []string{d.MediaType, contentType} {
		if slices.Contains(fromoci.ManifestTypes, t) {
			return t
		}
	}
	if d.Manifests != nil {
		return fromoci.ManifestTypes[0]
	}
	return ""
}

// Images implements [fromoci.Store].
func (r *Repository) Images(context.Context) ([]fromoci.Descriptor, error) {
	return []fromoci.Descriptor{r.descriptor}, nil
}

// Open implements [fromoci.Store].
func (r *Repository) Open(ctx context.Context, d fromoci.Descriptor) (io.ReadCloser, error) {
	if d.Digest == r.descriptor.Digest {
		return io.NopCloser(bytes.NewReader(r.document)), nil
	}
	kind := "blobs/"
	if d.IsManifest() {
		kind = "manifests/"
	}
	b := &blob{repo: r, ctx: ctx, path: kind + string(d.Digest), size: d.Size}
	if d.IsManifest() {
		b.accept = d.MediaType
	}
	return b, nil
}

// hints are what to do about a status.
var hints = map[int]string{
	http.StatusNotFound:        "look whether the name is right; skopeo list-tags lists the tags of a repository",
	http.StatusTooManyRequests: "try again later; with docker login many registries allow more",
}

// Ways out of faults of registries.
var (
	WayCredentials = fault.NewWay("registry.credentials") // give credentials
	WayDenied      = fault.NewWay("registry.denied")      // give credentials, or another name
	WayInsecure    = fault.NewWay("registry.insecure")    // allow plain HTTP
)

// StatusError is a request that a registry did not grant.
type StatusError struct {
	Status int
	Code   string        // of the registry, such as MANIFEST_UNKNOWN; may be empty
	After  time.Duration // for which it asked to wait
}

func (e *StatusError) Error() string {
	text := map[int]string{
		http.StatusUnauthorized: "access is denied", http.StatusForbidden: "access is denied",
		http.StatusNotFound: "it does not exist", http.StatusTooManyRequests: "the registry is asked too often",
	}[e.Status]
	if text == "" {
		text = "the registry fails"
	}
	if e.Code != "" {
		return fmt.Sprintf("%s (status %d, %s)", text, e.Status, e.Code)
	}
	return fmt.Sprintf("%s (status %d)", text, e.Status)
}

func (e *StatusError) isDenied() bool {
	return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
}

// WayOut is WayDenied where access is denied.
func (e *StatusError) WayOut() (fault.Way, []string) {
	if e.isDenied() {
		return WayDenied, nil
	}
	return fault.Way{}, nil
}

// Hint is what to try.
func (e *StatusError) Hint() string {
	switch {
	case e.isDenied():
		return ""
	case e.After > maxWait:
		return fmt.Sprintf("try again in %v, for which the registry asks", e.After)
	case hints[e.Status] == "":
		return "try again later"
	}
	return hints[e.Status]
}

// fail says which image an error is about.
func (r *Repository) fail(err error) error {
	if errors.Is(err, http.ErrSchemeMismatch) {
		err = fault.With(err, WayInsecure)
	}
	return fmt.Errorf("%v: %w", r, err)
}
