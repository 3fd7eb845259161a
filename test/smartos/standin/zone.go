//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// zone is what the stand-ins in a zone share, as a folder.
type zone struct{ dir string }

// contract is a program as our scripts may call it.
type contract struct {
	name  string
	forms [][]string // of the arguments; see match
	// does is what it does, beyond being recorded; nil for nothing.
	does func(z *zone, args []string) error
}

// contracts are the programs of platform and packages. A form is a list of words, each of them
// itself or a blank to fill in:
//
//	FILE   a path that exists      PATH  an absolute path, or several with colons
//	NAME   of a user, group, package or property      N  a number
//	FMRI   of a service            URL   of http or https
//	MAP    a file that exists, perhaps behind hash:
//	ANY    any word                ...   the word before, once or more
var contracts = []contract{
	{"crle", [][]string{
		{"-c", "PATH", "-l", "PATH", "-s", "PATH"}, {"-64", "-c", "PATH", "-l", "PATH", "-s", "PATH"}, {"-c", "PATH", "-64", "-l", "PATH", "-s", "PATH"},
	}, func(_ *zone, args []string) error {
		return writeFile(valueOf(args, "-c", ""), "stand-in: crle "+strings.Join(args, " ")+"\n", 0o644)
	}},
	{"curl", [][]string{{"-s", "-o", "PATH", "URL"}, {"-fsS", "-o", "PATH", "URL"}}, nil},
	{"git", [][]string{
		{"clone", "URL", "PATH"}, {"clone", "-b", "NAME", "URL", "PATH"}, {"clone", "-b", "NAME", "--recurse-submodules", "URL", "PATH"},
		{"clone", "-b", "NAME", "--depth", "N", "--recurse-submodules", "--shallow-submodules", "URL", "PATH"},
		{"-C", "FILE", "submodule", "update", "--init"}, {"-C", "FILE", "submodule", "update", "--init", "--recursive"},
	}, (*zone).git},
	{"groupadd", [][]string{{"NAME"}, {"-g", "N", "NAME"}, {"-o", "-g", "N", "NAME"}}, func(z *zone, args []string) error {
		return newEntry("/etc/group", args[len(args)-1], fmt.Sprintf("::%s:", valueOf(args, "-g", "100")))
	}},
	{"mozilla-rootcerts", [][]string{{"install"}}, func(*zone, []string) error {
		return writeFile(certificate(), "stand-in for the root certificates\n", 0o644)
	}},
	{"newaliases", [][]string{{}}, nil},
	{"npm", [][]string{{"install", "-g", "NAME"}, {"install", "--prefix", "PATH", "NAME"}}, func(_ *zone, args []string) error {
		return os.MkdirAll(filepath.Join(valueOf(args, "--prefix", prefix()), "node_modules", args[len(args)-1]), 0o755)
	}},
	{"passwd", [][]string{{"-N", "NAME"}, {"-l", "NAME"}, {"-d", "NAME"}}, nil},
	{"pkg_add", [][]string{{"NAME", "..."}, {"-u", "NAME", "..."}}, (*zone).pkgAdd},
	{"pkg_admin", [][]string{{"rebuild"}, {"fetch-pkg-vulnerabilities"}}, nil},
	{"pkg_alternatives", [][]string{{"rebuild"}}, nil},
	{"pkg_info", [][]string{{"-e", "NAME"}, {"-E", "NAME"}, {"-qe", "NAME"}, {"-qE", "NAME"}}, (*zone).pkgInfo},
	{"postmap", [][]string{{"MAP"}}, func(_ *zone, args []string) error {
		return writeFile(strings.TrimPrefix(args[0], "hash:")+".db", "stand-in\n", 0o644)
	}},
	{"shutdown", [][]string{{"-y", "ANY", "ANY"}}, (*zone).shutdown},
	{"sm-prepare-image", [][]string{{"-y"}}, (*zone).prepareImage},
	{"svcadm", [][]string{
		{"enable", "FMRI"}, {"enable", "-s", "FMRI"}, {"disable", "FMRI"}, {"disable", "-s", "FMRI"},
		{"restart", "FMRI"}, {"refresh", "FMRI"}, {"clear", "FMRI"},
	}, nil},
	{"svccfg", [][]string{
		{"import", "FILE"}, {"validate", "FILE"}, {"-s", "FMRI", "setprop", "NAME", "=", "ANY", "..."},
		{"-s", "FMRI", "addpg", "NAME", "NAME"}, {"-s", "FMRI", "delprop", "NAME"}, {"-s", "FMRI", "refresh"}, {"delete", "FMRI"},
	}, nil},
	{"svcprop", [][]string{{"-p", "NAME", "FMRI"}}, func(*zone, []string) error { fmt.Println("false"); return nil }},
	{"svcs", [][]string{{"-H", "-o", "state", "FMRI"}}, func(*zone, []string) error { fmt.Println("online"); return nil }},
	{"useradd", [][]string{{"ANY", "..."}}, (*zone).useradd},
	{"usermod", [][]string{{"ANY", "..."}}, (*zone).usermod},
	{"wget", [][]string{{"ANY", "..."}}, (*zone).wget},
	{"zonename", [][]string{{}}, func(z *zone, _ []string) error {
		name, err := os.ReadFile(filepath.Join(z.dir, "name"))
		fmt.Println(string(name))
		return err
	}},
}

