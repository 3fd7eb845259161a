package smf_test

import (
	"encoding/json"
	"strings"
	"testing"

	"imagetools/smf"
)

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
