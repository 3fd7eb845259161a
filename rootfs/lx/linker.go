package lx

import "encoding/binary"

// linker has programs of the platform find its libraries below /native: ld.so.1 reads the paths
// from these files. Newer platforms mount their own over /var/ld, which must be there then, too.
func (j *job) linker() {
	for _, f := range []struct {
		path  string
		class byte
		sub   string
	}{{"/var/ld/ld.config", class32, ""}, {"/var/ld/64/ld.config", class64, "/amd64"}} {
		config := linkerConfig(f.class,
			"/native/lib"+f.sub+":/native/usr/lib"+f.sub,
			"/native/lib/secure"+f.sub+":/native/usr/lib/secure"+f.sub)
		j.own(f.path, string(config), 0o644)
	}
}

// Classes of ELF(5).
const (
	class32 = 1
	class64 = 2
)

// linkerConfig is a configuration file of the runtime linker of illumos, as crle(1) -l -s makes
// it (sgsrtcid.h, rtc.h), with the paths of libraries and of trusted libraries. Offsets count
// from the header, behind the 16 bytes that identify the file.
func linkerConfig(class byte, libraries, trusted string) []byte {
	const (
		version = 4 // RTC_VER_FOUR
		is64    = 4 // RTC_HDR_64
		unified = 8 // RTC_HDR_UPM: the paths are complete
	)
	// Rtc_head is 13 words, two double words that 64-bit programs align, and three words.
	head, flags, machine := 80, uint32(unified), byte(3)
	if class == class64 {
		head, flags, machine = 88, unified|is64, 62
	}
	b := append(make([]byte, 0, 256), '?', 'R', 'L', 'C', class, 1, machine)
	b = append(b, make([]byte, 16-len(b)+head)...)
	put := func(word int, v uint32) { binary.LittleEndian.PutUint32(b[16+4*word:], v) }
	put(0, version)
	put(1, flags)
	put(6, uint32(head))                   // ch_str
	put(9, uint32(head))                   // ch_edlibpath
	put(11, uint32(head+len(libraries)+1)) // ch_eslibpath
	b = append(b, libraries+"\x00"+trusted+"\x00"...)
	return append(b, make([]byte, -len(b)&3)...)
}
