package sqlite2

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// table is what a CREATE TABLE statement says, with the indexes on it.
type table struct {
	name    string
	columns []column
	indexes []*index
}

// column is a column of a table. A text column keeps its values as text in indexes, others
// as numbers where they look like numbers.
type column struct {
	name    string
	text    bool
	notNull bool
	rowid   bool // INTEGER PRIMARY KEY
}

// index is what a CREATE INDEX statement says.
type index struct {
	name, table string
	columns     []int
}

// schema is a parsed list of statements.
type schema struct {
	tables  []*table
	objects []object
}

// object is a table, or an index of it.
type object struct {
	statement string
	table     *table
	index     *index // nil for the table itself
}

func (o object) kind() string {
	if o.index != nil {
		return "index"
	}
	return "table"
}

func (o object) name() string {
	if o.index != nil {
		return o.index.name
	}
	return o.table.name
}

// What is read of hostile files: statements longer than this, or more of them or of columns,
// are refused. A repository has 24 statements, and at most 7 columns in one.
const (
	maxStatement = 64 << 10
	maxObjects   = 100
	maxColumns   = 100
)

// add parses a statement: CREATE TABLE, or CREATE INDEX on a table added before.
func (s *schema) add(statement string) (object, error) {
	p := parser{tokens: tokens(statement)}
	p.want("CREATE")
	o := object{statement: statement}
	switch kind := strings.ToUpper(p.next()); kind {
	case "TABLE":
		o.table = p.table()
	case "INDEX":
		o.index = &index{}
		o.table = p.index(o.index, s)
	default:
		p.fail("CREATE %q is not supported", kind)
	}
	if p.err == nil && len(p.tokens) > 0 {
		p.fail("%q after its end", p.tokens[0])
	}
	if len(s.objects) >= maxObjects {
		p.fail("more than %d tables and indexes", maxObjects)
	}
	if p.err == nil && slices.ContainsFunc(s.objects, func(x object) bool { return strings.EqualFold(x.name(), o.name()) }) {
		p.fail("%q is there already", o.name())
	}
	if p.err != nil {
		return o, fmt.Errorf("statement %q: %w", cut(statement), p.err)
	}
	if o.index == nil {
		s.tables = append(s.tables, o.table)
	} else {
		o.table.indexes = append(o.table.indexes, o.index)
	}
	s.objects = append(s.objects, o)
	return o, nil
}

// cut shortens a text for an error.
func cut(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

// Normal is a statement with white space only in front of words that follow a word or a
// closing parenthesis, so that two with the same words are the same text.
func Normal(statement string) string {
	var b strings.Builder
	last := ""
	for _, t := range tokens(statement) {
		if last != "" && (isWord(last) || last == ")") && isWord(t) {
			b.WriteByte(' ')
		}
		b.WriteString(t)
		last = t
	}
	return b.String()
}

// tokens splits a statement into words and single other bytes.
func tokens(s string) []string {
	var out []string
	for i := 0; i < len(s); {
		switch {
		case s[i] == ' ' || s[i] >= '\t' && s[i] <= '\r':
			i++
		case wordByte(s[i]):
			j := i
			for j < len(s) && wordByte(s[j]) {
				j++
			}
			out = append(out, s[i:j])
			i = j
		default:
			out = append(out, s[i:i+1])
			i++
		}
	}
	return out
}

func wordByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_'
}

func isWord(token string) bool { return wordByte(token[0]) }

// parser takes tokens off a list. After the first error it yields "".
type parser struct {
	tokens []string
	err    error
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, shorten(args)...)
	}
	p.tokens = nil
}

func (p *parser) next() string {
	if len(p.tokens) == 0 {
		p.fail("ends too early")
		return ""
	}
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	return t
}

func (p *parser) want(token string) {
	if t := p.next(); p.err == nil && !strings.EqualFold(t, token) {
		p.fail("%q in place of %q", t, token)
	}
}

