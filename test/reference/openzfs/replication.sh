# Packages of several datasets.
filesystem top -o compression=lz4
filesystem top/child -o user:note=kept
filesystem top/child/grandchild -o version=4
volume top/volume 8k 4M
round=1
for s in a b c; do
	for name in top top/child top/child/grandchild; do
		if [ $s = a ]; then
			tree $name -xattrs make few
		else
			evolve $name $round -xattrs
		fi
	done
	zfs snapshot zones/top@$s zones/top/child@$s zones/top/child/grandchild@$s
	for name in top top/child top/child/grandchild; do
		list zones/$name@$s
	done
	write_volume top/volume $round $s
	# The clone is there from the second snapshot on.
	if [ $s = a ]; then
		zfs clone zones/top/child@a zones/top/clone
	else
		evolve top/clone $round
		snap top/clone@$s
	fi
	round=$((round + 1))
done

snapshots=
for s in a b c; do
	for name in top top/child top/child/grandchild top/volume top/clone; do
		[ $name@$s = top/clone@a ] || snapshots="$snapshots zones/$name@$s"
	done
done
send replication -R zones/top@c
stream replication replication "$snapshots"

send replication-a -R zones/top@a
send replication-a-c -R -I @a zones/top@c
stream replication-increments "replication-a replication-a-c" "$snapshots"

send replication-compressed -R -Lec zones/top@c
stream replication-compressed replication-compressed "$snapshots"
