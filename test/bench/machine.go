//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// machineFacts is what times depend on.
type machineFacts struct {
	CPU      string  `json:"cpu"`
	Cores    int     `json:"cores"` // that this process may use
	Memory   int64   `json:"memory_bytes"`
	Load     float64 `json:"load"` // of the last minute, at the start
	Kernel   string  `json:"kernel"`
	Arch     string  `json:"arch"`
	Go       string  `json:"go"`
	Revision string  `json:"revision"` // of imagetools
	// PeakRSSFloor is the least peak memory that can be measured: a process
	// begins with that of the one that started it.
	PeakRSSFloor int64 `json:"peak_rss_floor_bytes"`
}

func machine(root string) machineFacts {
	m := machineFacts{
		CPU:    procField("/proc/cpuinfo", "model name"),
		Cores:  runtime.NumCPU(),
		Kernel: firstLine(readText("/proc/sys/kernel/osrelease")),
		Arch:   runtime.GOARCH,
		Go:     runtime.Version(),
		Memory: kilobytes(procField("/proc/meminfo", "MemTotal")),
	}
	load, _, _ := strings.Cut(readText("/proc/loadavg"), " ")
	m.Load, _ = strconv.ParseFloat(load, 64)
	describe := exec.Command("git", "describe", "--always", "--dirty")
	describe.Dir = root
	if out, err := describe.Output(); err == nil {
		m.Revision = strings.TrimSpace(string(out))
	}
	return m
}

// programs are all that is run, and how they tell their version.
var programs = []struct{ name, flag, debian string }{
	{"cat", "--version", "coreutils"},
	{"env", "--version", "coreutils"},
	{"gzip", "--version", "gzip"},
	{"libdeflate-gzip", "-V", "libdeflate-tools"},
	{"pigz", "--version", "pigz"},
	{"tar", "--version", "tar"},
	{"taskset", "--version", "util-linux"},
}

func versions(ctx context.Context, zfs zfsFuse, z zstream) map[string]string {
	all := map[string]string{"zfs-fuse": zfs.version, "zstream": z.version()}
	if zfs.err != nil {
		all["zfs-fuse"] = "missing: " + zfs.err.Error()
	}
	for _, p := range programs {
		out, err := exec.CommandContext(ctx, p.name, p.flag).CombinedOutput()
		if err != nil {
			all[p.name] = "missing: " + explain(p.name, err).Error()
			say("%s", all[p.name])
			continue
		}
		all[p.name] = firstLine(string(out))
	}
	return all
}

// explain names the Debian package of a program that is not there.
func explain(name string, err error) error {
	for _, p := range programs {
		if p.name == name && errors.Is(err, exec.ErrNotFound) {
			return fmt.Errorf("there is no %s; Debian's package %s has it", name, p.debian)
		}
	}
	return fmt.Errorf("%s: %w", name, err)
}

// peakRSS is the peak memory of this process.
func peakRSS() int64 { return kilobytes(procField("/proc/self/status", "VmHWM")) }

// lastCore is the number of a core that this process may use.
func lastCore() string {
	list := procField("/proc/self/status", "Cpus_allowed_list") // 0-3,8
	return cmp.Or(list[strings.LastIndexAny(list, "-,")+1:], "0")
}

// procField is the first value of a file of lines "name: value".
func procField(file, name string) string {
	for line := range strings.Lines(readText(file)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// kilobytes reads "123 kB" as bytes.
func kilobytes(s string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSuffix(s, " kB"), 10, 64)
	return n << 10
}

func readText(file string) string {
	text, _ := os.ReadFile(file)
	return string(text)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
