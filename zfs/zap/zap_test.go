package zap_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/zfs/zap"
)

const salt = 0x9E3779B97F4A7C15

// build returns the blocks of a ZAP, each a copy.
func build(t testing.TB, src zap.Source, salt uint64) [][]byte {
	t.Helper()
	z, err := zap.Build(src, salt)
	if err != nil {
		t.Fatal(err)
	}
	var blocks [][]byte
	for b, err := range z.Blocks() {
		if err != nil {
			t.Fatal(err)
		}
		if len(b) != z.BlockSize {
			t.Fatalf("block of %d bytes, BlockSize is %d", len(b), z.BlockSize)
		}
		blocks = append(blocks, bytes.Clone(b))
	}
	if len(blocks) != z.NumBlocks {
		t.Fatalf("%d blocks, NumBlocks is %d", len(blocks), z.NumBlocks)
	}
	return blocks
}

func of(blocks [][]byte) zap.Blocks {
	return func(n uint64) ([]byte, error) {
		if n >= uint64(len(blocks)) {
			return nil, fmt.Errorf("block %d of %d", n, len(blocks))
		}
		return blocks[n], nil
	}
}

func read(blocks [][]byte) (map[string]zap.Entry, error) {
	got := make(map[string]zap.Entry)
	err := zap.Read(of(blocks), binary.LittleEndian, func(e zap.Entry) error {
		if _, ok := got[e.Name]; ok {
			return fmt.Errorf("%q twice", e.Name)
		}
		got[e.Name] = e
		return nil
	})
	return got, err
}

// lookup finds a name as a kernel does: by its hash through the pointer table, the leaf and
// the bucket. It shares no code with Read.
func lookup(blocks [][]byte, name string) (cd uint32, ok bool) {
	le := binary.LittleEndian
	head := blocks[0]
	h := zap.Hash(le.Uint64(head[80:]), name)
	slot := h >> (64 - le.Uint64(head[32:]))
	table := head[len(head)/2:]
	if first := le.Uint64(head[16:]); first != 0 {
		perBlock := uint64(len(head) / 8)
		table, slot = blocks[first+slot/perBlock], slot%perBlock
	}
	leaf := blocks[le.Uint64(table[8*slot:])]
	bits := le.Uint16(leaf[32:])
	chunk := func(i uint16) []byte { return leaf[48+1024+24*int(i):][:24] }
	for i := le.Uint16(leaf[48+2*(h<<bits>>(64-9)):]); i != 0xFFFF; i = le.Uint16(chunk(i)[2:]) {
		c := chunk(i)
		var got []byte
		for a := le.Uint16(c[4:]); a != 0xFFFF; a = le.Uint16(chunk(a)[22:]) {
			got = append(got, chunk(a)[1:22]...)
		}
		if string(got[:le.Uint16(c[6:])-1]) == name {
			return le.Uint32(c[12:]), true
		}
	}
	return 0, false
}

func numbered(n int, format string) zap.Entries {
	e := make(zap.Entries, n)
	for i := range e {
		e[i] = zap.Uint64(fmt.Sprintf(format, i), uint64(i)|8<<60)
	}
	return e
}

// scattered names collide as random ones do; those of a counter hardly ever do under a CRC.
func scattered(n int) zap.Entries {
	e := make(zap.Entries, n)
	for i := range e {
		e[i] = zap.Uint64(fmt.Sprintf("%x", uint64(i)*0x9E3779B97F4A7C15^uint64(i*i)), uint64(i))
	}
	return e
}

