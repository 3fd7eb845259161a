// SPDX-License-Identifier: MIT

package manifest

var FieldNames = fieldNames

// LineSteps is how many bytes were looked at to find lines and columns.
func (d *Document) LineSteps() int { return d.lines.steps }
