// SPDX-License-Identifier: MIT

// Package imgmanifest lets tests ask the npm package imgmanifest, the validator inside imgadm and
// IMGAPI, for its opinion of a manifest.
//
//	v := imgmanifest.Require(t)
//	for _, f := range v.Validate(t, "imgadm", text) {
//		t.Errorf("imgmanifest refuses it: %s %s", f.Field, f.Code)
//	}
//
// It needs Node.js and, once, npm. The package is kept in $IMAGETOOLS_CACHE, by default a folder
// imagetools in the user's cache; see the script prepare.
package imgmanifest

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"testing"

	"imagetools/internal/required"
)

var (
	//go:embed validate.js
	validateScript string
)

// Thrown is the code of the fault that stands for an exception.
const Thrown = "Thrown"

// A Fault is one error of imgmanifest's.
type Fault struct {
	Field   string `json:"field"`
	Code    string `json:"code"` // MissingParameter, Invalid or Thrown
	Message string `json:"message"`
}

// A Validator is a running imgmanifest. It may be used by several tests at once.
type Validator struct {
	mu  sync.Mutex
	in  io.Writer
	out *bufio.Reader
}

// Require starts imgmanifest for the duration of t, having installed it if need be. Where that
// cannot be done the test is skipped, or fails if $IMAGETOOLS_REQUIRE_ORACLES is 1.
func Require(t testing.TB) *Validator {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		required.Unavailable(t, fmt.Errorf("node: %w", err))
	}
	dir, err := required.Prepare("test/imgmanifest/prepare")
	if err != nil {
		required.Unavailable(t, err)
	}
	t.Logf("imgmanifest: %s", dir)

	cmd := exec.CommandContext(t.Context(), node, "--no-deprecation", "--eval", validateScript, dir)
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close() // ends it, if the test's context has not
		_ = cmd.Wait()
	})
	return &Validator{in: in, out: bufio.NewReader(out)}
}

// Validate returns what imgmanifest finds in a manifest, given as JSON text, for one reader:
// imgadm, public, private or dc. It is nil for a manifest that is accepted, and one fault of code
// [Thrown] where imgmanifest ends with an exception.
func (v *Validator) Validate(t testing.TB, reader string, manifest []byte) []Fault {
	t.Helper()
	faults, _ := v.ask(t, question{For: reader, Text: string(manifest)})
	return faults
}

// UpgradeAndValidate is Validate for a manifest of any version, which it also returns in version
// 2; nil if that is an exception.
func (v *Validator) UpgradeAndValidate(t testing.TB, reader string, manifest []byte) ([]Fault, json.RawMessage) {
	t.Helper()
	return v.ask(t, question{For: reader, Text: string(manifest), Upgrade: true})
}

type question struct {
	For     string `json:"for"`
	Text    string `json:"text"`
	Upgrade bool   `json:"upgrade,omitzero"`
}

type answer struct {
	Verdict  string          `json:"verdict"`
	Errors   []Fault         `json:"errors"`
	Message  string          `json:"message"`
	Manifest json.RawMessage `json:"manifest"`
}

func (v *Validator) ask(t testing.TB, q question) ([]Fault, json.RawMessage) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := json.NewEncoder(v.in).Encode(q); err != nil {
		t.Fatalf("imgmanifest: %v", err)
	}
	line, err := v.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("imgmanifest: %v", err)
	}
	var a answer
	if err := json.Unmarshal(line, &a); err != nil {
		t.Fatalf("imgmanifest: answer %q: %v", line, err)
	}
	if a.Verdict == "throw" {
		return []Fault{{Code: Thrown, Message: a.Message}}, a.Manifest
	}
	if (a.Verdict == "accept") != (len(a.Errors) == 0) {
		t.Fatalf("imgmanifest: verdict %q with %d errors", a.Verdict, len(a.Errors))
	}
	return a.Errors, a.Manifest
}
