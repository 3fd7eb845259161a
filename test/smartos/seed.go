//go:build linux

package smartos

import (
	"os/exec"
	"testing"
)

// minimalSeed is the least that a zone of brand joyent begins with.
const minimalSeed = `
umask 022
mkdir -p "$1/root"
cd "$1/root"
mkdir -p dev etc/ssh etc/svc export/home home lib opt proc root sbin system tmp usr
mkdir -p var/adm var/cron var/ld/64 var/log var/svc/log var/tmp var/zoneinit/includes
ln -s usr/bin bin
cat >etc/passwd <<END
root:x:0:0:Super-User:/root:/usr/bin/bash
daemon:x:1:1::/:
nobody:x:60001:60001:NFS Anonymous Access User:/:
END
printf '%s\n' 'root:NP:6445::::::' 'daemon:NP:6445::::::' 'nobody:*LK*:6445::::::' >etc/shadow
chmod 400 etc/shadow
printf '%s\n' 'root::0:' 'other::1:root' 'sys::3:root,adm' 'staff::10:' 'nobody::60001:' >etc/group
printf '%s\n' 'root::::type=normal;auths=solaris.*;profiles=All' >etc/user_attr
printf '%s\n' '::1 localhost' '127.0.0.1 localhost loghost' >etc/hosts
printf 'stand-in\n' >etc/svc/repository.db
printf '{"version": "1.6.6", "features": {"var_svc_provisioning": true, "reboot": true}}\n' >var/zoneinit/zoneinit.json
`

// MinimalSeed fills the dataset of a seed image: users, and what vmadm asks for.
func MinimalSeed(t *testing.T, dir string) {
	t.Helper()
	if out, err := exec.Command("sh", "-ec", minimalSeed, "sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
