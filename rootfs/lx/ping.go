package lx

import (
	"imagetools/rootfs"
	"imagetools/tree"
)

// ping makes the program set-uid root, as it was before file capabilities and sockets for it, neither
// of which the brand has. A link, as to busybox, stays: what it leads to does more than that.
func (j *job) ping() {
	const setUID, execute = 0o4000, 0o111
	done := map[string]bool{}
	for _, dir := range []string{"/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/"} {
		for _, name := range []string{"ping", "ping4", "ping6"} {
			if !j.named(dir + name) {
				continue
			}
			p := j.real(dir + name)
			info, err := j.Root.Lstat(p)
			if err != nil || done[p] || info.Mode.Type() != tree.TypeFile || info.Mode&execute == 0 || info.Mode&setUID != 0 && info.UID == 0 {
				continue
			}
			done[p] = true
			j.Own(p, rootfs.Attr{Mode: info.Mode.Perm() | setUID, GID: info.GID})
		}
	}
}
