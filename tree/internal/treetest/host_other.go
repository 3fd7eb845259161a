//go:build !linux

package treetest

import (
	"errors"
	"testing"
)

// Setxattr sets an extended attribute of a file.
func Setxattr(path, name, value string) error { return errors.ErrUnsupported }

// SmallDisk puts a file system of one megabyte at dir until the test ends, or skips it.
func SmallDisk(t testing.TB, dir string) { t.Skip("a small file system is made on Linux only") }

// Mknod makes a device node.
func Mknod(path string, mode, major, minor uint32) error { return errors.ErrUnsupported }
