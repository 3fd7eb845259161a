package lx

import (
	"debug/elf"
	"encoding/binary"
	"slices"
	"strings"

	"imagetools/internal/lines"
	"imagetools/rootfs"
)

// native makes the directories that the brand mounts its platform on.
func (j *job) native() {
	for _, dir := range strings.Fields("dev etc/default etc/svc/volatile lib proc sbin tmp usr var") {
		j.dir("/native/" + dir)
	}
	if j.Err == nil {
		j.Own(j.real("/native/tmp"), rootfs.Attr{Mode: 0o1777})
	}
}

// mountable are the types of file systems that a zone can mount by itself.
var mountable = map[string]bool{"tmpfs": true, "nfs": true, "nfs4": true, "autofs": true, "cgroup": true, "cgroup2": true}

const (
	rootEntry = "none / zfs defaults 1 1"
	procEntry = "proc /proc proc defaults 0 0"
	notInZone = "# not in an lx zone: "
)

// fstab says what is mounted anyway. Other entries for disks would have the zone wait for them,
// and become comments.
func (j *job) fstab() {
	if !j.exists("/etc/fstab") {
		j.own("/etc/fstab", rootEntry+"\n"+procEntry+"\n", 0o644)
		return
	}
	j.Edit(j.real("/etc/fstab"), "nothing", func(t *lines.Text) {
		t.Replace(func(line string) string {
			f := fields(line)
			if len(f) < 3 || line == rootEntry || line == procEntry || mountable[f[2]] && f[1] != "/" && f[1] != "/proc" {
				return line
			}
			return notInZone + line
		})
		for _, entry := range []string{rootEntry, procEntry} {
			t.Put(func(line string) bool { return line == entry }, entry)
		}
	})
}

// boot makes what the brand's boot script wants to find. By one of some files it knows what it
// starts; directories in which it writes must not be missing or lead out of the zone.
func (j *job) boot() {
	switch {
	case j.is(Debian, Ubuntu):
		j.dirs("/etc/init.d", "/etc/network", "/etc/rcS.d")
		j.runlevelDirs("/etc/")
	case j.is(RHEL):
		j.dirs("/etc/sysconfig", "/etc/rc.d/init.d")
		j.runlevelDirs("/etc/rc.d/")
	default:
		j.dirs("/etc/init.d")
	}
	if !j.known() {
		j.mark()
	}
	if !j.named("/etc/hosts") {
		j.own("/etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n", 0o644)
	}
	if j.is(Debian, Ubuntu, RHEL) {
		// The resolvers of the zone are written over the file, by older platforms only if there is one.
		j.file("/etc/resolv.conf", "", 0o644)
	} else if strings.Contains(j.text("/etc/resolv.conf"), "nameserver") {
		j.note("/etc/resolv.conf stays, so that zones ask the servers in it; without the file they ask those that vmadm is told")
	}
	j.checkPrograms()
}

