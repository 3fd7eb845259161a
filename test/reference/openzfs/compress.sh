# The same contents under each compression, sent as stored (-c) and not.
for how in off lz4 lzjb gzip-6 zle zstd; do
	filesystem "compress-$how" -o compression=$how
	tree "compress-$how" make data
	snap "compress-$how@s1"
	evolve "compress-$how" 2 -punch
	snap "compress-$how@s2"
	send "compressed-$how" -c "zones/compress-$how@s1"
	send "compressed-$how-2" -c -i @s1 "zones/compress-$how@s2"
	stream "compressed-$how" "compressed-$how compressed-$how-2" "zones/compress-$how@s1 zones/compress-$how@s2"
done
# What is small once compressed stands in block pointers; of these only lz4's can be sent so.
for how in lz4 zstd; do
	send "embedded-$how" -e "zones/compress-$how@s1"
	stream "embedded-$how" "embedded-$how" "zones/compress-$how@s1"
	send "embedded-compressed-$how" -e -c "zones/compress-$how@s1"
	send "embedded-compressed-$how-2" -e -c -i @s1 "zones/compress-$how@s2"
	stream "embedded-compressed-$how" "embedded-compressed-$how embedded-compressed-$how-2" "zones/compress-$how@s1 zones/compress-$how@s2"
done
send decompressed zones/compress-lz4@s1
stream decompressed decompressed zones/compress-lz4@s1
