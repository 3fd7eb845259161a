package conformance

import (
	"bytes"
	"strings"

	"imagetools/test/mutant"
	"imagetools/zfs/block"
	"imagetools/zfs/sa"
	"imagetools/zfs/stream"
	"imagetools/zfs/zap"
	"imagetools/zfs/zpl"
)

// lengthen has the chain of the first name in the leaf of a fat ZAP go on to a free chunk.
func (e *editor) lengthen(path string) {
	leaf := e.recs[e.write(path)+1].payload
	chunk := func(i uint16) []byte { return leaf[48+1024+24*int(i):][:24] }
	entry := 0
	for chunk(uint16(entry))[0] != 252 {
		entry++
	}
	last := le.Uint16(chunk(uint16(entry))[4:])
	for le.Uint16(chunk(last)[22:]) != 0xFFFF {
		last = le.Uint16(chunk(last)[22:])
	}
	free := le.Uint16(leaf[34:])
	le.PutUint16(leaf[34:], le.Uint16(chunk(free)[22:]))
	le.PutUint16(leaf[28:], le.Uint16(leaf[28:])-1)
	clear(chunk(free))
	chunk(free)[0] = 251
	le.PutUint16(chunk(free)[22:], 0xFFFF)
	le.PutUint16(chunk(last)[22:], free)
}

// repeat has a table, a micro ZAP, have the entry of a name twice: the second is of another
// collision number and value, and replaces another entry if the table is full.
func (e *editor) repeat(table, name string) {
	entry, block := e.entry(table, name), e.recs[e.write(table)].payload
	free := 64
	for free+64 < len(block) && (block[free+14] != 0 || &block[free] == &entry[0]) {
		free += 64
	}
	again := block[free:][:64]
	copy(again, entry)
	le.PutUint64(again, le.Uint64(entry)+8192)
	le.PutUint32(again[8:], le.Uint32(entry[8:])+1)
}

// resizeXattrs gives the extended attributes in a directory another size, most of it a hole.
func (e *editor) resizeXattrs(dir string, size uint64) {
	block := e.recs[e.write(dir)].payload
	for at := 64; at < len(block); at += 64 {
		if block[at+14] != 0 {
			e.number["value"] = le.Uint64(block[at:]) & stream.MaxObject
			e.attr("value", atSize, size)
		}
	}
}

// renameLayout gives a layout another name.
func (e *editor) renameLayout(name, to string) {
	entries := sa.Layouts()
	for i := range entries {
		if entries[i].Name == name {
			entries[i].Name = to
		}
	}
	z, err := zap.Build(entries, 5)
	if err != nil {
		panic(err)
	}
	at := e.write("layouts")
	for b, err := range z.Blocks() {
		if err != nil {
			panic(err)
		}
		e.recs[at].payload = bytes.Clone(b)
		at++
	}
}

// embedded makes an embedded block of the first WRITE of a file.
func (e *editor) embedded(path string) *stream.WriteEmbedded {
	i := e.write(path)
	w := e.recs[i].rec.(*stream.Write)
	packed := mutant.ZLE(e.recs[i].payload)
	e.begin().Features |= stream.FeatureEmbedData
	r := &stream.WriteEmbedded{Object: w.Object, Offset: w.Offset, Length: w.LogicalSize, ToGUID: w.ToGUID,
		Compression: uint8(block.ZLE), LSize: uint32(w.LogicalSize), PSize: uint32(len(packed))}
	e.recs[i] = editedRecord{r, packed}
	return r
}

// twice has the OBJECT record of a file come again behind its data.
func (e *editor) twice(path string) *stream.Object {
	i := e.object(path)
	o := *e.rec(path)
	at := i + 1
	for e.recs[at].rec.Type() != stream.TypeObject {
		at++
	}
	e.insert(at, &o, bytes.Clone(e.recs[i].payload))
	return &o
}

