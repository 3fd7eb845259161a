package list

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"imagetools/fault"
)

// Manifest is an entry with what was found for it.
type Manifest struct {
	Entry
	Place string    // "imagetools", "generic" ...; empty for an optional manifest that is nowhere
	XML   []byte    // with the services switched on or off
	Time  time.Time // of the last change; zero for those that the program carries
}

// String is the line of a report: "generic: network/ssh.xml enabled".
func (m Manifest) String() string {
	if m.Place == "" {
		return "absent: " + m.Name
	}
	return fmt.Sprintf("%s: %s %s", m.Place, m.Name, m.Status())
}

// maxTotal bounds all manifests of a list together; those of a platform have 1 MB.
const maxTotal = 16 << 20

// Collect finds and edits the manifests of all entries, in their order. What is found nowhere
// or cannot be read is reported together.
func (l *List) Collect(p *Places) ([]Manifest, error) {
	if len(l.Entries) == 0 {
		return nil, fmt.Errorf("list %q: names no manifest", l.Name)
	}
	faults := fault.Faults{Limit: maxFaults}
	var manifests []Manifest
	missing, total := false, 0
	for _, e := range l.Entries {
		found, err := p.read(e.Name)
		absent := errors.Is(err, fs.ErrNotExist)
		if err != nil && !(absent && e.Optional) {
			if absent {
				missing, err = true, errors.New("found nowhere")
			}
			faults.Add(lineKey(e.Line), fmt.Errorf("list %q: line %d: manifest %q: %w", l.Name, e.Line, e.Name, err))
			continue
		}
		m := Manifest{Entry: e, Place: found.place, Time: found.time}
		if err == nil {
			m.XML = Edit(found.text, e.Enabled)
		}
		if total += len(m.XML); total > maxTotal {
			return nil, fmt.Errorf("list %q: line %d: all manifests to here have more than %d bytes", l.Name, e.Line, maxTotal)
		}
		manifests = append(manifests, m)
	}
	err := faults.Err()
	if missing {
		err = fault.WithHint(err, "searched were: "+p.dirs()+"; a third field \"optional\" leaves out what a build does not have")
	}
	if err != nil {
		return nil, err
	}
	return manifests, nil
}

func (p *Places) dirs() string {
	var dirs []string
	for _, at := range p.list {
		dirs = append(dirs, at.dir)
	}
	return strings.Join(dirs, ", ")
}
