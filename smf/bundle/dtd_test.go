package bundle

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/smf/internal/smftest"
)

var (
	comment  = regexp.MustCompile(`(?s)<!--.*?-->`)
	profile  = regexp.MustCompile(`(?s)<!\[%profile;\[.*?\]\]>`)
	elements = regexp.MustCompile(`(?s)<!ELEMENT\s+(\S+)\s+(.*?)>`)
	attlists = regexp.MustCompile(`(?s)<!ATTLIST\s+([^\s>]+)(.*?)>`)
	attlist  = regexp.MustCompile(`(\S+)\s+(CDATA|\([^)]*\))\s+(#REQUIRED|#IMPLIED|"[^"]*")`)
	choice   = regexp.MustCompile(`\(([^()]*)\)([?*+]?)`)
)

// TestDTD compares our table with the DTD of a platform.
func TestDTD(t *testing.T) {
	data := smftest.Data(t, "smf-manifests/service_bundle.dtd.1")
	text := profile.ReplaceAllString(comment.ReplaceAllString(string(data), ""), "")
	want := make(map[string][2]string)
	for _, m := range elements.FindAllStringSubmatch(text, -1) {
		want[m[1]] = [2]string{children(m[2])}
	}
	for _, m := range attlists.FindAllStringSubmatch(text, -1) {
		e := want[m[1]]
		e[1] = attributes(m[2])
		want[m[1]] = e
	}
	delete(want, "xi:include") // refused
	delete(want, "xi:fallback")
	got := make(map[string][2]string)
	for _, d := range declarations {
		attrs := strings.Fields(d[2])
		attrs = slices.DeleteFunc(attrs, func(a string) bool { return a == "security_flags" }) // newer
		slices.Sort(attrs)
		got[d[0]] = [2]string{strings.Join(strings.Fields(d[1]), " "), strings.Join(attrs, " ")}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 50 {
		t.Errorf("%d elements (-DTD +ours):\n%s", len(want), diff)
	}
}

// children brings a content model into our form.
func children(s string) string {
	s = strings.Join(strings.Fields(s), "")
	switch {
	case s == "EMPTY":
		return ""
	case s == "(service_bundle*|service*|xi:include*)":
		return "service_bundle* / service* / xi:include*"
	case !choice.MatchString(s):
		return s
	}
	if strings.Count(s, "(") == 1 && strings.Contains(s, "|") { // one item, not a sequence
		return choice.ReplaceAllString(s, "$1$2")
	}
	for strings.Count(s, "(") > 1 {
		inner := choice.FindStringSubmatchIndex(s)
		s = s[:inner[0]] + s[inner[2]:inner[3]] + s[inner[4]:inner[5]] + s[inner[1]:]
	}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "("), ")")
	return strings.ReplaceAll(s, ",", " ")
}

// attributes brings an ATTLIST into our form.
func attributes(s string) string {
	var out []string
	for _, m := range attlist.FindAllStringSubmatch(s, -1) {
		a, values := m[1], strings.Join(strings.Fields(strings.Trim(m[2], "()")), "")
		if m[3] == "#REQUIRED" {
			a += "!"
		}
		def, hasDef := strings.CutPrefix(m[3], `"`)
		if values == "CDATA" {
			values = ""
		}
		if values != "" || hasDef {
			a += "=" + values
		}
		if hasDef {
			a += ":" + strings.TrimSuffix(def, `"`)
		}
		out = append(out, a)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}
