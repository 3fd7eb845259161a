package prepare

import "strings"

// smartOS plans what only a SmartOS zone needs.
func (f *finder) smartOS() {
	addresses := f.addresses() // from files that go
	f.rules(smartOSRules)
	f.makeDir("/var/ssh", "host keys are made there")
	f.edit("/etc/nodename", "the name of this machine", func([]byte) []byte { return []byte("unknown\n") })
	f.edit("/etc/hosts", "names of other machines than localhost", localHosts)
	for _, p := range []string{"/etc/hosts", "/etc/inet/hosts", "/etc/inet/ipnodes"} { // names of one file
		f.claim(p)
	}
	f.passwords([]string{"root", "admin"}, "NP") // as passwd -N sets it: keys still fit
	f.placeholders(addresses)
	f.noteServices()
}

// linux plans what only a Linux needs.
func (f *finder) linux() {
	f.rules(linuxRules)
	text, err := optional(f.fs, "/etc/hostname")
	f.fault("/etc/hostname", err)
	if name := strings.TrimSpace(text); name != "" && !localNames[name] {
		f.edit("/etc/hostname", "the name of this machine", func([]byte) []byte { return []byte("localhost\n") })
		f.edit("/etc/hosts", "the name of this machine", func(hosts []byte) []byte { return withoutHost(hosts, name) })
	}
	f.passwords([]string{"root"}, "*")
	if len(f.opts.Addresses) > 0 {
		f.note("addresses stay as they are: only images of SmartOS have placeholders that are filled in at boot")
	}
}

// makeDir plans a directory that does not exist.
func (f *finder) makeDir(path, what string) {
	if _, err := f.fs.Stat(path); missing(err) {
		if _, err := f.fs.Lstat(path); missing(err) {
			f.change(path, Create, what, makeDir)
		}
	} else {
		f.fault(path, err)
	}
}

// provisioning are files of which one says that an image can be provisioned with zoneinit
// (vmadm, for the brands joyent and builder).
var provisioning = []string{"/var/zoneinit/zoneinit.json", "/var/zoneinit/includes/04-mdata.sh", "/root/zoneinit.d/04-mdata.sh"}

// noteServices tells what sm-prepare-image does to services, which needs the running zone.
func (f *finder) noteServices() {
	zoneinit := false
	for _, p := range provisioning {
		_, err := f.fs.Stat(p)
		zoneinit = zoneinit || err == nil
	}
	if !zoneinit {
		f.note("zones of the brands joyent and builder cannot be made from this: there is no zoneinit, which sm-prepare-image of smtools brings")
	} else if _, err := f.fs.Lstat("/etc/svc/repository.db"); err == nil {
		f.note("services are as they were, and zoneinit only works in new zones if it is enabled; if the zone was booted since it was made, run in it before you halt it: " +
			"svcadm enable -s zoneinit; svccfg -s zoneinit setprop application/done = false; svcadm refresh zoneinit; " +
			"svcadm disable svc:/smartdc/mdata:fetch svc:/smartdc/mdata:execute")
	}
	vfstab, err := optional(f.fs, "/etc/vfstab")
	f.fault("/etc/vfstab", err)
	for line := range strings.Lines(vfstab) {
		if fields := strings.Fields(line); len(fields) == 7 && !strings.HasPrefix(fields[0], "#") && fields[3] == "nfs" {
			f.note("/etc/vfstab mounts %q: new zones wait for it when they boot, unless svc:/network/nfs/client is disabled in the zone", fields[0])
		}
	}
}