func long(n int) string { return strings.Repeat("n", n) }

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		entries   zap.Entries
		blocks    int // 0 is any number but one
		blockSize int
	}{
		{"empty", zap.Entries{}, 1, 512},
		{"7 entries", numbered(7, "%d"), 1, 512},
		{"8 entries", numbered(8, "%d"), 1, 1024},
		{"name of 49 bytes", zap.Entries{zap.Uint64(long(49), 1)}, 1, 512},
		{"name of 50 bytes", zap.Entries{zap.Uint64(long(50), 1)}, 2, 16384},
		{"name of 255 bytes", zap.Entries{zap.Uint64(long(255), 1)}, 2, 16384},
		{"2047 entries", numbered(2047, "%d"), 1, 128 << 10},
		{"2048 entries", numbered(2048, "%d"), 0, 16384},
		{"u16 array", zap.Entries{{Name: "2", IntSize: 2, Values: []uint64{5, 6, 4, 12, 13, 7, 11, 0, 1, 2, 3, 8, 16, 19}}}, 2, 16384},
		{"all sizes", zap.Entries{{"1", 1, []uint64{255, 0, 1}}, {"2", 2, []uint64{65535}}, {"4", 4, []uint64{1<<32 - 1, 7}},
			{"8", 8, []uint64{1<<64 - 1, 1, 2, 3}}, {"big", 8, slices.Repeat([]uint64{1 << 63}, 1024)}}, 0, 16384},
		{"bytes beyond ASCII", zap.Entries{zap.Uint64("\xff\xfe", 1), zap.Uint64("ä\n", 2), zap.Uint64(long(60)+"\x80", 3)}, 2, 16384},
		{"50,000 long names", numbered(50000, strings.Repeat("x", 240)+"%d"), 0, 16384},
		{"400,000 entries", scattered(400000), 0, 16384},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && len(tt.entries) > 10000 {
				t.Skip("large")
			}
			blocks := build(t, tt.entries, salt)
			if tt.blocks != 0 && len(blocks) != tt.blocks || tt.blocks == 0 && len(blocks) < 2 || len(blocks[0]) != tt.blockSize {
				t.Errorf("%d blocks of %d bytes, want %d of %d", len(blocks), len(blocks[0]), tt.blocks, tt.blockSize)
			}
			got, err := read(blocks)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(tt.entries) {
				t.Errorf("%d entries read, want %d", len(got), len(tt.entries))
			}
			for _, e := range tt.entries {
				if g := got[e.Name]; g.IntSize != e.IntSize || !slices.Equal(g.Values, e.Values) {
					t.Fatalf("%q: read %v, want %v", e.Name, g, e)
				}
			}
			if len(blocks) > 1 {
				checkFat(t, blocks, tt.entries)
			}
		})
	}
}

// checkFat looks at what Read does not need: that every name is found by its hash, free
// chunks, counts.
func checkFat(t *testing.T, blocks [][]byte, entries zap.Entries) {
	t.Helper()
	collisions := 0
	for _, e := range entries {
		cd, ok := lookup(blocks, e.Name)
		if !ok {
			t.Fatalf("%q is not found by its hash", e.Name)
		}
		if cd > 0 {
			collisions++
		}
	}
	if len(entries) == 400000 && collisions < 100 {
		t.Errorf("%d collisions among %d names: too good", collisions, len(entries))
	}
	le := binary.LittleEndian
	leaves, head := int(le.Uint64(blocks[0][64:])), blocks[0]
	if first := le.Uint64(head[16:]); first != 0 && first != uint64(1+leaves) {
		t.Errorf("table at block %d behind %d leaves", first, leaves)
	}
	if len(entries) == 400000 && le.Uint64(head[16:]) == 0 {
		t.Error("the pointer table is not external")
	}
	if free := le.Uint64(head[56:]); free != uint64(len(blocks)) {
		t.Errorf("freeblk %d of %d blocks", free, len(blocks))
	}
	for i, leaf := range blocks[1 : 1+leaves] {
		free := 0
		for c := le.Uint16(leaf[34:]); c != 0xFFFF; c = le.Uint16(leaf[48+1024+24*int(c)+22:]) {
			if leaf[48+1024+24*int(c)] != 253 {
				t.Fatalf("leaf %d: chunk %d is not free", i, c)
			}
			free++
		}
		used := 0
		for c := range 638 {
			if leaf[48+1024+24*c] != 253 {
				used++
			}
		}
		if want := int(le.Uint16(leaf[28:])); free != want || used+free != 638 {
			t.Errorf("leaf %d: %d free, %d used, header says %d", i, free, used, want)
		}
	}
}

// collide returns names with the same hash. The CRC is linear, so changing bits that cancel
// in its first 28 makes as many as are wanted, whatever the salt.
func collide(t testing.TB, n int) []string {
	t.Helper()
	byHash := make(map[uint64]string)
	rnd := rand.New(rand.NewPCG(1, 2))
	name := make([]byte, 8)
	// Differences d with Hash(s^d) = Hash(s): found as pairs, then combined.
	var diffs [][8]byte
	for 1<<len(diffs) < n {
		for i := range name {
			name[i] = 'a' + byte(rnd.IntN(16))
		}
		h := zap.Hash(salt, string(name))
		if other, ok := byHash[h]; ok && other != string(name) {
			var d [8]byte
			for i := range d {
				d[i] = other[i] ^ name[i]
			}
			diffs = append(diffs, d)
		}
		byHash[h] = string(name)
	}
	seen := make(map[string]bool)
	var out []string
	for i := range n {
		b := []byte("AAAAAAAA")
		for j, d := range diffs {
			if i>>j&1 != 0 {
				for k := range b {
					b[k] ^= d[k]
				}
			}
		}
		if !seen[string(b)] {
			seen[string(b)] = true
			out = append(out, string(b))
		}
	}
	for _, name := range out[1:] {
		if zap.Hash(salt, name) != zap.Hash(salt, out[0]) {
			t.Fatalf("%q and %q do not collide", name, out[0])
		}
	}
	return out
}

