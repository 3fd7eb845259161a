# Raw: bonus buffers and contents are not to be read.
head -c 32 /dev/urandom >/tmp/key
filesystem secret -o encryption=on -o keyformat=raw -o keylocation=file:///tmp/key
tree secret -xattrs make few
zfs snapshot zones/secret@s1
evolve secret 2 -xattrs
zfs snapshot zones/secret@s2
send raw -w zones/secret@s1
send raw-2 -w -i @s1 zones/secret@s2
stream raw "raw raw-2" ""

# The same, not raw, is decrypted.
list zones/secret@s1
send decrypted zones/secret@s1
stream decrypted decrypted zones/secret@s1
