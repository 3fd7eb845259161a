package bundle

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"imagetools/smf"
)

// systemID is the only DTD that svccfg knows (MANIFEST_DTD_PATH).
const systemID = "/usr/share/lib/xml/dtd/service_bundle.dtd.1"

// node is an element.
type node struct {
	name     string
	line     int
	attrs    []attr
	children []*node
	text     []text // what stands between child elements and comments
	content  bool   // anything stands between its tags, be it a comment
	bad      bool   // of no use to read its attributes: the fault is told already
}

type attr struct {
	name, value string
	line        int
}

type text struct {
	value string
	line  int
}

// blanks are the white space of XML.
const blanks = " \t\r\n"

// first is the line of the first character that is no blank.
func (t text) first() int {
	lead := len(t.value) - len(strings.TrimLeft(t.value, blanks))
	return t.line + strings.Count(t.value[:lead], "\n")
}

// valid are the child elements that are of use, of one name unless that is empty.
func (n *node) valid(name string) (list []*node) {
	for _, c := range n.children {
		if !c.bad && (name == "" || name == c.name) {
			list = append(list, c)
		}
	}
	return list
}

func (n *node) lookup(name string) (string, bool) {
	for _, a := range n.attrs {
		if a.name == name {
			return a.value, true
		}
	}
	return "", false
}

func (n *node) attr(name string) string {
	v, _ := n.lookup(name)
	return v
}

// xmlReader makes nodes of tokens. encoding/xml tells tokens apart and checks their syntax;
// the attributes are read again from the text of the tag, because it neither finds attributes
// that are there twice or stuck together, nor keeps apart a line break and "&#10;", of which
// only the first becomes a space (XML 1.0, 3.3.3).
type xmlReader struct {
	p        *parser
	data     []byte
	d        *xml.Decoder
	pos      int // up to which lines are counted
	line     int
	root     *node
	open     []*node
	elements int
	doctype  bool
}

// readXML reads a well-formed document with the right DOCTYPE. It is nil after a fault.
func (p *parser) readXML(data []byte) *node {
	if len(data) > maxSize {
		p.fault(1, "manifest of %d bytes: the limit is %d", len(data), maxSize)
		return nil
	}
	data, ok := p.decode(data)
	if !ok {
		return nil
	}
	x := &xmlReader{p: p, data: data, d: xml.NewDecoder(bytes.NewReader(data)), line: 1}
	x.d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // decode did it
	for {
		start := int(x.d.InputOffset())
		tok, err := x.d.RawToken()
		if err == io.EOF {
			return x.end()
		}
		if err != nil {
			line := x.at(start)
			if s, ok := errors.AsType[*xml.SyntaxError](err); ok {
				line, err = s.Line, errors.New(s.Msg)
			}
			p.fault(line, "not well-formed: %s", err.Error())
			return nil
		}
		if !x.token(tok, start, data[start:x.d.InputOffset()]) {
			return nil
		}
	}
}

// at is the line of an offset, which is never less than the one before.
func (x *xmlReader) at(offset int) int {
	x.line += bytes.Count(x.data[x.pos:offset], []byte("\n"))
	x.pos = offset
	return x.line
}

// end checks that all is there.
func (x *xmlReader) end() *node {
	line := x.at(len(x.data))
	switch {
	case len(x.open) > 0:
		n := x.open[len(x.open)-1]
		x.p.fault(line, "not well-formed: the file ends in <%s> of line %d", n.name, n.line)
	case x.root == nil:
		x.p.fault(line, "not well-formed: there is no element")
	default:
		return x.root
	}
	return nil
}

// token takes a token, whose text is raw. It is false after a fault.
func (x *xmlReader) token(tok xml.Token, start int, raw []byte) bool {
	line := x.at(start)
	var top *node
	if len(x.open) > 0 {
		top = x.open[len(x.open)-1]
		if _, end := tok.(xml.EndElement); !end {
			top.content = true
		}
	}
	switch tok.(type) {
	case xml.StartElement, xml.CharData:
		for _, ref := range numericForm.FindAllSubmatch(raw, -1) {
			if !isCharacter(codePoint(string(ref[1]))) { // encoding/xml makes U+FFFD of a surrogate
				return x.malformed(line, "%s is no character", string(ref[0]))
			}
		}
	}
	switch t := tok.(type) {
	case xml.StartElement:
		return x.start(top, line, raw)
	case xml.EndElement:
		// The end of <x/> has no text of its own.
		if name := tagName(raw, "</"); len(raw) > 0 && (top == nil || name != top.name) {
			if top == nil {
				return x.malformed(line, "</%s> without <%s>", name, name)
			}
			return x.malformed(line, "</%s> ends <%s> of line %d", name, top.name, top.line)
		}
		x.open = x.open[:len(x.open)-1]
	case xml.CharData:
		switch {
		case bytes.HasPrefix(raw, []byte("<![CDATA[")):
			x.p.fault(line, "a CDATA section: svccfg does not take any")
			return false
		case top != nil:
			top.text = append(top.text, text{string(t), line})
		case bytes.IndexByte(raw, '&') >= 0:
			return x.malformed(line, "a reference outside of the root element")
		case strings.Trim(string(t), blanks) != "":
			return x.malformed(text{string(t), line}.first(), "text outside of the root element")
		}
	case xml.ProcInst:
		switch {
		case strings.EqualFold(t.Target, "xml") && (start > 0 || t.Target != "xml"):
			return x.malformed(line, "<?%s is not at the very beginning", t.Target)
		case len(t.Inst) > 0 && bytes.HasSuffix(raw, []byte(t.Target+string(t.Inst)+"?>")):
			return x.malformed(line, "no blank behind <?%s", t.Target)
		case top != nil && top.name != "service_bundle":
			x.p.fault(line, "processing instruction %q in <%s>", t.Target, top.name)
			return false
		}
	case xml.Directive:
		return x.directive(line, string(raw[len("<!"):len(raw)-len(">")]))
	}
	return true
}

