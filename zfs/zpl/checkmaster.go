package zpl

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"imagetools/zfs/nvlist"
	"imagetools/zfs/sa"
	"imagetools/zfs/stream"
	"imagetools/zfs/zap"
)

// Entries of the master node whose values are no objects, with the largest value that kernels
// know.
var masterNumbers = map[string]uint64{
	"VERSION": maxVersion, "normalization": 0x70, "utf8only": 1, "casesensitivity": 2,
	"acltype": 1<<64 - 1, "FSID": 1<<64 - 1, "SYNC": 1<<64 - 1, "defaultuserquota": 1<<64 - 1,
	"defaultgroupquota": 1<<64 - 1, "defaultprojectquota": 1<<64 - 1, "defaultuserobjquota": 1<<64 - 1,
	"defaultgroupobjquota": 1<<64 - 1, "defaultprojectobjquota": 1<<64 - 1,
}

// checkMaster checks the master node and the tables that it names.
func (c *checker) checkMaster() {
	at := c.index(masterNode)
	c.nodes[at].set(isUsed)
	if t := c.objects[at].Type; t != stream.ObjMasterNode {
		c.fault(at, Damage, "it is the master node, but its type is %s", stream.ObjTypeName(t))
	}
	c.checkZAP(at, 0)
	c.checkNumbers(at)
	if !zap.Form(c.f.master["normalization"]).Valid() {
		c.fault(at, Damage, "master node: normalization %#x does not exist", c.f.master["normalization"])
	}
	for name, value := range c.f.master {
		if largest, ok := masterNumbers[name]; ok {
			if value > largest {
				c.fault(at, Damage, "master node: %s is %d: the largest known is %d", name, value, largest)
			}
			continue
		}
		if i := c.index(value); i >= 0 && value != 0 {
			c.nodes[i].set(isUsed)
		} else if name == "SHARES" || name == "FUID" {
			c.fault(at, Damage, "master node: %s is object %d, which does not exist", name, value)
		}
	}
	c.roots = append(c.roots, c.index(c.f.root))
	if shares := c.f.master["SHARES"]; shares != 0 && shares != c.f.root {
		if i := c.index(shares); i >= 0 {
			c.roots = append(c.roots, i)
		}
	}
	if c.f.version >= 5 && c.f.tables == nil {
		c.fault(at, Damage, "master node: SA_ATTRS is missing in version %d of the file system", c.f.version)
	}
	if _, ok := c.f.master["SA_ATTRS"]; ok && c.f.version < 5 {
		c.fault(at, Damage, "master node: SA_ATTRS in version %d of the file system: kernels stop when they mount it", c.f.version)
	}
	if c.f.tables != nil {
		if err := c.checkTables(c.f.master["SA_ATTRS"]); err != nil {
			c.fault(at, Damage, "system attributes: %v", err)
		}
	}
	if err := c.readDomains(c.f.master["FUID"]); err != nil {
		c.fault(at, Damage, "domains of owners: %v", err)
	}
}

// checkNumbers checks that a table has nothing but numbers, of which kernels read it.
func (c *checker) checkNumbers(i int) {
	// What else is wrong with the table is told elsewhere.
	_ = c.f.zap(c.numbers[i], func(e zap.Entry) error {
		if e.IntSize != 8 || len(e.Values) != 1 {
			c.fault(i, Damage, "entry %q: %d integers of %d bytes, not one of 8", e.Name, len(e.Values), e.IntSize)
		}
		return nil
	})
}

