package cases

// verify is the script that verifies streams of the cases.
func verify(files string) string {
	return `for f in ` + files + `; do case $f in *.xz) xz -dc "$CASES/$f" >$(basename $f .xz);; *.gz) gzip -dc "$CASES/$f" >$(basename $f .gz);; esac; done
set -- $(for f in ` + files + `; do b=$(basename $f); echo ${b%.*}; done); "$IT" verify "$@" 2>&1; echo "rc $?"`
}

// damaged is a stream of the directory attack that verify must call damaged, for a reason.
func damaged(name, why string) row {
	file := "attack/" + name + ".zfs.gz"
	return row{name: file, script: verify(file), want: []string{`^damage: .*` + why, `^rc 1$`}}
}

// packed runs a generator of archives and reads one file through each packing.
const packed = `bash "$CASES/formats/gen_compress.sh" g 2>&1
for f in g/*.tar.*; do "$IT" create-image x-1.0 $f -q -o $f.out --description d >err 2>&1; echo "$(basename $f): $("$IT" cat $f.out/x-1.0.json root/etc/motd 2>/dev/null) $(grep error err)"; done`

const disks = `bash "$CASES/formats/gen_disks.sh" g 2>&1; cd g
for f in odd-*.vmdk disk.gz.xz x.ova gce.tar.gz disk.lzma disk.lz4 disk.zip gpt-cut.raw; do
	"$IT" create-image x-1.0 $f --type zvol --os other -q -o $f.out --description d >err 2>&1; echo "$f: rc $? $(grep -E 'error|warning' err | tr '\n' ' ')"
	[ -f $f.out/x-1.0.json ] && "$IT" cat $f.out/x-1.0.json 2>/dev/null | head -c 8388608 | sha256sum | sed "s/-/of $f/"
done; head -c 8388608 disk.raw | sha256sum | sed 's/-/of disk.raw/'`

