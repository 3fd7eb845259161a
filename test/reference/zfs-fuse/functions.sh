# What the scripts here have in common; what they leave is described in openzfs/functions.sh.
# Arguments: the folder for the results, and the program maketree.
out=$1 maketree=$2
flags="-xattrs -bits31"

# snap DATASET@SNAPSHOT: take a snapshot, and list it by way of a clone, which
# stays: the daemon lets go of one too late for it to be destroyed
snap() {
	zfs snapshot "zones/$1"
	list "zones/$1"
}

list() {
	local look
	look=look-$(echo "$1" | tr /@ --)
	zfs clone "$1" "zones/$look"
	{
		printf '{"dataset":"%s","snapshot":"%s","guid":"%s","creation":%s,"objset":"zpl","zpl":%s}\n' \
			"${1%@*}" "${1#*@}" $(zfs get -Hp -o value guid,creation "$1") "$(zfs get -Hp -o value version "$1")"
		# The daemon cannot tell holes: leave the contents of large files unread.
		"$zfsfuse/lister" -limit $((1 << 30)) "mnt/$look"
	} >"$out/$(echo "$1" | tr /@ %%)"
}

# tree DATASET MAKETREE-ARGUMENTS...
tree() {
	local name=$1
	shift
	"$maketree" "$@" "mnt/$name"
}

# evolve DATASET ROUND: remove files, so that their object numbers are free when the file system is
# next mounted, then change files and make new ones
evolve() {
	tree "$1" remove "$2"
	zfs umount "zones/$1"
	# The daemon takes its time to let go of it.
	local i=0
	until zfs mount "zones/$1"; do
		[ $((i += 1)) -lt 100 ]
		sleep 0.1
	done
	tree "$1" $flags add "$2"
}

# send NAME ARGUMENTS...
send() {
	local name=$1
	shift
	zfs send "$@" >"$out/$name.zfs"
	printf '%s\tzfs send %s\n' "$name" "$*" >>"$out/commands"
}

# stream STREAM "NAMES" "SNAPSHOTS"
stream() {
	printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$out/index"
}
