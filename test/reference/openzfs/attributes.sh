# Where attributes and ACLs lie: in directories of their own, in spill blocks, in large dnodes.
flags="-xattrs -acl"
for kind in on sa; do
	filesystem "xattr-$kind" -o xattr=$kind
done
for size in auto 1k 16k; do
	filesystem "dnode-$size" -o xattr=sa -o dnodesize=$size
done
for name in xattr-on xattr-sa dnode-auto dnode-1k dnode-16k; do
	tree "$name" $flags make all
	snap "$name@s1"
	# The numbers of large dnodes go to small ones.
	[ $name != dnode-auto ] || zfs set dnodesize=legacy "zones/$name"
	evolve "$name" 2 $flags
	snap "$name@s2"
	send "$name" "zones/$name@s1"
	send "$name-2" -i @s1 "zones/$name@s2"
	stream "$name" "$name $name-2" "zones/$name@s1 zones/$name@s2"
done

# No ACLs but those that the mode means; no atime.
filesystem acl-off -o acltype=off
tree acl-off -xattrs make few
snap acl-off@s1
send acl-off zones/acl-off@s1
stream acl-off acl-off zones/acl-off@s1

# How names are compared.
filesystem case-mixed -o casesensitivity=mixed
tree case-mixed make case
tree case-mixed -xattrs add 1
snap case-mixed@s1
send case-mixed zones/case-mixed@s1
stream case-mixed case-mixed zones/case-mixed@s1
filesystem case-insensitive -o casesensitivity=insensitive -o normalization=formD
tree case-insensitive make few
mount -t zfs -o zfsutil zones/case-insensitive /mnt
echo composed >"/mnt/$(printf 'caf\303\251')"
echo decomposed >"/mnt/$(printf 'nai\314\210ve')"
umount /mnt
snap case-insensitive@s1
send case-insensitive zones/case-insensitive@s1
stream case-insensitive case-insensitive zones/case-insensitive@s1
