//go:build linux

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
)

// report is all that a run found out, as it stands in the JSON.
type report struct {
	Machine  machineFacts      `json:"machine"`
	Programs map[string]string `json:"programs"` // name → version, or why it is missing
	Took     seconds           `json:"took_s"`
	Inputs   []input           `json:"inputs"`
	Rows     []row             `json:"figures"`
	Series   []*series         `json:"series"`
}

// row is one figure: a median of ours against a median of another, or a bound.
type row struct {
	Section string  `json:"section"`
	Figure  string  `json:"figure"`
	Unit    string  `json:"unit,omitzero"` // "B", "s", "s/file", "s/GiB"
	Ours    float64 `json:"ours,omitzero"`
	Against string  `json:"against,omitzero"` // the other; empty if the figure is for information
	Other   float64 `json:"other,omitzero"`
	Ratio   float64 `json:"ratio,omitzero"`     // Ours / Other
	Limit   float64 `json:"max_ratio,omitzero"` // target; 0 if there is none
	Reached *bool   `json:"reached,omitzero"`
	NotRun  string  `json:"not_run,omitzero"` // why there are no numbers
}

func newRow(section, figure, unit string, ours float64, against string, other, limit float64) row {
	r := row{Section: section, Figure: figure, Unit: unit, Ours: ours, Against: against, Other: other, Limit: limit}
	if ours > 0 && other > 0 {
		r.Ratio = ours / other
		if limit > 0 {
			r.Reached = new(r.Ratio <= limit)
		}
	}
	return r
}

// ratioRow compares two series, or shows one if other is nil.
func ratioRow(section, figure, unit string, ours, other *series, get func(*series) float64, limit float64) row {
	var r row
	if other == nil {
		r = newRow(section, figure, unit, get(ours), "", 0, 0)
	} else {
		r = newRow(section, figure, unit, get(ours), other.Name, get(other), limit)
		r.NotRun = other.NotRun
	}
	r.NotRun = cmp.Or(ours.NotRun, r.NotRun)
	return r
}

func timeRow(section, figure string, ours, other *series, limit float64) row {
	return ratioRow(section, figure, "s", ours, other, (*series).wall, limit)
}

func sizeRow(section, figure string, ours, other *series, limit float64) row {
	return ratioRow(section, figure, "B", ours, other, func(s *series) float64 { return float64(s.size()) }, limit)
}

// memoryRow compares the peak with what is allowed for any size and for each entry of the tree.
func memoryRow(section, figure string, ours *series, entries int) row {
	return boundRow(section, figure, ours, "256 MiB + 400 B/file", int64(256<<20+400*entries))
}

// boundRow compares the peak with what is allowed, in bytes.
func boundRow(section, figure string, ours *series, name string, bound int64) row {
	r := newRow(section, figure, "B", float64(ours.peak()), name, float64(bound), 1)
	r.NotRun = ours.NotRun
	return r
}

// growthRow is the time per unit, against that of the step before.
func growthRow(section, name, unit string, now, before figure, get func(figure) float64) row {
	r := newRow(section, name, "s/"+unit, get(now)/float64(now.units), "", 0, 0)
	if before.series != nil {
		r = newRow(section, name, r.Unit, r.Ours, before.label, get(before)/float64(before.units), linear)
	}
	r.NotRun = now.NotRun
	return r
}

func (r *report) add(row row) { r.Rows = append(r.Rows, row) }

// missing is the number of figures that could not be taken.
func (r *report) missing() (n int) {
	for _, row := range r.Rows {
		if row.NotRun != "" {
			n++
		}
	}
	return n
}

func (r *report) write(name string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(text, '\n'), 0o644)
}

// table prints the figures, then the jobs they come from.
func (r *report) table(out io.Writer) {
	m := r.Machine
	fmt.Fprintf(out, "%s, %d cores, %s memory, Linux %s, %s, imagetools %s\n",
		cmp.Or(m.CPU, m.Arch), m.Cores, megabytes(m.Memory), m.Kernel, m.Go, m.Revision)
	for _, in := range r.Inputs {
		fmt.Fprintln(out, in)
	}

	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "\nfigure\tours\tother\t\tratio\ttarget\treached\n")
	section := ""
	for _, row := range r.Rows {
		if row.Section != section {
			section = row.Section
			fmt.Fprintf(w, "%s\t\t\t\t\t\t\n", section)
		}
		ours, other := row.show(row.Ours), row.show(row.Other)
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			row.Figure, ours, other, row.Against, row.ratio(), row.target(), row.reached())
	}
	fmt.Fprint(w, "\nmedian of\truns\ttime\tfrom\tto\tCPU\tpeak memory\tdisk reads\tsize\n")
	for _, s := range r.Series {
		least, most := s.span()
		fmt.Fprintf(w, "  %s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Name, len(s.Samples),
			showSeconds(s.wall()), showSeconds(least), showSeconds(most), showSeconds(s.cpu()),
			showBytes(float64(s.peak())), showBytes(float64(s.read())), showBytes(float64(s.size())))
	}
	w.Flush()
	fmt.Fprint(out, `
ratio is ours : other. CPU is that of all processes. With disk reads, the input was not in
memory: the time is the disk's as well, and CPU the kernel's for it. stream reads contents
twice, as their digest stands in the first record. create-image and create-seed sync what they
wrote to disk, of the other programs only rsync is followed by a sync. The time of libdeflate includes tar into a file; that of zfs send
begins with the dataset filled. extract and tar -x leave it to the kernel when what they made
is written to disk; tar, as root, also sets owners and makes devices.
`)
}

func (s *series) span() (least, most float64) {
	for i, x := range s.Samples {
		if t := x.Wall.float(); i == 0 {
			least, most = t, t
		} else {
			least, most = min(least, t), max(most, t)
		}
	}
	return least, most
}

func (r row) ratio() string {
	switch {
	case r.NotRun != "":
		return "not run: " + firstLine(r.NotRun)
	case r.Ratio == 0:
		return ""
	case r.Unit == "s" && r.Ratio < 0.8:
		return fmt.Sprintf("%.3f (%.1f× faster)", r.Ratio, 1/r.Ratio)
	}
	return fmt.Sprintf("%.3f", r.Ratio)
}

func (r row) target() string {
	switch {
	case r.Limit == 0:
		return ""
	case r.Unit == "s" && r.Limit < 0.8:
		return fmt.Sprintf("≤ %.3g (%.3g× faster)", r.Limit, 1/r.Limit)
	}
	return fmt.Sprintf("≤ %.3g", r.Limit)
}

func (r row) reached() string {
	switch {
	case r.Reached == nil:
		return ""
	case *r.Reached:
		return "yes"
	}
	return "NO"
}

// show prints a value in the row's unit.
func (r row) show(v float64) string {
	switch {
	case v == 0:
		return ""
	case r.Unit == "B":
		return showBytes(v)
	case r.Unit == "s/file":
		return fmt.Sprintf("%.1f µs/file", v*1e6)
	case r.Unit == "s/GiB":
		return fmt.Sprintf("%.3f s/GiB", v)
	}
	return showSeconds(v)
}

func showSeconds(v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f s", v)
}

func showBytes(v float64) string {
	if v == 0 {
		return ""
	}
	return megabytes(int64(v))
}

func megabytes(n int64) string {
	if n >= 10e9 {
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
