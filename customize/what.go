package customize

// what the steps do, in a line.
var what = map[string]string{
	"sshd":              "logins by key alone, and what the platform has for them",
	"locale":            "LANG=C",
	"product":           "what the image is: /etc/product, /etc/pkgsrc_version, /etc/release",
	"missing-files":     "files that old platforms did not have",
	"hosts":             "localhost.local; no /etc/issue",
	"crontab":           "root looks for vulnerabilities of packages, and rotates logs every hour",
	"syslog":            "names of logs, and nothing read from outside the image",
	"logadm":            "rotation of authlog and maillog, none of a global zone's logs",
	"skeleton":          "root has the files of /etc/skel",
	"paths":             "PATH of cron and su",
	"local-directories": "the directories of /usr/local",
	"postfix":           "mail of the host alone (if the package is there)",
	"exec-attr":         "software installers may use the tools of pkgsrc",
	"users":             "the users admin and _pkgsrc, of pkgbuild pbulk",
	"sudoers":           "admin may become root",
	"leftovers":         "what only the build of the image needed goes",
}

// What the step does, in a line.
func (s Step) What() string { return what[s.Name] }