// inZone is the program name in a zone.
func inZone(z *zone, name string, args []string) error {
	return recorded(z.dir, name, args, func() error {
		i := slices.IndexFunc(contracts, func(c contract) bool { return c.name == name })
		if i < 0 {
			return unknown("program %q in a zone", name)
		}
		c := contracts[i]
		if !slices.ContainsFunc(c.forms, func(form []string) bool { return match(form, args) }) {
			return unknown("%s %q", name, args)
		}
		for listed(z.dir, "hold", name, args) {
			time.Sleep(10 * time.Millisecond)
		}
		if listed(z.dir, "fail", name, args) {
			return fmt.Errorf("%s: the test has it fail", name)
		}
		if c.does == nil {
			return nil
		}
		return c.does(z, args)
	})
}

// listed tells whether the test wants something of this call: a file of its holds lines of a
// program's name and perhaps a word that is among its arguments.
func listed(dir, file, name string, args []string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "packages", file))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) > 0 && words[0] == name && (len(words) == 1 || slices.Contains(args, words[1])) {
			return true
		}
	}
	return false
}

var (
	nameForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./-]*$`)
	pathForm = regexp.MustCompile(`^/[^:]*(:/[^:]*)*$`)
	urlForm  = regexp.MustCompile(`^https?://[^ ]+$`)
	fmriForm = regexp.MustCompile(`^(svc:/)?[a-z][a-zA-Z0-9_,.-]*(/[a-zA-Z0-9_,.-]+)*(:[a-zA-Z0-9_,.-]+)*$`)
)

// match tells whether arguments have a form.
func match(form, args []string) bool {
	if len(form) > 0 && form[len(form)-1] == "..." {
		form = form[:len(form)-1]
		for len(form) < len(args) {
			form = append(slices.Clip(form), form[len(form)-1])
		}
	}
	return slices.EqualFunc(form, args, func(word, arg string) bool {
		switch word {
		case "FILE":
			_, err := os.Stat(arg)
			return err == nil
		case "PATH":
			return pathForm.MatchString(arg)
		case "NAME":
			return nameForm.MatchString(arg)
		case "N":
			return arg != "" && strings.Trim(arg, "0123456789") == ""
		case "FMRI":
			return fmriForm.MatchString(arg)
		case "URL":
			return urlForm.MatchString(arg)
		case "MAP":
			_, err := os.Stat(strings.TrimPrefix(arg, "hash:"))
			return err == nil
		case "ANY":
			return arg != ""
		}
		return word == arg
	})
}

