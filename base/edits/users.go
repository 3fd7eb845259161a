package edits

import (
	"fmt"
	"strconv"
	"strings"

	"imagetools/internal/lines"
	"imagetools/rootfs"
)

// skeleton gives root the files that every new user gets, and for pkgbuild what its shells
// need. The examples of the platform go.
func (j *job) skeleton() {
	for _, info := range j.List("/etc/skel") {
		path := "/etc/skel/" + info.Name
		switch {
		case strings.HasPrefix(info.Name, "local."):
			j.Remove(path)
		case len(info.Name) > 3 && info.Name[0] == '.':
			j.Copy(info, path, "/root/"+info.Name, 0, 0, j.rootProfile)
		}
	}
}

// rootProfile is what the file path of /root has beside the content of the skeleton.
func (j *job) rootProfile(path string, content []byte) []byte {
	if path != "/root/.profile" || !j.installed("git-base") {
		return content
	}
	t := lines.Parse(content)
	t.Append("", "# pkgbuild, with its cache of packages", "PATH=$PATH:/data/pkgbuild/scripts",
		`export REMOTE_PACKAGE_URL="http://0.0.0.0:8080/packages"`)
	return t.Bytes()
}

// account is a user as useradd makes it.
type account struct {
	name        string
	uid, gid    uint32
	group       string // of the same gid, made with the user; empty if it exists
	comment     string
	home, shell string
	profiles    string
	skeleton    bool // the home is made
}

// users makes the accounts of the image as useradd, groupadd and usermod do in a zone: without
// a password that fits.
func (j *job) users() {
	admin := account{name: "admin", uid: 100, home: "/home/admin", shell: "/usr/bin/bash",
		profiles: "Service Management,Software Installation", skeleton: true}
	admin.gid = j.groupID("staff")
	j.account(admin)
	if j.installed("git-base") {
		j.account(account{name: "pbulk", uid: 500, gid: 500, group: "pbulk", comment: "Package Builder",
			home: "/home/pbulk", shell: "/bin/bash"})
	}
	// So that the next free number is 1000.
	j.account(account{name: "_pkgsrc", uid: 999, gid: 999, group: "_pkgsrc", comment: "Last pkgsrc UID",
		home: "/nonexistent", shell: "/bin/false"})
}

// groupID is the number of a group that must exist.
func (j *job) groupID(name string) uint32 {
	t := lines.Parse(j.Read("/etc/group", seed))
	if j.Err != nil {
		return 0
	}
	i := t.Find(named(name))
	if i < 0 {
		j.Err = fmt.Errorf("%q: there is no group %q", "/etc/group", name)
		return 0
	}
	if f := strings.Split(t.Line(i), ":"); len(f) >= 3 {
		if id, err := strconv.ParseUint(f[2], 10, 31); err == nil {
			return uint32(id)
		}
	}
	j.Err = fmt.Errorf("%q line %d: group %q has no number", "/etc/group", i+1, name)
	return 0
}

// named finds the line of a user or group in the files of passwd(5) and its like.
func named(name string) lines.Match {
	return func(line string) bool { return strings.HasPrefix(line, name+":") }
}

func (j *job) account(a account) {
	if a.group != "" {
		j.record("/etc/group", a.group, fmt.Sprintf("%s::%d:", a.group, a.gid), a.gid)
	}
	j.record("/etc/passwd", a.name, fmt.Sprintf("%s:x:%d:%d:%s:%s:%s", a.name, a.uid, a.gid, a.comment, a.home, a.shell), a.uid)
	j.Edit("/etc/shadow", seed, func(t *lines.Text) {
		if t.Find(named(a.name)) < 0 {
			t.Append(a.name + ":*LK*:::::::")
		}
	})
	if a.profiles != "" {
		j.Edit("/etc/user_attr", seed, func(t *lines.Text) {
			i := t.Find(named(a.name))
			if i < 0 {
				t.Append(a.name + "::::type=normal;profiles=" + a.profiles)
				return
			}
			t.Put(named(a.name), withProfiles(t.Line(i), a.profiles))
		})
	}
	if a.skeleton {
		j.home(a)
	}
}

// record appends a line to a file in which the third field is a number. A line with that name
// and number stays as it is.
func (j *job) record(path, name, line string, id uint32) {
	j.Edit(path, seed, func(t *lines.Text) {
		i := t.Find(named(name))
		if i < 0 {
			t.Append(line)
			return
		}
		if f := strings.Split(t.Line(i), ":"); len(f) < 3 || f[2] != strconv.Itoa(int(id)) {
			j.Err = fmt.Errorf("%q line %d: %q should have number %d", path, i+1, name, id)
		}
	})
}

// withProfiles sets the attribute profiles in a line of user_attr(5), and leaves the others.
func withProfiles(line, profiles string) string {
	fields := strings.SplitN(line, ":", 5)
	for len(fields) < 5 {
		fields = append(fields, "")
	}
	var attrs []string
	for _, a := range strings.Split(fields[4], ";") {
		if a != "" && !strings.HasPrefix(a, "profiles=") {
			attrs = append(attrs, a)
		}
	}
	fields[4] = strings.Join(append(attrs, "profiles="+profiles), ";")
	return strings.Join(fields, ":")
}

// home makes the home of a user that has none yet, with the files of the skeleton.
func (j *job) home(a account) {
	if !j.Absent(j.Root.Stat, a.home) {
		return
	}
	j.Mkdir(a.home)
	j.Own(a.home, rootfs.Attr{Mode: 0o755, UID: a.uid, GID: a.gid})
	same := func(_ string, content []byte) []byte { return content }
	for _, info := range j.List("/etc/skel") {
		j.Copy(info, "/etc/skel/"+info.Name, a.home+"/"+info.Name, a.uid, a.gid, same)
	}
}
