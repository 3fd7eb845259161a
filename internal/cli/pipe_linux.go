package cli

import (
	"os"

	"golang.org/x/sys/unix"
)

// pipeSize is the most that users may give to a pipe by default (pipe(7)); 64 KiB is what it has.
const pipeSize = 1 << 20

// WidenPipe gives f room for 1 MiB if it is a pipe and the system allows it, so that the programs
// at its ends need not wake one another for every 64 KiB.
func WidenPipe(f *os.File) {
	conn, err := f.SyscallConn()
	if err != nil {
		return
	}
	conn.Control(func(fd uintptr) {
		if size, err := unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0); err == nil && size < pipeSize {
			unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize)
		}
	})
}