// valueOf returns the argument behind an option.
func valueOf(args []string, option, otherwise string) string {
	if i := slices.Index(args, option); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	return otherwise
}

func writeFile(path, text string, mode fs.FileMode) error {
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), mode))
}

// newEntry adds a line to a file such as /etc/passwd.
func newEntry(path, name, rest string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, name+":") {
			return said("%s: ERROR: %s is already in use. Choose another.", path, name)
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(name + rest + "\n")
	return errors.Join(err, f.Close())
}

// prefix is where pkgsrc is: its bootstrap tells.
func prefix() string {
	if exists("/opt/local/sbin/pkg_add") {
		return "/opt/local"
	}
	return "/usr"
}

// certificate is the first of the root certificates, as pkgsrc has them.
func certificate() string {
	const name = "openssl/certs/mozilla-rootcert-0.pem"
	if prefix() == "/usr" {
		return filepath.Join("/etc", name)
	}
	return filepath.Join(prefix(), "etc", name)
}

// wget fetches nothing, and deletes that. The cache it reads kits through keeps one.
func (z *zone) wget(args []string) error {
	url := args[len(args)-1]
	if !slices.Contains(args, "--delete-after") || !urlForm.MatchString(url) {
		return unknown("wget %q", args)
	}
	if strings.HasSuffix(url, "/packages/SmartOS/bootstrap-pbulk/") {
		return writeFile("/data/packages/SmartOS/bootstrap-pbulk/bootstrap-2024Q4-x86_64.tar.gz", "stand-in\n", 0o644)
	}
	return nil
}

func (z *zone) git(args []string) error {
	if args[0] != "clone" {
		return nil
	}
	return os.MkdirAll(filepath.Join(args[len(args)-1], ".git"), 0o755)
}

// pkgAdd adds packages: the trees of the test's folder packages.
func (z *zone) pkgAdd(args []string) error {
	if given := os.Getenv("SSL_CA_CERT_FILE"); !exists(certificate()) && (given == "" || !exists(given)) {
		return unknown("pkg_add fetches packages before there are certificates")
	}
	for _, name := range args {
		if strings.HasPrefix(name, "-") {
			continue
		}
		tree := filepath.Join(z.dir, "packages", name)
		if _, err := os.Stat(tree); err != nil || strings.ContainsRune(name, '/') {
			return said("pkg_add: no pkg found for '%s', sorry.\npkg_add: 1 package addition failed", name)
		}
		// What is there stays, as configuration files do.
		if out, err := exec.Command("cp", "-a", "-n", tree+"/.", "/").CombinedOutput(); err != nil {
			return fmt.Errorf("pkg_add %s: %w: %s", name, err, out)
		}
		if err := writeFile(filepath.Join(pkgDB(), name+"-1.0", "+CONTENTS"), "stand-in\n", 0o644); err != nil {
			return err
		}
	}
	return nil
}

// pkgDB is where pkgsrc keeps what is installed.
func pkgDB() string {
	if prefix() == "/usr" {
		return "/var/db/pkg"
	}
	return filepath.Join(prefix(), "pkg")
}

func (z *zone) pkgInfo(args []string) error {
	name := args[len(args)-1]
	if _, err := os.Stat(filepath.Join(pkgDB(), name+"-1.0")); err != nil {
		return exitError(1)
	}
	if !strings.HasPrefix(args[0], "-q") {
		fmt.Println(name + "-1.0")
	}
	return nil
}

