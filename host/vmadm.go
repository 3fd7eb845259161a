package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// NewVM is what a virtual machine is made of: the payload of `vmadm create` for a zone
// (vmadm(8)). Zero values are left to vmadm.
type NewVM struct {
	// UUID is given by who makes the machine, who then can remove it whatever happens on the way.
	UUID              string            `json:"uuid"`
	Alias             string            `json:"alias,omitzero"`
	Brand             string            `json:"brand"`
	ImageUUID         string            `json:"image_uuid"`
	KernelVersion     string            `json:"kernel_version,omitzero"` // for brand lx
	Zpool             string            `json:"zpool,omitzero"`
	MaxPhysicalMemory int               `json:"max_physical_memory,omitzero"` // MiB
	Quota             *int              `json:"quota,omitzero"`               // GiB, 0 for none
	Resolvers         []string          `json:"resolvers,omitzero"`
	NICs              []NIC             `json:"nics,omitzero"`
	Autoboot          *bool             `json:"autoboot,omitzero"`
	CustomerMetadata  map[string]string `json:"customer_metadata,omitzero"`
	InternalMetadata  map[string]string `json:"internal_metadata,omitzero"`
}

// NIC is a network interface of a virtual machine.
type NIC struct {
	NICTag   string   `json:"nic_tag"`
	IP       string   `json:"ip,omitzero"` // as older platforms have it; not for a new machine
	IPs      []string `json:"ips"`         // "dhcp", "addrconf", or addresses with the length of their network
	Gateways []string `json:"gateways,omitzero"`
	Primary  bool     `json:"primary,omitzero"` // exactly one of several
	Model    string   `json:"model,omitempty"`  // the driver: virtio, e1000 or rtl8139; empty for a zone
}

// CreateVM makes a virtual machine, and waits until it has started if it is to. When ctx ends
// or vmadm fails, there may be one: [Host.DeleteVM] removes it.
func (h *Host) CreateVM(ctx context.Context, vm NewVM) error {
	var faults []error
	if !IsUUID(vm.UUID) {
		faults = append(faults, fmt.Errorf("uuid %q: this is no UUID", vm.UUID))
	}
	if !IsUUID(vm.ImageUUID) {
		faults = append(faults, fmt.Errorf("image_uuid %q: this is no UUID", vm.ImageUUID))
	}
	if vm.Alias != "" && !IsAlias(vm.Alias) {
		faults = append(faults, fmt.Errorf("alias %q: letters, digits and _.- are possible", vm.Alias))
	}
	if len(faults) > 0 {
		return fmt.Errorf("create a virtual machine: %w", errors.Join(faults...))
	}
	payload, err := json.MarshalIndent(vm, "", "  ")
	if err != nil {
		return err
	}
	c := Command{Program: "vmadm", Args: []string{"create"}, Input: string(payload) + "\n", Changes: true}
	out, err := h.Run(ctx, c)
	if err != nil || h.DryRun != nil {
		return err
	}
	// vmadm answers on standard error, below what it warns of.
	want, said := "Successfully created VM "+vm.UUID, strings.TrimSpace(out.Stderr)
	if said != want && !strings.HasSuffix(said, "\n"+want) {
		return fmt.Errorf("vmadm create: it ended well and said %q, not %q", excerpt(said), want)
	}
	return nil
}

// StartVM boots a virtual machine.
func (h *Host) StartVM(ctx context.Context, uuid string) error { return h.manage(ctx, "start", uuid) }

// StopVM shuts a virtual machine down; one that is stopped stays so.
func (h *Host) StopVM(ctx context.Context, uuid string) error { return h.manage(ctx, "stop", uuid) }

// DeleteVM removes a virtual machine with its datasets, running or not. One that does not
// exist gives fs.ErrNotExist.
func (h *Host) DeleteVM(ctx context.Context, uuid string) error { return h.manage(ctx, "delete", uuid) }

func (h *Host) manage(ctx context.Context, verb, uuid string) error {
	if !IsUUID(uuid) {
		return fmt.Errorf("%s virtual machine %q: this is no UUID", verb, uuid)
	}
	return vmAbsent(h.Change(ctx, "vmadm", verb, uuid), uuid)
}

// vmAbsent turns what vmadm says of a machine that does not exist into fs.ErrNotExist.
func vmAbsent(err error, uuid string) error {
	if failed, ok := errors.AsType[*CommandError](err); ok && strings.Contains(failed.Stderr, "No such zone configured") {
		return &absentError{"virtual machine", uuid, "on this host"}
	}
	return err
}
