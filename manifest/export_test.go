// SPDX-License-Identifier: MIT

package manifest

import "time"

var FieldNames = fieldNames

// SetNow sets the time by which platforms are judged, and returns what sets it back.
func SetNow(t time.Time) func() {
	old := timeNow
	timeNow = func() time.Time { return t }
	return func() { timeNow = old }
}

// LineSteps is how many bytes were looked at to find lines and columns.
func (d *Document) LineSteps() int { return d.lines.steps }