var rows = []row{
	{name: "smartos/01-template-keeps-identity.sh",
		want:  []string{`"name": "web"`, `"name": "app"`, `"urn": "sdc:sdc:web:1.0"`},
		never: []string{`"uuid": "0f2d3c4b`, `sdc:base-64-example`, `"published_at": "2023-11-13`}},
	{name: "smartos/02-min-platform-nowhere.sh",
		want: []string{`m\.json.*no host meets it`, `manifest: .*no host meets it`, `o/foo-2\.0\.0\.json.*no host meets it`, `o/foo-2\.0\.1\.json.*no host meets it`}},
	{name: "smartos/03-neighbours-of-a-manifest.sh",
		want: []string{`get\.json.*imgadm get`, `images\.json.*a list of images`, `avail\.json.*a list of images`, `vm\.json.*virtual machine`}},
	{name: "smartos/04-raw-disk-compressed.sh",
		want: []string{`image +o/a-1\.0\.zvol\.gz`, `exists already|already exists`}}, // both make a-1.0
	{name: "smartos/05-disk-in-a-tar.sh",
		want: []string{`raw disk.*"disk\.raw" in a tar`, `image +o/deb-1\.0\.zvol`, `0000 0000 0000 0000`}},
	{name: "smartos/06-hyphen-in-version.sh",
		want: []string{`"name": "adminui"`, `"version": "release-20161124-20161123T224055Z-g2c4c350"`}},
	{name: "smartos/07-dsmanifest-beside-stream.sh",
		want: []string{`old-1\.0\.dsmanifest: valid`, `0 times damage`}, never: []string{`error`}},
	{name: "smartos/08-classic-overlay.sh",
		want: []string{`/opt/local/etc/postfix/aliases: new file`}, never: []string{`/sysconfdir`}},
	{name: "smartos/09-lint-for-server.sh",
		want: []string{`pub\.json: valid for public`, `pub\.json: valid for dc`, `o/web-1\.0\.json: valid for public`}, never: []string{`^rc 1`}},
	{name: "smartos/10-group-writable-overlay.sh",
		want: []string{`warning: overlay .* written by group`}},
	{name: "smartos/11-file-capabilities.sh",
		want: []string{`"path":"root/bin/ping".*"mode":"4755"`}},
	{name: "smartos/12-root-at-the-wrong-level.sh",
		want: []string{`^root/etc$`, `^root/sbin$`}, never: []string{`root/rootfs$`, `metadata\.yaml`}},
	{name: "smartos/13-mibe-recipe-as-input.sh",
		want: []string{`"mi": a mibe repository`, `overlay "mi": a mibe repository`, `mi/manifest: .*mibe`, `mi/manifest\.json: .*mibe`}},

	// What the kernel does with them is told where mutants of streams are judged, in
	// test/conformance.
	damaged("again", "a second time"),
	damaged("badname", "not the name of a snapshot"),
	damaged("bm", "LARGE_MICROZAP"),
	damaged("byref-quadratic", "out of order"),
	damaged("cd", "collision number"),
	damaged("chain-name", "chain"),
	damaged("clone", "CLONE"),
	damaged("e1", "came before"),
	damaged("e2", "came before"),
	damaged("e8", "embedded"),
	damaged("e13", "compression 0"),
	damaged("fuid", "list of domains"),
	damaged("fuzz-ours5b-3248", "normalization"),
	damaged("fuzz-ours5b-4354", "chain"),
	damaged("hardlink-bomb", "LARGE_BLOCKS"),
	damaged("longname", "the name of the snapshot has 250 bytes"),
	damaged("nd1", "normalization"),
	damaged("slots", "dnode slots"),
	damaged("tiny.layout-02", "not a number as kernels write it"),
	{name: "attack/freeobj.zfs.gz", script: verify("attack/freeobj.zfs.gz") + `; "$IT" cat freeobj.zfs root/f | tr -d '\0' | wc -c`,
		want: []string{`^damage: .*frees what this stream has written`, `^[1-9]\d*$`}}, // the contents stay
	{name: "attack/deep-paths.zfs.gz", script: verify("attack/deep-paths.zfs.gz"), want: []string{`^sound`, `^rc 0`}},
	{name: "attack/xattr-bomb.zfs.gz", script: verify("attack/xattr-bomb.zfs.gz") + `; "$IT" extract -q -C x xattr-bomb.zfs; echo "extract $?"`,
		want: []string{`^warning: .*so the file cannot be extracted`, `too large`, `^extract 1`}},
	{name: "attack/snapshots-bomb.zfs.gz", script: verify("attack/snapshots-bomb.zfs.gz"), want: []string{`memory limit exceeded`, `hint: use --memory-limit`, `^rc 1`}},

	{name: "formats/zfs-full.zfs.xz formats/zfs-inc-L.zfs.xz",
		script: verify("formats/zfs-full.zfs.xz formats/zfs-inc-L.zfs.xz") + `; "$IT" cat zfs-inc-L.zfs --origin zfs-full.zfs big | tr -d '\0' | wc -c`,
		want:   []string{`^rc 0`, `0 times damage`, `^[1-9]\d{6}$`}}, // not a megabyte of NULs
	{name: "formats/zfs-oldspill-a.zfs.xz formats/zfs-oldspill-b.zfs.xz", script: verify("formats/zfs-oldspill-a.zfs.xz formats/zfs-oldspill-b.zfs.xz"), want: []string{`0 times damage`, `^rc 0`}},
	{name: "formats/zfs-spill-a.zfs.xz formats/zfs-spill-b.zfs.xz", script: verify("formats/zfs-spill-a.zfs.xz formats/zfs-spill-b.zfs.xz"), want: []string{`0 times damage`, `^rc 0`}},
	{name: "formats/zfs-rmdir-cwd.zfs.xz", script: verify("formats/zfs-rmdir-cwd.zfs.xz"), want: []string{`^sound`, `^rc 0`}},
	{name: "formats/zfs-resume.zfs.xz", script: verify("formats/zfs-resume.zfs.xz") + `; "$IT" ls zfs-resume.zfs; "$IT" create-image x-1.0 zfs-resume.zfs -o o`,
		want: []string{`^incomplete`, `error: .*rest of an interrupted send`, `hint: .*zfs send without -t`}, never: []string{`guid 0x0`}},
	{name: "formats/gen_compress.sh", script: packed,
		want: []string{`^bcj\.tar\.xz: hello`, `^dict128M\.tar\.xz: hello`, `^pzstd\.tar\.zst: hello`, `^skippable-first\.tar\.zst: hello`,
			`^skippable-last\.tar\.zst: hello`, `^zero-padded\.tar\.bz2: hello`, `^long31\.tar\.zst: .*error: .*window`}}, // zstd refuses it too
	{name: "formats/gen_disks.sh", script: disks,
		want: []string{`^odd-streamOptimized\.vmdk: rc 0`, `^odd-monolithicSparse\.vmdk: rc 0`, `^disk\.gz\.xz: rc 0`, `^x\.ova: rc 0`, `^gce\.tar\.gz: rc 0`,
			`^disk\.lzma: rc [12] .*error`, `^disk\.lz4: rc [12] .*error`, `^disk\.zip: rc [12] .*error`, `^gpt-cut\.raw: rc 0 .*warning.*GPT`}},
	{name: "formats/gen_mtree.sh", script: `bash "$CASES/formats/gen_mtree.sh" g; cd g
cp nochange.mtree d.mtree; sed -i '/nochange/!b' d.mtree; "$IT" create-image x-1.0 d -q -o o --description d >/dev/null 2>&1; "$IT" ls -l o/x-1.0.json root | grep mnt
for m in many-xattrs set-xattrs; do "$IT" create-image $m-1.0 d --metalog $m.mtree -q -o o --description d >err 2>&1; echo "$m $?: $(wc -c <err)"; done`,
		want: []string{`drwx------.* root/mnt`, `^many-xattrs \d: \d{1,5}$`, `^set-xattrs \d: \d{1,5}$`}},

	{name: "hosts/gen-0.zfs.gz", script: verify("hosts/gen-0.zfs.gz"), want: []string{`^damage: .*generation is 0`, `^rc 1`}},
	{name: "hosts/version-4-sa.zfs.gz", script: verify("hosts/version-4-sa.zfs.gz"), want: []string{`^damage: .*version 4`, `^rc 1`}},
	{name: "hosts/checksum-13.zfs.gz", script: verify("hosts/checksum-13.zfs.gz"), want: []string{`^warning: .*checksum 13`}},
}

