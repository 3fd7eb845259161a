package base

import "regexp"

// Progress is what a script tells of one of its steps.
type Progress struct {
	Step   string
	State  State
	Reason string // of a step that failed
}

// State of a step.
type State string

// States of a step.
const (
	Begun  State = "begin"
	Done   State = "done"
	Failed State = "failed"
)

// progressForm is the line that overlay/root/customize/steps writes.
var progressForm = regexp.MustCompile(`^step ([a-z0-9-]+): (?:(begin|done)|(failed): (.+))\r?\n?$`)

// ParseProgress reads a line of a script's output. Most lines are none of progress.
func ParseProgress(line string) (p Progress, ok bool) {
	m := progressForm.FindStringSubmatch(line)
	if m == nil {
		return Progress{}, false
	}
	return Progress{Step: m[1], State: State(m[2] + m[3]), Reason: m[4]}, true
}
