//go:build !linux

package cli

// AvailableMemory is how many bytes of memory this process may have; 0 is unknown.
func AvailableMemory() int64 { return 0 }
