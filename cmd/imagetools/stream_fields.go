package main

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	"imagetools/zfs/block"
	"imagetools/zfs/stream"
)

// recordField is a field of a record, as people and programs read it.
type recordField struct {
	key    string
	text   string
	value  any  // for JSON
	number any  // for JSON, beside a value that is a name; nil if there is none
	boring bool // says nothing, and is left out of a line of text
}

// recordFields are fields in the order of their record's layout.
type recordFields []recordField

// fieldsOf are all fields of a record.
func fieldsOf(rec stream.Record) recordFields {
	var f recordFields
	switch r := rec.(type) {
	case *stream.Begin:
		f.add(recordField{key: "name", text: plainOrQuoted(r.ToName), value: text(r.ToName)})
		f.add(recordField{key: "name_tail", text: strconv.Quote(r.NameTail), value: text(r.NameTail), boring: r.NameTail == ""})
		f.guid("toguid", r.ToGUID, true)
		f.guid("fromguid", r.FromGUID, r.FromGUID != 0)
		f.named("header", headerTypeName(r.HeaderType), r.HeaderType)
		f.named("objset", r.Objset.String(), uint32(r.Objset))
		f.bits("features", r.Features.String(), uint64(r.Features))
		f.bits("flags", r.Flags.String(), uint64(r.Flags))
		f.count("created", r.CreationTime)
	case *stream.Object:
		f.count("object", r.Object)
		f.objType("object_type", r.ObjType)
		f.objType("bonus_type", r.BonusType)
		f.count("block_size", uint64(r.BlockSize))
		f.count("bonus_length", uint64(r.BonusLen))
		f.checksum(r.Checksum)
		if r.Compress == 0 {
			f.named("compression", "inherit", r.Compress)
		} else {
			f.compression(r.Compress)
		}
		f.count("slots", uint64(r.DnSlots))
		f.flags(rec, r.Flags)
		f.guid("toguid", r.ToGUID, false)
		f.rare("raw_bonus_length", uint64(r.RawBonus))
		f.rare("indirect_block_shift", uint64(r.IndBlkSh))
		f.rare("levels", uint64(r.NLevels))
		f.rare("block_pointers", uint64(r.NBlkPtr))
		f.rare("max_block_id", r.MaxBlockID)
	case *stream.FreeObjects:
		f.count("first", r.First)
		f.count("count", r.Count)
		f.guid("toguid", r.ToGUID, false)
	case *stream.Write:
		f.count("object", r.Object)
		f.objType("object_type", r.ObjType)
		f.place("offset", r.Offset)
		f.count("logical_size", r.LogicalSize)
		f.compression(r.Compression)
		f.rare("compressed_size", r.CompressedSize)
		f.checksum(r.ChecksumType)
		f.flags(rec, r.Flags)
		f.guid("toguid", r.ToGUID, false)
		f.words("key", r.Key[:], false)
		f.sealed(r.Salt, r.IV, r.MAC)
	case *stream.Free:
		f.extent(r.Object, r.Offset, r.Length)
		f.guid("toguid", r.ToGUID, false)
	case *stream.End:
		f.words("sum", r.Sum[:], true)
		f.guid("toguid", r.ToGUID, false)
	case *stream.WriteByref:
		f.extent(r.Object, r.Offset, r.Length)
		f.guid("refguid", r.RefGUID, true)
		f.count("refobject", r.RefObject)
		f.place("refoffset", r.RefOffset)
		f.checksum(r.ChecksumType)
		f.flags(rec, r.Flags)
		f.guid("toguid", r.ToGUID, false)
		f.words("key", r.Key[:], false)
	case *stream.Spill:
		f.count("object", r.Object)
		f.length(r.Length)
		f.compression(r.Compression)
		f.rare("compressed_size", r.CompressedSize)
		f.flags(rec, r.Flags)
		f.objType("object_type", r.ObjType)
		f.guid("toguid", r.ToGUID, false)
		f.sealed(r.Salt, r.IV, r.MAC)
	case *stream.WriteEmbedded:
		f.extent(r.Object, r.Offset, r.Length)
		f.compression(r.Compression)
		f.count("embedded_type", uint64(r.EmbedType))
		f.count("logical_size", uint64(r.LSize))
		f.count("compressed_size", uint64(r.PSize))
		f.guid("toguid", r.ToGUID, false)
	case *stream.ObjectRange:
		f.count("first", r.First)
		f.count("slots", r.Slots)
		f.flags(rec, r.Flags)
		f.guid("toguid", r.ToGUID, false)
		f.sealed(r.Salt, r.IV, r.MAC)
	case *stream.Redact:
		f.extent(r.Object, r.Offset, r.Length)
		f.guid("toguid", r.ToGUID, false)
	}
	return f
}

