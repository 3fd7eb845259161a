# Block sizes.
for size in 512 4k 1M; do
	filesystem "record-$size" -o recordsize=$size
	tree "record-$size" make data
	snap "record-$size@s1"
	evolve "record-$size" 2 -punch
	snap "record-$size@s2"
done
for size in 512 4k; do
	send "record-$size" "zones/record-$size@s1"
	send "record-$size-2" -i @s1 "zones/record-$size@s2"
	stream "recordsize-$size" "record-$size record-$size-2" "zones/record-$size@s1 zones/record-$size@s2"
done

# Large blocks are split where -L is not given.
send split zones/record-1M@s1
send split-2 -i @s1 zones/record-1M@s2
stream split "split split-2" "zones/record-1M@s1 zones/record-1M@s2"
send large -L zones/record-1M@s1
send large-2 -L -i @s1 zones/record-1M@s2
stream large "large large-2" "zones/record-1M@s1 zones/record-1M@s2"

# From a small record to a large one, and back.
filesystem changing -o recordsize=4k
tree changing make few
snap changing@s1
zfs set recordsize=1M zones/changing
evolve changing 2
snap changing@s2
zfs set recordsize=8k zones/changing
evolve changing 3
snap changing@s3
send changing -L zones/changing@s1
send changing-2 -L -i @s1 zones/changing@s2
send changing-3 -L -i @s2 zones/changing@s3
stream recordsize-changing "changing changing-2 changing-3" "zones/changing@s1 zones/changing@s2 zones/changing@s3"

# All ways of sending at once, on a dataset with all that they are for.
filesystem all -o recordsize=1M -o compression=zstd -o xattr=sa -o dnodesize=auto
tree all -xattrs -acl make all
snap all@s1
zfs set compression=lz4 zones/all
evolve all 2 -xattrs -acl -punch
snap all@s2
send all -Lec zones/all@s1
send all-2 -Lec -i @s1 zones/all@s2
stream large-embedded-compressed "all all-2" "zones/all@s1 zones/all@s2"

# A directory too large for a micro ZAP.
filesystem fat
tree fat make fat
snap fat@s1
evolve fat 2
snap fat@s2
send fat zones/fat@s1
send fat-2 -i @s1 zones/fat@s2
stream fat "fat fat-2" "zones/fat@s1 zones/fat@s2"
