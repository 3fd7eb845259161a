package lx

import (
	_ "embed"
	"strings"

	"imagetools/internal/lines"
	"imagetools/rootfs"
)

// What a zone runs at each boot.
const zoneScript = "/lib/smartdc/lx-zone"

//go:embed lx-zone
var zoneScriptText string

const zoneUnit = `[Unit]
Description=Set up of an lx zone
After=local-fs.target
ConditionPathExists=/native/usr/sbin/mdata-get

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutSec=0
ExecStart=` + zoneScript + `

[Install]
WantedBy=multi-user.target
`

const hostKeysUnit = `[Unit]
Description=Host keys of sshd, where there are none
Before=ssh.service sshd.service
ConditionPathExists=/usr/bin/ssh-keygen

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
`

const manPath = `# Manual pages of the platform's programs
MANPATH=${MANPATH:-}:/native/usr/share/man
export MANPATH
`

const shutdownScript = `#!/bin/sh
# vmadm stops a zone with "shutdown -h now", and restarts it with "shutdown -r now".
case "$*" in
*-r*) exec /sbin/reboot ;;
*) exec /sbin/halt ;;
esac
`

// guestTools lets the zone ask for its metadata, and set itself up. A root with the guest tools
// of Triton does so already.
func (j *job) guestTools() {
	for _, name := range strings.Fields("delete get list put") {
		j.link("/native/usr/sbin/mdata-"+name, "/usr/sbin/mdata-"+name)
	}
	if j.exists("/etc/profile.d") {
		j.file("/etc/profile.d/native_manpath.sh", manPath, 0o644)
	}
	j.dirs("/var/svc", "/var/db")
	if !j.is(Debian, Ubuntu, RHEL) && !j.named("/sbin/shutdown") && !j.named("/bin/shutdown") && !j.named("/usr/bin/shutdown") {
		j.file("/sbin/shutdown", shutdownScript, 0o755)
	}
	if j.exists("/lib/smartdc/joyent_rc.local") {
		j.note("the guest tools of Triton are there, and set zones up")
		return
	}
	j.own(zoneScript, zoneScriptText, 0o755)
	switch {
	case j.hasSystemd():
		j.unit("lx-zone.service", zoneUnit)
		if j.is(Debian, Ubuntu, Generic) { // the others have one of their own
			j.unit("lx-host-keys.service", hostKeysUnit)
		}
	case j.is(Alpine) || j.exists("/sbin/openrc-run"):
		j.own("/etc/local.d/lx-zone.start", "#!/bin/sh\nexec "+zoneScript+"\n", 0o755)
	case j.exists("/etc/rc.d"):
		j.rcLocal("/etc/rc.d/rc.local")
	default:
		j.rcLocal("/etc/rc.local")
	}
}

// unit makes a unit that starts with the system.
func (j *job) unit(name, text string) {
	j.own(unitDir+name, text, 0o644)
	j.link(unitDir+name, unitDir+"multi-user.target.wants/"+name)
}

// rcLocal has the script that ends the boot call ours.
func (j *job) rcLocal(p string) {
	if !j.exists(p) {
		j.own(p, "#!/bin/sh\n"+zoneScript+"\n", 0o755)
		return
	}
	j.Edit(j.real(p), "nothing", func(t *lines.Text) {
		if t.Find(lines.Equal(zoneScript)) >= 0 {
			return
		}
		at := t.Find(lines.Matching(`^[ \t]*exit([ \t]|$)`))
		if at < 0 {
			at = t.Len()
		}
		t.Insert(at, zoneScript)
	})
	j.executable(p)
}

// openrc starts what a zone needs and has, and not what needs hardware or the log of a kernel.
// Init is a link that is absolute in Alpine, which platforms do not follow into a zone.
func (j *job) openrc() {
	if target, err := j.Root.Readlink("/sbin/init"); err == nil && target == "/bin/busybox" {
		j.remove("/sbin/init")
		j.link("../bin/busybox", "/sbin/init")
	}
	for _, s := range [][2]string{{"sysinit", "devfs"}, {"boot", "bootmisc"}, {"boot", "hostname"}, {"boot", "networking"},
		{"boot", "syslog"}, {"default", "crond"}, {"default", "local"}, {"default", "sshd"}} {
		if j.exists("/etc/init.d/" + s[1]) {
			j.link("/etc/init.d/"+s[1], "/etc/runlevels/"+s[0]+"/"+s[1])
		}
	}
	for _, level := range strings.Fields("sysinit boot default") {
		for _, name := range strings.Fields("acpid hwdrivers klogd mdev modloop modules swap") {
			j.remove("/etc/runlevels/" + level + "/" + name)
		}
	}
}

// runit empties the scripts that make devices, load modules and mount, has no logins on virtual
// consoles, and starts what a zone needs.
func (j *job) runit() {
	const nothing = "# There is nothing to do in an lx zone.\n"
	for _, name := range strings.Fields("01-static-devnodes 02-kmods 02-udev 03-filesystems") {
		if p := "/etc/runit/core-services/" + name + ".sh"; j.exists(p) {
			j.own(p, nothing, 0o644)
		}
	}
	const services = "/etc/runit/runsvdir/default/"
	for _, n := range "123456" {
		if sv := "agetty-tty" + string(n); j.exists("/etc/sv/" + sv) {
			j.file("/etc/sv/"+sv+"/down", "", 0o644)
		}
		j.remove(services + "agetty-tty" + string(n))
	}
	for _, sv := range strings.Fields("agetty-console sshd") {
		if j.exists("/etc/sv/" + sv) {
			j.link("/etc/sv/"+sv, services+sv)
		}
	}
	const virtual = "export VIRTUALIZATION=1"
	j.EditAny(j.real("/etc/rc.conf"), func(t *lines.Text) { t.Put(lines.Matching(`^[ \t]*(export[ \t]+)?VIRTUALIZATION=`), virtual) })
	if j.exists("/etc/rc.local") {
		j.Own(j.real("/etc/rc.local"), rootfs.Attr{Mode: 0o755})
	}
}
