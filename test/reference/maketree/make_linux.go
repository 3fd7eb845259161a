package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

func makeTree(opts options, kind, root string) error {
	m := &maker{options: opts, root: root}
	switch kind {
	case "all":
		m.contents()
		m.holes()
		m.names()
		m.links()
		m.specials()
		m.metadata()
		m.attributes()
	case "data":
		m.contents()
		m.holes()
	case "few":
		m.few()
	case "fat":
		m.fat()
	case "case":
		m.cases()
	default:
		return errors.New("no such kind: " + kind)
	}
	return m.err
}

// contents makes files of every sort, of sizes around the borders of blocks.
func (m *maker) contents() {
	m.dir("sizes")
	for _, n := range []int{0, 1, 111, 112, 113, 511, 512, 513, 3000, 4095, 4096, 4097, 65536, 131071, 131072, 131073,
		262144, 262145, 400000} {
		m.file(fmt.Sprintf("sizes/noise-%d", n), noise(fmt.Sprint(n), n))
		m.file(fmt.Sprintf("sizes/words-%d", n), words(fmt.Sprint(n), n))
		m.file(fmt.Sprintf("sizes/phrase-%d", n), phrase(fmt.Sprint(n), n))
		m.file(fmt.Sprintf("sizes/zeros-%d", n), make([]byte, n))
	}
	m.file("sizes/mebibyte", words("mebibyte", 1<<20))
	m.file("sizes/above", append(noise("above", 300000), words("above", 1<<20)...))

	m.dir("same")
	same := noise("same", 400000)
	for i := range 4 {
		m.file(fmt.Sprintf("same/whole-%d", i), same)
	}
	// The third block of the others is the first of this one.
	m.file("same/part", same[262144:])
	m.file("same/repeated", bytes.Repeat(same[:131072], 5))
}

func (m *maker) holes() {
	const block = 128 << 10
	data := noise("holes", 3*block)
	m.dir("holes")
	m.sparse("holes/first", 3*block, map[int64][]byte{block: data[:2*block]})
	m.sparse("holes/middle", 3*block, map[int64][]byte{0: data[:block], 2*block + 5: data[:100]})
	m.sparse("holes/last", 3*block+1, map[int64][]byte{0: data[:block]})
	m.sparse("holes/all", 8<<40, nil)
	m.sparse("holes/small", 5000, nil)
	m.sparse("holes/tail", 100000, map[int64][]byte{0: data[:5000]})
	m.sparse("holes/tebibyte", 1<<40, map[int64][]byte{0: data[:10], 5 << 30: data[:block+1], 1<<40 - 3: {1, 2, 3}})
	comb := map[int64][]byte{}
	for i := range int64(8) {
		comb[i*2*block+block/2] = data[:4096]
	}
	m.sparse("holes/comb", 17*block, comb)
}

func (m *maker) names() {
	m.dir("names")
	m.dir("names/" + strings.Repeat("d", 255))
	for _, name := range []string{strings.Repeat("n", 48), strings.Repeat("n", 49), strings.Repeat("n", 50), strings.Repeat("n", 255),
		"ümläut", "日本語", "\xff\xfe not UTF-8", "\x01\x7f\x80", "new\nline", " blank ", "back\\slash", "-dash", `"quote"`} {
		if m.ascii && strings.ContainsFunc(name, func(r rune) bool { return r > 0x7e }) {
			continue
		}
		m.file("names/"+name, []byte(name))
	}
	m.dir("empty")
	m.dir("micro") // a micro ZAP of several sizes
	for i := range 40 {
		m.file(fmt.Sprintf("micro/%d", i), nil)
	}
	m.dir("long") // a fat ZAP, for its long names
	for i := range 20 {
		m.file(fmt.Sprintf("long/%s %d", strings.Repeat("name", 20), i), []byte{byte(i)})
	}
	deep := "deep"
	m.dir(deep)
	for range 15 {
		deep += "/d"
		m.dir(deep)
	}
	m.file(deep+"/leaf", []byte("leaf"))
}

func (m *maker) links() {
	m.dir("links")
	for _, n := range []int{1, 2, 55, 56, 57, 67, 68, 69, 143, 144, 145, 146, 300, 1000, 1022, 1023, 1024, 4000} {
		m.symlink(fmt.Sprintf("links/%d", n), strings.Repeat("t", n))
	}
	m.symlink("links/not UTF-8", "\xff\xfe/..")
	m.file("links/hard", []byte("many names"))
	for i := range 15 {
		m.link(fmt.Sprintf("links/hard-%d", i), "links/hard")
	}
	m.link("elsewhere", "links/hard")
	m.link("links/symlink too", "links/300")
}

func (m *maker) specials() {
	m.dir("special")
	m.mknod("special/char", unix.S_IFCHR|0o666, 1, 3)
	m.mknod("special/block", unix.S_IFBLK|0o660, 8, 17)
	m.mknod("special/high", unix.S_IFCHR|0o600, 4095, 1<<20-1)
	m.mknod("special/zero", unix.S_IFCHR|0o600, 0, 0)
	m.mknod("special/fifo", unix.S_IFIFO|0o622, 0, 0)
	m.mknod("special/socket", unix.S_IFSOCK|0o755, 0, 0)
}

