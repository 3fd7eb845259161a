//go:build linux

package oracle

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"
)

// Record types and places of a send stream that the edits below need.
const (
	recordSize  = 312
	recBegin    = 0
	recObject   = 1
	recWrite    = 3
	recEnd      = 5
	recSpill    = 7
	recEmbedded = 8
)

// editStream returns a copy of a little-endian stream with fn applied to each
// record and its payload, and all checksums made right again.
func editStream(t *testing.T, stream []byte, fn func(typ uint32, rec, payload []byte)) []byte {
	t.Helper()
	out := bytes.Clone(stream)
	le := binary.LittleEndian
	var sum [4]uint64
	add := func(p []byte) {
		for ; len(p) > 0; p = p[4:] {
			sum[0] += uint64(le.Uint32(p))
			sum[1] += sum[0]
			sum[2] += sum[1]
			sum[3] += sum[2]
		}
	}
	store := func(p []byte) {
		for i, v := range sum {
			le.PutUint64(p[8*i:], v)
		}
	}
	for pos := 0; pos < len(out); {
		rec := out[pos : pos+recordSize]
		typ, n := le.Uint32(rec), uint64(0)
		switch typ {
		case recBegin:
			n = uint64(le.Uint32(rec[4:]))
		case recObject:
			n = uint64(le.Uint32(rec[28:])+7) &^ 7
		case recWrite:
			n = le.Uint64(rec[32:])
			if rec[50] != 0 {
				n = le.Uint64(rec[96:])
			}
		case recSpill:
			n = le.Uint64(rec[16:])
		case recEmbedded:
			n = uint64(le.Uint32(rec[52:])+7) &^ 7
		}
		payload := out[pos+recordSize : pos+recordSize+int(n)]
		fn(typ, rec, payload)
		if typ == recEnd {
			store(rec[8:])
		}
		add(rec[:280])
		if typ != recBegin {
			store(rec[280:])
		}
		add(rec[280:])
		add(payload)
		pos += recordSize + int(n)
	}
	return out
}

// editEntry is an edit of one entry in a directory that is a micro ZAP: byte 0
// begins its value (little-endian), 14 its name.
func editEntry(dir uint64, name string, fn func(entry []byte)) func(uint32, []byte, []byte) {
	return func(typ uint32, rec, payload []byte) {
		if typ != recWrite || binary.LittleEndian.Uint64(rec[8:]) != dir {
			return
		}
		for at := 64; at < len(payload); at += 64 {
			if entry := payload[at : at+64]; bytes.HasPrefix(entry[14:], []byte(name+"\x00")) {
				fn(entry)
			}
		}
	}
}

// TestJudgeFindsFaults damages a real stream in ways that neither the receive
// code nor the kernel notices.
func TestJudgeFindsFaults(t *testing.T) {
	judge := RequireJudge(t)
	good, err := os.ReadFile(publicStream(t, "openzfs-zstream-decompress"))
	if err != nil {
		t.Fatal(err)
	}
	if same := editStream(t, good, func(uint32, []byte, []byte) {}); !bytes.Equal(same, good) {
		t.Fatal("rewriting a stream unchanged changes it")
	}

	// Places of system attributes in the bonus of this stream's objects; its
	// root is object 34, a file is object 128.
	const (
		mode, size, parent, links, mtimeNsec = 8, 16, 48, 128, 88
		root, file                           = 34, 128
	)
	attr := func(object uint64, at int, value uint64) func(uint32, []byte, []byte) {
		return func(typ uint32, rec, payload []byte) {
			if typ == recObject && binary.LittleEndian.Uint64(rec[8:]) == object {
				binary.LittleEndian.PutUint64(payload[at:], value)
			}
		}
	}
	tests := []struct {
		name, want string
		edit       func(typ uint32, rec, payload []byte)
	}{
		{"directory size", "size 7, but 3 entries", attr(root, size, 7)},
		{"directory links", "3 links, but 0 subdirectories", attr(root, links, 3)},
		{"file links", "2 links, but 1 names", attr(file, links, 2)},
		{"root's parent", "parent is object 128", attr(root, parent, file)},
		{"file's parent", "parent 1 does not have it", attr(file, parent, 1)},
		{"mode of no type", "is of no type", attr(file, mode, 0o644)},
		{"directory's mode on a file", "mode 040755", attr(file, mode, 0o040755)},
		{"nanoseconds", "nanoseconds", attr(file, mtimeNsec, 1e9)},
		{"bytes after the end", "bytes after the end", attr(file, size, 155000)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantFault(t, judge, editStream(t, good, tt.edit), tt.want)
		})
	}
}

func wantFault(t *testing.T, judge *Judge, stream []byte, want string) {
	t.Helper()
	_, err := judge.Verdict([]string{writeFile(t, stream)}, JudgeOptions{})
	var faults *FaultError
	if !errors.As(err, &faults) || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want a fault with %q", err, want)
	}
}
