package lx

import (
	"slices"
	"strings"
)

const unitDir = "/etc/systemd/system/"

// unitDirs are where units are, of the administrator first.
var unitDirs = []string{unitDir, "/lib/systemd/system/", "/usr/lib/systemd/system/"}

func (j *job) hasSystemd() bool {
	return j.exists("/lib/systemd/systemd") || j.exists("/usr/lib/systemd/systemd")
}

// masked are units that cannot work in a zone, and hold the boot up or fail: for devices, for
// disks that are not there, and for networks, which the brand sets up.
var masked = strings.Fields(`
	systemd-remount-fs.service systemd-resolved.service
	fstrim.service fstrim.timer e2scrub_all.service e2scrub_all.timer e2scrub_reap.service
	systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket
	systemd-udev-trigger.service systemd-udev-settle.service
	systemd-networkd-wait-online.service NetworkManager-wait-online.service ifupdown-wait-online.service`)

// maskedAhead is masked although there is no unit yet: it comes with packages for NFS.
const maskedAhead = "run-rpc_pipefs.mount"

// protected are services that ask for protection which lx does not have.
var protected = strings.Fields(`
	systemd-hostnamed systemd-localed systemd-timedated systemd-logind systemd-initctl systemd-journald
	systemd-sysusers timedatex`)

const unprotected = `# An lx zone does not have this protection.
[Service]
PrivateTmp=no
PrivateDevices=no
PrivateNetwork=no
ProtectSystem=no
ProtectHome=no
NoNewPrivileges=no
LoadCredential=
`

// units turns off what systemd cannot do in a zone.
func (j *job) units() {
	if !j.hasSystemd() {
		return
	}
	for _, name := range masked {
		if j.hasUnit(name) {
			j.mask(name)
		}
	}
	j.mask(maskedAhead)
	for _, name := range protected {
		if j.hasUnit(name + ".service") {
			j.own(unitDir+name+".service.d/lx.conf", unprotected, 0o644)
		}
	}
	if j.is(RHEL) {
		j.own(unitDir+"httpd.service.d/lx.conf", "# An lx zone does not have this protection.\n[Service]\nPrivateTmp=no\n", 0o644)
	}
	if j.is(Ubuntu) && j.named(unitDir+"sockets.target.wants/ssh.socket") && j.hasUnit("ssh.service") {
		// Sockets that systemd opens for sshd do not work in a zone.
		j.remove(unitDir + "sockets.target.wants/ssh.socket")
		j.remove(unitDir + "ssh.service.requires/ssh.socket")
		j.link(j.unitPath("ssh.service"), unitDir+"multi-user.target.wants/ssh.service")
	}
}

func (j *job) hasUnit(name string) bool { return j.unitPath(name) != "" }

// unitPath is where a unit is; empty if nowhere.
func (j *job) unitPath(name string) string {
	if i := slices.IndexFunc(unitDirs, func(dir string) bool { return j.named(dir + name) }); i >= 0 {
		return unitDirs[i] + name
	}
	return ""
}

// mask has systemd never start a unit. One that the administrator wrote stays.
func (j *job) mask(name string) {
	const nowhere = "/dev/null"
	p := unitDir + name
	if !j.named(p) {
		j.link(nowhere, p)
		return
	}
	if target, err := j.Root.Readlink(p); err != nil || target != nowhere {
		j.note("%s stays, although such a unit hangs or fails in a zone: it is not the distribution's", p)
	}
}
