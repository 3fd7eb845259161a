package check

import (
	"encoding/json"
	"fmt"

	"imagetools/tree"
)

// linuxSigns are files that the root of a Linux has, and that of a SmartOS zone does not.
var linuxSigns = []string{
	"/etc/debian_version", "/etc/alpine-release", "/etc/redhat-release", "/etc/arch-release", "/etc/lsb-release",
	"/etc/SuSE-release", "/etc/void-release", "/etc/ld.so.conf", "/etc/ld.so.cache", "/lib64/ld-linux-x86-64.so.2", "/lib/apk/db",
}

// isLinux tells whether the root is that of a Linux.
func (c *checker) isLinux() bool {
	for _, p := range linuxSigns {
		if _, err := c.inZone(p); err == nil {
			return true
		}
	}
	return false
}

// native judges what vmadm needs to make a zone of a native brand.
func (c *checker) native() {
	refuses := fmt.Sprintf(": vmadm refuses to create zones of brand %s", c.brand)
	if c.brand != minimal {
		c.zoneinit(refuses)
		c.repository(refuses)
	} else if why := c.plain("/etc/svc", tree.TypeDir); why != "" {
		c.add("root/etc/svc", why+refuses)
	}
	for _, dir := range []struct {
		path string
		made bool // if it is missing
	}{
		{"/etc", false}, {"/var/adm", false}, {"/var/svc", true}, {"/var/svc/log", true}, {"/var/svc/manifest", true},
		{"/root/zoneinit.d", true}, {"/var/zoneinit/includes", true},
	} {
		if why := c.plain(dir.path, tree.TypeDir); why != "" {
			c.add(root+dir.path, why+refuses)
		} else if _, err := c.fs.Lookup(root + dir.path); missing(err) && !dir.made {
			c.add(root+dir.path, "not found"+refuses)
		}
	}
	c.written(nativeWrites)
}

const (
	zoneinitJSON = "/var/zoneinit/zoneinit.json"
	maxJSON      = 1 << 20
)

// zoneinit judges whether the image says that it ends its provisioning.
func (c *checker) zoneinit(refuses string) {
	const path = root + zoneinitJSON
	old := c.has("root/var/zoneinit/includes/04-mdata.sh") || c.has("root/root/zoneinit.d/04-mdata.sh")
	if why := c.plain(zoneinitJSON, tree.TypeFile); why != "" {
		c.add(path, why+refuses)
		return
	}
	if !c.has(path) {
		if old {
			return
		}
		c.add(path, "not found"+refuses+"; install the package zoneinit, or start from a seed or base image")
		return
	}
	text, err := c.fs.ReadFile(path, maxJSON)
	if err != nil {
		return // not at hand
	}
	var says struct {
		Features *struct {
			Provisioning any `json:"var_svc_provisioning"`
			Zoneconfig   any `json:"zoneconfig"`
		} `json:"features"`
	}
	switch err := json.Unmarshal(text, &says); {
	case err != nil:
		c.add(path, fmt.Sprintf("not JSON of an object (%v)%s", err, refuses))
	case says.Features == nil && !old:
		c.add(path, "no features.var_svc_provisioning, and 04-mdata.sh not found"+refuses)
	case says.Features != nil && says.Features.Provisioning != true:
		c.add(path, "features.var_svc_provisioning is not true"+refuses)
	}
	if says.Features == nil || truthy(says.Features.Zoneconfig) {
		for _, dir := range []string{"/var/svc/log", "/root"} {
			if !c.isDir(root + dir) {
				c.add(root+dir, "not found"+refuses)
			}
		}
	}
}

func truthy(v any) bool { return v != nil && v != false && v != "" && v != 0.0 }

// repository judges the database of services, in which vmadm sets properties.
func (c *checker) repository(refuses string) {
	const path = "/etc/svc/repository.db"
	if why := c.plain(path, tree.TypeFile); why != "" {
		c.add(root+path, why+refuses)
		return
	}
	n, err := c.fs.Lookup(root + path)
	if missing(err) {
		c.add(root+path, "not found"+refuses+"; create-smf-repo makes one")
	} else if err == nil && n.Size == 0 {
		c.add(root+path, "empty"+refuses)
	}
}
