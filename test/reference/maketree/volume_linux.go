package main

import (
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// writeVolume writes to a sixteenth of a device here and there, and leaves the rest: noise, words,
// zeros and a single sector. Later rounds discard what the one before has written, in part.
func writeVolume(path string, round int) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	piece := size / 16
	at := func(n int) int64 { return size / 8 * int64((n+round)%8) }
	for i, p := range [][]byte{noise(fmt.Sprint(round), int(piece)), words(fmt.Sprint(round), int(piece)), make([]byte, piece)} {
		if _, err := f.WriteAt(p, at(i)); err != nil {
			return err
		}
	}
	if _, err := f.WriteAt(noise("sector", 512), at(3)+piece+512); err != nil {
		return err
	}
	if round > 1 {
		if err := discard(f, at(0)+piece/2, piece/4); err != nil {
			return err
		}
		if err := discard(f, at(7), piece/2); err != nil {
			return err
		}
	}
	return f.Sync()
}

func discard(f *os.File, off, n int64) error {
	span := [2]uint64{uint64(off), uint64(n)}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.BLKDISCARD, uintptr(unsafe.Pointer(&span)))
	if errno != 0 {
		return fmt.Errorf("discard at %d: %w", off, errno)
	}
	return nil
}
