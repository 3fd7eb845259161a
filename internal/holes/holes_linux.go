package holes

// Values of lseek(2) in linux/fs.h.
const (
	seekData = 3 // SEEK_DATA
	seekHole = 4 // SEEK_HOLE
)
