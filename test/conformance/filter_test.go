package conformance

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"imagetools/test/oracle"
	"imagetools/test/oracle/listing"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
)

// unpackStream unpacks a published stream with a reader that is not ours.
func unpackStream(t *testing.T, packed string) string {
	t.Helper()
	in, err := os.Open(packed)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	path := filepath.Join(t.TempDir(), "stream")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, bzip2.NewReader(bufio.NewReader(in))); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// zstreamCounts are the numbers of records by type that zstream, OpenZFS's own, finds.
func zstreamCounts(t *testing.T, path string) map[string]int64 {
	t.Helper()
	out, err := oracle.RequireJudge(t).ZStream("dump", path).CombinedOutput()
	if err != nil {
		t.Fatalf("zstream dump: %v\n%s", err, out)
	}
	counts := map[string]int64{}
	for _, m := range regexp.MustCompile(`Total DRR_(\w+) records = (\d+)`).FindAllStringSubmatch(string(out), -1) {
		var n int64
		if _, err := fmt.Sscan(m[2], &n); err != nil {
			t.Fatal(err)
		}
		counts[m[1]] = n
	}
	return counts
}

// TestStreamDumpCounts compares the counts of stream dump with those of zstream dump.
func TestStreamDumpCounts(t *testing.T) {
	t.Parallel()
	for _, packed := range publicStreams(t) {
		t.Run(filepath.Base(packed), func(t *testing.T) {
			out, err := exec.Command(toolPath(t), "stream", "dump", "--summary", "--json", packed).Output()
			if malformed := strings.Contains(packed, "undersized"); malformed != (err != nil) {
				t.Fatalf("stream dump: %v", err)
			} else if malformed {
				return
			}
			var got struct {
				Types       map[string]struct{ Records int64 }
				StreamBytes int64 `json:"stream_bytes"`
			}
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatal(err)
			}
			path := unpackStream(t, packed)
			want := zstreamCounts(t, littleEndian(t, path))
			if len(want) < 9 || want["BEGIN"] == 0 {
				t.Fatalf("zstream counts %v", want)
			}
			for name, n := range want {
				if c, ok := got.Types[name]; !ok || c.Records != n {
					t.Errorf("%s: %d records, zstream finds %d", name, c.Records, n)
				}
			}
			if info, err := os.Stat(path); err != nil || info.Size() != got.StreamBytes {
				t.Errorf("%d bytes read of %v", got.StreamBytes, info)
			}
		})
	}
}

// littleEndian writes the records of a big-endian stream in the other order, in which zstream
// 2.1 gets their checksums right: it stops behind the BEGIN of others.
func littleEndian(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := stream.NewReader(bytes.NewReader(data))
	var out bytes.Buffer
	w := stream.NewWriter(&out)
	for {
		rec, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		payload, err := r.Payload()
		if err != nil {
			t.Fatal(err)
		}
		if r.Order() == binary.LittleEndian {
			return path
		}
		if end, ok := rec.(*stream.End); ok && end.Sum == (stream.Checksum{}) {
			err = w.WriteTerminator()
		} else {
			err = w.WriteRecord(rec, payload)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	path = filepath.Join(t.TempDir(), "little-endian")
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// filtered runs a stream through a filter of the program and returns the path of the result.
func filtered(t *testing.T, path string, args ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "stream")
	cmd := exec.Command(toolPath(t), append(append([]string{"stream"}, args...), path, "-o", out)...)
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, text)
	}
	t.Logf("%v: %s", args, text)
	return out
}

func sameBytes(t *testing.T, what, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(x, y) {
		t.Errorf("%s: %d bytes, not the %d there were", what, len(y), len(x))
	}
}

// withoutChecksums is a copy of a stream in which they are zero.
func withoutChecksums(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	blank := bytes.Clone(data)
	r := stream.NewReader(bytes.NewReader(data))
	for {
		rec, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		header := blank[r.Offset():][:stream.HeaderSize]
		if rec.Type() != stream.TypeBegin {
			clear(header[stream.HeaderSize-32:])
		}
		if rec.Type() == stream.TypeEnd {
			clear(header[8:40])
		}
	}
	out := filepath.Join(t.TempDir(), "blank")
	if err := os.WriteFile(out, blank, 0o644); err != nil {
		t.Fatal(err)
	}
	return out
}

