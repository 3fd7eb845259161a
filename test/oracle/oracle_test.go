//go:build linux

package oracle

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"imagetools/internal/required"
)

// publicStream unpacks one of the published test streams, or skips the test.
func publicStream(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Open(required.Data(t, "streams", name+".zsend.bz2"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(bzip2.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, data)
}

func writeFile(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stream")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestJudgeTakesRealStream(t *testing.T) {
	judge := RequireJudge(t)
	stream := publicStream(t, "openzfs-zstream-decompress")
	if err := judge.Lint(stream); err != nil {
		t.Error(err)
	}
	l := judge.Receive(t, []string{stream}, JudgeOptions{Foreign: true})
	if l.Dataset.Snapshot != "decompression" || l.Dataset.ZPL != 5 || len(l.Entries) != 4 {
		t.Errorf("unexpected listing: %+v", l)
	}
	if e := l.Entries["boogie-sparkle"]; e.Type != "file" || e.Size != 155020 || e.Links != 1 {
		t.Errorf("unexpected entry: %+v", e)
	}
}

func TestJudgeRefuses(t *testing.T) {
	judge := RequireJudge(t)
	good, err := os.ReadFile(publicStream(t, "openzfs-zstream-decompress"))
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1

	tests := []struct {
		name   string
		stream []byte
		opts   JudgeOptions
	}{
		{"cut", good[:len(good)-400], JudgeOptions{}},
		{"without end", good[:len(good)-312], JudgeOptions{}},
		{"empty", nil, JudgeOptions{}},
		{"flipped byte", flipped, JudgeOptions{}},
		{"features in an old pool", good, JudgeOptions{Legacy: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.opts.Foreign = true
			_, err := judge.Verdict([]string{writeFile(t, tt.stream)}, tt.opts)
			var refused *RefusedError
			if !errors.As(err, &refused) {
				t.Errorf("error %v, want a refusal", err)
			}
			t.Log(err)
		})
	}

	malformed := publicStream(t, "openzfs-zstream-undersized-write-lsize")
	if _, err := judge.Verdict([]string{malformed}, JudgeOptions{}); err == nil {
		t.Error("a malformed stream was taken")
	}
	if err := judge.Lint(writeFile(t, good[:len(good)-312])); err == nil {
		t.Error("zstream: a cut stream passed")
	}
	trailing := writeFile(t, append(bytes.Clone(good), "more"...))
	var faults *FaultError
	if _, err := judge.Verdict([]string{trailing}, JudgeOptions{Foreign: true}); !errors.As(err, &faults) {
		t.Errorf("bytes after the end: %v", err)
	}
}
