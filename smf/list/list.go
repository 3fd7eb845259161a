// Package list makes an SMF repository of a list of manifests, as the seed of a SmartOS image
// has it: which services there are, and which of them are enabled.
//
//	l, err := list.Parse("manifests", text)
//	places, err := list.Open(list.Roots{Proto: "smartos-live/proto"})
//	defer places.Close()
//	manifests, err := l.Collect(places)
//	repository, err := list.Import(manifests)
//
// # The list
//
// One entry a line, fields separated by white space; empty lines and lines whose first field
// starts with # are skipped:
//
//	network/ssh.xml        enabled
//	network/inetd.xml      disabled
//	network/slp.xml        disabled  optional
//	system/some.xml        enabled   noimport
//
// The first field is a name below lib/svc/manifest. The second is enabled; anything else, or
// nothing, means disabled. With noimport as the third, the line is skipped. These are the rules
// of the classic create-smf-repo and of the brands of SmartOS. With optional as the third, a
// manifest that is found nowhere is left out; the classic tool, which does not know the word,
// would end there. Any other third field means nothing, and so does what follows it.
//
// Beyond the classic tool, the last line needs no newline, carriage returns are white space, and
// a backslash is a character like others.
package list

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"imagetools/fault"
)

// List is what a file of the form above says.
type List struct {
	Name     string // as messages call it
	Entries  []Entry
	Warnings []string // what was read as it stands, but hardly as it was meant
}

// Entry is a line that names a manifest to import.
type Entry struct {
	Name     string // below lib/svc/manifest, clean
	Enabled  bool
	Optional bool
	Line     int
}

// Status is the second field.
func (e Entry) Status() string {
	if e.Enabled {
		return "enabled"
	}
	return "disabled"
}

//go:embed manifests
var defaultList []byte

// Default is the text of the list for the joyent brand of today's platforms.
func Default() []byte { return defaultList }

// MaxSize bounds a list; that of the platform has 6 KB.
const MaxSize = 1 << 20

// maxFaults is how many faults of a list are told.
const maxFaults = 1000

// Parse reads a list. name is for messages. All faults come at once: names that leave the
// folder of manifests or that no file can have.
func Parse(name string, text []byte) (*List, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("list %q: has %d bytes, and the most is %d", name, len(text), MaxSize)
	}
	l := &List{Name: name}
	faults := fault.Faults{Limit: maxFaults}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		fields := strings.FieldsFunc(line, isSpace)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		fields = append(fields, "", "")[:max(3, len(fields))]
		if fields[2] == "noimport" {
			continue
		}
		file, err := cleanName(fields[0])
		if err != nil {
			faults.Add(lineKey(number), fmt.Errorf("list %q: line %d: name %q: %w", name, number, fields[0], err))
			continue
		}
		e := Entry{Name: file, Enabled: fields[1] == "enabled", Optional: fields[2] == "optional", Line: number}
		l.Entries = append(l.Entries, e)
		l.warn(e, fields)
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return l, nil
}

func isSpace(r rune) bool { return strings.ContainsRune(" \t\n\v\f\r", r) }

// lineKey orders faults by line.
func lineKey(line int) string { return fmt.Sprintf("%08d", line) }

// cleanName is the name in the form that package fs takes. A slash at its start says nothing:
// the name stands behind that of a folder.
func cleanName(field string) (string, error) {
	name := path.Clean(strings.TrimLeft(field, "/"))
	switch {
	case name == "..", strings.HasPrefix(name, "../"):
		return "", errors.New("leaves the folder of manifests")
	case name == ".":
		return "", errors.New("is the folder of manifests itself")
	case strings.ContainsRune(name, 0), !fs.ValidPath(name): // after Clean: bytes that are no UTF-8
		return "", errors.New("no file is called that")
	}
	return name, nil
}

// maxWarnings is how many warnings of a list are kept.
const maxWarnings = 100

func (l *List) warn(e Entry, fields []string) {
	if len(l.Warnings) >= maxWarnings {
		return
	}
	at := fmt.Sprintf("list %q: line %d: %s", l.Name, e.Line, e.Name)
	if status := fields[1]; status == "" {
		l.Warnings = append(l.Warnings, at+" says neither enabled nor disabled, and so is disabled")
	} else if status != "enabled" && status != "disabled" {
		l.Warnings = append(l.Warnings, fmt.Sprintf("%s is disabled: %q means that, as all but \"enabled\" does", at, status))
	}
	if word := fields[2]; word != "" && word != "optional" && !strings.HasPrefix(word, "#") {
		l.Warnings = append(l.Warnings, fmt.Sprintf("%s: %q in the third place means nothing", at, word))
	}
}