// recompressions are the compressions that the judge is asked about.
var recompressions = []string{"lz4", "zstd", "gzip-1", "gzip-9", "zle", "lzjb"}

// judgeFilters has OpenZFS receive what every filter makes of a full, plain stream, and find
// in it what it finds in the stream itself.
func judgeFilters(t *testing.T, path string, opts oracle.JudgeOptions) {
	t.Helper()
	judge := oracle.RequireJudge(t)
	want := judge.Receive(t, []string{path}, opts)
	same := func(what, path string) {
		t.Helper()
		if err := judge.Lint(path); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		got := judge.Receive(t, []string{path}, opts)
		if diff := listing.Diff(want, got, listing.DiffOptions{CompareACL: true}); diff != "" {
			t.Errorf("%s: what was received differs:\n%s", what, diff)
		}
		if w, g := want.Dataset, got.Dataset; w.GUID != g.GUID || w.Creation != g.Creation || w.Size != g.Size || w.SHA256 != g.SHA256 {
			t.Errorf("%s: %+v, want %+v", what, g, w)
		}
		if name := map[bool]string{true: "renamed", false: want.Dataset.Snapshot}[what == "renamed"]; got.Dataset.Snapshot != name {
			t.Errorf("%s: snapshot %q, want %q", what, got.Dataset.Snapshot, name)
		}
	}
	same("de-holed", filtered(t, path, "deholes"))
	renamed := filtered(t, path, "rename-snapshot", "renamed", "--dataset", "some/other")
	same("renamed", renamed)
	plain := filtered(t, path, "recompress", "off")
	if opts.Foreign { // senders before 2015 leave out the checksums of records
		sameBytes(t, "plain", withoutChecksums(t, path), withoutChecksums(t, plain))
	} else {
		sameBytes(t, "plain", path, plain)
	}
	for _, c := range recompressions {
		packed := filtered(t, path, "recompress", c)
		same(c, packed)
		sameBytes(t, c+" and back", plain, filtered(t, packed, "recompress", "off"))
	}
	same("all of them", filtered(t, filtered(t, filtered(t, renamed, "recompress", "lz4"), "deholes"), "rename-snapshot", want.Dataset.Snapshot))
}

// TestFiltersOfZFSFuse filters what a real ZFS has sent.
func TestFiltersOfZFSFuse(t *testing.T) {
	t.Parallel()
	fuse := oracle.RequireZFSFuse(t)
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	script := `mkdir -p "$1/sub/deep"; cd "$1"
		cat >mixed; for i in 1 2 3 4 5 6; do cat /usr/bin/env; done >programs
		seq 100000 >numbers; truncate -s 5000000 sparse; echo end >>sparse
		ln -s "$(printf '%0300d' 0)" link; ln numbers sub/deep/hard
		mkdir many; for i in $(seq 500); do seq $i >many/$i; done
		rm many/1?; truncate -s 300000 hole`
	cmd := exec.Command("bash", "-ec", script, "bash", tree)
	noise := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{2}).Read(noise)
	cmd.Stdin = io.MultiReader(bytes.NewReader(noise), bytes.NewReader(make([]byte, 256<<10)), strings.NewReader(strings.Repeat("text ", 200000)))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	path := filepath.Join(os.TempDir(), fmt.Sprintf("imagetools-filter-%d", os.Getpid()))
	defer os.Remove(path)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if _, out, err := fuse.Send(ctx, tree, "cat >"+path); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	counts := zstreamCounts(t, path)
	if counts["FREE"] == 0 || counts["FREEOBJECTS"] == 0 {
		t.Fatalf("zfs-fuse sent no holes: %v", counts)
	}
	after := zstreamCounts(t, filtered(t, path, "deholes"))
	for name, n := range counts {
		if strings.HasPrefix(name, "FREE") {
			n = 0
		}
		if after[name] != n {
			t.Errorf("de-holed: %d %s records, want %d", after[name], name, n)
		}
	}
	judgeFilters(t, path, oracle.JudgeOptions{Foreign: true})
}

