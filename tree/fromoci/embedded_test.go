package fromoci_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"imagetools/internal/ocitest"
	"imagetools/tree/fromoci"
	"imagetools/tree/internal/treetest"
)

// embed is the descriptor of a blob with the blob in it.
func embed(b ocitest.Blob, data []byte) ocitest.Object {
	return ocitest.With(b.Descriptor, "data", base64.StdEncoding.EncodeToString(data))
}

// A blob that stands in its descriptor needs no file, and makes what the file would make.
func TestEmbeddedBlobs(t *testing.T) {
	layer := ocitest.Tar(t, "dir etc", "file etc/motd=hello", "hard etc/same=etc/motd")
	for name, pack := range map[string]func(testing.TB, []byte) []byte{"plain": nil, "packed": ocitest.Gzip} {
		p := ocitest.Image{Layers: [][]byte{layer}, Pack: []func(testing.TB, []byte) []byte{pack}}.Parts(t)
		whole := ocitest.Layout(t, p.All(), p.Manifest.Descriptor)
		manifest := func(layerData []byte) ocitest.Blob {
			return ocitest.JSON(t, ocitest.ManifestType, ocitest.Object{
				"schemaVersion": 2, "mediaType": ocitest.ManifestType,
				"config": embed(p.Config, p.Config.Data), "layers": []ocitest.Object{embed(p.Layers[0], layerData)},
			})
		}
		m := manifest(p.Layers[0].Data)
		alone := ocitest.Layout(t, nil, embed(m, m.Data))
		if got, want := layoutListing(t, alone), layoutListing(t, whole); got != want {
			t.Errorf("%s: embedded:\n%s\nin files:\n%s", name, got, want)
		}

		bad := manifest(append([]byte("x"), p.Layers[0].Data[1:]...))
		short := manifest(p.Layers[0].Data[1:])
		odd := ocitest.With(m.Descriptor, "data", "not base64")
		for text, dir := range map[string]string{
			"layers[0]: data: wrong digest":       ocitest.Layout(t, p.All(), embed(bad, bad.Data)),
			"layers[0]: data: ":                   ocitest.Layout(t, p.All(), embed(short, short.Data)),
			"manifests[0]: data: wrong digest":    ocitest.Layout(t, p.All(), embed(m, append([]byte(" "), m.Data[1:]...))),
			"illegal base64":                      ocitest.Layout(t, p.All(), odd),
			"manifests[0]: data: 1 bytes, and si": ocitest.Layout(t, p.All(), embed(m, []byte("{"))),
		} {
			_, err := fromoci.OpenLayout(t.Context(), dir, "", fromoci.Options{Decompress: decompress, TmpDir: t.TempDir()})
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %v, want %q", name, err, text)
			}
		}
	}
}

func layoutListing(t *testing.T, dir string) string {
	t.Helper()
	src, err := fromoci.OpenLayout(t.Context(), dir, "", fromoci.Options{Decompress: decompress, TmpDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	return strings.Join(treetest.List(t, src.Tree), "\n")
}
