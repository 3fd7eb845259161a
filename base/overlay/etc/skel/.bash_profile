for file in ~/.profile ~/.bashrc; do
	if [ -r "$file" ]; then
		. "$file"
	fi
done
unset file