func (x *xmlReader) malformed(line int, format string, args ...any) bool {
	x.p.fault(line, "not well-formed: "+format, args...)
	return false
}

// start takes a start tag below top.
func (x *xmlReader) start(top *node, line int, raw []byte) bool {
	n := &node{name: tagName(raw, "<"), line: line}
	if x.elements++; x.elements > maxElements {
		x.p.fault(line, "more than %d elements", maxElements)
		return false
	}
	switch {
	case top != nil:
		top.children = append(top.children, n)
	case x.root != nil:
		return x.malformed(line, "<%s> after the end of the root element", n.name)
	case !x.doctype:
		x.p.faultHint(line, `put <!DOCTYPE service_bundle SYSTEM "`+systemID+`"> before it`, "there is no DOCTYPE")
		return false
	default:
		x.root = n
	}
	if x.open = append(x.open, n); len(x.open) > maxDepth {
		x.p.fault(line, "elements are nested more than %d deep", maxDepth)
		return false
	}
	if !n.readAttrs(raw[1+len(n.name):]) {
		return x.malformed(line, "attributes of <%s>: they are given as NAME=\"VALUE\", with blanks between them", n.name)
	}
	seen := make(map[string]bool, len(n.attrs))
	for _, a := range n.attrs {
		if seen[a.name] {
			return x.malformed(a.line, "attribute %q of <%s> is there twice", a.name, n.name)
		}
		seen[a.name] = true
	}
	return true
}

// tagName is the name in the text of a tag.
func tagName(raw []byte, prefix string) string {
	raw = bytes.TrimPrefix(raw, []byte(prefix))
	if i := bytes.IndexAny(raw, blanks+"/>"); i >= 0 {
		raw = raw[:i]
	}
	return string(raw)
}

var attrForm = regexp.MustCompile(`^([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')`)

// readAttrs reads the attributes in the rest of a start tag, from behind its name.
func (n *node) readAttrs(tag []byte) bool {
	for line := n.line; ; {
		rest := bytes.TrimLeft(tag, blanks)
		line += bytes.Count(tag[:len(tag)-len(rest)], []byte("\n"))
		if len(rest) == 0 || rest[0] == '/' || rest[0] == '>' {
			return true
		}
		m := attrForm.FindSubmatch(rest)
		if m == nil || len(rest) == len(tag) {
			return false
		}
		n.attrs = append(n.attrs, attr{string(m[1]), normalise(string(m[2]) + string(m[3])), line})
		line += bytes.Count(m[0], []byte("\n"))
		tag = rest[len(m[0]):]
	}
}

var blankToSpace = strings.NewReplacer("\r\n", " ", "\r", " ", "\n", " ", "\t", " ")

// normalise turns the blanks of an attribute value into spaces and then replaces references,
// so that what they stand for stays.
func normalise(s string) string {
	if !strings.ContainsAny(s, "&\t\r\n") {
		return s
	}
	s = blankToSpace.Replace(s)
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "&")
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		var ref string
		ref, s, _ = strings.Cut(rest, ";")
		out.WriteString(reference(ref))
	}
}

// reference is what a reference stands for. encoding/xml has refused all others.
func reference(name string) string {
	switch name {
	case "lt":
		return "<"
	case "gt":
		return ">"
	case "amp":
		return "&"
	case "apos":
		return "'"
	case "quot":
		return `"`
	}
	return string(codePoint(strings.TrimPrefix(name, "#")))
}

var numericForm = regexp.MustCompile(`&#(x[0-9a-fA-F]+|[0-9]+);`)

// codePoint is the number in a reference, such as "x41" or "65".
func codePoint(digits string) rune {
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	r, _ := strconv.ParseUint(digits, base, 31)
	return rune(r)
}

var doctypeForm = regexp.MustCompile(`(?s)^DOCTYPE\s+([^\s\[]+)(?:\s+(?:SYSTEM|PUBLIC\s+(?:"[\w\s'()+,./:=?;!*#@$%-]*"|'[\w\s()+,./:=?;!*#@$%-]*'))\s+("[^"]*"|'[^']*'))?\s*(?:\[(.*)\])?\s*$`)

// directive takes a <!DOCTYPE>.
func (x *xmlReader) directive(line int, s string) bool {
	m := doctypeForm.FindStringSubmatch(s)
	switch {
	case m == nil || x.doctype || x.root != nil:
		word := s[:len(s)-len(strings.TrimLeft(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))]
		return x.malformed(line, "<!%s is wrong, or not allowed here", word)
	case strings.Trim(m[3], blanks) != "":
		x.p.fault(line, "DOCTYPE: entities and other declarations of its own are refused")
		return false
	case m[1] != "service_bundle":
		x.p.fault(line, "DOCTYPE %q: \"service_bundle\" is expected", m[1])
		return false
	case strings.Trim(m[2], `"'`) != systemID:
		x.p.fault(line, "DOCTYPE: the DTD is %q: %q is expected", strings.Trim(m[2], `"'`), systemID)
		return false
	}
	x.doctype = true
	return true
}

// clip keeps what stands in messages short; valid names stay whole.
func clip(s string) string {
	if len(s) <= 256 {
		return s
	}
	return strings.ToValidUTF8(s[:smf.MaxName], "") + "..."
}
