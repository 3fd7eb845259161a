# A dataset of everything, in three snapshots, sent in all ways that need no other options of it.
flags="-xattrs -acl -punch"
filesystem base
tree base $flags make all
zfs set userquota@1=1G groupquota@1=1G zones/base # makes their tables
snap base@s1
evolve base 2 $flags

# A project is one more attribute, and an open file that was removed waits in the delete queue.
mount -t zfs -o zfsutil zones/base /mnt
zfs project -p 42 -s -r /mnt/names
echo "not yet gone" >/mnt/held
exec 7</mnt/held
rm /mnt/held
zpool sync zones
zfs snapshot zones/base@s2
exec 7<&-
umount /mnt
list zones/base@s2

evolve base 3 $flags
snap base@s3

send full zones/base@s1
send increment-2 -i zones/base@s1 zones/base@s2
send increment-3 -i zones/base@s2 zones/base@s3
send increments -I zones/base@s1 zones/base@s3
send jump -i zones/base@s1 zones/base@s3
send properties -p zones/base@s2
send backup -b -h -p zones/base@s1
send last zones/base@s3
stream plain full zones/base@s1
stream plain-last last zones/base@s3
stream chain "full increment-2 increment-3" "zones/base@s1 zones/base@s2 zones/base@s3"
stream package "full increments" "zones/base@s1 zones/base@s2 zones/base@s3"
stream jump "full jump" "zones/base@s1 zones/base@s3"
stream properties properties zones/base@s2
stream properties-increment "properties increment-3" "zones/base@s2 zones/base@s3"
stream backup backup zones/base@s1

# A clone, and the increment that it is of its origin.
zfs clone zones/base@s1 zones/clone
evolve clone 4 $flags
snap clone@t
send clone -i zones/base@s1 zones/clone@t
stream clone "full clone" "zones/base@s1 zones/clone@t"

# A send from a bookmark knows no snapshot to compare with.
zfs bookmark zones/base@s1 zones/base#mark
send bookmark -i zones/base#mark zones/base@s2
stream bookmark "full bookmark" "zones/base@s1 zones/base@s2"

# Redacted: what the clone changed is left out.
zfs clone zones/base@s1 zones/censored
tree censored remove 5
zfs snapshot zones/censored@s
zfs redact zones/base@s1 censored zones/censored@s
send redacted --redact censored zones/base@s1
stream redacted redacted ""

# Resumed: the rest of a stream of which a receiver has taken the first part.
head -c 2000000 full.zfs | zfs receive -s zones/resumed || true
send resumed -t "$(zfs get -H -o value receive_resume_token zones/resumed)"
zfs receive -A zones/resumed
stream resumed resumed ""
