# What the scripts here have in common. Each makes some datasets of the pool zones, lists their
# snapshots and sends them. Results, in the working directory:
#	NAME.zfs            streams
#	DATASET%SNAPSHOT    listings, with % for / and @
#	commands            a line "NAME<TAB>COMMAND" for each file NAME.zfs
#	index               a line "STREAM<TAB>NAMES<TAB>SNAPSHOTS" for each stream

# filesystem DATASET [zfs create OPTIONS]
filesystem() {
	local name=$1
	shift
	zfs create "$@" "zones/$name"
}

# tree DATASET MAKETREE-ARGUMENTS...: run maketree on a mounted dataset
tree() {
	local name=$1
	shift
	mount -t zfs -o zfsutil "zones/$name" /mnt
	/tmp/maketree "$@" /mnt
	umount /mnt
}

# evolve DATASET ROUND [FLAGS]: remove files, so that their object numbers are free when the file
# system is next mounted, then change files and make new ones
evolve() {
	local name=$1 round=$2
	shift 2
	tree "$name" remove "$round"
	zpool sync zones
	tree "$name" "$@" add "$round"
}

# snap DATASET@SNAPSHOT: take a snapshot and list it
snap() {
	zfs snapshot "zones/$1"
	list "zones/$1"
}

facts() {
	printf '{"dataset":"%s","snapshot":"%s","guid":"%s","creation":%s,"objset":"%s"%s}\n' \
		"${1%@*}" "${1#*@}" $(zfs get -Hp -o value guid,creation "$1") "$2" "$3"
}

list() {
	{
		facts "$1" zpl ",\"zpl\":$(zfs get -Hp -o value version "$1")"
		mount -t zfs -o ro "$1" /mnt
		lister /mnt
		umount /mnt
	} >"$(listing "$1")"
}

listing() { echo "$1" | tr /@ %%; }

# volume DATASET BLOCKSIZE SIZE: a volume, whose device is then the only one
volume() {
	zfs create -V "$3" -o volblocksize="$2" "zones/$1"
}

# write_volume DATASET ROUND SNAPSHOT: change its blocks, take a snapshot, list it
write_volume() {
	local dev= name=zones/$1@$3
	zfs set volmode=dev "zones/$1"
	for i in 1 2 3 4 5; do
		dev=$(ls /dev/zd* 2>/dev/null | head -n1)
		[ -b "$dev" ] && break
		sleep 1
	done
	/tmp/maketree volume "$2" "$dev"
	zfs snapshot "$name"
	{
		facts "$name" zvol ",\"volblocksize\":$(zfs get -Hp -o value volblocksize "zones/$1")" | sed 's/}$/,/' | tr -d '\n'
		lister "$dev" | sed 's/^{//'
	} >"$(listing "$name")"
	zfs set volmode=none "zones/$1"
}

# send NAME ARGUMENTS...: zfs send into NAME.zfs
send() {
	local name=$1
	shift
	zfs send "$@" >"$name.zfs"
	printf '%s\tzfs send %s\n' "$name" "$*" >>commands
}

# stream STREAM "NAMES" "SNAPSHOTS": the files, in order, are this stream; what it holds is listed
stream() {
	printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>index
}
