# Compression, old versions, packages of several datasets.
for how in lzjb gzip; do
	zfs create -o compression=$how zones/compress-$how
	tree compress-$how make data
	snap compress-$how@s1
	send compress-$how zones/compress-$how@s1
	stream compress-$how compress-$how zones/compress-$how@s1
done

for v in 1 3; do
	zfs create -o version=$v zones/zpl-$v
	tree zpl-$v make few
	snap zpl-$v@s1
	evolve zpl-$v 2
	snap zpl-$v@s2
	send zpl-$v zones/zpl-$v@s1
	send zpl-$v-2 -i @s1 zones/zpl-$v@s2
	stream zpl-$v "zpl-$v zpl-$v-2" "zones/zpl-$v@s1 zones/zpl-$v@s2"
done

zfs create zones/fat
tree fat make fat
snap fat@s1
send fat zones/fat@s1
stream fat fat zones/fat@s1

zfs create zones/top
zfs create zones/top/child
round=1
for s in a b; do
	for name in top/child top; do
		if [ $s = a ]; then
			tree $name $flags make few
		else
			"$maketree" $flags add $round mnt/$name
		fi
	done
	zfs snapshot -r zones/top@$s
	list zones/top@$s
	list zones/top/child@$s
	if [ $s = a ]; then
		zfs clone zones/top/child@a zones/top/clone
	else
		list zones/top/clone@$s
	fi
	round=$((round + 1))
done
snapshots="zones/top@a zones/top/child@a zones/top@b zones/top/child@b zones/top/clone@b"
send replication -R zones/top@b
stream replication replication "$snapshots"
send replication-dedup -R -D zones/top@b
stream replication-dedup replication-dedup "$snapshots"
