package cli

import (
	"bytes"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// AvailableMemory is how many bytes of memory this process may have: the least of what its
// control groups, its resource limits and the machine allow. 0 is unknown.
func AvailableMemory() int64 {
	least := int64(0)
	allow := func(n int64) {
		if n > 0 && (least == 0 || n < least) {
			least = n
		}
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		allow(int64(uint64(info.Totalram)*uint64(info.Unit)) / 4 * 3)
	}
	allow(limitedBy(unix.RLIMIT_AS, 0))
	allow(limitedBy(unix.RLIMIT_DATA, 5))
	for _, n := range groupLimits() {
		allow(n)
	}
	return least
}

// limitedBy is what a resource limit leaves for more than what the process has already: field
// is that of /proc/self/statm. Address space is taken in large pieces, of which a part is
// never used.
func limitedBy(resource, field int) int64 {
	var r unix.Rlimit
	if unix.Getrlimit(resource, &r) != nil || r.Cur >= 1<<50 {
		return 0
	}
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return int64(r.Cur) / 4
	}
	words := strings.Fields(string(statm))
	if len(words) <= field {
		return int64(r.Cur) / 4
	}
	pages, err := strconv.ParseInt(words[field], 10, 64)
	if err != nil {
		return int64(r.Cur) / 4
	}
	return max((int64(r.Cur)-pages*int64(os.Getpagesize()))/4*3, 1)
}

// groupLimits are those of the control groups of the process, in either version.
func groupLimits() (limits []int64) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		top, file := "/sys/fs/cgroup", "memory.max"
		if parts[1] != "" {
			if !strings.Contains(","+parts[1]+",", ",memory,") {
				continue
			}
			top, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		for group := path.Clean("/" + parts[2]); ; group = path.Dir(group) {
			if n := groupLimit(path.Join(top, group, file)); n > 0 {
				limits = append(limits, n)
			}
			if group == "/" {
				break
			}
		}
	}
	return limits
}

// groupLimit is the number in a file, a little less since a group counts more than processes.
func groupLimit(name string) int64 {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil || n <= 0 || n >= 1<<50 {
		return 0 // "max", or the largest number there is
	}
	return n / 8 * 7
}
