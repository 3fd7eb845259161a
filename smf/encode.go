package smf

import (
	"fmt"
	"strconv"
	"strings"

	"imagetools/smf/sqlite2"
)

// MaxSize bounds a database, written or read. 100 services take 2 MiB.
const MaxSize = 64 << 20

// Encode writes the repository as the database of svc.configd, if it is [Repository.Validate]d.
// Everything is numbered in the order in which the lists have it: the same lists give the same
// bytes.
//
// A group in a snapshot that says the same as the live one takes its rows, so that it costs
// one row more. What differs gets rows of its own, which are shared by the snapshots that
// say the same of that service or instance. The database has at most MaxSize bytes.
func (r *Repository) Encode() ([]byte, error) {
	if err := r.checkSize(); err != nil {
		return nil, err
	}
	if err := r.Validate(); err != nil {
		return nil, err
	}
	e := &encoder{rows: map[string][]sqlite2.Row{}, next: map[string]int{}}
	for _, s := range r.Services {
		e.service(s)
	}
	for i, name := range counters {
		e.add("id_tbl", i+1, text(name), number(e.next[name]+1))
	}
	e.add("schema_version", 1, text(schemaVersion))
	db, err := sqlite2.Encode(statements, e.rows)
	if len(db) > MaxSize {
		return nil, fmt.Errorf("a database of over %d MiB", MaxSize>>20)
	}
	return db, err
}

// checkSize refuses what [Decode] would not take. A small manifest can stand for millions of
// rows, as each snapshot of each instance has one for each group of the service.
func (r *Repository) checkSize() error {
	const groupCost, propertyCost, valueCost = 256, 160, 64 // about, with indexes
	sizes := make(map[*Group]int)
	total := 0
	count := func(groups []*Group) {
		for _, g := range groups {
			size, ok := sizes[g]
			if !ok {
				size = groupCost
				for _, p := range g.Properties {
					size += propertyCost + len(p.Name)
					for _, v := range p.Values {
						size += valueCost + len(v)
					}
				}
				sizes[g] = size
			}
			if total += size; total > MaxSize {
				return
			}
		}
	}
	for _, s := range r.Services {
		count(s.Groups)
		for _, i := range s.Instances {
			count(i.Groups)
			for _, snap := range i.Snapshots {
				for _, l := range snap.Levels {
					count(l.Groups)
				}
			}
		}
		if total > MaxSize {
			return fmt.Errorf("service %q: groups and snapshots to here take over %d MiB", shorten(s.Name), MaxSize>>20)
		}
	}
	return nil
}

// encoder makes the rows of the tables.
type encoder struct {
	rows map[string][]sqlite2.Row
	next map[string]int // last number taken, by counter
}

func text(s string) sqlite2.Value    { return sqlite2.Text(s) }
func number(n int) sqlite2.Value     { return sqlite2.Text(strconv.Itoa(n)) }
func (e *encoder) take(c string) int { e.next[c]++; return e.next[c] }

// add adds a row with a number.
func (e *encoder) add(table string, id int, values ...sqlite2.Value) {
	e.rows[table] = append(e.rows[table], sqlite2.Row{ID: int32(id), Values: values})
}

// append adds a row with the next number of its table.
func (e *encoder) append(table string, values ...sqlite2.Value) {
	e.add(table, len(e.rows[table])+1, values...)
}

// version is a group as rows: the number of the group and of one generation of its
// properties.
type version struct{ group, generation int }

// versions are those there are of the groups of an entity, by what they say.
type versions map[string]version

func (e *encoder) service(s *Service) {
	id := e.take("SI")
	e.add("service_tbl", id, sqlite2.Null(), text(s.Name))
	ofService := versions{}
	e.groups(id, s.Groups, ofService)
	for _, i := range s.Instances {
		instance := e.take("SI")
		e.add("instance_tbl", instance, sqlite2.Null(), text(i.Name), number(id))
		ofInstance := versions{}
		e.groups(instance, i.Groups, ofInstance)
		for _, snap := range i.Snapshots {
			shot := e.take("SHOT")
			e.add("snapshot_lnk_tbl", e.take("SNAME"), sqlite2.Null(), number(instance), text(snap.Name), number(shot))
			for _, l := range sortedLevels(snap.Levels) {
				level, ofLevel := e.take("SLVL"), ofInstance
				instanceID, instanceName := instance, text(l.Instance)
				if l.Number == 2 {
					ofLevel, instanceID, instanceName = ofService, 0, sqlite2.Null()
				}
				e.append("snaplevel_tbl", number(shot), number(l.Number), number(level), number(id), text(l.Service), number(instanceID), instanceName)
				e.level(level, l.Groups, ofLevel)
			}
		}
	}
}

// groups writes the live groups of a service or instance.
func (e *encoder) groups(parent int, groups []*Group, seen versions) {
	for _, g := range groups {
		v := e.properties(g)
		e.add("pg_tbl", v.group, sqlite2.Null(), number(parent), text(g.Name), text(g.Type), number(int(g.Flags)), number(v.generation))
		seen[fingerprint(g)] = v
	}
}

// level writes the groups of a level of a snapshot.
func (e *encoder) level(level int, groups []*Group, seen versions) {
	for _, g := range groups {
		print := fingerprint(g)
		v, ok := seen[print]
		if !ok {
			v = e.properties(g)
			seen[print] = v
		}
		e.append("snaplevel_lnk_tbl", number(level), number(v.group), text(g.Name), text(g.Type), number(int(g.Flags)), number(v.generation))
	}
}

// properties takes numbers for a group and writes its properties and their values. Without
// properties its generation is 0.
func (e *encoder) properties(g *Group) version {
	v := version{group: e.take("PG")}
	if len(g.Properties) == 0 {
		return v
	}
	v.generation = e.take("GEN")
	for _, p := range g.Properties {
		value := sqlite2.Null()
		if len(p.Values) > 0 {
			value = number(e.take("VAL"))
		}
		e.append("prop_lnk_tbl", sqlite2.Null(), number(v.group), number(v.generation), text(p.Name), text(string(p.Type)), value)
		for i, s := range p.Values {
			e.append("value_tbl", value, text(string(p.Type[:1])), text(s), number(i))
		}
	}
	return v
}

// fingerprint is all that a group says, whatever the order of its properties.
func fingerprint(g *Group) string {
	var b strings.Builder
	put := func(s string) { b.WriteString(s); b.WriteByte(0) } // which no name and no value holds
	put(g.Name)
	put(g.Type)
	put(strconv.FormatUint(uint64(g.Flags), 10))
	for _, p := range sortedBy(g.Properties, func(p *Property) string { return p.Name }) {
		put(p.Name)
		put(string(p.Type))
		put(strconv.Itoa(len(p.Values)))
		for _, v := range p.Values {
			put(v)
		}
	}
	return b.String()
}