func (m *maker) metadata() {
	m.dir("modes")
	for _, mode := range []uint32{0, 0o1, 0o200, 0o444, 0o640, 0o777, 0o1777, 0o2755, 0o4755, 0o6711, 0o7777} {
		name := fmt.Sprintf("modes/%04o", mode)
		m.file(name, nil)
		m.fail("chmod", name, unix.Chmod(m.path(name), mode))
		m.dir(name + "d")
		m.fail("chmod", name+"d", unix.Chmod(m.path(name+"d"), mode))
	}
	m.dir("owners")
	for _, id := range []uint32{0, 1, 65534, 65535, 65536, 1<<31 - 1, 1 << 31, 1<<32 - 2} {
		if m.bits31 && id >= 1<<31 {
			continue
		}
		name := fmt.Sprintf("owners/%d", id)
		m.file(name, nil)
		m.fail("chown", name, unix.Lchown(m.path(name), int(id), int(id)))
	}
	m.dir("times")
	for i, t := range []unix.Timespec{{Sec: 0}, {Sec: 1}, {Sec: -1}, {Sec: -1, Nsec: 1}, {Sec: -1_000_000_000, Nsec: 5},
		{Sec: 1<<31 - 1, Nsec: 999_999_999}, {Sec: 1 << 31}, {Sec: 1<<32 + 1, Nsec: 1}} {
		if m.bits31 && t.Sec >= 1<<31 {
			continue
		}
		name := fmt.Sprintf("times/%d", i)
		m.file(name, []byte("x"))
		m.mtime(name, t)
	}
	m.symlink("times/link", "x")
	m.mtime("times/link", unix.Timespec{Sec: -12345, Nsec: 678})
}

// attributes makes extended attributes that fit in the bonus buffer, in the spill block, and in
// neither, on every type of file.
func (m *maker) attributes() {
	if m.xattrs {
		m.dir("xattrs")
		for _, n := range []int{0, 1, 30, 100, 200, 1000, 20000, 40000} {
			name := fmt.Sprintf("xattrs/value-%d", n)
			m.file(name, []byte(name))
			m.xattr(name, "user.value", noise(name, n))
		}
		m.file("xattrs/many", []byte("many"))
		for i := range 60 {
			m.xattr("xattrs/many", fmt.Sprintf("user.%s.%d", strings.Repeat("n", i*3), i), noise(fmt.Sprint(i), i*10))
		}
		m.file("xattrs/capability", nil)
		m.xattr("xattrs/capability", "security.capability",
			[]byte("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
		m.dir("xattrs/dir")
		m.xattr("xattrs/dir", "user.on.dir", []byte{0, 1, 2, 0xff})
		m.symlink("xattrs/link", strings.Repeat("long", 60))
		m.xattr("xattrs/link", "trusted.link", noise("link", 150))
		m.mknod("xattrs/device", unix.S_IFCHR|0o600, 1, 5)
		m.xattr("xattrs/device", "trusted.device", []byte("zero"))
	}
	if m.acl {
		m.dir("acls")
		const access, inherited = "system.posix_acl_access", "system.posix_acl_default"
		m.fail("setxattr", "acls", unix.Lsetxattr(m.path("acls"), inherited, posixACL(3), 0))
		for _, n := range []int{1, 5, 40} {
			name := fmt.Sprintf("acls/%d", n)
			m.file(name, []byte(name))
			m.fail("setxattr", name, unix.Lsetxattr(m.path(name), access, posixACL(n), 0))
		}
		m.dir("acls/inherits")
	}
}

// posixACL is an ACL for n users, in the form of Linux's attributes: a version, then
// entries of tag, permissions and id.
func posixACL(n int) []byte {
	const owner, user, group, mask, other = 1, 2, 4, 0x10, 0x20
	acl := binary.LittleEndian.AppendUint32(nil, 2)
	entry := func(tag, perm uint16, id uint32) {
		acl = binary.LittleEndian.AppendUint16(acl, tag)
		acl = binary.LittleEndian.AppendUint16(acl, perm)
		acl = binary.LittleEndian.AppendUint32(acl, id)
	}
	entry(owner, 6, 1<<32-1)
	for i := range n {
		entry(user, uint16(i%8), uint32(1000+i))
	}
	entry(group, 4, 1<<32-1)
	entry(mask, 7, 1<<32-1)
	entry(other, 0, 1<<32-1)
	return acl
}

func (m *maker) few() {
	m.dir("dir")
	m.file("dir/words", words("few", 200000))
	m.file("dir/noise", noise("few", 5000))
	m.file("dir/empty", nil)
	m.file("dir/phrase", phrase("few", 4096))
	m.sparse("dir/hole", 1<<20, map[int64][]byte{500000: noise("hole", 1000)})
	m.symlink("link", "dir/words")
	m.link("second", "dir/noise")
	m.mknod("fifo", unix.S_IFIFO|0o600, 0, 0)
}

// fatNames is more than a micro ZAP holds: 2,047.
const fatNames = 3000

// fat makes a large directory. Most names are second names of a few files, which costs an emulated
// processor less to list.
func (m *maker) fat() {
	m.dir("fat")
	const files = 200
	for i := range fatNames {
		name := fatName(i)
		if i < files {
			m.file(name, []byte(name))
		} else {
			m.link(name, fatName(i%files))
		}
	}
}

func fatName(i int) string {
	return fmt.Sprintf("fat/%d%s", i, strings.Repeat("-", i*37%200))
}

func (m *maker) cases() {
	m.dir("Directory")
	for _, name := range []string{"README", "Readme", "readme", "Directory/Upper", "Directory/UPPER"} {
		m.file(name, []byte(name))
	}
}
