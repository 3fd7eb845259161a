package edit_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"imagetools/rootfs"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/rootfstest"
	"imagetools/tree"
)

// step is a step of functions.
type step struct {
	name  string
	check error
	do    func(ctx context.Context, root *edit.Root, log *edit.Log) error
}

func (s *step) Name() string { return s.name }
func (s *step) Check() error { return s.check }
func (s *step) Do(ctx context.Context, root *edit.Root, log *edit.Log) error {
	return s.do(ctx, root, log)
}

// put is a step that writes a file.
func put(name, path string) *step {
	return &step{name: name, do: func(_ context.Context, root *edit.Root, log *edit.Log) error {
		e := &edit.Editor{Root: root.FS, Log: log}
		e.Put(path, []byte(root.Image.Name), rootfs.Attr{Mode: 0o644})
		return e.Err
	}}
}

// One form of step works on a disk and in a tree.
func TestRun(t *testing.T) {
	for kind, newRoot := range rootfstest.Kinds {
		t.Run(kind, func(t *testing.T) {
			root := &edit.Root{FS: newRoot(t), Image: edit.Image{Name: "web"}}
			parts := &step{name: "parts", do: func(_ context.Context, root *edit.Root, log *edit.Log) error {
				log.Warn("odd")
				log.Note("do it")
				return errors.Join(
					log.Part("one", func(log *edit.Log) error { return put("", "/b").do(t.Context(), root, log) }),
					log.Part("two", func(log *edit.Log) error { return errors.New("no") }),
				)
			}}
			var heard []string
			watch := edit.Watch{
				Change: func(c edit.Change) { heard = append(heard, c.String()) },
				Done:   func(d edit.Done) { heard = append(heard, d.String()) },
			}
			report, err := edit.Run(t.Context(), root, watch, put("put", "/a"), parts, put("last", "/c"))
			if err == nil || err.Error() != "parts step two: no" {
				t.Errorf("the error is %v", err)
			}
			if want := "put: /a: written|put|parts one: /b: written|parts one|parts two"; strings.Join(heard, "|") != want {
				t.Errorf("heard %q", heard)
			}
			doc, err := json.Marshal(report)
			const want = `{"steps":[{"by":"put","changes":1},{"by":"parts","step":"one","changes":1},{"by":"parts","step":"two","changes":0}],` +
				`"changes":[{"by":"put","path":"/a","text":"written"},{"by":"parts","step":"one","path":"/b","text":"written"}],"warnings":["odd"],"notes":["do it"]}`
			if err != nil || string(doc) != want {
				t.Errorf("%s, %v\nwant\n%s", doc, err, want)
			}
			if text, err := root.ReadFile("/b", 10); string(text) != "web" || err != nil {
				t.Errorf("/b has %q, %v", text, err)
			}
			again, err := edit.Run(t.Context(), root, edit.Watch{}, put("put", "/a"))
			if err != nil || len(again.Changes) > 0 {
				t.Errorf("again: %v, %v", again.Changes, err)
			}
		})
	}
}

// Wrong options of any step are found before the first one changes anything.
func TestWrongOptionsChangeNothing(t *testing.T) {
	root := &edit.Root{FS: rootfstest.NewTree(t)}
	_, err := edit.Run(t.Context(), root, edit.Watch{}, put("put", "/a"),
		&step{name: "b", check: errors.New("wrong")}, &step{name: "c", check: errors.New("wrong too")})
	if err == nil || err.Error() != "b: wrong\nc: wrong too" {
		t.Errorf("the error is %v", err)
	}
	if _, err := root.Lstat("/a"); !edit.Missing(err) {
		t.Errorf("/a was made: %v", err)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	root := &edit.Root{FS: rootfstest.NewTree(t)}
	report, err := edit.Run(ctx, root, edit.Watch{Done: func(edit.Done) { cancel() }}, put("a", "/a"), put("b", "/b"))
	if !errors.Is(err, context.Canceled) || len(report.Changes) != 1 {
		t.Errorf("%v, %v", report.Changes, err)
	}
}

// What is not UTF-8 is whole in JSON, and told without what a terminal obeys.
func TestHostileNames(t *testing.T) {
	c := edit.Change{By: "put", Path: "/\x1b[2J\xff", Text: "<b>"}
	doc, err := json.Marshal(c)
	if want := `{"by":"put","path":{"base64":"LxtbMkr/"},"text":"\u003cb\u003e"}`; string(doc) != want || err != nil {
		t.Errorf("%s, %v", doc, err)
	}
	if got, want := c.String(), `put: /\033[2J\377: <b>`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestInTree(t *testing.T) {
	tr := tree.New()
	if _, err := edit.InTree(t.Context(), tr, rootfstest.Now, edit.Image{}, edit.Watch{}, put("a", "/a")); !errors.Is(err, edit.ErrNoRoot) {
		t.Errorf("a dataset without a root: %v", err)
	}
	dataset := rootfs.NewTree(tr, rootfstest.Now)
	rootfstest.Fill(t, dataset, []txtar.File{{Name: "root/etc/"}})
	dataset.Close()
	now := edit.Time(tr, nil)
	report, err := edit.InTree(t.Context(), tr, now, edit.Image{Name: "web"}, edit.Watch{}, put("a", "/etc/a"))
	if err != nil || len(report.Changes) != 1 {
		t.Fatalf("%v, %v", report, err)
	}
	if n := tr.Lookup("root/etc/a"); n == nil || n.Size != 3 || n.ModTime != now {
		t.Errorf("the file is %+v", n)
	}
	if err := tr.CheckSealed(); err != nil {
		t.Error(err)
	}
}
