package fromoci

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"regexp"
	"slices"
	"strings"

	"imagetools/internal/plain"
)

// Limits of the documents of an image, all in JSON.
const (
	MaxManifest = 4 << 20 // bytes of an index or a manifest, as registries have it
	maxConfig   = 8 << 20
	maxLayers   = 1000
	maxEntries  = 10_000 // of an index with all below it
	maxNesting  = 4      // of indexes
	maxLoads    = 200    // documents that are read to find the image
)

// Media types (OCI image-spec, media-types.md, and the ones of Docker that they descend from).
const (
	typeIndex       = "application/vnd.oci.image.index.v1+json"
	typeManifest    = "application/vnd.oci.image.manifest.v1+json"
	typeDockerIndex = "application/vnd.docker.distribution.manifest.list.v2+json"
	typeDocker      = "application/vnd.docker.distribution.manifest.v2+json"
)

// ManifestTypes are the media types of the documents that lead to an image, for the header Accept
// of a request.
var ManifestTypes = []string{typeIndex, typeManifest, typeDockerIndex, typeDocker}

// Digest is a hash with its algorithm, such as "sha256:" and 64 hexadecimal digits.
type Digest string

// split checks a digest, and returns its parts.
func (d Digest) split() (algorithm, sum string, err error) {
	algorithm, sum, _ = strings.Cut(string(d), ":")
	size := map[string]int{"sha256": sha256.Size, "sha512": sha512.Size}[algorithm]
	if size == 0 {
		return "", "", fmt.Errorf("digest %q: it is not of sha256 or sha512", clip(string(d)))
	}
	if raw, err := hex.DecodeString(sum); err != nil || len(raw) != size || strings.ToLower(sum) != sum {
		return "", "", fmt.Errorf("digest %q: %d hexadecimal digits in lower case must follow", clip(string(d)), 2*size)
	}
	return algorithm, sum, nil
}

// hash returns a hash to compute the digest with, which has been checked.
func (d Digest) hash() hash.Hash {
	if strings.HasPrefix(string(d), "sha512:") {
		return sha512.New()
	}
	return sha256.New()
}

// of is the digest of the same algorithm that a hash has come to.
func (d Digest) of(h hash.Hash) Digest {
	algorithm, _, _ := strings.Cut(string(d), ":")
	return Digest(algorithm + ":" + hex.EncodeToString(h.Sum(nil)))
}

// short is for people.
func (d Digest) short() string {
	const digits = 12
	if i := strings.IndexByte(string(d), ':'); i >= 0 && len(d) > i+1+digits {
		return string(d[:i+1+digits]) + "…"
	}
	return string(d)
}

// clip keeps what an error message quotes short.
func clip(s string) string { return s[:min(len(s), 160)] }

// onLine is what an error message has of a name that it does not quote.
func onLine(s string) string { return plain.Line(clip(s)) }

// Descriptor says what a blob is.
type Descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       Digest            `json:"digest"`
	Size         int64             `json:"size"`
	Platform     *platform         `json:"platform"`
	Annotations  map[string]string `json:"annotations"`
	ArtifactType string            `json:"artifactType"`
	Data         []byte            `json:"data"` // the blob itself; nil for none
}

func (d *Descriptor) check() error {
	if _, _, err := d.Digest.split(); err != nil {
		return err
	}
	if d.Size < 0 {
		return fmt.Errorf("%s: a size of %d bytes", d.Digest.short(), d.Size)
	}
	return d.checkData()
}

// checkData compares the embedded blob with the digest and the size beside it.
func (d *Descriptor) checkData() error {
	if d.Data == nil {
		return nil
	}
	if n := int64(len(d.Data)); n != d.Size {
		return fmt.Errorf("data: %d bytes, and size is %d", n, d.Size)
	}
	h := d.Digest.hash()
	h.Write(d.Data)
	if err := checkDigest(d.Digest, d.Digest.of(h)); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	return nil
}

// Annotations with the name of an image in a layout; the second is that of containerd and Docker,
// which have the whole name in it.
const (
	refName  = "org.opencontainers.image.ref.name"
	fullName = "io.containerd.image.name"
)

// names are those by which a layout knows an image.
func (d *Descriptor) names() []string {
	var out []string
	for _, key := range []string{fullName, refName} {
		if s := d.Annotations[key]; s != "" {
			out = append(out, s)
		}
	}
	return out
}

// Annotations of what lies beside images: Docker's attestations, and what cosign saves, but for the
// values with the prefix.
const (
	dockerAside = "vnd.docker.reference.type"
	cosignKind  = "kind"
	cosignImage = "dev.cosignproject.cosign/image"
)

// asideName is a name of signatures and the like, or of a list of them, by the digest of their image
// (OCI distribution-spec, "Referrers Tag Schema"; cosign, SBOM_SPEC.md).
var asideName = regexp.MustCompile(`^(.*:)?sha(256-[0-9a-f]{64}|512-[0-9a-f]{128})(\.[a-z]+)?$`)

// isAside tells what stands beside images in an index and is none, such as an attestation.
func (d *Descriptor) isAside() bool {
	kind := d.Annotations[cosignKind]
	return d.Annotations[dockerAside] != "" || d.ArtifactType != "" ||
		d.Platform != nil && d.Platform.OS == "unknown" ||
		strings.HasPrefix(kind, "dev.cosignproject.cosign/") && !strings.HasPrefix(kind, cosignImage) ||
		slices.ContainsFunc(d.names(), asideName.MatchString)
}

func (d *Descriptor) isIndex() bool {
	return d.MediaType == typeIndex || d.MediaType == typeDockerIndex
}

