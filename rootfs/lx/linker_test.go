package lx_test

import (
	"encoding/binary"
	"testing"

	"imagetools/rootfs/rootfstest"
)

// rtcHead32 and rtcHead64 are Rtc_head of rtc.h as C lays it out for each word size.
type rtcHead32 struct {
	Version, Flags, DLFlags, App, Hash, Obj, Str, File, Dir uint32
	LibPath, AoutLibPath, SecurePath, AoutSecurePath        uint32
	ReserveBegin, ReserveEnd                                [2]uint32
	Env, Filter, Filtee                                     uint32
}

type rtcHead64 struct {
	Version, Flags, DLFlags, App, Hash, Obj, Str, File, Dir uint32
	LibPath, AoutLibPath, SecurePath, AoutSecurePath        uint32
	_                                                       uint32 // double words are aligned
	ReserveBegin, ReserveEnd                                uint64
	Env, Filter, Filtee                                     uint32
	_                                                       uint32
}

// The files of the runtime linker have the paths that the builders give crle(1), where ld.so.1
// looks for them.
func TestLinkerConfig(t *testing.T) {
	root := rootfstest.NewTree(t)
	_, err := run(t, root, alone("linker"))
	check(t, err)
	for _, tt := range []struct {
		path                string
		class, machine      byte
		head                any
		libraries, security string
	}{
		{"/var/ld/ld.config", 1, 3, &rtcHead32{}, "/native/lib:/native/usr/lib", "/native/lib/secure:/native/usr/lib/secure"},
		{"/var/ld/64/ld.config", 2, 62, &rtcHead64{}, "/native/lib/amd64:/native/usr/lib/amd64", "/native/lib/secure/amd64:/native/usr/lib/secure/amd64"},
	} {
		data, err := root.ReadFile(tt.path, 1<<10)
		check(t, err)
		if id := string(data[:16]); id != "\x3fRLC"+string([]byte{tt.class, 1, tt.machine})+"\x00\x00\x00\x00\x00\x00\x00\x00\x00" {
			t.Errorf("%s begins with %q", tt.path, id)
		}
		body := data[16:]
		n, err := binary.Decode(body, binary.LittleEndian, tt.head)
		check(t, err)
		var h rtcHead32
		switch head := tt.head.(type) {
		case *rtcHead32:
			h = *head
		case *rtcHead64:
			h = rtcHead32{Version: head.Version, Flags: head.Flags, Str: head.Str, LibPath: head.LibPath, SecurePath: head.SecurePath,
				DLFlags: head.DLFlags | head.App | head.Hash | head.Obj | head.File | head.Dir | head.AoutLibPath | head.AoutSecurePath,
				App:     uint32(head.ReserveBegin) | uint32(head.ReserveEnd) | head.Env | head.Filter | head.Filtee}
		}
		want := rtcHead32{Version: 4, Flags: 8, Str: uint32(n), LibPath: h.LibPath, SecurePath: h.SecurePath}
		if tt.class == 2 {
			want.Flags |= 4
		}
		if h != want {
			t.Errorf("%s: header %+v, want %+v", tt.path, h, want)
		}
		text := func(offset uint32) string {
			s := string(body[offset:])
			for i := range s {
				if s[i] == 0 {
					return s[:i]
				}
			}
			return "no end"
		}
		if a, b := text(h.LibPath), text(h.SecurePath); a != tt.libraries || b != tt.security {
			t.Errorf("%s: paths %q and %q, want %q and %q", tt.path, a, b, tt.libraries, tt.security)
		}
		if len(data)%4 != 0 {
			t.Errorf("%s has %d bytes, no whole words", tt.path, len(data))
		}
	}
}