// TestFiltersOfTorture filters our own streams: a tree of hard cases, and a volume.
func TestFiltersOfTorture(t *testing.T) {
	t.Parallel()
	tr, _ := torture(t, 3000)
	judgeFilters(t, writeStream(t, tr, zpl.Options{}), oracle.JudgeOptions{})
	judgeFilters(t, filteredVolume(t), oracle.JudgeOptions{})
}

// filteredVolume writes the stream of a volume of 1 MiB, with holes.
func filteredVolume(t *testing.T) string {
	t.Helper()
	const guid, block, size = 0x1234, 8192, 1 << 20
	property := make([]byte, 512) // a micro ZAP: header, and an entry with value and name
	binary.LittleEndian.PutUint64(property, 1<<63+3)
	binary.LittleEndian.PutUint64(property[8:], 1)
	binary.LittleEndian.PutUint64(property[64:], size)
	copy(property[64+14:], "size")
	var out bytes.Buffer
	w := stream.NewWriter(&out)
	put := func(rec stream.Record, payload []byte) {
		t.Helper()
		if err := w.WriteRecord(rec, payload); err != nil {
			t.Fatal(err)
		}
	}
	put(&stream.Begin{HeaderType: stream.Substream, Objset: stream.ObjsetZvol, CreationTime: 1e9, ToGUID: guid, ToName: "disk@final"}, nil)
	put(&stream.FreeObjects{Count: 1, ToGUID: guid}, nil)
	put(&stream.Object{Object: 1, ObjType: stream.ObjZvol, BlockSize: block, DnSlots: 1, ToGUID: guid}, nil)
	put(&stream.Free{Object: 1, Offset: size, Length: 1<<64 - 1, ToGUID: guid}, nil)
	for at := uint64(0); at < size; at += 3 * block {
		data := bytes.Repeat([]byte(fmt.Sprintf("block at %08d \x00", at)), block/16)[:block]
		if len(data) < block {
			data = append(data, make([]byte, block-len(data))...)
		}
		put(&stream.Write{Object: 1, ObjType: stream.ObjZvol, Offset: at, LogicalSize: block, ToGUID: guid, ChecksumType: 7}, data)
	}
	put(&stream.Object{Object: 2, ObjType: stream.ObjZvolProp, BlockSize: 512, DnSlots: 1, ToGUID: guid}, nil)
	put(&stream.Write{Object: 2, ObjType: stream.ObjZvolProp, LogicalSize: 512, ToGUID: guid, ChecksumType: 7}, property)
	put(&stream.FreeObjects{First: 3, Count: 1 << 40, ToGUID: guid}, nil)
	put(&stream.End{ToGUID: guid}, nil)
	path := filepath.Join(t.TempDir(), "stream")
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestFiltersOfPublicStream has OpenZFS receive a public stream with compressed and embedded
// data, also after its data was compressed in other ways. Those with blocks of 16 MiB or with
// redacted files the judge cannot receive or list.
func TestFiltersOfPublicStream(t *testing.T) {
	t.Parallel()
	judge := oracle.RequireJudge(t)
	opts := oracle.JudgeOptions{Foreign: true}
	for _, packed := range publicStreams(t) {
		if filepath.Base(packed) != "openzfs-zstream-decompress.zsend.bz2" {
			continue
		}
		path := unpackStream(t, packed)
		want := judge.Receive(t, []string{path}, opts)
		plain := filtered(t, path, "recompress", "off")
		for _, c := range append([]string{"off"}, recompressions...) {
			now := filtered(t, path, "recompress", c)
			if err := judge.Lint(now); err != nil {
				t.Errorf("%s: %v", c, err)
			}
			got := judge.Receive(t, []string{now}, opts)
			if diff := listing.Diff(want, got, listing.DiffOptions{CompareACL: true}); diff != "" {
				t.Errorf("%s: what was received differs:\n%s", c, diff)
			}
			sameBytes(t, c+" and back", plain, filtered(t, now, "recompress", "off"))
		}
		return
	}
	t.Error("the public stream with compressed data is missing")
}
