//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"net/netip"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/google/uuid"
)

// payload is what vmadm create reads.
type payload map[string]json.RawMessage

var aliasForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// vm is the machine that the payload asks for. All that is wrong with it is told at once, in
// vmadm's words.
func (p payload) vm() (*vm, error) {
	v := &vm{
		UUID: uuid.NewString(), Brand: "joyent", Zpool: "zones", Memory: 256, Quota: 10, Autoboot: true,
		Resolvers: []string{}, NICs: []any{}, CustomerMetadata: map[string]any{}, InternalMetadata: map[string]any{},
	}
	p.get("brand", &v.Brand)
	if !slices.Contains([]string{"joyent", "joyent-minimal", "builder", "sngl", "lx"}, v.Brand) {
		return nil, said("Invalid brand while validating payload: %s", v.Brand)
	}
	var bad, missing []string
	fields := map[string]func(json.RawMessage) bool{
		"brand":               is[string](nil),
		"uuid":                is(func(u string) bool { v.UUID = u; return uuidForm.MatchString(u) }),
		"image_uuid":          is(func(u string) bool { v.ImageUUID = u; return uuidForm.MatchString(u) }),
		"alias":               is(func(a string) bool { v.Alias = a; return aliasForm.MatchString(a) }),
		"max_physical_memory": is(func(n int) bool { v.Memory = n; return n > 0 }),
		"quota":               is(func(n int) bool { v.Quota = n; return n >= 0 }),
		"autoboot":            is(func(b bool) bool { v.Autoboot = b; return true }),
		"nowait":              is[bool](nil),
		"zpool":               is(func(z string) bool { v.Zpool = z; return aliasForm.MatchString(z) }),
		"resolvers":           is(func(list []string) bool { v.Resolvers = list; return !slices.ContainsFunc(list, noIP) }),
		"nics":                is(func(list []map[string]any) bool { return v.addNICs(list) }),
		"customer_metadata":   is(func(m map[string]any) bool { v.CustomerMetadata = m; return plain(m) }),
		"internal_metadata":   is(func(m map[string]any) bool { v.InternalMetadata = m; return plain(m) }),
		"hostname":            is(aliasForm.MatchString),
		"dns_domain":          is(aliasForm.MatchString),
		"kernel_version":      is[string](nil),
		"delegate_dataset":    is[bool](nil),
		"mdata_exec_timeout":  is[int](nil),
	}
	for name, value := range p {
		if check := fields[name]; check == nil || !check(value) {
			bad = append(bad, name)
		}
	}
	if p["image_uuid"] == nil {
		missing = append(missing, "image_uuid")
	}
	if v.Brand == "lx" && p["kernel_version"] == nil {
		missing = append(missing, "kernel_version")
	}
	sort.Strings(bad)
	var said []string
	if len(bad) > 0 {
		said = append(said, "Invalid value(s) for: "+strings.Join(bad, ", "))
	}
	if len(missing) > 0 {
		said = append(said, "Missing required properties: "+strings.Join(missing, ", "))
	}
	if said != nil {
		return nil, errors.New(strings.Join(said, "; "))
	}
	v.Zonename, v.ZFSFilesystem = v.UUID, v.Zpool+"/"+v.UUID
	return v, nil
}

func (p payload) get(name string, to any) { json.Unmarshal(p[name], to) }

// is checks that a value has a type, and then what ok says; nil says yes.
func is[T any](ok func(T) bool) func(json.RawMessage) bool {
	return func(text json.RawMessage) bool {
		var value T
		return json.Unmarshal(text, &value) == nil && (ok == nil || ok(value))
	}
}

func noIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err != nil
}

// plain tells whether metadata holds no objects or lists.
func plain(m map[string]any) bool {
	for _, value := range m {
		switch value.(type) {
		case string, float64, bool:
		default:
			return false
		}
	}
	return true
}

func (v *vm) addNICs(list []map[string]any) bool {
	primary := 0
	for _, nic := range list {
		for key := range nic {
			if !slices.Contains([]string{"nic_tag", "ips", "gateways", "primary"}, key) {
				return false
			}
		}
		if nic["nic_tag"] != "admin" { // the one network of this host
			return false
		}
		ips, _ := nic["ips"].([]any)
		for _, ip := range ips {
			text, _ := ip.(string)
			if _, err := netip.ParsePrefix(text); err != nil && text != "dhcp" {
				return false
			}
		}
		if is, _ := nic["primary"].(bool); is {
			primary++
		}
		if len(ips) == 0 {
			return false
		}
		v.NICs = append(v.NICs, nic)
	}
	return primary <= 1 && (len(list) < 2 || primary == 1)
}
