package posixacl_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"imagetools/tree"
	"imagetools/tree/posixacl"
)

type names map[string]uint32

func (n names) User(s string) (uint32, error)  { return n.get(s) }
func (n names) Group(s string) (uint32, error) { return n.get(s) }
func (n names) get(s string) (uint32, error) {
	if id, ok := n[s]; ok {
		return id, nil
	}
	return 0, errors.New("unknown " + s)
}

const binACL = "\x02\x00\x00\x00" +
	"\x01\x00\x07\x00\xff\xff\xff\xff" +
	"\x02\x00\x05\x00\xe8\x03\x00\x00" +
	"\x04\x00\x04\x00\xff\xff\xff\xff" +
	"\x10\x00\x07\x00\xff\xff\xff\xff" +
	"\x20\x00\x00\x00\xff\xff\xff\xff"

func TestParse(t *testing.T) {
	for _, text := range []string{
		"user::rwx,user:1000:r-x,group::r--,mask::rwx,other::---",
		"user::rwx,user:alice:r-x:1000,group::r--,mask::rwx,other::---", // star, bsdtar
		"user::rwx,user:alice:r-x,group::r--,mask::rwx,other::---",      // GNU tar
		"other::---\nmask::rwx\ngroup::r--\nuser:alice:r-x # effective\nuser::rwx\n",
		"u::7,u:1000:5,g::4,m:rwx,o:---",
		"default:user::rwx,default:user:1000:r-x,default:group::r--,default:mask::rwx,default:other::---",
	} {
		acl, err := posixacl.Parse(text, names{"alice": 1000})
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
			continue
		}
		b, err := posixacl.Encode(acl)
		if err != nil || string(b) != binACL {
			t.Errorf("Parse(%q) = %x, %v, want %x", text, b, err, binACL)
		}
	}
	for _, text := range []string{
		"", "user::rwx", "user::rwx,group::r--,other::r--,other::r--", "user::rwx,group::q,other::r--",
		"user:alice:rwx,user::rwx,group::r--,other::r--", "friend::rwx", "user::rwx,group::r--,other:x:r--",
		"user::rwx,user:bob:rwx:x,group::r--,other::r--", "user::rwx,user:4294967295:r--,group::r--,mask::rwx,other::---",
	} {
		if acl, err := posixacl.Parse(text, nil); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", text, acl)
		}
	}
	acl, err := posixacl.Parse("user::rw-,group::r--,group:5:-w-,other::---", nil)
	if err != nil || len(acl) != 5 || acl[3] != (posixacl.Entry{Tag: posixacl.Mask, Perm: 6, ID: posixacl.NoID}) {
		t.Errorf("missing mask: %v, %v", acl, err)
	}
}

func TestWarning(t *testing.T) {
	n := &tree.Node{Mode: tree.TypeFile | 0o770, Attrs: &tree.Attrs{Xattrs: []tree.Xattr{{Name: posixacl.Access, Value: []byte(binACL)}}}}
	if w := posixacl.Warning(n); !strings.Contains(w, "0770") || !strings.Contains(w, "-wx") {
		t.Errorf("Warning = %q", w)
	}
	n.Mode = tree.TypeFile | 0o740
	if w := posixacl.Warning(n); w != "" {
		t.Errorf("Warning = %q, want none", w)
	}
}

func TestParseNFS4(t *testing.T) {
	text := "owner@:rwxp--aARWcCos:-------:allow,group:wheel:rx:fd:allow:10,user:alice:w::deny,everyone@:raRcs::allow"
	acl, err := posixacl.ParseNFS4(text, names{"alice": 1000})
	if err != nil {
		t.Fatal(err)
	}
	want := []tree.ACE{
		{Flags: 0x1000, Mask: 0x1e01bf},
		{Flags: 0x43, Mask: 0x21, ID: 10},
		{Type: 1, Mask: 2, ID: 1000},
		{Flags: 0x4000, Mask: 0x120089},
	}
	for i, a := range acl {
		if i >= len(want) || a != want[i] {
			t.Errorf("entry %d = %#v", i, a)
		}
	}
	for _, text := range []string{"owner@:q::allow", "owner@:r:q:allow", "owner@:r::maybe", "user::r::allow", "owner@:r::allow:3", "x", "user:bob:r::allow"} {
		if _, err := posixacl.ParseNFS4(text, nil); err == nil {
			t.Errorf("ParseNFS4(%q): no error", text)
		}
	}
}

func FuzzACL(f *testing.F) {
	f.Add([]byte(binACL), "user::rwx,user:alice:r-x:1000,group::r--,mask::rwx,other::---")
	f.Add([]byte("\x02\x00\x00\x00"), "owner@:rwxp--aARWcCos:-------:allow")
	f.Fuzz(func(t *testing.T, b []byte, text string) {
		if acl, err := posixacl.Decode(b); err == nil {
			again, err := posixacl.Encode(acl)
			if err != nil {
				t.Fatal(err)
			}
			acl2, err := posixacl.Decode(again)
			if err != nil || len(acl2) != len(acl) || len(again) != len(b) {
				t.Fatalf("%x became %x", b, again)
			}
		}
		if acl, err := posixacl.Parse(text, names{}); err == nil {
			b, err := posixacl.Encode(acl)
			if err != nil {
				t.Fatalf("Encode(Parse(%q)): %v", text, err)
			}
			if acl2, err := posixacl.Decode(b); err != nil || len(acl2) != len(acl) {
				t.Fatalf("Decode(%x): %v", b, err)
			} else if c, _ := posixacl.Encode(acl2); !bytes.Equal(b, c) {
				t.Fatalf("%x became %x", b, c)
			}
		}
		posixacl.ParseNFS4(text, names{})
	})
}
