for size in 512 8k 128k; do
	bytes=16M
	[ $size != 512 ] || bytes=1M
	volume "volume-$size" $size $bytes
	write_volume "volume-$size" 1 s1
	write_volume "volume-$size" 2 s2
	send "volume-$size" "zones/volume-$size@s1"
	send "volume-$size-2" -i @s1 "zones/volume-$size@s2"
	stream "volume-$size" "volume-$size volume-$size-2" "zones/volume-$size@s1 zones/volume-$size@s2"
done

volume volume-lz4 16k 8M
zfs set compression=lz4 zones/volume-lz4
write_volume volume-lz4 1 s1
send volume-lz4 -e -c zones/volume-lz4@s1
stream volume-compressed volume-lz4 zones/volume-lz4@s1