// Names of equal hash get cd 0, 1, 2, … in the order of names, whatever the order given.
func TestCollisions(t *testing.T) {
	t.Parallel()
	names := collide(t, 64)
	slices.Sort(names)
	for _, filler := range []int{0, 3000} { // micro, fat
		entries := numbered(filler, "filler-%d")
		for i := range names {
			entries = append(entries, zap.Uint64(names[len(names)-1-i], uint64(i)))
		}
		blocks := build(t, entries, salt)
		got, err := read(blocks)
		if err != nil || len(got) != len(entries) {
			t.Fatalf("%d names of %d, %v", len(got), len(entries), err)
		}
		for i, name := range names {
			cd, ok := uint32(0), true
			if filler > 0 {
				cd, ok = lookup(blocks, name)
			} else {
				at := bytes.Index(blocks[0], append([]byte(name), 0))
				cd = binary.LittleEndian.Uint32(blocks[0][at-6:])
			}
			if !ok || cd != uint32(i) {
				t.Errorf("%d others: %q has cd %d, want %d", filler, name, cd, i)
			}
		}
	}
}

// Too many names of one hash do not fit a leaf: an error, not a loop.
func TestTooManyCollisions(t *testing.T) {
	t.Parallel()
	entries := numbered(3000, "filler-%d")
	for _, name := range collide(t, 512) {
		entries = append(entries, zap.Uint64(name, 1))
	}
	if _, err := zap.Build(entries, salt); err == nil || !strings.Contains(err.Error(), "same hash") {
		t.Errorf("error %v", err)
	}
}

