//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func (s *state) zoneadm(args []string) error {
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if len(args) == 2 && args[0] == "list" && args[1] == "-pc" {
		return s.zoneadmList()
	}
	if len(args) != 3 || args[0] != "-z" {
		return unknown("zoneadm %q", args)
	}
	v, err := s.zone(args[1])
	if err != nil {
		return err
	}
	switch args[2] {
	case "list":
		fmt.Println(v.Zonename)
		return nil
	case "boot":
		if v.ZoneState == "running" {
			return said("zoneadm: zone '%s': is already booted.", v.Zonename)
		}
		return s.boot(v)
	case "halt":
		if v.ZoneState != "running" {
			return said("zoneadm: zone '%s': is already halted.", v.Zonename)
		}
		return s.halt(v)
	}
	return unknown("zoneadm -z ZONE %s", args[2])
}

func (s *state) zoneadmList() error {
	all, err := s.all()
	fmt.Println("0:global:running:/::liveimg:shared:0")
	for i, v := range all {
		id := "-"
		if v.ZoneState == "running" {
			id = fmt.Sprint(i + 1)
		}
		fmt.Printf("%s:%s:%s:%s:%s:%s:excl:%d\n", id, v.Zonename, v.ZoneState, strings.ReplaceAll(v.Zonepath, ":", `\:`), v.UUID, v.Brand, i+1)
	}
	return err
}

func (s *state) zone(name string) (*vm, error) {
	all, err := s.all()
	if err != nil {
		return nil, err
	}
	for _, v := range all {
		if v.Zonename == name {
			return v, nil
		}
	}
	return nil, fmt.Errorf("zoneadm: zone '%s': No such zone configured", name)
}

// zlogin runs a command in a zone: chroot is what there is of zones here.
func (s *state) zlogin(args []string) error {
	if len(args) < 2 || strings.HasPrefix(args[0], "-") {
		return unknown("zlogin ZONE COMMAND is all that is of use here, not %q", args)
	}
	v, err := s.zone(args[0])
	if err != nil {
		return fmt.Errorf("zlogin: zone '%s' unknown", args[0])
	}
	if v.ZoneState != "running" {
		return said("zlogin: login allowed only to running zones (%s is '%s').", v.Zonename, v.ZoneState)
	}
	path := "/usr/sbin:/usr/bin"
	if v.ownUsr() {
		path += ":/system/usr/sbin:/system/usr/bin"
	}
	shell := v.shell(path)
	if shell == "" {
		return errors.New("zlogin: no shell in the zone")
	}
	cmd := exec.Command(shell, "-c", strings.Join(args[1:], " "))
	// What runs in the zone has pipes of ours, not our own streams: when we are killed, it cannot
	// print any more, and nobody waits for it.
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, struct{ io.Writer }{os.Stdout}, struct{ io.Writer }{os.Stderr}
	cmd.Env = []string{"PATH=" + path, "HOME=/root", "LOGNAME=root", "USER=root", "SHELL=" + shell}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: v.root()}
	err = cmd.Run()
	var failed *exec.ExitError
	if errors.As(err, &failed) && failed.Exited() {
		return exitError(failed.ExitCode())
	}
	return err
}

// shell is the zone's bash, where PATH has it.
func (v *vm) shell(path string) string {
	for _, dir := range strings.Split(path, ":") {
		if info, err := os.Stat(filepath.Join(v.root(), dir, "bash")); err == nil && !info.IsDir() {
			return filepath.Join(dir, "bash")
		}
	}
	return ""
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// zoneInit is the name under which a stand-in brings a zone down that is asked to.
const zoneInit = "zone-init"

// haltAsked is the file by which the shutdown in a zone asks for it.
const haltAsked = "halt-asked"

const (
	// pollOfInit is the time between looks at that file.
	pollOfInit = 50 * time.Millisecond
	// graceOfShutdown stands for the seconds that shutdown gives users.
	graceOfShutdown = time.Second
)

// startInit starts what brings a zone down whoever has logged in, and however that ended.
func (s *state) startInit(v *vm) error {
	cmd := exec.Command(s.path("standin"), zoneInit, v.UUID, strconv.Itoa(v.Boots))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd.Start()
}

func (s *state) init(uuid, boots string) error {
	runs := func() (*vm, bool) {
		v, err := s.load(uuid)
		return v, err == nil && v.State == "running" && strconv.Itoa(v.Boots) == boots
	}
	for asked := s.path("zones", uuid, haltAsked); !exists(asked); time.Sleep(pollOfInit) {
		if _, ok := runs(); !ok {
			return nil
		}
	}
	time.Sleep(graceOfShutdown)
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	v, ok := runs()
	if !ok {
		return nil // somebody was faster
	}
	return s.halt(v)
}
