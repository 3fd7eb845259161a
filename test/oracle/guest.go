//go:build linux

package oracle

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Guest is OpenZFS in the kernel of a virtual machine.
type Guest struct {
	part
	judge *Judge // for zdb

	// Timeout bounds one boot; zero means ten minutes.
	Timeout time.Duration
}

// Job is one piece of work for a guest: either streams to receive, or a script.
type Job struct {
	Name string

	// Streams are received in order. The last snapshot is mounted and listed.
	Streams []string
	// Modify changes, renames and then removes everything on a clone (4 ms per
	// file), and checks that the clone is empty afterwards.
	Modify bool
	// SendBack has the last snapshot sent again, into Result.Sent.
	SendBack bool

	// Script is run with bash instead, in the folder Result.Out. The pool is
	// called zones; `input K` prints the K-th of the Inputs, and there are the
	// other functions of guest/functions.
	Script string
	Inputs []string
}

// Result is what came of a Job.
type Result struct {
	Name    string
	Listing Listing // as the guest's mount shows it
	Err     error   // the first thing that went wrong
	Sent    string  // file with the stream sent back
	Out     string  // folder with all that the job left
}

// maxGuestDisks is how many disks one guest takes besides its own two.
const maxGuestDisks = 24

// RequireGuest returns the guest, or ends the test.
func RequireGuest(t testing.TB) *Guest {
	t.Helper()
	g, err := OpenGuest()
	if err != nil {
		Unavailable(t, err)
	}
	t.Logf("guest: %s", g.version)
	return g
}

// OpenGuest returns the guest outside of tests.
func OpenGuest() (*Guest, error) {
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		return nil, err
	}
	guest, err := prepared("guest")
	if err != nil {
		return nil, err
	}
	judge, err := prepared("judge")
	if err != nil {
		return nil, err
	}
	return &Guest{part: guest, judge: &Judge{judge}}, nil
}

// Run boots the guest once and works through the jobs. The pool is scrubbed and
// exported in the guest, then checked by zdb here; faults of the pool as a whole
// are errors of the test.
func (g *Guest) Run(t testing.TB, jobs []Job) []Result {
	t.Helper()
	return g.Start(t, jobs)()
}

// Start is Run beside the test; wait returns the results. A test that ends before
// ends the guest.
func (g *Guest) Start(t testing.TB, jobs []Job) (wait func() []Result) {
	t.Helper()
	dir := t.TempDir()
	var results []Result
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		results, err = g.RunIn(t.Context(), dir, jobs)
	}()
	t.Cleanup(func() { <-done }) // before dir is removed
	return func() []Result {
		t.Helper()
		<-done
		if err != nil {
			t.Errorf("guest: %v", err)
		}
		return results
	}
}

// RunIn is Run outside of tests, in an empty folder where the results stay. The
// error is about the boot or the pool; each job has its own.
func (g *Guest) RunIn(ctx context.Context, dir string, jobs []Job) ([]Result, error) {
	results := make([]Result, len(jobs))
	for i, job := range jobs {
		results[i] = Result{Name: job.Name, Err: errors.New("the guest did not come to this job")}
	}
	disks, err := writeJobs(filepath.Join(dir, "jobs"), jobs)
	if err != nil {
		return results, err
	}
	work, pool := filepath.Join(dir, "work.img"), filepath.Join(dir, "pool", "pool.img")
	if err := makeDisks(work, pool, dir); err != nil {
		return results, err
	}
	defer os.Remove(work)
	defer os.Remove(pool)

	console, err := g.boot(ctx, filepath.Join(dir, "console"), work, pool, disks)
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, lastLines(console, 25))
	}
	out := filepath.Join(dir, "out")
	dump := exec.Command(adminProgram("debugfs"), "-R", "rdump /out "+dir, work)
	if text, dumpErr := dump.CombinedOutput(); dumpErr != nil {
		return results, errors.Join(err, fmt.Errorf("debugfs: %w: %s", dumpErr, text))
	}
	for i, job := range jobs {
		results[i].Out = filepath.Join(out, fmt.Sprint(i))
		results[i].Err = results[i].read(job, results[i].Err)
	}
	if err != nil {
		return results, err
	}
	return results, g.checkGuestPool(pool, filepath.Join(out, "status"))
}

