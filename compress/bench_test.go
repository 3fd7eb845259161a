package compress_test

import (
	"bytes"
	"io"
	"os"
	"testing"

	"imagetools/compress"
)

// benchData is the file that COMPRESS_BENCH names, such as the tar of a root file system, or
// 32 MiB of mixed data.
func benchData(b *testing.B) []byte {
	b.Helper()
	name := os.Getenv("COMPRESS_BENCH")
	if name == "" {
		return mixed(32 << 20)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	return data
}

func BenchmarkWrite(b *testing.B) {
	data := benchData(b)
	for _, format := range formats[1:] {
		b.Run(format.String(), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			var size counter
			for b.Loop() {
				size = 0
				w, err := compress.NewWriter(&size, format, compress.Options{})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(w, bytes.NewReader(data)); err != nil {
					b.Fatal(err)
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(100*float64(size)/float64(len(data)), "%size")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	data := benchData(b)
	inputs := map[string][]byte{"gzip foreign": foreign(b, data)}
	for _, format := range formats[1:] {
		inputs[format.String()] = pack(b, format, 2, data, nil)
	}
	for name, packed := range inputs {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				r, _, err := compress.NewReader(bytes.NewReader(packed), compress.Options{})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
