umask 022
set path = (@IMAGE_CSHPATH@)
if ($?prompt) then
	set history = 1000
endif
