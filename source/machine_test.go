package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/host"
	"imagetools/manifest"
)

const (
	vmUUID   = "54f1cc77-68f1-42ab-acac-5c4f64f5d6e0"
	seedUUID = "88a04a6c-d413-11e6-8341-ff5fa45bf3e9"
)

// standIn puts programs with the given texts, shell scripts, before all others.
func standIn(t *testing.T, programs map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range programs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
}

// smartOS is a host with one machine and the image that it was made of.
func smartOS(t *testing.T, vm host.VM, origin string) {
	t.Helper()
	vm.UUID, vm.Zonename, vm.Zpool, vm.ZFSFilesystem, vm.Zonepath = vmUUID, vmUUID, "zones", "zones/"+vmUUID, "/zones/"+vmUUID
	text, err := json.Marshal(vm)
	if err != nil {
		t.Fatal(err)
	}
	standIn(t, map[string]string{
		"vmadm": `case $* in
			"get ` + vmUUID + `") cat <<'END'
` + string(text) + `
END
				;;
			"lookup alias=web") echo ` + vmUUID + ` ;;
			lookup*) ;;
			*) echo "$3: No such zone configured" >&2; exit 1 ;;
			esac`,
		"zoneadm": "echo 0:global:running:/::liveimg:shared:0",
		"imgadm": `[ "$*" = "get -P zones ` + seedUUID + `" ] || exit 99
			[ '` + origin + `' ] || exit 3
			echo '{"zpool": "zones", "manifest": {"uuid": "` + seedUUID + `", ` + origin + `}}'`,
		"sysinfo": `echo '{"SDC Version": "7.0", "Live Image": "20241212T000748Z"}'`,
		"zfs": `case $* in
			"get -H -p -o property,value type,mountpoint zones/` + vmUUID + `") printf 'type\tfilesystem\nmountpoint\t/zones/x\n' ;;
			"get -H -p -o property,value type,mountpoint tank/disk0") printf 'type\tvolume\nmountpoint\t-\n' ;;
			"get -H -p -o value guid tank/` + seedUUID + `@final"|"get -H -p -o value guid zones/` + seedUUID + `@final") echo 17 ;;
			"get -H -p -o value volsize tank/disk0") echo 10486272 ;;
			*) echo 'dataset does not exist' >&2; exit 1 ;;
			esac`,
	})
}

