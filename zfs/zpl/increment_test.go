package zpl_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"imagetools/test/edits"
	"imagetools/tree"
	"imagetools/tree/compare"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
)

// sealed returns the tree of a model.
func sealed(t testing.TB, m *edits.Model) *tree.Tree {
	t.Helper()
	tr, err := m.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// increment writes a tree on the last of a chain of streams, and checks what comes of it.
func increment(t testing.TB, tr *tree.Tree, opts zpl.Options, chain ...[]byte) (*zpl.Plan, []byte) {
	t.Helper()
	opts.Origin = open(t, chain...)
	p, err := zpl.NewPlan(t.Context(), tr, opts)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := p.Write(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	f := open(t, append(chain[:len(chain):len(chain)], out.Bytes())...)
	got, err := f.Tree(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for c, err := range compare.Diff(t.Context(), tr, got, compare.Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n < 10 {
			t.Errorf("as it is read: %v", c)
		}
	}
	res, err := zpl.Check(t.Context(), f, zpl.CheckOptions{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range res.Faults {
		if fault.Severity > zpl.Notice {
			t.Errorf("check: %v: object %d, %q: %s", fault.Severity, fault.Object, fault.Path, fault.Message)
		}
	}
	return p, out.Bytes()
}

// Trees changed by all kinds of edits, on their origin and on one another, read as they are.
func TestIncrement(t *testing.T) {
	t.Parallel()
	base := edits.New(2000, 1)
	for _, version := range []int{5, 4} {
		_, full := write(t, sealed(t, base), zpl.Options{Version: version})
		for seed := range uint64(50) {
			if version == 4 && seed >= 15 {
				break
			}
			t.Run(fmt.Sprintf("version %d script %d", version, seed), func(t *testing.T) {
				t.Parallel()
				m := base.Clone()
				script := m.Edit(50, seed)
				increment(t, sealed(t, m), zpl.Options{}, full)
				if t.Failed() {
					t.Logf("the script:\n%s", strings.Join(script, "\n"))
				}
			})
		}
		t.Run(fmt.Sprintf("version %d chain", version), func(t *testing.T) {
			t.Parallel()
			m := base.Clone()
			chain := [][]byte{full}
			for i := range uint64(10) {
				m.Edit(50, 100+i)
				_, next := increment(t, sealed(t, m), zpl.Options{}, chain...)
				chain = append(chain, next)
			}
			// And back to the first: nearly all of it is gone.
			increment(t, sealed(t, base), zpl.Options{}, chain...)
		})
	}
}

// What is the same is not written.
func TestUnchanged(t *testing.T) {
	t.Parallel()
	for _, version := range []int{4, 5} {
		guid, full := write(t, zoo(t), zpl.Options{Version: version})
		p, data := increment(t, zoo(t), zpl.Options{}, full)
		if got := describe(t, data); got != `BEGIN "image@final"; END` {
			t.Errorf("version %d: records %s", version, got)
		}
		if p.GUID() == guid || p.Changes() != (zpl.Changes{}) {
			t.Errorf("version %d: guid %#x on %#x, changes %+v", version, p.GUID(), guid, p.Changes())
		}
	}
}

// describe is the records of a stream.
func describe(t testing.TB, data []byte) string {
	t.Helper()
	var list []string
	r := stream.NewReader(bytes.NewReader(data))
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return strings.Join(list, "; ")
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, stream.Describe(rec))
	}
}
