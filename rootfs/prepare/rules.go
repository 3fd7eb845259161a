package prepare

import "imagetools/rootfs"

// rule says what becomes of the files that a pattern fits. The first rule that fits a file is
// the one that counts.
//
// Patterns have the names of path.Match, and
//
//	/etc/dhcp.*        files at that place; directories and links stay
//	/var/log/**        all files below
//	/var/log/**/*.gz   those of that name, at any depth
//	~/.viminfo         in the home of any user
//	/tmp/*/            whatever it is, with all that is in it
//
// Those of datasetRules are paths in the dataset.
type rule struct {
	action   Action // Create: made, or emptied
	leak     leak
	what     string
	patterns []string
	min      int64       // files of fewer bytes are left alone
	attr     rootfs.Attr // of what is created
}

// leak tells how bad it is for a file to be in an image; see [Leak].
type leak int

const (
	untidy  leak = iota // it had better not be there
	private             // unless it is empty
	mark                // even so
)

func removed(l leak, what string, patterns ...string) rule {
	return rule{action: Remove, leak: l, what: what, patterns: patterns}
}

func emptied(l leak, what string, patterns ...string) rule {
	return rule{action: Empty, leak: l, what: what, patterns: patterns}
}

func created(attr rootfs.Attr, what string, patterns ...string) rule {
	return rule{action: Create, what: what, patterns: patterns, attr: attr}
}

func (r rule) from(min int64) rule {
	r.min = min
	return r
}

// idLength is what a file with a machine id has at least: 32 digits. Placeholders that are
// filled at boot ("uninitialized") are shorter.
const idLength = 32

// What several rules are about.
const (
	hostKey   = "a private host key, which all zones made from the image would share"
	history   = "a history of what a user did"
	machineID = "the id of a machine, which all zones made from the image would share"
	metadata  = "metadata of the zone that the image was made from: it may hold keys and passwords"
	hosts     = "hosts that a user was connected to"
	logFile   = "a log"
	lease     = "a lease of an address"
	network   = "the network of this machine"
	packages  = "a cache of packages"
	secret    = "a key of this machine"
	oldUsers  = "an older copy of a file with users or passwords"
)

// datasetRules are about what vmadm(8) keeps beside the root of a zone.
var datasetRules = []rule{
	removed(mark, metadata, "config/metadata.json", "config/tags.json"),
	removed(untidy, "routes of the zone", "config/routes.json"),
}

// everywhere is what both systems have.
var everywhere = []rule{
	removed(private, hostKey, "/etc/ssh/ssh_*key*"),
	emptied(private, machineID, "/etc/machine-id").from(idLength),
	removed(private, machineID, "/var/lib/dbus/machine-id").from(idLength),

	removed(private, history, "~/.*history", "~/.lesshst", "~/.viminfo"),
	removed(untidy, history, "~/.wget-hsts"),
	removed(private, "a private key of a user", "~/.ssh/id_*", "~/.ssh/identity"),
	removed(private, hosts, "~/.ssh/known_hosts"),
	removed(untidy, hosts, "~/.ssh/known_hosts.old"),
	removed(untidy, "keys of a user", "~/.gnupg/"),
	removed(untidy, "what a user told Subversion, passwords too", "~/.subversion/"),

	removed(mark, "a mark of provisioning, which a new zone must not start with", "/var/svc/provision*"),
	removed(private, "a script or data from the metadata of the zone",
		"/var/svc/mdata-*script", "/var/tmp/mdata-user-script*", "/var/db/mdata-user-data"),

	removed(untidy, "mail", "/var/mail/**", "/var/spool/mail/**", "/var/spool/mqueue/**", "/var/spool/clientmqueue/**",
		"/var/spool/postfix/active/**", "/var/spool/postfix/bounce/**", "/var/spool/postfix/corrupt/**",
		"/var/spool/postfix/defer*/**", "/var/spool/postfix/flush/**", "/var/spool/postfix/hold/**",
		"/var/spool/postfix/incoming/**", "/var/spool/postfix/maildrop/**", "/var/spool/postfix/saved/**",
		"/var/spool/postfix/trace/**"),
	removed(untidy, "a temporary file", "/tmp/*/", "/var/tmp/*/"),
}