// checkPrograms tells of programs for other processors than the brand knows.
func (j *job) checkPrograms() {
	const program = "/bin/sh"
	data, err := j.Root.ReadFile(program, 8<<20)
	if err != nil || len(data) < 20 || string(data[:4]) != "\x7fELF" {
		return
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if elf.Data(data[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	if m := elf.Machine(order.Uint16(data[18:])); m != elf.EM_X86_64 && m != elf.EM_386 {
		j.note("%s is for %v; the brand runs programs for x86 alone", program, m)
	}
}

func (j *job) dirs(paths ...string) {
	for _, p := range paths {
		j.dir(p)
	}
}

func (j *job) runlevelDirs(prefix string) {
	for _, level := range "0123456" {
		j.dir(prefix + "rc" + string(level) + ".d")
	}
}

// known tells whether the brand takes the root for one that it can boot.
func (j *job) known() bool {
	switch {
	case j.exists("/etc/redhat-release"):
		return true
	case j.exists("/etc/lsb-release"):
		return strings.Contains(j.text("/etc/lsb-release"), "Ubuntu") || j.exists("/etc/debian_version")
	}
	return slices.ContainsFunc([]string{"/etc/debian_version", "/etc/alpine-release", "/etc/void-release"}, j.exists)
}

// mark makes the file by which the brand knows what it boots: that of the distribution, or that
// of Void, for which it does nothing.
func (j *job) mark() {
	version := j.found.Version + "\n"
	switch {
	case j.is(RHEL):
		j.file("/etc/redhat-release", j.found.Name+"\n", 0o644)
	case j.exists("/etc/lsb-release"):
		j.note("/etc/lsb-release is not that of Ubuntu, and keeps the brand from knowing what this is: it boots no zone of this image")
	case j.is(Debian):
		j.file("/etc/debian_version", version, 0o644)
	case j.is(Ubuntu):
		j.file("/etc/lsb-release", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE="+version, 0o644)
	case j.is(Alpine):
		j.file("/etc/alpine-release", version, 0o644)
	default:
		j.file("/etc/void-release", j.found.Name+"\n", 0o644)
	}
}

// kernel takes away what a zone does not use, and what lies below its mounts.
func (j *job) kernel() {
	j.empty("/boot")
	for _, name := range strings.Fields("vmlinuz vmlinuz.old initrd.img initrd.img.old") {
		j.remove("/" + name)
	}
	for _, dir := range strings.Fields("dev proc sys run") {
		j.empty("/" + dir)
		j.dir("/" + dir)
	}
	if !j.exists("/tmp") && !j.named("/tmp") {
		j.dir("/tmp")
		j.Own("/tmp", rootfs.Attr{Mode: 0o1777})
	}
	j.remove("/.dockerenv") // which has systemd and others think that they are in Docker
}

// sshd takes keys alone, as in the builders' images. The old sandbox of sshd needs a Linux
// kernel. What stands below a Match line stays.
func (j *job) sshd() {
	j.EditAny(j.real("/etc/ssh/sshd_config"), func(t *lines.Text) {
		end := t.Find(lines.Matching(`(?i)^[ \t]*Match[ \t]`))
		if end < 0 {
			end = t.Len()
		}
		t.PutBefore(end, lines.Matching(`(?i)^[ \t]*#?PasswordAuthentication([ \t]+|[ \t]*=[ \t]*)(yes|no)[ \t]*$`), "PasswordAuthentication no")
		t.Replace(func(line string) string {
			if sandbox(line) {
				return "UsePrivilegeSeparation yes"
			}
			return line
		})
	})
}

var sandbox = lines.Matching(`(?i)^[ \t]*UsePrivilegeSeparation[ \t]+sandbox[ \t]*$`)

// apt keeps a package that makes devices from being upgraded, which fails in a zone.
func (j *job) apt() {
	if j.exists("/etc/apt") {
		j.own("/etc/apt/preferences.d/makedev", "Package: makedev\nPin: release *\nPin-Priority: -1\n", 0o644)
	}
	j.remove("/etc/cron.weekly/fstrim")
}

// product is read by people and by the tools of Triton.
func (j *job) product() {
	if j.root.Image.Name == "" {
		return
	}
	text := "Name: SmartOS LX Instance\nImage: " + j.root.Image.Name + " " + j.root.Image.Version + "\n"
	if j.root.Image.Homepage != "" {
		text += "Documentation: " + oneLine(j.root.Image.Homepage) + "\n"
	}
	if j.root.Image.Description != "" {
		text += "Description: " + oneLine(j.root.Image.Description) + "\n"
	}
	j.own("/etc/product", text, 0o644)
}

func (j *job) motd() {
	if j.root.Image.Name == "" {
		return
	}
	text := "\n  " + j.root.Image.Name + " " + j.root.Image.Version + " in an lx zone of SmartOS\n"
	if j.root.Image.Homepage != "" {
		text += "  " + oneLine(j.root.Image.Homepage) + "\n"
	}
	j.own("/etc/motd", text+"\n", 0o644)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
