# Makes a dataset in three snapshots, sends each step with several sets of flags, and receives
# every chain of them. Before it stand: name, and step1, step2 and step3, the properties that the
# dataset has while the snapshot is filled. Results, in the working directory:
#	STEP-FLAGS.zfs   streams; FLAGS counts the sets from 0
#	source-STEP      listings of the source
#	chains           lines "FLAGS... VERDICT", for one to three steps; the verdict is received,
#	                 refused, or differs, with the listing in taken-FLAGS...

sets=("" "-L" "-ec" "-Lec")

tree() {
	mount -t zfs -o zfsutil "zones/$name" /mnt
	/tmp/chaintree "$@" /mnt
	umount /mnt
}

lists() {
	mount -t zfs -o ro "$1" /mnt
	lister /mnt | sed '1s/"ino":[0-9]*/"ino":0/' # that of the root of a mounted snapshot is made up
	umount /mnt
}

zfs create $step1 "zones/$name"
for step in 1 2 3; do
	properties=step$step
	for p in ${!properties}; do
		[ "$p" = -o ] || zfs set "$p" "zones/$name"
	done
	tree remove $step
	zpool sync zones
	tree add $step
	zfs snapshot "zones/$name@$step"
	lists "zones/$name@$step" >"source-$step"
	from=
	[ $step = 1 ] || from="-i @$((step - 1))"
	for flags in 0 1 2 3; do
		zfs send ${sets[$flags]} $from "zones/$name@$step" >"$step-$flags.zfs"
	done
done

# take STEP FLAGS...: receive the stream with the last flags on what the others gave
take() {
	local step=$1 flags=${!#}
	shift
	if ! zfs receive "zones/taken" <"$step-$flags.zfs" 2>>messages; then
		echo "$* refused" >>chains
		return 1
	fi
	lists "zones/taken@$step" >/tmp/taken
	if cmp -s /tmp/taken "source-$step"; then
		echo "$* received" >>chains
	else
		echo "$* differs" >>chains
		cp /tmp/taken "taken-$(echo "$*" | tr -d ' ')"
	fi
}

for a in 0 1 2 3; do
	take 1 $a || continue
	for b in 0 1 2 3; do
		take 2 $a $b || continue
		for c in 0 1 2 3; do
			take 3 $a $b $c || true
			zfs rollback -r zones/taken@2
		done
		zfs rollback -r zones/taken@1
	done
	zfs destroy -r zones/taken
done
zfs destroy -r "zones/$name"