// smartOSRules follow sm-prepare-image.
var smartOSRules = []rule{
	removed(private, hostKey, "/var/ssh/ssh_*key*"),
	removed(private, machineID, "/opt/local/var/lib/dbus/machine-id").from(idLength),
	removed(untidy, network, "/etc/defaultrouter", "/etc/hostname.net*", "/etc/hostname6.net*", "/etc/dhcp.*"),
	removed(untidy, lease, "/etc/dhcp/*.dhc"),
	removed(untidy, "the socket to the metadata of the zone", "/.zonecontrol/metadata.sock"),
	removed(private, "what vmadm told the zone of itself", "/root/zoneconfig"),
	removed(untidy, oldUsers, "/etc/opasswd", "/etc/oshadow", "/etc/ouser_attr"),

	// The system only writes to these if they are there.
	created(rootfs.Attr{Mode: 0o644}, logFile, "/var/adm/messages", "/var/log/syslog"),
	created(rootfs.Attr{Mode: 0o600}, logFile, "/var/adm/sulog", "/var/cron/log"),
	created(rootfs.Attr{Mode: 0o644, UID: 4, GID: 4}, logFile, "/var/adm/wtmpx"), // adm's

	removed(untidy, logFile, "/var/adm/**", "/var/cron/**", "/var/svc/log/**", "/var/log/**/*log.*"),
	emptied(untidy, logFile, "/var/log/**"),
	removed(untidy, packages, "/var/db/pkgin/**"),
}

// linuxRules follow the preparation script of IMGAPI and the customs of distributions.
var linuxRules = []rule{
	removed(untidy, "the socket to the metadata of the zone", "/native/.zonecontrol/metadata.sock"),
	removed(untidy, packages, "/var/cache/apt/archives/**/*.deb", "/var/cache/apt/*.bin",
		"/var/cache/yum/**", "/var/cache/dnf/**", "/var/cache/libdnf5/**", "/var/cache/apk/**",
		"/var/cache/pacman/pkg/**", "/var/lib/pacman/sync/**", "/var/cache/xbps/**", "/var/cache/zypp/**"),
	removed(untidy, packages, "/var/lib/apt/lists/**").from(1), // the lock is empty

	removed(untidy, lease, "/var/lib/dhcp/**", "/var/lib/dhclient/**", "/var/lib/dhcpcd/**", "/var/lib/NetworkManager/*.lease"),
	removed(untidy, network, "/etc/udev/rules.d/70-persistent-net.rules", "/etc/netplan/50-cloud-init.yaml",
		"/etc/network/interfaces.d/50-cloud-init*", "/var/lib/NetworkManager/timestamps"),
	removed(untidy, secret, "/var/lib/NetworkManager/secret_key", "/var/lib/systemd/credential.secret"),
	removed(untidy, "random numbers that must not come twice",
		"/var/lib/systemd/random-seed", "/var/lib/urandom/random-seed", "/var/lib/random-seed"),
	removed(untidy, "the state of cloud-init",
		"/var/lib/cloud/instance/", "/var/lib/cloud/instances/*/", "/var/lib/cloud/data/*/", "/var/lib/cloud/sem/*/"),

	removed(untidy, oldUsers, "/etc/passwd-", "/etc/shadow-", "/etc/group-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-",
		"/var/backups/*.bak"),
	emptied(untidy, oldUsers, "/etc/security/opasswd"),
	removed(untidy, "what the installer was told, passwords too", "/root/anaconda-ks.cfg", "/root/original-ks.cfg"),

	removed(untidy, logFile, "/var/log/journal/**", "/var/log/**/*.[0-9]", "/var/log/**/*.gz", "/var/log/**/*.bz2",
		"/var/log/**/*.xz", "/var/log/**/*.zst", "/var/log/**/*.old", "/var/log/**/*-20[0-9][0-9][01][0-9][0-3][0-9]"),
	emptied(untidy, logFile, "/var/log/**"),
}