// useradd knows the options of illumos (useradd(8)).
func (z *zone) useradd(args []string) error {
	options, names, err := flags(args, "mo", "ugGdscPAkRe")
	if err != nil {
		return err
	}
	if len(names) != 1 || !nameForm.MatchString(names[0]) {
		return unknown("useradd %q", args)
	}
	name := names[0]
	home := options['d']
	if home == "" {
		home = "/home/" + name
	}
	group, err := groupID(options['g'])
	if err != nil {
		return err
	}
	err = newEntry("/etc/passwd", name, fmt.Sprintf(":x:%s:%s:%s:%s:%s", options['u'], group, options['c'], home, options['s']))
	if err == nil {
		err = newEntry("/etc/shadow", name, ":*LK*:::::::")
	}
	if profiles := options['P']; err == nil && profiles != "" {
		err = newEntry("/etc/user_attr", name, "::::type=normal;profiles="+profiles)
	}
	if _, make := options['m']; err == nil && make {
		err = makeHome(home, options['k'], options['u'], group)
	}
	// What was there before is kept, as the real one does.
	return errors.Join(err, writeFile("/etc/opasswd", "", 0o644), writeFile("/etc/oshadow", "", 0o400))
}

// groupID is the number of a group.
func groupID(name string) (string, error) {
	text, err := os.ReadFile("/etc/group")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Split(line, ":"); len(f) > 2 && f[0] == name {
			return f[2], nil
		}
	}
	return "", said("UX: useradd: ERROR: Unknown group %s.", name)
}

// makeHome makes the home of a user, with what the skeleton has.
func makeHome(home, skeleton, uid, group string) error {
	if skeleton == "" {
		skeleton = "/etc/skel"
	}
	script := `mkdir -p "$1"; [ ! -d "$2" ] || cp -R "$2/." "$1"; chown -hR "$3:$4" "$1"`
	if out, err := exec.Command("sh", "-ec", script, "sh", home, skeleton, uid, group).CombinedOutput(); err != nil {
		return fmt.Errorf("useradd: %w: %s", err, out)
	}
	return nil
}

func (z *zone) usermod(args []string) error {
	options, names, err := flags(args, "mo", "ugGdscPAkRe")
	if err != nil {
		return err
	}
	if len(names) != 1 || !nameForm.MatchString(names[0]) {
		return unknown("usermod %q", args)
	}
	text, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return err
	}
	if !strings.Contains("\n"+string(text), "\n"+names[0]+":") {
		return fmt.Errorf("usermod: ERROR: %s does not exist", names[0])
	}
	if options['P'] == "" {
		return nil
	}
	if text, err = os.ReadFile("/etc/user_attr"); err != nil {
		return err
	}
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, names[0]+":") {
			b.WriteString(line)
		}
	}
	fmt.Fprintf(&b, "%s::::type=normal;profiles=%s\n", names[0], options['P'])
	return errors.Join(writeFile("/etc/user_attr.new", b.String(), 0o644), os.Rename("/etc/user_attr.new", "/etc/user_attr"))
}

// shutdown has the zone come down when its grace is over.
func (z *zone) shutdown(args []string) error {
	if !regexp.MustCompile(`^-g\d+$`).MatchString(args[1]) || !regexp.MustCompile(`^-i[05]$`).MatchString(args[2]) {
		return unknown("shutdown %q", args)
	}
	return writeFile(filepath.Join(z.dir, haltAsked), "", 0o666)
}

// prepareImage removes what sm-prepare-image does of files, and shuts the zone down.
func (z *zone) prepareImage([]string) error {
	for _, pattern := range []string{
		"/etc/ssh/ssh_*key*", "/var/ssh/ssh_*key*", "/etc/defaultrouter", "/etc/dhcp/*.dhc", "/etc/dhcp.*", "/etc/hostname.net*",
		"/var/adm/*", "/var/cron/*", "/var/db/pkgin/*", "/var/svc/log/*", "/var/svc/provision*", "/var/log/*log.*",
		"/root/.*history", "/root/.gnupg", "/root/.lesshst", "/root/.viminfo", "/root/.ssh/known_hosts",
	} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, p := range paths {
			if err := os.RemoveAll(p); err != nil {
				return err
			}
		}
	}
	return z.shutdown([]string{"-y", "-g10", "-i0"})
}