// craftedKernel are what kernels stop at though they receive it, and what no receiver takes.
var craftedKernel = []craftedFault{
	{name: "chain of a name that does not end", real: unsound, object: "root/fat", path: "root/fat", want: "the chain goes on behind",
		edit: func(e *editor) { e.lengthen("root/fat") }},
	{name: "chain of a name that does not end, in a table", real: unsound, object: "master", want: "the chain goes on behind",
		edit: func(e *editor) { e.lengthen("layouts") }},
	{name: "layouts of one number", real: stops, object: "master", want: `layout "02"`, edit: func(e *editor) { e.renameLayout("10", "02") }},
	{name: "reserved layout", real: unsound, object: "master", want: "layout 1: not one of", edit: func(e *editor) { e.renameLayout("9", "1") }},
	{name: "normalized layouts", object: "layouts", want: "have the normalization 0x2", real: unsound,
		edit: func(e *editor) { e.recs[e.write("layouts")].payload[88] = 2 }},
	{name: "normalized directory of a file system that is not", object: "root/dir", path: "root/dir", real: unsound, want: "have the normalization 0x10",
		edit: func(e *editor) { e.recs[e.write("root/dir")].payload[16] = 0x10 }},
	{name: "normalization that does not exist", object: "root/dir", path: "root/dir", real: unsound, want: "normalization 0x30",
		edit: func(e *editor) { e.recs[e.write("root/dir")].payload[16] = 0x30 }},
	{name: "two names that are one when normalized", object: "root/dir", path: "root/dir", real: stops, want: "hash and cd of another entry",
		edit: func(e *editor) {
			le.PutUint64(e.entry("master", "casesensitivity"), 1)
			for _, r := range e.recs {
				w, ok := r.rec.(*stream.Write)
				if ok && w.ObjType == stream.ObjDirectory && w.Offset == 0 && le.Uint64(r.payload) == 1<<63+3 {
					r.payload[16] = 2
				}
			}
			e.rename("root/dir", "one", "TWO", 0)
		}},
	{name: "micro ZAP of more than its format has", object: "root/dir", path: "root/dir", real: unsound, want: "does not announce LARGE_MICROZAP",
		edit: func(e *editor) {
			const size = 256 << 10
			e.begin().Features |= stream.FeatureLargeBlocks
			e.rec("root/dir").BlockSize = size
			r := &e.recs[e.write("root/dir")]
			r.rec.(*stream.Write).LogicalSize = size
			entry := bytes.Clone(r.payload[64:128])
			r.payload = append(r.payload, make([]byte, size-len(r.payload))...)
			for at := 64 * 64; at < size; at += 64 { // more than the numbers of entries have room for
				copy(r.payload[at:], entry)
				copy(r.payload[at+14:], strings.Repeat("n", at/64%40)+string(rune('a'+at/64/40%26))+string(rune('a'+at/64/40/26%26))+"\x00")
			}
		}},
	{name: "collision number of a directory", object: "root/dir", path: "root/dir", real: stops, want: "collision number 65535",
		edit: func(e *editor) { le.PutUint32(e.entry("root/dir", "one")[8:], 0xFFFF) }},
	{name: "collision number in the master node", object: "master", real: stops, want: "collision number 70000",
		edit: func(e *editor) { le.PutUint32(e.entry("master", "ROOT")[8:], 70000) }},
	{name: "name twice in the master node", object: "master", want: `"VERSION": name given twice`, edit: func(e *editor) { e.repeat("master", "VERSION") }},
	{name: "extended attribute that readers do not hold", severity: zpl.Warning, object: "value", path: "root/noted/[xattr]/user.note", want: "so the file cannot be extracted",
		edit: func(e *editor) { e.resizeXattrs("root/noted/[xattr]", 17<<20) }},
	{name: "extended attributes that readers do not hold", severity: zpl.Warning, object: "root/noted/[xattr]", path: "root/noted/[xattr]", want: "at most 67108864 are read",
		edit: func(e *editor) { e.resizeXattrs("root/noted/[xattr]", 80<<20) }},
	{name: "compression that dnodes do not have", severity: zpl.Warning, object: "root/file", path: "root/file", want: "dnode with compression 16", real: stops,
		edit: func(e *editor) { e.rec("root/file").Compress = uint8(block.Zstd) }},
	{name: "compressed data of an odd size", severity: zpl.Warning, object: "root/big", path: "root/big", want: "no multiple of 8", real: stops,
		edit: func(e *editor) {
			r := e.compress("root/big")
			e.begin().Features |= stream.FeatureCompressed | stream.FeatureLZ4
			r.payload = append(r.payload, make([]byte, 4)...)
			r.rec.(*stream.Write).CompressedSize += 4
		}},
	{name: "unknown field in the master node", severity: zpl.Warning, object: "master", want: "unknown fields",
		edit: func(e *editor) { e.entry("master", "ROOT")[12] = 1 }},

	{name: "embedded block of another size", real: takes, object: "root/file", path: "root/file", want: "512 bytes embedded in a block of 512, in an object with blocks of 4096",
		edit: func(e *editor) { e.embedded("root/file"); e.rec("root/file").BlockSize = 4096 }},
	{name: "embedded block without compression", real: stops, object: "root/file", path: "root/file", want: "embedded data with compression 0",
		edit: func(e *editor) { e.embedded("root/file").Compression = 0 }},
	{name: "embedded block of another type", real: unsound, object: "root/file", want: "embedded data of type 1: receivers refuse it",
		edit: func(e *editor) { e.embedded("root/file").EmbedType = 1 }},
	{name: "block twice, the second embedded", real: unsound, object: "root/file", path: "root/file", want: "data up to 0x200 came before",
		edit: func(e *editor) {
			r := e.recs[e.write("root/file")]
			e.embedded("root/file")
			e.insert(e.object("root/file")+1, r.rec, r.payload)
		}},
	{name: "block twice", real: unsound, object: "root/file", path: "root/file", want: "data up to 0x200 came before", edit: func(e *editor) {
		i := e.write("root/file")
		e.insert(i, e.recs[i].rec, e.recs[i].payload)
	}},

	{name: "object twice, with other blocks", real: stops, object: "root/file", path: "root/file", want: "a second time, and otherwise",
		edit: func(e *editor) { e.twice("root/file").BlockSize = 1024 }},
	{name: "object twice, with another spill", real: stops, object: "root/file", path: "root/file", want: "a second time, and otherwise",
		edit: func(e *editor) { e.twice("root/file").Flags ^= stream.FlagObjectSpill }},
	{name: "object twice", severity: zpl.Warning, real: stops, object: "root/file", path: "root/file", want: "a second time: no sender",
		edit: func(e *editor) { e.twice("root/file") }},
	{name: "object in the slots of another", real: stops, object: "root/other", want: "takes up this number",
		edit: func(e *editor) {
			e.begin().Features |= stream.FeatureLargeDnode
			for _, r := range e.recs {
				if o, ok := r.rec.(*stream.Object); ok && o.Object+1 == e.number["root/other"] {
					o.DnSlots = 2
				}
			}
		}},
	{name: "bytes behind a bonus", severity: zpl.Warning, real: unsound, object: "root/file", path: "root/file", want: "the bytes behind its bonus",
		edit: func(e *editor) {
			o := e.rec("root/file")
			o.BonusLen++
			r := &e.recs[e.object("root/file")]
			r.payload = append(r.payload, 0, 1, 1, 1, 1, 1, 1, 1)
		}},
	{name: "spill block of a type", object: "root/long", path: "root/long", want: "it has the type SA, which only raw streams have", edit: func(e *editor) {
		for _, r := range e.recs {
			if s, ok := r.rec.(*stream.Spill); ok && s.Object == e.number["root/long"] {
				s.ObjType = stream.ObjSA
			}
		}
	}},
	{name: "time beyond all", severity: zpl.Warning, want: "beyond all time", real: takes, edit: func(e *editor) { e.begin().CreationTime = 1 << 63 }},
	{name: "CLONE on a full stream", real: stops, want: "a full stream with the flag CLONE", edit: func(e *editor) { e.begin().Flags |= stream.FlagClone }},
	{name: "name that no snapshot can have", want: "is not the name of a snapshot", edit: func(e *editor) { e.begin().ToName = "image@a#b" }},
	{name: "name that is too long", want: "the name of the snapshot has 205 bytes", edit: func(e *editor) { e.begin().ToName = "p@" + strings.Repeat("y", 205) }},
	{name: "checksum of a gang header", object: "root/file", path: "root/file", want: "which no object can have", real: unsound,
		edit: func(e *editor) { e.rec("root/file").Checksum = 4 }},
	{name: "checksum that old kernels do not know", severity: zpl.Warning, real: stops, object: "root/file", path: "root/file", want: "dnode with checksum 13",
		edit: func(e *editor) { e.rec("root/file").Checksum = 13 }},

	{name: "generation 0", object: "root/file", path: "root/file", want: "its generation is 0", edit: func(e *editor) { e.attr("root/file", atGen, 0) }},
	{name: "version 4 with system attributes", object: "master", want: "SA_ATTRS in version 4",
		edit: func(e *editor) { le.PutUint64(e.entry("master", "VERSION"), 4) }},
	{name: "fixed attribute with another's number", object: "registry", real: unsound, want: `"ZPL_ATIME" has the number 1: kernels take it to be 0`, edit: func(e *editor) {
		accessed, modified := e.entry("registry", "ZPL_ATIME"), e.entry("registry", "ZPL_MTIME")
		accessed[0], modified[0] = modified[0], accessed[0]
	}},
}
