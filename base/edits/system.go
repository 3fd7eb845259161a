package edits

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"imagetools/internal/lines"
	"imagetools/rootfs"
)

// sshd wants keys, finds the variables of ~/.ssh/environment and asks the platform for keys of
// users. What stands below a Match line is about some logins only, and stays.
func (j *job) sshd() {
	j.Edit("/etc/ssh/sshd_config", seed, func(t *lines.Text) {
		for _, s := range [][2]string{
			{"PasswordAuthentication", "no"},
			{"PermitRootLogin", "without-password"},
			{"PermitUserEnvironment", "yes"},
			{"XAuthLocation", j.prefix() + "/bin/xauth"},
			{"PubKeyPlugin", "libsmartsshd.so"},
		} {
			end := t.Find(lines.Matching(`(?i)^[ \t]*Match[ \t]`))
			if end < 0 {
				end = t.Len()
			}
			t.PutBefore(end, lines.Matching(`(?i)^[ \t]*`+s[0]+`[ \t=]`), s[0]+" "+s[1])
		}
	})
}

func (j *job) locale() {
	j.Edit("/etc/default/init", seed, func(t *lines.Text) {
		t.Put(lines.Matching(`^[ \t]*(export[ \t]+)?LANG=`), "LANG=C")
	})
}

// product writes down what the image is.
func (j *job) product() {
	for _, f := range []struct{ path, content string }{
		{"/etc/pkgsrc_version", "release: @IMAGE_BRANCH@\narchitecture: @IMAGE_ARCH@\n"},
		{"/etc/product", "Name: @IMAGE_PRODUCT@\nImage: @IMAGE_NAME@ @IMAGE_VERSION@\nDocumentation: @IMAGE_DOC@\n"},
		{"/etc/release", "                         SmartOS x86_64\n        uname -v tells the version of the platform.\n"},
	} {
		content := variableForm.ReplaceAllStringFunc(f.content, func(s string) string { return j.variable(strings.Trim(s, "@")) })
		j.Put(f.path, []byte(content), rootfs.Attr{Mode: 0o644})
	}
}

var variableForm = regexp.MustCompile(`@[A-Z_]+@`)

// missingFiles makes what old platforms did not have.
func (j *job) missingFiles() {
	var shells strings.Builder
	for _, dir := range []string{"/bin/", "/usr/bin/"} {
		for _, shell := range []string{"bash", "csh", "ksh", "sh"} {
			shells.WriteString(dir + shell + "\n")
		}
	}
	j.Mkdir("/etc/ipadm")
	j.Create("/etc/ipadm/ipadm.conf", "")
	j.Create("/etc/shells", shells.String())
}

// hosts gives localhost its second name.
func (j *job) hosts() {
	j.Edit("/etc/hosts", seed, func(t *lines.Text) {
		t.Replace(func(line string) string {
			if slices.Contains(names(line), "localhost") && !slices.Contains(names(line), "localhost.local") {
				return localhost.ReplaceAllString(line, "$1 localhost.local$2")
			}
			return line
		})
	})
	j.Remove("/etc/issue")
}

// localhost is the name as a word of its own, before any comment.
var localhost = regexp.MustCompile(`^([^#]*?[ \t]localhost)([ \t#]|$)`)

// names are the words of a line of /etc/hosts behind the address.
func names(line string) []string {
	line, _, _ = strings.Cut(line, "#")
	if words := strings.Fields(line); len(words) > 0 {
		return words[1:]
	}
	return nil
}

// crontab has root look for vulnerabilities of packages once a day, and rotate logs every hour.
func (j *job) crontab() {
	j.Edit("/var/spool/cron/crontabs/root", seed, func(t *lines.Text) {
		t.Put(lines.Matching(`^[ \t]*[^# \t].*fetch-pkg-vulnerabilities`),
			"0 5 * * * "+j.prefix()+"/sbin/pkg_admin fetch-pkg-vulnerabilities >/dev/null 2>&1")
		t.Replace(func(line string) string { return logadmHour.ReplaceAllString(line, "$1*$2") })
	})
}

// logadmHour is a line that runs logadm, around its second field, the hour.
var logadmHour = regexp.MustCompile(`^([ \t]*[^# \t]\S*[ \t]+)\S+([ \t].*\blogadm\b.*)$`)