// read collects a job's results from its folder.
func (r *Result) read(job Job, notDone error) error {
	if _, err := os.Stat(filepath.Join(r.Out, "done")); err != nil {
		return notDone
	}
	if text, err := os.ReadFile(filepath.Join(r.Out, "error")); err == nil {
		return fmt.Errorf("guest: %s", bytes.TrimSpace(text))
	}
	if job.Script != "" {
		return nil
	}
	f, err := os.Open(filepath.Join(r.Out, "listing"))
	if err != nil {
		return err
	}
	defer f.Close()
	if r.Listing, err = ParseListing(f); err != nil {
		return fmt.Errorf("guest's listing: %w", err)
	}
	if job.SendBack {
		r.Sent = filepath.Join(r.Out, "sent")
	}
	return nil
}

// writeJobs writes the folder that init finds as work:/jobs, and returns the
// files that become disks, by serial number.
func writeJobs(dir string, jobs []Job) (map[string]string, error) {
	disks := map[string]string{}
	attach := func(path string) (serial string, size int64, err error) {
		info, err := os.Stat(path)
		if err != nil {
			return "", 0, err
		}
		serial = fmt.Sprintf("file%d", len(disks))
		if disks[serial], err = filepath.Abs(path); err != nil {
			return "", 0, err
		}
		if len(disks) > maxGuestDisks {
			return "", 0, fmt.Errorf("more than %d files for one boot", maxGuestDisks)
		}
		return serial, info.Size(), nil
	}
	for i, job := range jobs {
		files := map[string]string{}
		if job.Script != "" {
			files["script"], files["inputs"] = job.Script, ""
		} else {
			files["streams"] = ""
		}
		if job.Modify {
			files["modify"] = ""
		}
		if job.SendBack {
			files["send"] = ""
		}
		for _, path := range job.Inputs {
			serial, size, err := attach(path)
			if err != nil {
				return nil, err
			}
			files["inputs"] += fmt.Sprintln(serial, size)
		}
		dataset := fmt.Sprintf("zones/job%d", i)
		for k, path := range job.Streams {
			serial, _, err := attach(path)
			if err != nil {
				return nil, err
			}
			if isClone(path) {
				dataset = fmt.Sprintf("zones/job%d-%d", i, k)
			}
			files["streams"] += fmt.Sprintln(serial, dataset)
		}
		jobDir := filepath.Join(dir, fmt.Sprint(i))
		if err := os.MkdirAll(jobDir, 0o755); err != nil {
			return nil, err
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(jobDir, name), []byte(text), 0o644); err != nil {
				return nil, err
			}
		}
	}
	return disks, nil
}

// isClone reports whether a stream is an increment that becomes a new dataset.
func isClone(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	begin := make([]byte, 56)
	if _, err := io.ReadFull(f, begin); err != nil {
		return false
	}
	flags, from := binary.LittleEndian.Uint32(begin[36:]), binary.LittleEndian.Uint64(begin[48:])
	return flags&1 != 0 && from != 0
}

const (
	guestDiskSize  = 256 << 30 // sparse
	partitionStart = 1 << 20
)

// makeDisks makes the file system that carries the jobs in dir in, and results
// out, and a disk with one partition for the pool: of a whole disk ZFS would
// make partitions of its own, and wait for udev.
func makeDisks(work, pool, dir string) error {
	if err := os.MkdirAll(filepath.Dir(pool), 0o755); err != nil {
		return err
	}
	for _, path := range []string{work, pool} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return err
		}
		if err := os.Truncate(path, guestDiskSize); err != nil {
			return err
		}
	}
	mbr := make([]byte, 512)
	entry := mbr[446:]
	entry[4] = 0xbf
	binary.LittleEndian.PutUint32(entry[8:], partitionStart/512)
	binary.LittleEndian.PutUint32(entry[12:], (guestDiskSize-partitionStart)/512)
	mbr[510], mbr[511] = 0x55, 0xaa
	f, err := os.OpenFile(pool, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(mbr)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}

	tree := filepath.Join(dir, "tree")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, "jobs"), filepath.Join(tree, "jobs")); err != nil {
		return err
	}
	mkfs := exec.Command(adminProgram("mke2fs"), "-q", "-F", "-t", "ext4", "-O", "^has_journal",
		"-E", "lazy_itable_init=1,nodiscard", "-m", "0", "-N", "100000", "-d", tree, work)
	if text, err := mkfs.CombinedOutput(); err != nil {
		return fmt.Errorf("mke2fs: %w: %s", err, text)
	}
	return nil
}

