# One dataset of everything, in three snapshots, and a clone.
zfs create zones/base
tree base $flags make all
snap base@s1
evolve base 2
snap base@s2
evolve base 3
snap base@s3

send full zones/base@s1
send increment-2 -i @s1 zones/base@s2
send increment-3 -i @s2 zones/base@s3
send increments -I @s1 zones/base@s3
send properties -p zones/base@s2
stream plain full zones/base@s1
stream chain "full increment-2 increment-3" "zones/base@s1 zones/base@s2 zones/base@s3"
stream package "full increments" "zones/base@s1 zones/base@s2 zones/base@s3"
stream properties properties zones/base@s2

# Deduplicated: of equal blocks all but the first refer to it.
send dedup -D zones/base@s1
send dedup-2 -D -i @s1 zones/base@s2
stream dedup "dedup dedup-2" "zones/base@s1 zones/base@s2"

zfs clone zones/base@s1 zones/clone
evolve clone 4
snap clone@t
send clone -i zones/base@s1 zones/clone@t
stream clone "full clone" "zones/base@s1 zones/clone@t"
