package check

import (
	"errors"
	"fmt"
	"strings"

	"imagetools/manifest"
	"imagetools/tree"
)

// nativeWrites and lxWrites are where vmadm and the brands write in a zone, as root in the global
// zone, at every install or boot. A link there that leads out of the zone has them write elsewhere.
var (
	nativeWrites = strings.Fields(`/etc/passwd /etc/shadow /etc/group /etc/svc/profile /var/svc/profile /var/log/courier.log
		/root/zoneinit /var/adm/utmpx /var/adm/wtmpx`)
	lxWrites = strings.Fields(`/etc/fstab /etc/inittab /etc/init /etc/init.d /etc/network/interfaces /etc/network/interfaces.d/smartos
		/etc/systemd/resolved.conf /etc/systemd/system /etc/resolvconf/resolv.conf.d/tail /etc/sysconfig/network /etc/sysconfig/keyboard
		/etc/selinux/config /etc/rc0.d /etc/rc1.d /etc/rc2.d /etc/rc3.d /etc/rc4.d /etc/rc5.d /etc/rc6.d /etc/rcS.d`)
)

// written warns of links by which the global zone would write outside of a zone.
func (c *checker) written(paths []string) {
	met := map[string]bool{}
	for _, p := range paths {
		_, err := c.inGlobal(p)
		if out, ok := errors.AsType[*errOutside](err); ok && !met[out.link] {
			met[out.link] = true
			c.add(root+out.link, fmt.Sprintf("a link to %q, by which the global zone writes outside of the zone", out.target))
		}
	}
}

// Mount points of the brands. What is missing is made.
var (
	nativeMounts = strings.Fields("/dev /proc /lib /usr /sbin /.zonecontrol /system/contract /system/object /system/lxproc /etc/svc/volatile")
	lxMounts     = strings.Fields(`/dev /proc /system/object /system/contract /native /native/dev /native/lib /native/usr /native/sbin
		/native/proc /native/tmp /native/etc/zones /native/etc/svc/volatile /native/.zonecontrol`)
)

// mountPoints judges the directories that zoneadmd mounts on: a link on their way, or anything but
// a directory, has it refuse the zone.
func (c *checker) mountPoints() {
	var mounts []string
	switch c.brand {
	case joyent, builder, minimal:
		mounts = nativeMounts
	case lx:
		mounts = lxMounts
	}
	met := map[string]bool{}
	for _, p := range mounts {
		if why := c.plain(p, tree.TypeDir); why != "" && !met[why] {
			met[why] = true
			path, _, _ := strings.Cut(why, " ")
			c.add(root+path, fmt.Sprintf("%s: zoneadm refuses to boot zones, as it mounts on %s", strings.TrimPrefix(why, path+" "), p))
		}
	}
}

// Of returns the options for the image of a manifest.
func Of(m *manifest.Manifest) Options {
	o := Options{Type: m.Type}
	if m.Requirements != nil {
		o.Brand = m.Requirements.Brand
	}
	return o
}