// kernelOptions are what an emulated processor asks for. It leaves its translated
// code for each access to the timer's registers, which a kernel with high-resolution
// timers, or without a tick, sets again and again: with them everything takes twice as
// long. The others save a quarter; nothing in the guest needs to be defended.
const kernelOptions = "console=ttyS0 panic=-1 quiet nohz=off highres=off " +
	"mitigations=off lsm= init_on_alloc=0 randomize_kstack_offset=off psi=0 nowatchdog"

// boot runs the guest to its end and returns what it wrote on its console.
func (g *Guest) boot(ctx context.Context, console, work, pool string, disks map[string]string) (string, error) {
	timeout := g.Timeout
	if timeout == 0 {
		timeout = 10 * time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	accel, cpu := "tcg", "qemu64"
	if hasVirtualisation() {
		accel, cpu = "kvm:tcg", "max"
	}
	args := []string{
		"-machine", "pc,accel=" + accel, "-cpu", cpu, "-smp", "1", "-m", "3072",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-serial", "file:" + console,
		"-kernel", filepath.Join(g.dir, "vmlinuz"), "-initrd", filepath.Join(g.dir, "initramfs"),
		"-append", kernelOptions,
	}
	add := func(serial, path, options string) {
		path = strings.ReplaceAll(path, ",", ",,")
		args = append(args,
			"-drive", "if=none,format=raw,cache=unsafe,id="+serial+",file="+path+options,
			"-device", "virtio-blk-pci,drive="+serial+",serial="+serial)
	}
	add("work", work, "")
	add("pool", pool, "")
	for serial, path := range disks {
		add(serial, path, ",readonly=on")
	}
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", args...)
	text, err := cmd.CombinedOutput()
	log, _ := os.ReadFile(console)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return string(log), fmt.Errorf("not done after %v", timeout)
	case ctx.Err() != nil:
		return string(log), ctx.Err()
	case err != nil:
		return string(log), fmt.Errorf("qemu: %w: %s", err, text)
	case !bytes.Contains(log, []byte("guest: finished")):
		return string(log), errors.New("the guest stopped early")
	}
	return string(log), nil
}

// hasVirtualisation reports whether KVM can work. That /dev/kvm opens proves
// nothing: on some virtual machines it does, and guests die in early boot.
func hasVirtualisation() bool {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return false
	}
	flags := strings.Fields(string(info))
	return slices.Contains(flags, "svm") || slices.Contains(flags, "vmx")
}

// checkGuestPool looks at the scrub's result, then has zdb check the pool.
func (g *Guest) checkGuestPool(pool, status string) error {
	text, err := os.ReadFile(status)
	if err != nil {
		return err
	}
	if !bytes.Contains(text, []byte("with 0 errors")) || !bytes.Contains(text, []byte("No known data errors")) {
		return fmt.Errorf("scrub: %s", text)
	}
	if err := cutHead(pool, partitionStart); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	return g.judge.checkPool(ctx, filepath.Dir(pool))
}

// cutHead removes a file's first n bytes, so that a partition becomes a file.
func cutHead(path string, n int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_COLLAPSE_RANGE, 0, n)
	if err == nil {
		return nil
	}
	// Not every file system can: copy what is not a hole.
	out, err := os.OpenFile(path+".cut", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := out.Truncate(info.Size() - n); err != nil {
		return err
	}
	for off := n; off < info.Size(); {
		data, err := f.Seek(off, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		if err != nil {
			return err
		}
		end, err := f.Seek(data, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.NewOffsetWriter(out, data-n), io.NewSectionReader(f, data, end-data)); err != nil {
			return err
		}
		off = end
	}
	return os.Rename(path+".cut", path)
}

// adminProgram finds a program that may lie where an ordinary user's PATH does
// not lead.
func adminProgram(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	return filepath.Join("/usr/sbin", name)
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
