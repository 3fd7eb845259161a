package block_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/zfs/block"
	"imagetools/zfs/internal/streamtest"
	"imagetools/zfs/stream"
)

// compressed is the number of compressed records, by kind, that a stream has outside of its
// encrypted substreams; those of the public streams were counted by hand.
type compressed map[string]int

var publicStreams = map[string]compressed{
	"zstream-big-endian-all-drr-types-base-NATIVE":    {"WRITE lz4": 3, "WRITE_EMBEDDED lz4": 3},
	"zstream-big-endian-all-drr-types-base-XDR":       {"WRITE lz4": 2, "WRITE_EMBEDDED lz4": 3},
	"zstream-little-endian-all-drr-types-base-NATIVE": {"WRITE lz4": 2, "WRITE_EMBEDDED lz4": 3},
	"zstream-little-endian-all-drr-types-base-XDR":    {"WRITE lz4": 3, "WRITE_EMBEDDED lz4": 3},
	"zstream-big-endian-all-drr-types-incr-NATIVE":    {"WRITE lz4": 9, "WRITE_EMBEDDED lz4": 4},
	"zstream-big-endian-all-drr-types-incr-XDR":       {"WRITE lz4": 8, "WRITE_EMBEDDED lz4": 4},
	"zstream-little-endian-all-drr-types-incr-NATIVE": {"WRITE lz4": 8, "WRITE_EMBEDDED lz4": 4},
	"zstream-little-endian-all-drr-types-incr-XDR":    {"WRITE lz4": 9, "WRITE_EMBEDDED lz4": 4},
	"zstream-decompress":                              {"WRITE zstd": 4, "WRITE_EMBEDDED lz4": 3},
	"zstream-decompress-crypt":                        {},
	"zstream-big-endian-long-payloads":                {},
	"zstream-little-endian-long-payloads":             {},
	"zstream-undersized-write-lsize":                  {}, // breaks off at a WRITE that is not compressed
	"rsend-dedup":                                     {},
	"rsend-dedup_encrypted_zvol":                      {},
}

// publicSums are SHA-256 of what all compressed records of a kind decode to, in the order of
// the streams' names. The lz4 and zstd programs, given the blocks with the headers they want,
// have these sums.
var publicSums = map[string]string{
	"WRITE lz4":          "0a1337f6de3e650919eddf8db6522097142fb4fbc312d347116caa11fe7c00b5",
	"WRITE zstd":         "26e3dd1d19c5fffe92b43b119b5db61722b5c7f02b388da9099edcc3a07608d2",
	"WRITE_EMBEDDED lz4": "a7826c291ace42fed0fc815af407dfdd091bea343702861b5bbd2504b0844b80",
}

// Every compressed record that real ZFS wrote decodes, to what other decoders make of it.
func TestPublicStreams(t *testing.T) {
	names := streamtest.Names(t)
	if len(names) != len(publicStreams) {
		t.Errorf("%d public streams, the table has %d", len(names), len(publicStreams))
	}
	sums := map[string][]byte{}
	for _, name := range names {
		want, ok := publicStreams[name]
		if !ok {
			t.Errorf("%s is not in the table", name)
			continue
		}
		got := compressed{}
		err := eachCompressed(streamtest.Read(t, name), func(kind string, c block.Compression, size int, payload []byte) error {
			data, err := decode(t, c, size, payload)
			if err != nil {
				return err
			}
			got[kind]++
			sums[kind] = append(sums[kind], data...)
			return nil
		})
		if err != nil && name != "zstream-undersized-write-lsize" {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	got := map[string]string{}
	for kind, data := range sums {
		sum := sha256.Sum256(data)
		got[kind] = hex.EncodeToString(sum[:])
	}
	if diff := cmp.Diff(publicSums, got); diff != "" {
		t.Errorf("sums (-want +got):\n%s", diff)
	}
}

// eachCompressed gives the compressed records of a stream to fn, except encrypted ones.
func eachCompressed(data []byte, fn func(kind string, c block.Compression, size int, payload []byte) error) error {
	r := stream.NewReader(bytes.NewReader(data))
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		payload, err := r.Payload()
		if err != nil {
			return err
		}
		var c block.Compression
		var size int
		switch rec := rec.(type) {
		case *stream.Write:
			c, size = block.Compression(rec.Compression), int(rec.LogicalSize)
		case *stream.WriteEmbedded:
			c, size = block.Compression(rec.Compression), int(rec.LSize)
		case *stream.Spill:
			c, size = block.Compression(rec.Compression), int(rec.Length)
		}
		if c == block.None || r.Begin().Features&stream.FeatureRaw != 0 {
			continue
		}
		if err := fn(fmt.Sprintf("%s %s", rec.Type(), c), c, size, payload); err != nil {
			return fmt.Errorf("record %d: %w", r.Record(), err)
		}
	}
}