// What an image of each kind of machine is said to be.
func TestVMManifest(t *testing.T) {
	h := &host.Host{}
	net0 := []manifest.Network{{Name: "net0", Description: "public"}}
	platform := map[string]string{"7.0": "20241212T000748Z"}
	old := map[string]string{"7.0": "20120101T000000Z"}
	required := `"requirements": {"min_ram": 64, "brand": "builder", "min_platform": {"7.0": "20120101T000000Z"}}`
	zone := func(brand string) host.VM {
		return host.VM{Brand: brand, State: "stopped", ImageUUID: seedUUID}
	}
	for _, test := range []struct {
		name   string
		vm     host.VM
		origin string
		options
		want manifest.Manifest
	}{
		{"zone", zone("joyent"), `"os": "smartos"`, options{}, manifest.Manifest{Type: "zone-dataset", OS: "smartos", Requirements: &manifest.Requirements{Networks: net0, MinPlatform: platform}}},
		{"the platform replaces that of the origin", zone("joyent-minimal"), required, options{}, manifest.Manifest{Type: "zone-dataset", OS: "smartos", Requirements: &manifest.Requirements{MinRAM: 64, Brand: "builder", MinPlatform: platform}}},
		{"but not that of -m", zone("joyent"), required, options{base: &manifest.Manifest{Requirements: &manifest.Requirements{MinPlatform: old}}}, manifest.Manifest{Type: "zone-dataset", OS: "smartos", Requirements: &manifest.Requirements{MinPlatform: old}}},
		{"builder has none of its own", zone("builder"), required, options{}, manifest.Manifest{Type: "zone-dataset", OS: "smartos", Requirements: &manifest.Requirements{MinRAM: 64, Brand: "builder", MinPlatform: old}}},
		{"image that imgadm does not know", zone("joyent"), "", options{}, manifest.Manifest{Type: "zone-dataset", OS: "smartos", Requirements: &manifest.Requirements{Networks: net0, MinPlatform: platform}}},
		{"lx", zone("lx"), `"os": "linux", "requirements": {}`, options{}, manifest.Manifest{Type: "lx-dataset", OS: "linux", Requirements: &manifest.Requirements{Brand: "lx"}}},
		{"bhyve", host.VM{Brand: "bhyve", State: "stopped", Bootrom: "uefi", Disks: []host.Disk{{ZFSFilesystem: "tank/disk0", Zpool: "zones", ImageUUID: seedUUID}}},
			`"os": "bsd", "nic_driver": "virtio", "disk_driver": "virtio", "cpu_type": "host", "image_size": 9`, options{},
			manifest.Manifest{Type: "zvol", OS: "bsd", NICDriver: "virtio", DiskDriver: "virtio", CPUType: "host", Requirements: &manifest.Requirements{Brand: "bhyve", Bootrom: "uefi"}}},
		{"drivers of the machine", host.VM{Brand: "kvm", State: "stopped", CPUType: "qemu64", Disks: []host.Disk{{ZFSFilesystem: "tank/disk0", Zpool: "zones", ImageUUID: seedUUID, Model: "ide"}, {Model: "scsi"}},
			NICs: []host.NIC{{Model: "e1000"}, {Model: "virtio"}}},
			`"os": "bsd", "nic_driver": "virtio", "disk_driver": "virtio", "cpu_type": "host"`, options{},
			manifest.Manifest{Type: "zvol", OS: "bsd", NICDriver: "e1000", DiskDriver: "ide", CPUType: "qemu64", Requirements: &manifest.Requirements{Brand: "kvm"}}},
		{"drivers of bhyve", host.VM{Brand: "bhyve", State: "stopped", Disks: []host.Disk{{ZFSFilesystem: "tank/disk0", Model: "nvme"}}, NICs: []host.NIC{{Model: "virtio"}}}, "",
			options{flags: manifest.Options{OS: "linux"}, base: &manifest.Manifest{DiskDriver: "virtio"}},
			manifest.Manifest{Type: "zvol", OS: "linux", NICDriver: "virtio", DiskDriver: "virtio", CPUType: "host", Requirements: &manifest.Requirements{Brand: "bhyve"}}},
		{"kvm of no image", host.VM{Brand: "kvm", State: "stopped", Disks: []host.Disk{{ZFSFilesystem: "tank/disk0"}}}, "", options{flags: manifest.Options{OS: "windows"}},
			manifest.Manifest{Type: "zvol", OS: "windows", Requirements: &manifest.Requirements{Brand: "kvm"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			smartOS(t, test.vm, test.origin)
			var said string
			at, err := locate(t.Context(), h, "web", nil, os.ErrNotExist, &said)
			if err != nil {
				t.Fatal(err)
			}
			m := test.flags
			m.Name, m.Base = "x", test.base
			if err := at.Machine.Settle(t.Context(), &m); err != nil {
				t.Fatal(err)
			}
			if warned := strings.Contains(said, "imgadm does not know the image "+seedUUID); warned != (test.origin == "" && at.Machine.Origin != "") {
				t.Errorf("said %q", said)
			}
			made := manifest.New(m)
			got := manifest.Manifest{Type: made.Type, OS: made.OS, NICDriver: made.NICDriver, DiskDriver: made.DiskDriver, CPUType: made.CPUType, ImageSize: made.ImageSize, Requirements: made.Requirements}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// locate looks whether what was found, or not found, is a virtual machine; nil if it is none.
func locate(ctx context.Context, h *host.Host, arg string, at Source, notFound error, said *string) (*Pool, error) {
	opts := &Options{Host: h, Warn: func(text string) { *said += text }}
	found, err := (&finder{opts, arg}).machine(ctx, at, notFound)
	pool, _ := found.(*Pool)
	return pool, err
}

// options are what a user gives.
type options struct {
	base  *manifest.Manifest
	flags manifest.Options
}

// A disk's size is not in every increment, so it is asked for.
func TestIncrementalDisk(t *testing.T) {
	h := &host.Host{}
	smartOS(t, host.VM{Brand: "bhyve", State: "stopped", Disks: []host.Disk{{ZFSFilesystem: "tank/disk0", Zpool: "tank", ImageUUID: seedUUID}}}, "")
	at, err := locate(t.Context(), h, vmUUID, nil, os.ErrNotExist, new(string))
	if err != nil {
		t.Fatal(err)
	}
	base := &manifest.Manifest{}
	m := &manifest.Options{Base: base}
	from, guid, err := at.Machine.Incremental(t.Context(), at.Dataset, m)
	if err != nil || from != "tank/"+seedUUID+"@final" || guid != 17 || base.Origin != seedUUID || base.ImageSize != 11 {
		t.Errorf("from %q, %d, %+v, %v", from, guid, base, err)
	}
	at.Machine.Origin = ""
	if _, _, err := at.Machine.Incremental(t.Context(), at.Dataset, m); err == nil || !strings.Contains(err.Error(), "was made of no image") {
		t.Errorf("without an origin: %v", err)
	}
}

func TestLocateVM(t *testing.T) {
	h := &host.Host{}
	smartOS(t, host.VM{Alias: "web", Brand: "joyent", State: "stopped", ImageUUID: seedUUID}, "")
	var said string
	errAmbiguous := errors.New("it is two things")
	dataset := func(name string) Source { return &Pool{Dataset: &host.PoolDataset{Name: name}} }
	path := func(path string) Source { return &Dir{Path: path} }
	for _, test := range []struct {
		arg      string
		at       Source
		notFound error
		vm       bool
		want     string // in an error
	}{
		{"web", nil, os.ErrNotExist, true, ""}, {vmUUID, dataset("zones/" + vmUUID), nil, true, ""}, {"zones/" + vmUUID, dataset("zones/" + vmUUID), nil, true, ""},
		{"tank/" + vmUUID, dataset("tank/" + vmUUID), nil, false, ""}, {"zones/web", dataset("zones/web"), nil, false, ""},
		{"./web", path("./web"), nil, false, ""}, {"-", path("-"), nil, false, ""}, {"other", path("other"), nil, false, ""},
		{"web", path("web"), nil, false, `it is the virtual machine ` + vmUUID + ` (web) and the path "./web"`},
		{"web", dataset("zones/web"), nil, false, `and the ZFS dataset "zones/web"`},
		{"other", nil, os.ErrNotExist, false, os.ErrNotExist.Error()}, {"web", nil, errAmbiguous, false, errAmbiguous.Error()},
	} {
		got, err := locate(t.Context(), h, test.arg, test.at, test.notFound, &said)
		failed := fmt.Sprint(err)
		if (err != nil) != (test.want != "") || !strings.Contains(failed, test.want) || err == nil && (got != nil && got.Machine != nil) != test.vm {
			t.Errorf("%s at %v: %+v, %v", test.arg, test.at, got, err)
		}
	}
	standIn(t, map[string]string{"vmadm": "echo no privileges >&2; exit 1"})
	if got, err := locate(t.Context(), h, "web", path("web"), nil, &said); err != nil || got != nil || !strings.Contains(said, "vmadm cannot tell whether \"web\"") {
		t.Errorf("where vmadm fails: %+v, %v; %s", got, err, said)
	}
	if _, err := locate(t.Context(), h, "web", nil, os.ErrNotExist, &said); err == nil || !strings.Contains(err.Error(), "no privileges") {
		t.Errorf("where vmadm fails and there is nothing else: %v", err)
	}
}

// What no image can be made of.
func TestVMRefused(t *testing.T) {
	h := &host.Host{}
	for _, test := range []struct {
		vm   host.VM
		want string
	}{
		{host.VM{Brand: "joyent", State: "running"}, "it is running"},
		{host.VM{Brand: "joyent", State: "failed"}, "it is failed"},
		{host.VM{Brand: "ipkg", State: "stopped"}, `brand "ipkg"`},
		{host.VM{Brand: "kvm", State: "stopped"}, "it has no disk"},
	} {
		smartOS(t, test.vm, "")
		at, err := locate(t.Context(), h, vmUUID, nil, os.ErrNotExist, new(string))
		if err == nil {
			err = at.Machine.Settle(t.Context(), &manifest.Options{})
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %q", test.vm, err, test.want)
		}
	}
}
