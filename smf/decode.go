package smf

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"imagetools/smf/sqlite2"
)

// Decode reads a repository.db of svc.configd, of version 5 of its schema. All of the file is
// checked: the database as [sqlite2.Open] does, then that it has this schema, that every
// number names a row and every row is named, that numbers to come are free, and that the
// content is [Repository.Validate]d.
//
// What a damaged file can still hide is what stands in it once: another letter that a value,
// the name and the kind of string of a property, the name and type of a group that only snapshots
// have may be; and the number of a generation, the group of which is then empty.
//
// The lists are in the order of the numbers that rows have, so that what [Repository.Encode]
// wrote comes back as it was.
func Decode(db []byte) (*Repository, error) {
	if len(db) > MaxSize {
		return nil, fmt.Errorf("%d bytes, and a repository has at most %d", len(db), MaxSize)
	}
	f, err := sqlite2.Open(db)
	if err != nil {
		return nil, err
	}
	if err := checkSchema(f.Schema); err != nil {
		return nil, err
	}
	d := newDecoder(f)
	d.version()
	d.values()
	d.properties()
	d.services()
	d.groups()
	d.levels()
	d.snapshots()
	d.generations()
	d.counters()
	d.unused()
	if d.content > maxContent {
		return nil, fmt.Errorf("the database stands for over %d MiB of groups and snapshots", maxContent>>20)
	}
	if err := d.Err(); err != nil {
		return nil, err
	}
	if err := d.repo.Validate(); err != nil {
		return nil, err
	}
	return d.repo, nil
}

// checkSchema compares statements; tables may have been made in any order.
func checkSchema(schema []string) error {
	var faults []error
	for _, s := range schema {
		if !slices.Contains(statements, s) {
			faults = append(faults, fmt.Errorf("no part of a repository of version %s: %s", schemaVersion, shorten(s)))
		}
	}
	for _, s := range statements {
		if !slices.Contains(schema, s) {
			faults = append(faults, fmt.Errorf("missing in the repository: %s", s))
		}
	}
	return errors.Join(faults...)
}

// decoder puts the rows together. Each map is by the number that other rows use.
type decoder struct {
	rows
	repo *Repository

	valueLists map[uint32]*valueList
	sets       map[setKey]*propertySet
	entities   map[uint32]*entity
	owners     map[uint32]*groupOwner // by number of a group
	generation map[uint32]uint32      // the group of each generation
	newest     map[uint32]uint32      // generation of each group
	live       []liveGroup
	levelData  map[uint32]*levelRow // by number of a level
	shots      map[uint32]*shot
	used       map[string]uint32 // greatest number seen, by counter

	content int // bytes of repo, about
}

// maxContent bounds what a file can say: its rows may name others again and again.
const maxContent = 128 << 20

// spend tells whether there may be n bytes more.
func (d *decoder) spend(n int) bool {
	d.content += n
	return d.content <= maxContent
}

func newDecoder(f *sqlite2.File) *decoder {
	return &decoder{
		rows: rows{file: f}, repo: &Repository{},
		valueLists: map[uint32]*valueList{}, sets: map[setKey]*propertySet{}, entities: map[uint32]*entity{},
		owners: map[uint32]*groupOwner{}, generation: map[uint32]uint32{}, newest: map[uint32]uint32{}, levelData: map[uint32]*levelRow{},
		shots: map[uint32]*shot{}, used: map[string]uint32{},
	}
}

// took notes a number that one of the counters has handed out.
func (d *decoder) took(counter string, n uint32) uint32 {
	d.used[counter] = max(d.used[counter], n)
	return n
}

func (d *decoder) version() {
	n := 0
	for r := range d.each("schema_version") {
		if n++; n > 1 || r.null(0) || r.text(0) != schemaVersion {
			r.fault("schema version %q, not %s", r.text(0), schemaVersion)
		}
	}
	if n == 0 {
		d.Add("", errors.New("schema_version: no row"))
	}
}

// generations checks that no snapshot has a newer one of a group than the group itself: each
// change takes a new number, and snapshots keep old ones.
func (d *decoder) generations() {
	for _, l := range d.live {
		if n := d.newest[l.key.group]; l.key.generation < n {
			l.row.fault("generation %d, but there is a newer one, %d", l.key.generation, n)
		}
	}
}

// counters checks that the numbers to be handed out next are free.
func (d *decoder) counters() {
	seen := map[string]bool{}
	for r := range d.each("id_tbl") {
		name, next := r.text(0), r.id(1)
		switch {
		case !slices.Contains(counters, name) || seen[name]:
			r.fault("a counter %q", name)
		case next <= d.used[name]:
			r.fault("%s: %d is next, but %d is in use", name, next, d.used[name])
		}
		seen[name] = true
	}
	for _, name := range counters {
		if !seen[name] {
			d.Add("", fmt.Errorf("id_tbl: no counter %s", name))
		}
	}
}

// unused finds rows that nothing names.
func (d *decoder) unused() {
	for _, id := range slices.Sorted(maps.Keys(d.valueLists)) {
		if l := d.valueLists[id]; !l.used {
			l.first.fault("no property has value %d", id)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(d.sets), func(a, b setKey) int {
		return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.generation, b.generation))
	}) {
		if set := d.sets[key]; !set.used {
			set.first.fault("no group %d of generation %d", key.group, key.generation)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(d.shots)) {
		if s := d.shots[id]; !s.used {
			s.levels[0].row.fault("no name for snapshot %d", id)
		}
	}
}