// checkTables checks what Open does not ask for: kernels make a table with as many rows as
// there are attributes, and use the numbers and classes in it unchecked.
func (c *checker) checkTables(master uint64) error {
	tables, err := c.f.numbers(master)
	if err != nil {
		return err
	}
	if i := c.index(master); i >= 0 {
		c.checkZAP(i, 0)
		c.checkNumbers(i)
		if t := c.objects[i].Type; t != stream.ObjSAMasterNode {
			c.fault(i, Damage, "it is the table of SA_ATTRS, but its type is %s", stream.ObjTypeName(t))
		}
	}
	for name, typ := range map[string]uint32{"REGISTRY": stream.ObjSARegistration, "LAYOUTS": stream.ObjSALayouts} {
		i := c.index(tables[name])
		if i < 0 {
			return fmt.Errorf("%s is object %d, which does not exist", name, tables[name])
		}
		c.nodes[i].set(isUsed)
		if t := c.objects[i].Type; t != typ {
			c.fault(i, Damage, "it is the table %s, but its type is %s", name, stream.ObjTypeName(t))
		}
		c.checkZAP(i, 0)
	}
	registry := c.index(tables["REGISTRY"])
	seen, count, fixed := make(map[uint64]bool), uint64(0), make(map[string]uint64)
	for a := range sa.LastFixed + 1 {
		fixed[a.String()] = uint64(a)
	}
	err = c.f.zap(tables["REGISTRY"], func(e zap.Entry) error {
		if len(e.Values) != 1 || e.IntSize != 8 {
			return fmt.Errorf("attribute %q: no number", e.Name)
		}
		count++
		v := e.Values[0]
		seen[v&0xFFFF] = true
		if n, ok := fixed[e.Name]; ok && n != v&0xFFFF {
			c.fault(registry, Damage, "attribute %q has the number %d: kernels take it to be %d", e.Name, v&0xFFFF, n)
		}
		delete(fixed, e.Name)
		if class := v >> 16 & 0xFF; class > maxSwapClass {
			c.fault(registry, Damage, "attribute %q: byteswap class %d: the largest is %d", e.Name, class, maxSwapClass)
		}
		if v>>40 != 0 {
			c.fault(registry, Warning, "attribute %q: unknown bits in %#x", e.Name, v)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for name := range fixed {
		c.fault(registry, Damage, "attribute %q is missing: kernels take another to be it", name)
	}
	for n := range count {
		if !seen[n] {
			c.fault(registry, Damage, "numbers of attributes are not contiguous: there are %d, but none is %d", count, n)
			break
		}
	}
	layouts, some := c.index(tables["LAYOUTS"]), false
	defer func() {
		if !some {
			c.fault(layouts, Damage, "there is no layout: kernels do not mount the file system")
		}
	}()
	return c.f.zap(tables["LAYOUTS"], func(e zap.Entry) error {
		some = true
		in := make(map[uint64]bool)
		for _, a := range e.Values {
			if in[a] {
				c.fault(layouts, Damage, "layout %s: attribute %d is in it twice", e.Name, a)
			}
			in[a] = true
		}
		return nil
	})
}

const maxSwapClass = 4 // SA_ACL

// readDomains reads the table of the domains that owners above 32 bits belong to.
func (c *checker) readDomains(number uint64) error {
	i := c.index(number)
	if number == 0 || i < 0 {
		return nil
	}
	o := c.objects[i]
	bonus := o.Bonus()
	if len(bonus) < 8 {
		return fmt.Errorf("object %d: bonus of %d bytes", number, len(bonus))
	}
	size := c.f.s.Order.Uint64(bonus)
	if size == 0 {
		return nil
	}
	if size > maxFUIDTable || size > o.End() {
		return fmt.Errorf("object %d: %d bytes, of which the stream has %d", number, size, o.End())
	}
	b := make([]byte, size)
	if _, err := c.f.x.Data(o).ReadAt(b, 0); err != nil {
		return err
	}
	list, err := nvlist.Decode(b)
	if err != nil {
		return fmt.Errorf("object %d: %w", number, err)
	}
	c.domains, err = domainsOf(list)
	if err != nil {
		return fmt.Errorf("object %d: %w: kernels stop when they read it", number, err)
	}
	return nil
}

// domainsOf reads the list of domains, of which kernels take nothing to be missing, or there twice.
func domainsOf(list nvlist.List) (map[uint64]bool, error) {
	lists, ok := list.Lookup("fuid_nvlist").(nvlist.Lists)
	if !ok {
		return nil, errors.New("it has no list of domains")
	}
	numbers, names := make(map[uint64]bool), make(map[string]bool)
	for i, l := range lists {
		n, ok := l.Lookup("fuid_idx").(nvlist.Number)
		name, named := l.Lookup("fuid_domain").(nvlist.String)
		switch {
		case !ok || n.Kind != nvlist.Uint64 || !named:
			return nil, fmt.Errorf("domain %d has no number or no name", i)
		case numbers[n.Bits] || names[string(name)]:
			return nil, fmt.Errorf("domain %d, %q, is there twice", n.Bits, string(name))
		}
		numbers[n.Bits], names[string(name)] = true, true
	}
	return numbers, nil
}

const maxFUIDTable = 16 << 20

// checkQueue checks the delete queue: files that were deleted while they were open stand in
// it, under their numbers in hexadecimal.
func (c *checker) checkQueue() {
	master := c.index(masterNode)
	number, ok := c.f.master["DELETE_QUEUE"]
	if !ok {
		c.fault(master, Damage, "master node: DELETE_QUEUE is missing: kernels do not mount the file system")
		return
	}
	queue := c.index(number)
	if queue < 0 {
		c.fault(master, Damage, "the delete queue, object %d, does not exist: kernels do not mount the file system", number)
		return
	}
	if t := c.objects[queue].Type; t != stream.ObjUnlinkedSet {
		c.fault(queue, Damage, "it is the delete queue, but its type is %s", stream.ObjTypeName(t))
	}
	c.checkZAP(queue, 0)
	err := c.f.table(number, func(e zap.Entry) error {
		if len(e.Values) != 1 || e.IntSize != 8 || strconv.FormatUint(e.Values[0], 16) != strings.ToLower(e.Name) {
			c.fault(queue, Damage, "delete queue: entry %q stands for object %d", e.Name, e.Values)
			return nil
		}
		i := c.index(e.Values[0])
		if i < 0 || !c.nodes[i].is(isNode) {
			c.fault(queue, Damage, "delete queue: object %d is no file", e.Values[0])
			return nil
		}
		n := &c.nodes[i]
		if n.links != 0 && !n.is(isXattr) {
			c.fault(i, Damage, "it is in the delete queue, and has %d links", n.links)
		}
		n.set(isQueued | isUsed)
		if c.isDir(i) {
			c.roots = append(c.roots, i)
		}
		return nil
	})
	if err != nil {
		c.fault(queue, Damage, "delete queue: %v", err)
	}
}
