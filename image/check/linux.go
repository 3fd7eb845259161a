package check

import (
	"errors"
	"fmt"
	"strings"

	"imagetools/tree"
)

// distributions are the files by which the boot script of the brand lx knows what it starts. It
// looks for them from the global zone.
var distributions = []string{
	"/etc/redhat-release", "/etc/lsb-release", "/etc/debian_version", "/etc/alpine-release", "/etc/SuSE-release", "/etc/void-release",
}

// linux judges what the brand lx needs to boot a root.
func (c *checker) linux() {
	c.init()
	c.distribution()
	if c.has("root/etc/svc/repository.db") {
		c.add("root/etc/svc/repository.db", "this is the root of a SmartOS zone, not of a Linux: the type for it is zone-dataset")
	}
	c.written(lxWrites)
}

// init judges the first program of a zone.
func (c *checker) init() {
	const path = "root/sbin/init"
	n, err := c.inZone("/sbin/init")
	switch {
	case errors.Is(err, errLoop):
		c.add(path, "too many symbolic links: zones will not boot")
	case missing(err):
		if link, err := c.fs.Lookup(path); err == nil && link.Mode.Type() == tree.TypeSymlink {
			c.add(path, fmt.Sprintf("its target %q is not found: zones will not boot", link.Target))
			return
		}
		if where := c.elsewhere(); where != "" {
			c.add(path, "not found: zones will not boot"+where)
			return
		}
		c.add(path, "not found: zones will not boot; install an init package such as systemd-sysv or openrc")
	case err != nil: // told as damage
	case n.Mode.Type() != tree.TypeFile:
		c.add(path, "not a regular file: zones will not boot")
	case n.Size == 0:
		c.add(path, "empty: zones will not boot")
	case n.Mode&0o111 == 0:
		c.add(path, fmt.Sprintf("mode %04o is not executable: zones will not boot", uint32(n.Mode.Perm())))
	}
}

// distribution judges whether the boot script knows the distribution.
func (c *checker) distribution() {
	const refuses = ": the boot script of brand lx refuses the distribution as unsupported"
	var outside *errOutside
	for _, p := range distributions {
		n, err := c.inGlobal(p)
		if err == nil && n.Mode.Type() == tree.TypeFile {
			return
		}
		if out, ok := errors.AsType[*errOutside](err); ok && outside == nil {
			outside = out
		}
	}
	if outside != nil {
		c.add(root+outside.link, fmt.Sprintf("a link to %q, which is not found from the global zone%s", outside.target, refuses))
		return
	}
	c.add("root/etc", fmt.Sprintf("none of %s found%s", strings.ReplaceAll(strings.Join(distributions, ", "), "/etc/", ""), refuses))
}

// capability is the attribute that holds the file capabilities of a program.
const capability = "security.capability"

// capabilities names the programs that need file capabilities, which the brand lx does not have. One
// that is set-uid root has them all.
func capabilities(t *tree.Tree) (found []Finding) {
	const setUID = 0o4000
	seen := map[*tree.Node]bool{}
	for path, n := range t.All() {
		if n.Attrs == nil || seen[n] || n.Mode&setUID != 0 && n.UID == 0 {
			continue
		}
		for _, x := range n.Attrs.Xattrs {
			if x.Name == capability {
				seen[n] = true
				found = append(found, Finding{Path: path, Message: "its file capabilities have no effect in brand lx: " +
					"users other than root cannot use it fully; make it set-uid root if they must"})
			}
		}
	}
	return found
}