// IsManifest tells whether a descriptor is of a document that leads to an image.
func (d *Descriptor) IsManifest() bool { return slices.Contains(ManifestTypes, d.MediaType) }

// index lists images, mostly one in several builds.
type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []Descriptor `json:"manifests"`
}

// parseIndex reads an index.
func parseIndex(text []byte) (*index, error) {
	var x index
	if err := decode(text, &x); err != nil {
		return nil, err
	}
	if !isSchema(x.SchemaVersion) {
		return nil, schemaError(x.SchemaVersion)
	}
	if len(x.Manifests) > maxEntries {
		return nil, fmt.Errorf("%d entries, the limit is %d", len(x.Manifests), maxEntries)
	}
	for i := range x.Manifests {
		if err := x.Manifests[i].check(); err != nil {
			return nil, fmt.Errorf("manifests[%d]: %w", i, err)
		}
	}
	return &x, nil
}

// isSchema takes a version that is not told for the only one that documents of this form have.
func isSchema(version int) bool { return version == 2 || version == 0 }

func schemaError(version int) error {
	if version == 1 {
		return errors.New("schema version 1, of before 2016: docker pull and docker push make a newer one of it")
	}
	return fmt.Errorf("schema version %d, not 2", version)
}

// manifest lists the parts of one image.
type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	ArtifactType  string       `json:"artifactType"`
	Config        Descriptor   `json:"config"`
	Layers        []Descriptor `json:"layers"`
}

// artifactError says that a manifest is of something else than an image, such as a signature or a
// bill of materials, which may lie beside images.
type artifactError struct{ text string }

func (e *artifactError) Error() string { return e.text }

func parseManifest(text []byte) (*manifest, error) {
	var m manifest
	if err := decode(text, &m); err != nil {
		return nil, err
	}
	if !isSchema(m.SchemaVersion) {
		return nil, schemaError(m.SchemaVersion)
	}
	if m.ArtifactType != "" {
		return nil, &artifactError{fmt.Sprintf("an artifact of type %q, not the image of a system", clip(m.ArtifactType))}
	}
	if err := m.Config.check(); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	if n := len(m.Layers); n == 0 || n > maxLayers {
		return nil, fmt.Errorf("%d layers: 1 to %d are possible", n, maxLayers)
	}
	for i := range m.Layers {
		l := &m.Layers[i]
		if err := l.check(); err != nil {
			return nil, fmt.Errorf("layers[%d]: %w", i, err)
		}
		switch {
		case strings.Contains(l.MediaType, "encrypted"):
			return nil, fmt.Errorf("layers[%d]: it is encrypted (%s)", i, clip(l.MediaType))
		case !strings.Contains(l.MediaType, ".image.layer.") && !strings.Contains(l.MediaType, ".image.rootfs."):
			return nil, &artifactError{fmt.Sprintf("layers[%d]: media type %q is not that of a layer", i, clip(l.MediaType))}
		}
	}
	return &m, nil
}

// config is what an image says of itself.
type config struct {
	platform
	Config map[string]json.RawMessage `json:"config"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []Digest `json:"diff_ids"`
	} `json:"rootfs"`
}

func parseConfig(text []byte) (*config, error) {
	var c config
	if err := decode(text, &c); err != nil {
		return nil, err
	}
	if c.RootFS.Type != "layers" {
		return nil, fmt.Errorf("rootfs.type is %q, not %q: no configuration of an image", clip(c.RootFS.Type), "layers")
	}
	if len(c.RootFS.DiffIDs) > maxLayers {
		return nil, fmt.Errorf("%d layers, the limit is %d", len(c.RootFS.DiffIDs), maxLayers)
	}
	for i, d := range c.RootFS.DiffIDs {
		if _, _, err := d.split(); err != nil {
			return nil, fmt.Errorf("rootfs.diff_ids[%d]: %w", i, err)
		}
	}
	return &c, nil
}

// decode reads one JSON document, and nothing after it.
func decode(text []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	err := dec.Decode(v)
	if err == nil && dec.More() {
		err = errors.New("something follows the document")
	}
	if err != nil {
		return fmt.Errorf("at byte %d: %w", dec.InputOffset(), err)
	}
	return nil
}

// platform is what an image runs on.
type platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant"`
}

// Platform names a platform as OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, in the words of Go;
// empty it is linux/amd64.
type Platform string

// DefaultPlatform is the one that SmartOS runs.
const DefaultPlatform Platform = "linux/amd64"

// Check tells whether p is one of those.
func (p Platform) Check() error {
	_, err := p.parse()
	return err
}

func (p Platform) parse() (platform, error) {
	parts := strings.Split(string(cmp.Or(p, DefaultPlatform)), "/")
	if len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") {
		return platform{}, fmt.Errorf("platform %q: it is OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, such as %s", string(p), DefaultPlatform)
	}
	out := platform{OS: parts[0], Architecture: parts[1]}
	if len(parts) == 3 {
		out.Variant = parts[2]
	}
	return out, nil
}

func (p *platform) String() string {
	if p.Variant == "" {
		return p.OS + "/" + p.Architecture
	}
	return p.OS + "/" + p.Architecture + "/" + p.Variant
}

// variant is that of an architecture which is meant where none is named.
func (p *platform) variant() string {
	if p.Variant != "" {
		return p.Variant
	}
	return map[string]string{"arm": "v7", "arm64": "v8"}[p.Architecture]
}

// runs tells whether p is what is wanted: of the variant, if one is.
func (p *platform) runs(want platform) bool {
	return p.OS == want.OS && p.Architecture == want.Architecture && (want.Variant == "" || p.variant() == want.Variant)
}
