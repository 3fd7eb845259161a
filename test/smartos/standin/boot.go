//go:build linux

package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// A running zone sees the dataset, and on it, read-only, the platform. Where that is depends on
// the brand. Debian's programs need their loader and libraries at fixed places.
func (v *vm) platformMounts() [][2]string {
	mounts := [][2]string{{"usr/lib", "lib"}, {"usr/lib64", "lib64"}}
	if v.ownUsr() {
		return append(mounts, [2]string{"usr", "system/usr"}, [2]string{"usr/lib", "system/lib"}, [2]string{"usr/sbin", "system/sbin"})
	}
	return append(mounts, [2]string{"usr", "usr"}, [2]string{"usr/sbin", "sbin"})
}

// ownUsr tells whether /usr is the zone's own, and the platform elsewhere.
func (v *vm) ownUsr() bool { return v.Brand == "sngl" }

// boot starts the zone: it mounts what only a running one has. Nothing runs in it.
func (s *state) boot(v *vm) (err error) {
	if v.State == "running" {
		return nil
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.halt(v))
		}
	}()
	platform, err := filepath.EvalSymlinks(s.path("platform"))
	if err != nil {
		return err
	}
	for _, m := range v.platformMounts() {
		if err := v.bind(filepath.Join(platform, m[0]), m[1]); err != nil {
			return err
		}
	}
	bin := "system/usr/bin"
	if !v.ownUsr() {
		bin = "usr/bin"
		if err := v.mountLocal(); err != nil {
			return err
		}
	}
	if err := v.link(bin, "bin"); err != nil {
		return err
	}
	if err := errors.Join(v.mount("proc", "proc", "proc", 0, ""), v.mount("tmpfs", "tmp", "tmpfs", 0, "mode=1777")); err != nil {
		return err
	}
	if err := s.mountDev(v); err != nil {
		return err
	}
	v.State, v.ZoneState = "running", "running"
	v.Boots++
	return errors.Join(s.save(v), s.startInit(v))
}

// mountLocal shows /local of the zone at /usr/local, on the platform.
func (v *vm) mountLocal() error {
	if err := v.mkdir("local"); err != nil {
		return err
	}
	return v.mount(filepath.Join(v.root(), "local"), "usr/local", "", syscall.MS_BIND, "")
}

// mountDev makes the zone's /dev: some devices of this machine, and the stand-ins.
func (s *state) mountDev(v *vm) error {
	if err := v.mount("tmpfs", "dev", "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	dev := filepath.Join(v.root(), "dev")
	for _, name := range []string{"null", "zero", "full", "random", "urandom"} {
		if err := bindFile(filepath.Join("/dev", name), filepath.Join(dev, name)); err != nil {
			return err
		}
	}
	for name, target := range map[string]string{"fd": "", "stdin": "0", "stdout": "1", "stderr": "2"} {
		if err := os.Symlink(filepath.Join("/proc/self/fd", target), filepath.Join(dev, name)); err != nil {
			return err
		}
	}
	own, at := s.path("zones", v.UUID), filepath.Join(dev, filepath.Base(zoneDir))
	if err := errors.Join(os.MkdirAll(filepath.Join(own, "packages"), 0o777), os.Mkdir(at, 0o777),
		os.WriteFile(filepath.Join(own, "name"), []byte(v.Zonename), 0o666)); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(own, haltAsked)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(syscall.Mount(own, at, "", syscall.MS_BIND, ""),
		bindFile(s.path("standin"), filepath.Join(at, "standin")),
		syscall.Mount(s.path("packages"), filepath.Join(at, "packages"), "", syscall.MS_BIND, ""))
}

func bindFile(from, to string) error {
	return errors.Join(os.WriteFile(to, nil, 0o666), syscall.Mount(from, to, "", syscall.MS_BIND, ""))
}

func (v *vm) root() string { return filepath.Join(v.Zonepath, "root") }

// bind shows a folder in the zone, read-only. Where the image has a link, that is what leads
// there.
func (v *vm) bind(from, name string) error {
	if info, err := os.Lstat(filepath.Join(v.root(), name)); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return nil
	}
	if err := v.mount(from, name, "", syscall.MS_BIND, ""); err != nil {
		return err
	}
	return syscall.Mount("", filepath.Join(v.root(), name), "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, "")
}

// mount mounts something in the zone, on a folder that goes with it if the image has none.
func (v *vm) mount(what, name, kind string, flags uintptr, data string) error {
	if err := errors.Join(v.mkdir(filepath.Dir(name)), v.mkdir(name)); err != nil {
		return err
	}
	path := filepath.Join(v.root(), name)
	if err := syscall.Mount(what, path, kind, flags, data); err != nil {
		return &fs.PathError{Op: "mount", Path: path, Err: err}
	}
	v.Mounts = append(v.Mounts, name)
	return nil
}

// mkdir makes a folder in the zone, if the image has none, which goes if it stays empty.
func (v *vm) mkdir(name string) error {
	err := os.Mkdir(filepath.Join(v.root(), name), 0o755)
	if err == nil {
		v.Made = append(v.Made, name)
	} else if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return err
}

// link makes a link in the zone, if the image has none, as long as it runs.
func (v *vm) link(target, name string) error {
	err := os.Symlink(target, filepath.Join(v.root(), name))
	if err == nil {
		v.Made = append(v.Made, name)
	} else if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return err
}

// halt ends all that runs in the zone and removes what boot mounted.
func (s *state) halt(v *vm) error {
	var faults []error
	v.killAll()
	for _, name := range slices.Backward(v.Mounts) {
		if err := syscall.Unmount(filepath.Join(v.root(), name), syscall.MNT_DETACH); err != nil {
			faults = append(faults, err)
		}
	}
	for _, name := range slices.Backward(v.Made) {
		if err := os.Remove(filepath.Join(v.root(), name)); err != nil && !errors.Is(err, syscall.ENOTEMPTY) {
			faults = append(faults, err)
		}
	}
	v.Mounts, v.Made = nil, nil
	v.State, v.ZoneState = "stopped", "installed"
	return errors.Join(append(faults, s.save(v))...)
}

// killAll kills the processes whose root is the zone's.
func (v *vm) killAll() {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if root, err := os.Readlink(filepath.Join("/proc", e.Name(), "root")); err == nil && root == v.root() {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}
