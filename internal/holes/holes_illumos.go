package holes

// Values of lseek(2) in sys/unistd.h.
const (
	seekData = 3 // SEEK_DATA
	seekHole = 4 // SEEK_HOLE
)
