package prepare

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"strings"

	"imagetools/fault"
	"imagetools/internal/osrelease"
	"imagetools/rootfs"
)

// OS is what runs in a root.
type OS string

// Operating systems.
const (
	Unknown OS = ""
	SmartOS OS = "smartos"
	Linux   OS = "linux"
)

// ParseOS reads the name of an operating system; the empty string is Unknown.
func ParseOS(s string) (OS, error) {
	switch os := OS(s); os {
	case Unknown, SmartOS, Linux:
		return os, nil
	}
	return Unknown, fmt.Errorf("operating system %q: it is smartos or linux", s)
}

// systems are those that distributions belong to, by the ID in their os-release(5), or by one that
// they are like. All others are Linux.
var systems = map[string]OS{
	"smartos": SmartOS, "illumos": SmartOS, "omnios": SmartOS, "openindiana": SmartOS, "solaris": SmartOS, "tribblix": SmartOS,
	"freebsd": Unknown, "openbsd": Unknown, "netbsd": Unknown, "dragonfly": Unknown, "midnightbsd": Unknown, "ghostbsd": Unknown,
	"hardenedbsd": Unknown, "msys2": Unknown, "cygwin": Unknown,
}

// signs are paths that only one of both has. The root of a zone lacks /usr, which is the
// platform's.
var signs = []struct {
	path string
	os   OS
}{
	{"/var/svc/manifest", SmartOS}, {"/etc/svc/repository.db", SmartOS}, {"/var/zoneinit", SmartOS},
	{"/etc/user_attr", SmartOS}, {"/etc/nodename", SmartOS},
	{"/etc/debian_version", Linux}, {"/etc/alpine-release", Linux}, {"/etc/redhat-release", Linux},
	{"/etc/arch-release", Linux}, {"/etc/SuSE-release", Linux}, {"/etc/void-release", Linux}, {"/etc/gentoo-release", Linux},
	{"/etc/slackware-version", Linux}, {"/etc/lsb-release", Linux}, {"/etc/NIXOS", Linux}, {"/lib/ld-linux.so.2", Linux},
	{"/lib64/ld-linux-x86-64.so.2", Linux}, {"/lib/ld-musl-x86_64.so.1", Linux}, {"/lib/ld-musl-i386.so.1", Linux},
	{"/etc/ld.so.conf", Linux}, {"/etc/machine-id", Linux}, {"/lib/apk/db", Linux}, {"/var/lib/dpkg/status", Linux},
}

// WayOS is to name the operating system.
var WayOS = fault.NewWay("prepare.os")

// Detect tells by its files what runs in a root: os-release has the first word, then
// /etc/release, then paths that only one of both has, then the shell. If nothing tells, or it is
// something else, the error is ErrUnknownOS.
func Detect(root *rootfs.FS) (OS, error) {
	unknown := fault.With(ErrUnknownOS, WayOS)
	for _, path := range osrelease.Paths {
		text, err := readIfFile(root, path, maxFile)
		if err != nil {
			return Unknown, err
		}
		if os, ok := released(osrelease.Parse(string(text))); ok && os == Unknown {
			return Unknown, unknown
		} else if ok {
			return os, nil
		}
	}
	text, err := readIfFile(root, "/etc/release", maxFile)
	if err != nil {
		return Unknown, err
	}
	for _, name := range []string{"SmartOS", "Joyent", "illumos"} {
		if strings.Contains(string(text), name) {
			return SmartOS, nil
		}
	}
	for _, s := range signs {
		if _, err := root.Lstat(s.path); err == nil {
			return s.os, nil
		} else if !missing(err) {
			return Unknown, err
		}
	}
	if linux, err := shellOfLinux(root); err != nil || linux {
		return Linux, err
	}
	return Unknown, unknown
}

// released tells what an os-release is of; ok is false if it does not say.
func released(values map[string]string) (os OS, ok bool) {
	for _, id := range strings.Fields(strings.ToLower(values["ID"] + " " + values["ID_LIKE"])) {
		if os, ok := systems[id]; ok {
			return os, true
		}
	}
	return Linux, values["ID"] != "" || values["NAME"] != "" || values["PRETTY_NAME"] != ""
}

// shellOfLinux tells whether the shell is a program for Linux: by its mark, or by the linker that
// it asks for. The root of a zone has no shell, which is the platform's.
func shellOfLinux(root *rootfs.FS) (bool, error) {
	const limit = 16 << 20
	for _, path := range []string{"/bin/sh", "/bin/busybox"} {
		data, err := readIfFile(root, path, limit)
		if err != nil || elfOfLinux(data) {
			return err == nil, err
		}
	}
	return false, nil
}

// elfOfLinux tells whether a program is marked as one for Linux.
func elfOfLinux(data []byte) bool {
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return false
	}
	if f.OSABI == elf.ELFOSABI_LINUX {
		return true
	}
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP && p.Type != elf.PT_NOTE || p.Filesz > 1<<12 {
			continue
		}
		part, err := io.ReadAll(p.Open())
		if err != nil {
			continue
		}
		// The note has the length of its name, that of its content, its type, the name, and the
		// system, which is 0 for Linux.
		note := bytes.Index(part, []byte("\x04\x00\x00\x00\x10\x00\x00\x00\x01\x00\x00\x00GNU\x00\x00\x00\x00\x00"))
		if p.Type == elf.PT_NOTE && note >= 0 || p.Type == elf.PT_INTERP && (bytes.Contains(part, []byte("ld-linux")) || bytes.Contains(part, []byte("ld-musl"))) {
			return true
		}
	}
	return false
}

// optional reads a text that need not exist.
func optional(root *rootfs.FS, path string) (string, error) {
	data, err := root.ReadFile(path, maxFile)
	if missing(err) || errors.Is(err, rootfs.ErrIsDir) || errors.Is(err, rootfs.ErrSpecial) {
		return "", nil
	}
	return string(data), err
}

// readIfFile reads a file of at most limit bytes; anything else is as if it were empty.
func readIfFile(root *rootfs.FS, path string, limit int64) ([]byte, error) {
	data, err := root.ReadFile(path, limit)
	if missing(err) || errors.Is(err, rootfs.ErrIsDir) || errors.Is(err, rootfs.ErrSpecial) || errors.Is(err, rootfs.ErrTooLarge) {
		return nil, nil
	}
	return data, err
}
