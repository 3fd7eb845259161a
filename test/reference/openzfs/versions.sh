# Old versions of the file system, and one that became new: of its files, only those that were
# changed afterwards have system attributes.
flags="-xattrs"
for v in 1 3 4; do
	filesystem "zpl-$v" -o version=$v
	tree "zpl-$v" $flags make all
	snap "zpl-$v@s1"
	evolve "zpl-$v" 2 $flags -punch
	snap "zpl-$v@s2"
	send "zpl-$v" "zones/zpl-$v@s1"
	send "zpl-$v-2" -i @s1 "zones/zpl-$v@s2"
	stream "zpl-$v" "zpl-$v zpl-$v-2" "zones/zpl-$v@s1 zones/zpl-$v@s2"
done

filesystem upgraded -o version=4
tree upgraded $flags -acl make all
snap upgraded@s1
zfs upgrade -V 5 zones/upgraded
evolve upgraded 2 $flags -acl -punch
snap upgraded@s2
send upgraded zones/upgraded@s1
send upgraded-2 -i @s1 zones/upgraded@s2
send upgraded-full zones/upgraded@s2
stream upgraded "upgraded upgraded-2" "zones/upgraded@s1 zones/upgraded@s2"
stream upgraded-full upgraded-full zones/upgraded@s2