func (f *recordFields) add(one recordField) { *f = append(*f, one) }

func (f *recordFields) count(key string, v uint64) {
	f.add(recordField{key: key, text: strconv.FormatUint(v, 10), value: v})
}

// rare is a number that is 0 in most records.
func (f *recordFields) rare(key string, v uint64) {
	f.add(recordField{key: key, text: strconv.FormatUint(v, 10), value: v, boring: v == 0})
}

func (f *recordFields) place(key string, v uint64) {
	f.add(recordField{key: key, text: fmt.Sprintf("%#x", v), value: v})
}

// length is a number of bytes, of which the largest stands for all there are.
func (f *recordFields) length(v uint64) {
	if v == math.MaxUint64 {
		f.add(recordField{key: "length", text: "to-end", value: v})
		return
	}
	f.count("length", v)
}

func (f *recordFields) extent(object, offset, length uint64) {
	f.count("object", object)
	f.place("offset", offset)
	f.length(length)
}

// guid is shown in lines of text only where it says something: that of the snapshot is the
// same in all records.
func (f *recordFields) guid(key string, v uint64, shown bool) {
	digits := strconv.FormatUint(v, 10)
	f.add(recordField{key: key, text: digits, value: digits, boring: !shown})
}

func (f *recordFields) named(key, name string, number any) {
	f.add(recordField{key: key, text: plainOrQuoted(name), value: name, number: number})
}

func (f *recordFields) objType(key string, t uint32) { f.named(key, stream.ObjTypeName(t), t) }

func (f *recordFields) compression(c uint8) { f.named("compression", block.Compression(c).String(), c) }

// checksumNames are the values of the property, and names inside ZFS, of enum zio_checksum.
var checksumNames = [...]string{"inherit", "on", "off", "label", "gang_header", "zilog", "fletcher2", "fletcher4", "sha256", "zilog2",
	"noparity", "sha512", "skein", "edonr", "blake3"}

func (f *recordFields) checksum(c uint8) {
	name := fmt.Sprintf("checksum %d", c)
	if int(c) < len(checksumNames) {
		name = checksumNames[c]
	}
	f.named("checksum", name, c)
}

// bits is a set of named bits; names has commas between them.
func (f *recordFields) bits(key, names string, v uint64) {
	list := []string{}
	if names != "" {
		list = strings.Split(names, ",")
	}
	f.add(recordField{key: key, text: names, value: list, number: v, boring: v == 0})
}

func (f *recordFields) flags(rec stream.Record, v uint8) {
	name := map[stream.Type]map[uint8]string{
		stream.TypeWrite:      {stream.FlagChecksumDedup: "DEDUP"},
		stream.TypeWriteByref: {stream.FlagChecksumDedup: "DEDUP"},
		stream.TypeObject:     {stream.FlagObjectSpill: "SPILL"},
		stream.TypeSpill:      {stream.FlagSpillUnmodified: "UNMODIFIED"},
	}[rec.Type()]
	var names []string
	for bit := uint8(1); bit != 0; bit <<= 1 {
		switch {
		case v&bit == 0:
		case bit == stream.FlagRawByteswap:
			names = append(names, "RAW_BYTESWAP")
		case name[bit] != "":
			names = append(names, name[bit])
		default:
			names = append(names, fmt.Sprintf("%#x", bit))
		}
	}
	f.bits("flags", strings.Join(names, ","), uint64(v))
}

// words are numbers as hex digits, 16 for each. Keys say little in lines of text.
func (f *recordFields) words(key string, v []uint64, shown bool) {
	digits := make([]string, len(v))
	for i, w := range v {
		digits[i] = fmt.Sprintf("%016x", w)
	}
	joined := strings.Join(digits, ":")
	f.add(recordField{key: key, text: joined, value: joined, boring: !shown})
}

// sealed are the parameters of encrypted data, zero in plain streams.
func (f *recordFields) sealed(salt [8]byte, iv [12]byte, mac [16]byte) {
	plain := salt == [8]byte{} && iv == [12]byte{} && mac == [16]byte{}
	for _, one := range []struct {
		key   string
		value []byte
	}{{"salt", salt[:]}, {"iv", iv[:]}, {"mac", mac[:]}} {
		digits := hex.EncodeToString(one.value)
		f.add(recordField{key: one.key, text: digits, value: digits, boring: plain})
	}
}

func headerTypeName(t int) string {
	if t == stream.Compound {
		return "compound"
	}
	return "substream"
}
