// Package cost has the one table of what parsers and walks cost: [steps] runs each on input of size
// n, 2n and 4n and counts the statements that are executed and the bytes that are allocated, not
// the time. Four times the input may take 2.2² times the work.
//
// The counters are those of go build -cover. Statements of this project count, and those of the
// packages slices, strings, bytes and sort; what is copied or searched by one instruction of the
// processor, and what other modules do, is seen by what it allocates only.
//
// [steps]: imagetools/test/cost/steps
package cost

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"imagetools/test/cost/counter"
)

// Four times as much input may take growth times as much work, and an amount that noise is as
// large as.
const (
	growth     = 2.2 * 2.2
	noiseSteps = 2_000
	noiseBytes = 4 << 20
)

// result is a Result of steps.
type result struct {
	Name   string
	Sizes  []int
	Work   []counter.Work
	Failed bool
}

func (r *result) grows() (steps, bytes bool) {
	first, last := r.Work[0], r.Work[2]
	return float64(last.Steps) > growth*float64(first.Steps)+noiseSteps, float64(last.Bytes) > growth*float64(first.Bytes)+noiseBytes
}

// bounded are rows that grow faster, up to what a constant says.
var bounded = map[string]string{
	"index: FREE to the end, again and again": "a stream may have 2²⁶ extents looked at again: maxAgain of zfs/objset",
}

// TestCost has every row of the table grow with its input.
func TestCost(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program with counters")
	}
	results := run(t)
	for _, r := range results {
		if r.Failed || len(r.Work) != 3 {
			t.Errorf("%s: failed", r.Name)
			continue
		}
		steps, bytes := r.grows()
		t.Logf("%-50s %8d: %12d steps, %12d bytes; %8d: %12d, %12d", r.Name, r.Sizes[0], r.Work[0].Steps, r.Work[0].Bytes, r.Sizes[2], r.Work[2].Steps, r.Work[2].Bytes)
		switch _, sample := strings.CutPrefix(r.Name, "sample: "); {
		case sample:
			if want := r.Name != "sample: linear"; (steps || bytes) != want {
				t.Errorf("%s: seen as growing with the square: %v", r.Name, !want)
			}
		case bounded[r.Name] != "":
			if !steps && !bytes {
				t.Errorf("%s: grows with its input now, and needs no reason", r.Name)
			}
		case steps || bytes:
			t.Errorf("%s: four times the input takes %.2f times the steps and %.2f times the bytes", r.Name,
				float64(r.Work[2].Steps)/float64(r.Work[0].Steps), float64(r.Work[2].Bytes)/float64(r.Work[0].Bytes))
		}
	}
	if len(results) < 100 {
		t.Errorf("%d rows", len(results))
	}
	executed := executed(t)
	for _, name := range parsers(t) {
		why := reasons[name]
		switch {
		case !executed[name] && why == "":
			t.Errorf("%s: no row of test/cost/steps calls it, and reasons has no reason why none needs to", name)
		case executed[name] && why != "":
			t.Errorf("%s: a row calls it: it needs no reason", name)
		}
		delete(reasons, name)
	}
	for name := range reasons {
		t.Errorf("reasons has %s, which there is not", name)
	}
}

var coverDir string

// run builds the program and runs it.
func run(t *testing.T) (results []result) {
	dir := t.TempDir()
	coverDir = filepath.Join(dir, "cover")
	if err := os.Mkdir(coverDir, 0o755); err != nil {
		t.Fatal(err)
	}
	program, output := filepath.Join(dir, "steps"), filepath.Join(dir, "output.json")
	command(t, "go", "build", "-cover", "-covermode=atomic", "-coverpkg="+counted(t), "-o", program, "./steps")
	t.Setenv("GOCOVERDIR", coverDir)
	if out, err := exec.Command(program, output).CombinedOutput(); err != nil {
		t.Errorf("steps: %v\n%s", err, out)
	}
	text, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &results); err != nil {
		t.Fatal(err)
	}
	return results
}

// counted are the packages whose statements count.
func counted(t *testing.T) string {
	all, module := []string{"slices", "strings", "bytes", "sort"}, modulePath(t)
	for pkg := range strings.FieldsSeq(command(t, "go", "list", "-deps", "./steps")) {
		if strings.HasPrefix(pkg, module) && pkg != module+"test/cost/counter" && !strings.HasSuffix(pkg, "test") {
			all = append(all, pkg)
		}
	}
	return strings.Join(all, ",")
}

// executed are the functions that some row has called, such as "zfs/stream.Reader.Next".
func executed(t *testing.T) map[string]bool {
	all, module := map[string]bool{}, modulePath(t)
	for line := range strings.Lines(command(t, "go", "tool", "covdata", "func", "-i="+coverDir)) {
		words := strings.Fields(line)
		if len(words) != 3 || words[2] == "0.0%" {
			continue
		}
		file, _, _ := strings.Cut(words[0], ":")
		if path, ok := strings.CutPrefix(file, module); ok {
			all[filepath.Dir(path)+"."+strings.TrimPrefix(words[1], "*")] = true
		}
	}
	return all
}

// modulePath is that of this module, with a slash behind it.
func modulePath(t *testing.T) string { return strings.TrimSpace(command(t, "go", "list", "-m")) + "/" }

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(slices.Insert(args, 0, name), " "), err, out)
	}
	return string(out)
}
