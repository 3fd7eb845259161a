package prepare

import (
	"errors"
	"fmt"
	"strings"

	"imagetools/internal/osrelease"
	"imagetools/rootfs"
	"imagetools/tree/source"
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

// illumos are the IDs of os-release(5) that distributions of illumos have.
var illumos = map[string]bool{"smartos": true, "illumos": true, "omnios": true, "openindiana": true, "solaris": true, "tribblix": true}

// signs are paths that only one of both has. The root of a zone lacks /usr, which is the
// platform's.
var signs = []struct {
	path string
	os   OS
}{
	{"/var/svc/manifest", SmartOS}, {"/etc/svc/repository.db", SmartOS}, {"/var/zoneinit", SmartOS},
	{"/etc/user_attr", SmartOS}, {"/etc/nodename", SmartOS},
	{"/etc/debian_version", Linux}, {"/etc/alpine-release", Linux}, {"/etc/redhat-release", Linux},
	{"/etc/arch-release", Linux}, {"/etc/SuSE-release", Linux}, {"/lib/ld-linux.so.2", Linux},
	{"/lib64/ld-linux-x86-64.so.2", Linux}, {"/etc/ld.so.conf", Linux}, {"/etc/machine-id", Linux}, {"/lib/apk/db", Linux},
}

// Detect tells by its files what runs in a root: os-release has the first word, then
// /etc/release, then paths that only one of both has. If nothing tells, the error is
// ErrUnknownOS.
func Detect(root *rootfs.FS) (OS, error) {
	for _, path := range osrelease.Paths {
		text, err := optional(root, path)
		if err != nil {
			return Unknown, err
		}
		if id := strings.ToLower(osrelease.Parse(text)["ID"]); illumos[id] {
			return SmartOS, nil
		} else if id != "" {
			return Linux, nil
		}
	}
	text, err := optional(root, "/etc/release")
	if err != nil {
		return Unknown, err
	}
	for _, name := range []string{"SmartOS", "Joyent", "illumos"} {
		if strings.Contains(text, name) {
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
	return Unknown, source.WithHint(ErrUnknownOS, "name it: --os smartos or --os linux")
}

// optional reads a text that need not exist.
func optional(root *rootfs.FS, path string) (string, error) {
	data, err := root.ReadFile(path, maxFile)
	if missing(err) || errors.Is(err, rootfs.ErrIsDir) || errors.Is(err, rootfs.ErrSpecial) {
		return "", nil
	}
	return string(data), err
}
