package smf

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"imagetools/internal/plain"
)

// WriteText writes the repository for people and for comparison: everything sorted bytewise
// by name at its level, values alone in their own order, so that equal repositories give
// equal text.
//
//	service NAME
//	  GROUP TYPE FLAGS
//	    PROPERTY TYPE "value" "value"...
//	instance SERVICE:INSTANCE
//	  GROUP TYPE FLAGS
//	    ...
//	snapshot SERVICE:INSTANCE SNAPSHOT level N SERVICE INSTANCE
//	    GROUP TYPE FLAGS
//	      ...
//
// The instances of a service follow it, and the snapshots of an instance follow that. The
// instance of level 2 is "-". Values are JSON strings; bytes that are no UTF-8 become U+FFFD.
func (r *Repository) WriteText(w io.Writer) error {
	t := textWriter{bufio.NewWriter(w)}
	for _, s := range sortedBy(r.Services, func(s *Service) string { return s.Name }) {
		fmt.Fprintf(t, "service %s\n", plain.Line(s.Name))
		t.groups(s.Groups, "  ")
		for _, i := range sortedBy(s.Instances, func(i *Instance) string { return i.Name }) {
			fmt.Fprintf(t, "instance %s:%s\n", plain.Line(s.Name), plain.Line(i.Name))
			t.groups(i.Groups, "  ")
			for _, snap := range sortedBy(i.Snapshots, func(s *Snapshot) string { return s.Name }) {
				for _, l := range sortedLevels(snap.Levels) {
					fmt.Fprintln(t, plain.Line(fmt.Sprintf("snapshot %s:%s %s level %d %s %s",
						s.Name, i.Name, snap.Name, l.Number, l.Service, cmp.Or(l.Instance, "-"))))
					t.groups(l.Groups, "    ")
				}
			}
		}
	}
	return t.Flush()
}

type textWriter struct{ *bufio.Writer }

func (t textWriter) groups(groups []*Group, indent string) {
	for _, g := range sortedBy(groups, func(g *Group) string { return g.Name }) {
		fmt.Fprintf(t, "%s%s %s %d\n", indent, plain.Line(g.Name), plain.Line(g.Type), g.Flags)
		for _, p := range sortedBy(g.Properties, func(p *Property) string { return p.Name }) {
			fmt.Fprintf(t, "%s  %s %s", indent, plain.Line(p.Name), plain.Line(string(p.Type)))
			for _, v := range p.Values {
				fmt.Fprintf(t, " %s", quote(v))
			}
			t.WriteByte('\n')
		}
	}
}

// quote writes a value as a JSON string, with < > and & as they are, but with all that is not
// shown, or changes how what stands around it is shown, escaped.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(s) // a string always has a JSON form
	return string(plain.JSON(bytes.TrimSuffix(b.Bytes(), []byte("\n"))))
}

func sortedBy[T any](list []T, key func(T) string) []T {
	return slices.SortedStableFunc(slices.Values(list), func(a, b T) int { return strings.Compare(key(a), key(b)) })
}

func sortedLevels(levels []Level) []Level {
	return slices.SortedStableFunc(slices.Values(levels), func(a, b Level) int { return cmp.Compare(a.Number, b.Number) })
}