// elsewhere are files that are no case for a row, and why.
var elsewhere = map[string]string{
	"smartos/lib.sh":                              "of the scripts",
	"smartos/14-vm-drivers.txt":                   "what vmadm get prints is a test of cmd/imagetools",
	"formats/tarlib.py":                           "of the generators",
	"formats/ocilib.py":                           "of the generators",
	"formats/gen_tar1.py":                         "test/conformance compares odd tars with GNU tar",
	"formats/gen_blow.py":                         "tars that take much memory are a test of cmd/imagetools",
	"formats/gen_oci1.py":                         "test/conformance compares layers with umoci and buildah",
	"formats/gen_oci2.py":                         "documents of layouts are a test of tree/fromoci",
	"formats/gen_docker1.py":                      "archives of docker save are a test of tree/fromoci",
	"formats/oci-buildah-dir-over-symlink.tar.xz": "layers are a test of tree/fromoci",
	"attack/thief.c":                              "outputs below the directories of others are a test of internal/durable",
	"attack/swap.c":                               "likewise",
	"attack/sig.py":                               "signals are a test of internal/durable",
	"attack/chg.py":                               "changes of what is read are a test of image",
	"attack/chg2.py":                              "likewise",
	"attack/prepare-links.py":                     "homes behind links are a test of rootfs",
	"hosts/README.md":                             "a text",
	"hosts/roots.sh":                              "roots whose links lead out of the zone: not judged yet as that",
	"hosts/spill-base.zfs.gz":                     "an increment that old kernels stop at: not told yet",
	"hosts/spill-inc.zfs.gz":                      "likewise",
}
