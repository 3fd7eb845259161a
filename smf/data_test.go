package smf_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"imagetools/smf"
)

// testData reads a file of the test data that stand beside the project, and skips the test
// where it is missing.
func testData(t testing.TB, name string) []byte {
	t.Helper()
	dir := os.Getenv("IMAGETOOLS_TESTDATA")
	if dir == "" {
		dir = "../../shared/testdata"
	}
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err == nil && strings.HasSuffix(name, ".gz") {
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(data)); err == nil {
			data, err = io.ReadAll(z)
		}
	}
	if err != nil {
		if os.Getenv("IMAGETOOLS_REQUIRE_ORACLES") == "1" {
			t.Fatalf("test data are required (IMAGETOOLS_TESTDATA): %v", err)
		}
		t.Skipf("no test data (IMAGETOOLS_TESTDATA): %v", err)
	}
	return data
}

func textOf(t testing.TB, r *smf.Repository) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// parseText reads what WriteText writes, of values that are UTF-8.
func parseText(t testing.TB, text []byte) *smf.Repository {
	t.Helper()
	r := &smf.Repository{}
	var service *smf.Service
	var instance *smf.Instance
	var groups *[]*smf.Group
	indent := ""
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "service "):
			service = &smf.Service{Name: words[1]}
			r.Services = append(r.Services, service)
			groups, indent = &service.Groups, "  "
		case strings.HasPrefix(line, "instance "):
			_, name, _ := strings.Cut(words[1], ":")
			instance = &smf.Instance{Name: name}
			service.Instances = append(service.Instances, instance)
			groups, indent = &instance.Groups, "  "
		case strings.HasPrefix(line, "snapshot "):
			groups, indent = addLevel(instance, words), "    "
		case !strings.HasPrefix(line, indent+" "):
			g := &smf.Group{Name: words[0], Type: words[1]}
			*groups = append(*groups, g)
		default:
			g := (*groups)[len(*groups)-1]
			p := &smf.Property{Name: words[0], Type: smf.Type(words[1])}
			rest := strings.TrimPrefix(strings.TrimSpace(line), words[0]+" "+words[1])
			for values := json.NewDecoder(strings.NewReader(rest)); values.More(); {
				var v string
				if err := values.Decode(&v); err != nil {
					t.Fatalf("line %q: %v", line, err)
				}
				p.Values = append(p.Values, v)
			}
			g.Properties = append(g.Properties, p)
		}
	}
	return r
}

// addLevel adds what a line "snapshot FMRI NAME level N SERVICE INSTANCE" begins.
func addLevel(i *smf.Instance, words []string) *[]*smf.Group {
	if n := len(i.Snapshots); n == 0 || i.Snapshots[n-1].Name != words[2] {
		i.Snapshots = append(i.Snapshots, &smf.Snapshot{Name: words[2]})
	}
	snap := i.Snapshots[len(i.Snapshots)-1]
	l := smf.Level{Number: int(words[4][0] - '0'), Service: words[5], Instance: words[6]}
	if l.Instance == "-" {
		l.Instance = ""
	}
	snap.Levels = append(snap.Levels, l)
	return &snap.Levels[len(snap.Levels)-1].Groups
}
