package holes

// Values of lseek(2) in sys/unistd.h.
const (
	seekData = 4 // SEEK_DATA
	seekHole = 3 // SEEK_HOLE
)