func (p *parser) word() string {
	t := p.next()
	if p.err == nil && !isWord(t) {
		p.fail("%q in place of a name", t)
	}
	return t
}

// list calls item for each part of a list in parentheses.
func (p *parser) list(item func()) {
	p.want("(")
	for p.err == nil {
		item()
		switch t := p.next(); {
		case p.err != nil || t == ")":
			return
		case t != ",":
			p.fail("%q in place of a comma", t)
		}
	}
}

func (p *parser) table() *table {
	t := &table{name: p.word()}
	p.list(func() {
		c := p.column()
		if len(t.columns) >= maxColumns {
			p.fail("more than %d columns", maxColumns)
		}
		if slices.ContainsFunc(t.columns, func(x column) bool { return strings.EqualFold(x.name, c.name) }) {
			p.fail("column %q is there twice", c.name)
		}
		if c.rowid && slices.ContainsFunc(t.columns, func(x column) bool { return x.rowid }) {
			p.fail("two primary keys")
		}
		t.columns = append(t.columns, c)
	})
	return t
}

// columnEnds are the words that end the type of a column.
var columnEnds = []string{"NOT", "NULL", "PRIMARY", "DEFAULT", "UNIQUE", "CHECK", "REFERENCES", "COLLATE", "CONSTRAINT", "ON"}

func (p *parser) column() column {
	c := column{name: p.word()}
	if slices.Contains([]string{"PRIMARY", "UNIQUE", "CHECK", "CONSTRAINT", "FOREIGN"}, strings.ToUpper(c.name)) {
		p.fail("constraint %q is not supported", c.name)
	}
	typ := p.columnType()
	lower := strings.ToLower(typ)
	for _, s := range []string{"char", "clob", "blob", "text"} { // util.c of 2.8, sqliteCollateType
		c.text = c.text || strings.Contains(lower, s)
	}
	for p.err == nil && len(p.tokens) > 0 && p.tokens[0] != "," && p.tokens[0] != ")" {
		switch t := strings.ToUpper(p.next()); t {
		case "NOT":
			p.want("NULL")
			c.notNull = true
		case "NULL":
		case "DEFAULT":
			p.word()
		case "PRIMARY":
			p.want("KEY")
			if lower != "integer" {
				p.fail("a primary key of type %q is not supported", typ)
			}
			c.rowid = true
		default:
			p.fail("constraint %q is not supported", t)
		}
	}
	return c
}

// columnType takes the words before the first constraint, and one pair of parentheses.
func (p *parser) columnType() string {
	var typ strings.Builder
	for depth := 0; p.err == nil && len(p.tokens) > 0; {
		t := p.tokens[0]
		if depth == 0 && (t == "," || t == ")" || slices.Contains(columnEnds, strings.ToUpper(t))) {
			break
		}
		switch {
		case t == "(":
			depth++
		case t == ")":
			depth--
		case t != "," && !isWord(t):
			p.fail("%q in a type", t)
		}
		typ.WriteString(p.next())
	}
	return typ.String()
}

func (p *parser) index(x *index, s *schema) *table {
	x.name = p.word()
	p.want("ON")
	x.table = p.word()
	if p.err != nil {
		return nil
	}
	i := slices.IndexFunc(s.tables, func(t *table) bool { return t.name == x.table })
	if i < 0 {
		p.fail("no table %q", x.table)
		return nil
	}
	t := s.tables[i]
	p.list(func() {
		name := p.word()
		c := slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
		if p.err == nil && c < 0 {
			p.fail("table %q has no column %q", t.name, name)
		}
		if slices.Contains(x.columns, c) { // a key would be longer than the row it is of
			p.fail("column %q is there twice", name)
		}
		x.columns = append(x.columns, c)
	})
	return t
}

// errNUL is why a text cannot be written.
var errNUL = errors.New("a text with a NUL")