// syslog names the logs of the platform's rsyslog as the rest of the image does, and has it
// read nothing that lies outside the image.
func (j *job) syslog() {
	j.Edit("/etc/rsyslog.conf", seed, func(t *lines.Text) {
		t.Replace(strings.NewReplacer("auth.log", "authlog", "postfix.log", "maillog").Replace)
		cut := t.Find(lines.Matching(`^[ \t]*\$?IncludeConfig`))
		if cut < 0 {
			return
		}
		start := cut // with the comment and the empty line before it
		for start > 0 && start > cut-2 && lines.Matching(`^[ \t]*(#.*)?$`)(t.Line(start-1)) {
			start--
		}
		t.Remove(start, t.Len())
	})
	for _, name := range []string{"auth.log", "courier.log", "postfix.log"} {
		j.Remove("/var/log/" + name)
	}
	j.Mkdir("/var/log")
	for _, name := range []string{"authlog", "maillog", "syslog"} {
		j.Create("/var/log/"+name, "")
	}
}

// logadm rotates the two logs that are new, and none of a global zone's.
func (j *job) logadm() {
	j.Edit("/etc/logadm.conf", seed, func(t *lines.Text) {
		t.Delete(lines.Matching(`^[ \t]*[^# \t].*(vmadm|fwadm)`))
		at := t.Find(lines.Matching(`^/var/adm/messages[ \t]`)) + 1
		if at == 0 {
			at = t.Len()
		}
		for _, name := range []string{"/var/log/maillog", "/var/log/authlog"} { // the last one comes first
			line := name + " -C 5 -a 'kill -HUP `cat /var/run/*syslog*.pid`' -s 100m"
			m := lines.Matching(`^` + name + `[ \t]`)
			if t.Find(m) < 0 {
				t.Insert(at, line)
			} else {
				t.Put(m, line)
			}
		}
	})
}

// paths are those of what cron and su start. The lines of su are comments at first.
func (j *job) paths() {
	for _, f := range [][2]string{{"/etc/default/cron", `^`}, {"/etc/default/su", `^#?`}} {
		j.Edit(f[0], seed, func(t *lines.Text) {
			for _, name := range []string{"PATH", "SUPATH"} {
				t.Put(lines.Matching(f[1]+name+`=`), name+"="+j.variable("IMAGE_PATH"))
			}
		})
	}
}

// localDirectories are those of /usr/local. In a zone the platform's /usr is mounted over them.
func (j *job) localDirectories() {
	for _, dir := range strings.Fields("bin etc include lib sbin share/man src") {
		j.Mkdir("/usr/local/" + dir)
	}
	j.Symlink("share/man", "/usr/local/man", rootfs.Attr{})
}

// execAttr lets those who may install software use the tools of pkgsrc as root.
func (j *job) execAttr() {
	j.Edit("/etc/security/exec_attr", seed, func(t *lines.Text) {
		const comment = "# Tools of pkgsrc"
		t.Put(lines.Equal(comment), comment)
		for _, tool := range strings.Fields("bin/gmake bin/make bin/pkgin sbin/pkg_add sbin/pkg_admin" +
			" sbin/pkg_chk sbin/pkg_create sbin/pkg_delete sbin/pkg_info") {
			id := fmt.Sprintf("Software Installation:suser:cmd:::%s/%s:", j.prefix(), tool)
			t.Put(func(line string) bool { return strings.HasPrefix(line, id) }, id+"uid=0")
		}
	})
}

// sudoers lets admin become root. The file has the mode that sudo asks for.
func (j *job) sudoers() {
	j.Mkdir(j.sysconf("sudoers.d"))
	j.Put(j.sysconf("sudoers.d/admin"), []byte("admin ALL=(root) NOPASSWD: SETENV: ALL\n"), rootfs.Attr{Mode: 0o440})
}

// leftovers are what only the build of the image needed, and where the packages were for it. In a zone the second script removes them, being one itself.
func (j *job) leftovers() {
	packages, err := url.Parse(j.variable("PKGSRC_BASE"))
	if err != nil {
		j.Err = err
		return
	}
	j.Edit("/etc/hosts", seed, func(t *lines.Text) {
		t.Delete(func(line string) bool { return slices.Contains(names(line), packages.Hostname()) })
	})
	for _, path := range []string{"/etc/opasswd", "/etc/oshadow", "/etc/ouser_attr",
		"/root/customize", "/root/zoneconfig", "/var/tmp/basesetup"} {
		j.Remove(path)
	}
	j.Mkdir("/var/lock")
}
