package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"
)

// VM is a virtual machine of SmartOS, be it a zone or one with disks, as `vmadm get` shows it
// (vmadm(8)): what making an image needs of it.
type VM struct {
	UUID          string `json:"uuid"`
	Alias         string `json:"alias"`
	Zonename      string `json:"zonename"`
	Brand         string `json:"brand"`
	State         string `json:"state"`
	Zpool         string `json:"zpool"`
	ZFSFilesystem string `json:"zfs_filesystem"` // of the zone, without /dev/ or a slash at its front
	Zonepath      string `json:"zonepath"`
	ImageUUID     string `json:"image_uuid"` // empty for a machine with disks, and for one made of none
	Bootrom       string `json:"bootrom"`
	CPUType       string `json:"cpu_type"` // of KVM alone
	Disks         []Disk `json:"disks"`
	NICs          []NIC  `json:"nics"`

	InternalMetadata map[string]any `json:"internal_metadata"`
}

// Disk is a disk of a virtual machine.
type Disk struct {
	ZFSFilesystem string `json:"zfs_filesystem"`
	Zpool         string `json:"zpool"`
	ImageUUID     string `json:"image_uuid"`      // empty for one that began empty
	Model         string `json:"model,omitempty"` // the driver: virtio, ahci, nvme, ide or scsi
}

// Addresses are those of the machine's interfaces that vmadm gave them, each once, in order.
// Of DHCP and routers it does not know.
func (vm *VM) Addresses() []netip.Addr {
	var list []netip.Addr
	for _, nic := range vm.NICs {
		for _, ip := range append([]string{nic.IP}, nic.IPs...) {
			ip, _, _ = strings.Cut(ip, "/")
			if a, err := netip.ParseAddr(ip); err == nil {
				list = append(list, a)
			}
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}

// The states of virtual machines, those of their zones included.
var vmStates = []string{"provisioning", "running", "stopping", "stopped", "failed", "receiving",
	"configured", "incomplete", "installed", "ready", "shutting_down", "down"}

// Brands of machines that have disks.
const (
	BrandKVM   = "kvm"
	BrandBhyve = "bhyve"
)

// HasDisks tells whether the machine runs from disks rather than from the file system of its
// zone.
func (vm *VM) HasDisks() bool { return vm.Brand == BrandKVM || vm.Brand == BrandBhyve }

// IsUUID tells whether s is a UUID as SmartOS writes them; others it refuses.
func IsUUID(s string) bool { return uuidForm.MatchString(s) }

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// IsAlias tells whether vmadm takes s as an alias.
func IsAlias(s string) bool { return aliasForm.MatchString(s) }

var aliasForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,188}$`)

// HasVMs tells whether this host is a SmartOS, with virtual machines and images.
func (h *Host) HasVMs() bool { return h.Has("vmadm") }

// VM returns the virtual machine with a UUID. One that does not exist gives fs.ErrNotExist.
func (h *Host) VM(ctx context.Context, uuid string) (*VM, error) {
	if !IsUUID(uuid) {
		return nil, fmt.Errorf("virtual machine %q: this is no UUID", uuid)
	}
	out, err := h.Query(ctx, "vmadm", "get", uuid)
	if err := vmAbsent(err, uuid); err != nil {
		return nil, err
	}
	return parseVM(out, uuid)
}

// parseVM reads the answer of `vmadm get`.
func parseVM(text, uuid string) (*VM, error) {
	vm := &VM{}
	if err := json.Unmarshal([]byte(text), vm); err != nil {
		return nil, fmt.Errorf("vmadm get %s: %w in %q", uuid, err, excerpt(text))
	}
	var faults []error
	check := func(ok bool, field, value string) {
		if !ok {
			faults = append(faults, fmt.Errorf("vmadm get %s: %s is %q", uuid, field, value))
		}
	}
	optional := func(is func(string) bool, value string) bool { return value == "" || is(value) }
	check(vm.UUID == uuid, "uuid", vm.UUID)
	check(optional(IsAlias, vm.Alias), "alias", vm.Alias)
	check(IsZoneName(vm.Zonename), "zonename", vm.Zonename)
	check(slices.Contains(vmStates, vm.State), "state", vm.State)
	check(vm.Brand != "", "brand", vm.Brand)
	check(IsDatasetName(vm.ZFSFilesystem), "zfs_filesystem", vm.ZFSFilesystem)
	check(path.IsAbs(vm.Zonepath), "zonepath", vm.Zonepath)
	check(optional(IsUUID, vm.ImageUUID), "image_uuid", vm.ImageUUID)
	for i, d := range vm.Disks {
		field := fmt.Sprintf("disks[%d].", i)
		check(optional(IsDatasetName, d.ZFSFilesystem), field+"zfs_filesystem", d.ZFSFilesystem)
		check(optional(IsUUID, d.ImageUUID), field+"image_uuid", d.ImageUUID)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return vm, nil
}

// excerpt is as much of a text as fits into a message.
func excerpt(text string) string {
	if len(text) > 200 {
		return text[:200] + "…"
	}
	return text
}

// VMsWithAlias returns the UUIDs of the virtual machines with an alias, of which there should
// be one at most.
func (h *Host) VMsWithAlias(ctx context.Context, alias string) ([]string, error) {
	if !IsAlias(alias) {
		return nil, fmt.Errorf("virtual machine %q: no such alias is possible", alias)
	}
	return h.lookup(ctx, "alias="+alias)
}

// lookup returns the UUIDs of the virtual machines that have a property.
func (h *Host) lookup(ctx context.Context, filter string) ([]string, error) {
	out, err := h.Query(ctx, "vmadm", "lookup", filter)
	if err != nil {
		return nil, err
	}
	uuids := strings.Fields(out)
	for _, uuid := range uuids {
		if !IsUUID(uuid) {
			return nil, fmt.Errorf("vmadm lookup %s: %q is no list of UUIDs", filter, excerpt(out))
		}
	}
	slices.Sort(uuids)
	return uuids, nil
}

// FindVM returns the virtual machine that name stands for: a UUID, an alias, or the name of its
// zone. One that does not exist gives fs.ErrNotExist.
func (h *Host) FindVM(ctx context.Context, name string) (*VM, error) {
	if IsUUID(name) {
		return h.VM(ctx, name)
	}
	uuids, err := h.VMsWithAlias(ctx, name)
	switch {
	case err != nil:
		return nil, err
	case len(uuids) == 0:
		return h.vmOfZone(ctx, name)
	case len(uuids) > 1:
		return nil, fmt.Errorf("virtual machine %q: %d have that alias: %s", name, len(uuids), strings.Join(uuids, ", "))
	}
	return h.VM(ctx, uuids[0])
}

// vmOfZone returns the virtual machine whose zone has a name. Most are called like their UUID.
func (h *Host) vmOfZone(ctx context.Context, name string) (*VM, error) {
	z, err := h.Zone(ctx, name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !IsUUID(z.UUID) {
		return nil, &absentError{"virtual machine", name, "on this host"}
	}
	if err != nil {
		return nil, err
	}
	return h.VM(ctx, z.UUID)
}