// The order of the source has no part in the result.
func TestOrderOfSource(t *testing.T) {
	t.Parallel()
	for _, n := range []int{10, 2047, 5000} {
		entries := numbered(n, "%d")
		for _, name := range collide(t, 16) {
			entries = append(entries, zap.Uint64(name, 7))
		}
		want := build(t, entries, salt)
		rnd := rand.New(rand.NewPCG(3, 4))
		for range 3 {
			rnd.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
			if !slices.EqualFunc(want, build(t, entries, salt), bytes.Equal) {
				t.Errorf("%d entries in another order give other bytes", n)
			}
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		entries zap.Entries
		salt    uint64
		want    string
	}{
		{"salt 0", zap.Entries{}, 0, "salt 0"},
		{"empty name", zap.Entries{zap.Uint64("", 1)}, salt, "of 0 bytes"},
		{"256 bytes", zap.Entries{zap.Uint64(long(256), 1)}, salt, "of 256 bytes"},
		{"NUL", zap.Entries{zap.Uint64("a\x00b", 1)}, salt, "without NUL"},
		{"twice, micro", zap.Entries{zap.Uint64("a", 1), zap.Uint64("a", 2)}, salt, "given twice"},
		{"twice, fat", append(numbered(3000, "%d"), zap.Uint64("7", 2)), salt, "given twice"},
		{"no value", zap.Entries{{Name: "a", IntSize: 8}}, salt, "0 integers"},
		{"size 3", zap.Entries{{Name: "a", IntSize: 3, Values: []uint64{1}}}, salt, "of 3 bytes"},
		{"8200 bytes", zap.Entries{{Name: "a", IntSize: 8, Values: make([]uint64, 1025)}}, salt, "1025 integers"},
	} {
		if _, err := zap.Build(tt.entries, tt.salt); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
}

// hostileFat is a fat ZAP of one leaf with three entries: chunks 0, 1, 2 are entry, name and
// value of the first, and so on.
func hostileFat(t testing.TB) [][]byte {
	return build(t, zap.Entries{{"a", 2, []uint64{1}}, {"b", 2, []uint64{2}}, {"c", 2, []uint64{3}}}, salt)
}

const chunks = 48 + 1024 // where they begin in a leaf

func TestHostileFat(t *testing.T) {
	t.Parallel()
	le := binary.LittleEndian
	u16 := func(block, at int, v uint16) func([][]byte) {
		return func(b [][]byte) { le.PutUint16(b[block][at:], v) }
	}
	u64 := func(block, at int, v uint64) func([][]byte) {
		return func(b [][]byte) { le.PutUint64(b[block][at:], v) }
	}
	for _, tt := range []struct {
		name string
		edit func([][]byte)
		want string
	}{
		{"block type", u64(0, 0, 5), "no ZAP"},
		{"magic", u64(0, 8, 5), "magic 0x5"},
		{"number keys", u64(0, 96, 2), "no strings"},
		{"table shift 27", u64(0, 32, 27), "pointer table of 2^27"},
		{"table shift 2^32", u64(0, 32, 1<<32+10), "pointer table of"},
		{"embedded shift 11", u64(0, 32, 11), "2^11 entries in the header"},
		{"table of 2^60 blocks", u64(0, 24, 1<<60), "in 1152921504606846976 blocks"},
		{"table elsewhere", func(b [][]byte) {
			le.PutUint64(b[0][16:], 1<<63)
			le.PutUint64(b[0][24:], 1)
			le.PutUint64(b[0][32:], 11)
		}, "pointer table at block 9223372036854775808"},
		{"leaf 0", u64(0, 8192, 0), "leaf 0 of"},
		{"leaf beyond", u64(0, 8192+8*1023, 99), "leaf 99 of 2 blocks"},
		{"header as leaf", func(b [][]byte) { copy(b[1], b[0]) }, "leaf at block 1"},
		{"leaf twice", func(b [][]byte) {
			le.PutUint64(b[0][56:], 3)
			le.PutUint64(b[0][8192+8:], 2)
		}, "leaf 1 in two places"},
		{"table does not fit prefix", func(b [][]byte) {
			le.PutUint64(b[0][56:], 3)
			for i := 512; i < 1024; i++ {
				le.PutUint64(b[0][8192+8*i:], 2)
			}
		}, "in 512 slots from 0"},
		{"entries", u64(0, 72, 4), "3 entries where the header says 4"},
		{"2^64-1 entries", u64(0, 72, 1<<64-1), "where the header says"},
		{"leaf entries", u16(1, 30, 2), "3 entries where the leaf says 2"},
		{"prefix of 64 bits", u16(1, 32, 64), "of 64 bits"},
		{"prefix", u64(1, 16, 1), "prefix 0x1"},
		{"prefix beyond its bits", u64(1, 16, 1<<63), "prefix 0x8000000000000000"},
		{"entry in a loop", u16(1, chunks+2, 0), "in two chains"},
		{"entry out of range", u16(1, chunks+2, 638), "chunk 638 of 638"},
		{"entry that is a name", u16(1, chunks+2, 1), "in two chains"},
		{"name out of range", u16(1, chunks+4, 60000), "chunk 60000 of 638"},
		{"name that is an entry", u16(1, chunks+4, 3), "chunk 3"},
		{"free name", u16(1, chunks+4, 100), "has type 253"},
		{"name in a loop", func(b [][]byte) {
			le.PutUint16(b[1][chunks+6:], 100)
			le.PutUint16(b[1][chunks+24+22:], 1)
		}, "in two chains"},
		{"name that ends early", u16(1, chunks+6, 100), "chunk 65535 of 638"},
		{"name that goes on", func(b [][]byte) {
			b[1][chunks+100*24] = 251
			le.PutUint16(b[1][chunks+100*24+22:], 0xFFFF)
			le.PutUint16(b[1][chunks+24+22:], 100)
		}, "the chain goes on behind its 2 bytes, to chunk 100"},
		{"value that goes on", u16(1, chunks+2*24+22, 100), "the chain goes on behind its 2 bytes, to chunk 100"},
		{"value of nothing that goes on", u16(1, chunks+10, 0), "the chain goes on behind its 0 bytes"},
		{"collision number", func(b [][]byte) { le.PutUint32(b[1][chunks+12:], 0xFFFF) }, "collision number 65535"},
		{"normalization", u64(0, 88, 0x30), "normalization 0x30"},
		{"hashes of 48 bits", u64(0, 96, 1), "is not its own"},
		{"name in another case", u64(0, 88, 2), "is not its own"},
		{"name of 1 byte", u16(1, chunks+6, 1), "name of 1 bytes"},
		{"name of 65535 bytes", u16(1, chunks+6, 65535), "name of 65535 bytes"},
		{"name with NUL", u16(1, chunks+6, 3), "name"},
		{"other name", func(b [][]byte) { b[1][chunks+24+1] = 'z' }, "is not its own"},
		{"value of 3 bytes", func(b [][]byte) { b[1][chunks+1] = 3 }, "integers of 3 bytes"},
		{"value of 128 KiB", u16(1, chunks+10, 65535), "65535 integers"},
		{"value that ends early", u16(1, chunks+10, 50), "chunk 65535 of 638"},
		{"wrong bucket", func(b [][]byte) {
			for i := range 512 {
				at := 48 + 2*i
				if le.Uint16(b[1][at:]) == 0 {
					le.PutUint16(b[1][at:], 0xFFFF)
					to := 48 + 2*((i+7)%512)
					le.PutUint16(b[1][chunks+2:], le.Uint16(b[1][to:]))
					le.PutUint16(b[1][to:], 0)
					return
				}
			}
		}, "bucket"},
		{"equal hash and cd", func(b [][]byte) {
			// The second entry becomes a copy of the first, with a name of its own.
			first, second := b[1][chunks:][:24], b[1][chunks+3*24:][:24]
			for i := range 512 {
				if at := b[1][48+2*i:]; le.Uint16(at) == 3 {
					le.PutUint16(at, 0xFFFF)
				}
			}
			copy(second[12:], first[12:])
			le.PutUint16(first[2:], 3)
			copy(b[1][chunks+4*24:][:24], b[1][chunks+24:][:24])
		}, "hash and cd of another entry"},
		{"short leaf", func(b [][]byte) { b[1] = b[1][:512] }, "512 bytes"},
		{"odd block size", func(b [][]byte) { b[0] = b[0][:1536] }, "blocks of 1536 bytes"},
	} {
		blocks := hostileFat(t)
		tt.edit(blocks)
		if _, err := read(blocks); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestHostileMicro(t *testing.T) {
	t.Parallel()
	le := binary.LittleEndian
	for _, tt := range []struct {
		name string
		edit func([]byte) []byte
		want string
	}{
		{"short", func(b []byte) []byte { return b[:511] }, "511 bytes"},
		{"name without end", func(b []byte) []byte { copy(b[64+14:], long(50)); return b }, "name without end"},
		{"equal hash and cd", func(b []byte) []byte { copy(b[192:], b[64:128]); return b }, "hash and cd of another entry"},
		{"equal when normalized", func(b []byte) []byte {
			b[16] = 0x12
			copy(b[64+14:], "name\x00")
			copy(b[192+14:], "NAME\x00")
			return b
		}, "hash and cd of another entry"},
		{"normalization", func(b []byte) []byte { b[16] = 0x4; return b }, "normalization 0x4"},
		{"collision number", func(b []byte) []byte { le.PutUint32(b[64+8:], 0xFFFF); return b }, "collision number 65535"},
		{"too large", func(b []byte) []byte { return append(b, make([]byte, 1<<20)...) }, "the limit is 1048576"},
	} {
		block := tt.edit(build(t, numbered(3, "%d"), salt)[0])
		if _, err := read([][]byte{block}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
	// A gap between entries is none.
	block := build(t, numbered(3, "%d"), salt)[0]
	clear(block[128:192])
	le.PutUint64(block[128:], 77)
	if got, err := read([][]byte{block}); err != nil || len(got) != 2 {
		t.Errorf("with a gap: %d entries, %v", len(got), err)
	}
}

// Readers of tables do not choose between two values of a name, which only their collision
// numbers tell apart.
func TestReadTableRefusesNamesTwice(t *testing.T) {
	t.Parallel()
	le := binary.LittleEndian
	block := build(t, numbered(3, "%d"), salt)[0]
	none := func(zap.Entry) error { return nil }
	if err := zap.ReadTable(of([][]byte{block}), le, none); err != nil {
		t.Error(err)
	}
	copy(block[192:], block[64:128])
	le.PutUint32(block[192+8:], 1)
	if err := zap.Read(of([][]byte{block}), le, none); err != nil {
		t.Errorf("as a directory: %v", err)
	}
	if err := zap.ReadTable(of([][]byte{block}), le, none); err == nil || !strings.Contains(err.Error(), "name given twice") {
		t.Errorf("error %v", err)
	}
}

// An error of the callback, or of the blocks, ends the reading and comes out.
func TestReadErrors(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	for _, blocks := range [][][]byte{hostileFat(t), build(t, numbered(3, "%d"), salt)} {
		calls := 0
		err := zap.Read(of(blocks), binary.LittleEndian, func(zap.Entry) error { calls++; return stop })
		if !errors.Is(err, stop) || calls != 1 {
			t.Errorf("%d calls, error %v", calls, err)
		}
	}
	err := zap.Read(func(n uint64) ([]byte, error) {
		if n > 0 {
			return nil, stop
		}
		return hostileFat(t)[0], nil
	}, binary.LittleEndian, func(zap.Entry) error { return nil })
	if !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
}

// TestHash has values of the reference: the table entry 128 is the polynomial.
func TestHash(t *testing.T) {
	t.Parallel()
	if got, want := zap.Hash(0, "\x80"), uint64(0xC96C5795D7870F42)&^(1<<36-1); got != want {
		t.Errorf("Hash(0, 0x80) = %#x, want %#x", got, want)
	}
	if got := zap.Hash(salt, "file") & (1<<36 - 1); got != 0 {
		t.Errorf("%#x in the low bits", got)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(bytes.Join(hostileFat(f), nil), uint16(16384), false)
	f.Add(build(f, numbered(3, "%d"), salt)[0], uint16(512), false)
	f.Add(small(f), uint16(512), true)
	f.Fuzz(func(t *testing.T, data []byte, size uint16, big bool) {
		var order binary.ByteOrder = binary.LittleEndian
		if big {
			order = binary.BigEndian
		}
		n := 0
		err := zap.Read(func(i uint64) ([]byte, error) {
			if i >= uint64(len(data)) || size == 0 || (i+1)*uint64(size) > uint64(len(data)) {
				return nil, errors.New("no such block")
			}
			return data[i*uint64(size):][:size], nil
		}, order, func(e zap.Entry) error {
			n++
			if e.Name == "" || strings.Contains(e.Name, "\x00") || len(e.Values)*e.IntSize > 8192 {
				t.Fatalf("entry %+v", e)
			}
			return nil
		})
		if err == nil && n > len(data)/24 {
			t.Fatalf("%d entries in %d bytes", n, len(data))
		}
	})
}

// small is a fat ZAP in blocks of 512 bytes, big-endian, of one leaf with one entry: small
// enough for a fuzzer to explore.
func small(t testing.TB) []byte {
	be := binary.BigEndian
	b := make([]byte, 1024)
	be.PutUint64(b, 1<<63+1)
	be.PutUint64(b[8:], 0x2F52AB2AB)
	be.PutUint64(b[32:], 5)
	be.PutUint64(b[56:], 2)
	be.PutUint64(b[64:], 1)
	be.PutUint64(b[72:], 1)
	be.PutUint64(b[80:], salt)
	for i := range 32 {
		be.PutUint64(b[256+8*i:], 1)
	}
	leaf := b[512:]
	be.PutUint64(leaf, 1<<63)
	be.PutUint32(leaf[24:], 0x2AB1EAF)
	be.PutUint16(leaf[28:], 15)
	be.PutUint16(leaf[30:], 1)
	be.PutUint16(leaf[34:], 3)
	for i := range 32 {
		leaf[48+i] = 0xFF
	}
	h := zap.Hash(salt, "a")
	be.PutUint16(leaf[48+2*(h>>60):], 0)
	c := leaf[48+32:]
	copy(c, []byte{252, 8, 0xFF, 0xFF, 0, 1, 0, 2, 0, 2, 0, 1})
	be.PutUint64(c[16:], h)
	copy(c[24:], []byte{251, 'a'})
	be.PutUint16(c[24+22:], 0xFFFF)
	copy(c[48:], []byte{251, 0, 0, 0, 0, 0, 0, 0, 7})
	be.PutUint16(c[48+22:], 0xFFFF)
	return b
}

// A big-endian ZAP in the smallest blocks.
func TestBigEndian(t *testing.T) {
	t.Parallel()
	data := small(t)
	var got []zap.Entry
	err := zap.Read(of([][]byte{data[:512], data[512:]}), binary.BigEndian, func(e zap.Entry) error {
		got = append(got, e)
		return nil
	})
	if diff := cmp.Diff([]zap.Entry{zap.Uint64("a", 7)}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
