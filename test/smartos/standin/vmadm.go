//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// vmadm says on standard error how it went; get and lookup alone print on standard output.
func (s *state) vmadm(args []string) error {
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if len(args) == 0 {
		return unknown("vmadm without a command")
	}
	verb, args := args[0], args[1:]
	switch verb {
	case "create":
		return s.vmadmCreate(args)
	case "lookup":
		return s.vmadmLookup(args)
	}
	_, args, err = flags(args, map[string]string{"stop": "F"}[verb], map[string]string{"stop": "t"}[verb])
	if err != nil {
		return err
	}
	if len(args) != 1 || !uuidForm.MatchString(args[0]) {
		return unknown("vmadm %s takes one UUID", verb)
	}
	uuid := args[0]
	v, err := s.load(uuid)
	if err != nil {
		return err
	}
	done := ""
	switch verb {
	case "get":
		v.Mounts, v.Made, v.Boots = nil, nil, 0
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	case "start":
		err, done = s.boot(v), "Successfully started VM "+uuid
	case "stop":
		err, done = s.halt(v), "Successfully completed stop for VM "+uuid
	case "delete":
		err, done = s.delete(v), "Successfully deleted VM "+uuid
	default:
		return unknown("vmadm %s", verb)
	}
	if err == nil {
		fmt.Fprintln(os.Stderr, done)
	}
	return err
}

func (s *state) vmadmLookup(args []string) error {
	options, args, err := flags(args, "1j", "")
	if err != nil {
		return err
	}
	all, err := s.all()
	if err != nil {
		return err
	}
	found := []map[string]any{}
	for _, v := range all {
		text, err := json.Marshal(v)
		fields := map[string]any{}
		if err := errors.Join(err, json.Unmarshal(text, &fields)); err != nil {
			return err
		}
		is := true
		for _, arg := range args {
			key, value, ok := strings.Cut(arg, "=")
			if !ok {
				return unknown("vmadm lookup %q: KEY=VALUE is needed", arg)
			}
			have := fmt.Sprint(fields[key])
			if pattern, isRegexp := strings.CutPrefix(value, "~"); isRegexp {
				matched, err := regexp.MatchString(pattern, have)
				if err != nil {
					return err
				}
				is = is && matched
			} else {
				is = is && have == value
			}
		}
		if is {
			found = append(found, fields)
		}
	}
	if _, unique := options['1']; unique && len(found) != 1 {
		return said("Requested unique lookup but found %d results.", len(found))
	}
	if _, asJSON := options['j']; asJSON {
		return json.NewEncoder(os.Stdout).Encode(found)
	}
	for _, fields := range found {
		fmt.Println(fields["uuid"])
	}
	return nil
}

func (s *state) vmadmCreate(args []string) error {
	options, args, err := flags(args, "", "f")
	if err != nil {
		return err
	}
	if len(args) > 0 {
		return unknown("vmadm create %q", args)
	}
	var text []byte
	if path, ok := options['f']; ok {
		text, err = os.ReadFile(path)
	} else {
		text, err = io.ReadAll(os.Stdin)
	}
	if err != nil {
		return err
	}
	p := payload{}
	if err := json.Unmarshal(text, &p); err != nil {
		return said("Invalid JSON payload: %v", err)
	}
	v, err := p.vm()
	if err != nil {
		return err
	}
	if _, err := s.load(v.UUID); err == nil {
		return fmt.Errorf("vm with UUID %s already exists", v.UUID)
	}
	if err := s.checkImage(v); err != nil {
		return err
	}
	if err := s.makeZone(v); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "Successfully created VM "+v.UUID)
	return nil
}

// checkImage judges the image of a new machine.
func (s *state) checkImage(v *vm) error {
	text, err := os.ReadFile(s.imagePath(v.Zpool, v.ImageUUID))
	var image struct{ Manifest struct{ Type string } }
	if err := errors.Join(err, json.Unmarshal(text, &image)); err != nil {
		return said("Invalid value(s) for: image_uuid (unable to get manifest of %s)", v.ImageUUID)
	}
	fits := map[string]bool{"zone-dataset": v.Brand != "lx", "lx-dataset": v.Brand == "lx", "docker": v.Brand == "lx"}
	if !fits[image.Manifest.Type] {
		return said("Invalid value(s) for: image_uuid (type %s, brand %s)", image.Manifest.Type, v.Brand)
	}
	return nil
}

// makeZone clones the image and boots the zone.
func (s *state) makeZone(v *vm) error {
	origin := v.Zpool + "/" + v.ImageUUID + "@final"
	if _, err := zfs("list", "-H", "-o", "name", origin); err != nil {
		origin = v.Zpool + "/" + v.ImageUUID + "@" + v.UUID
		if _, err := zfs("snapshot", origin); err != nil {
			return err
		}
	}
	if _, err := zfs("clone", origin, v.ZFSFilesystem); err != nil {
		return err
	}
	var err error
	if v.Zonepath, err = zfs("get", "-H", "-o", "value", "mountpoint", v.ZFSFilesystem); err != nil {
		return err
	}
	if v.Quota > 0 {
		if _, err := zfs("set", fmt.Sprintf("quota=%dg", v.Quota), v.ZFSFilesystem); err != nil {
			return err
		}
	}
	v.State, v.ZoneState = "provisioning", "installed"
	if err := s.save(v); err != nil {
		return err
	}
	if err := s.prepareZone(v); err != nil {
		v.State = "failed"
		return errors.Join(err, s.save(v))
	}
	if !v.Autoboot {
		v.State = "stopped"
		return s.save(v)
	}
	if err := s.boot(v); err != nil {
		return err
	}
	// zoneinit and the metadata service end the provisioning in the first minutes.
	svc := filepath.Join(v.Zonepath, "root/var/svc")
	if err := os.Rename(filepath.Join(svc, "provisioning"), filepath.Join(svc, "provision_success")); v.needsMarker() && err != nil {
		return err
	}
	return nil
}

func (v *vm) needsMarker() bool {
	return v.Brand == "joyent" || v.Brand == "builder" || v.Brand == "sngl"
}

// prepareZone puts into a new zone what vmadm puts there, and refuses an image that does not
// tell when it is provisioned.
func (s *state) prepareZone(v *vm) error {
	root := filepath.Join(v.Zonepath, "root")
	if v.needsMarker() {
		var info struct {
			Features struct {
				Provisioning bool `json:"var_svc_provisioning"`
			}
		}
		text, err := os.ReadFile(filepath.Join(root, "var/zoneinit/zoneinit.json"))
		if err := errors.Join(err, json.Unmarshal(text, &info)); err != nil || !info.Features.Provisioning {
			return fmt.Errorf("image %s does not support the provisioning marker: %v", v.ImageUUID, err)
		}
		if err := os.WriteFile(filepath.Join(root, "var/svc/provisioning"), nil, 0o644); err != nil {
			return err
		}
	}
	config := filepath.Join(v.Zonepath, "config")
	metadata, err := json.Marshal(map[string]any{"customer_metadata": v.CustomerMetadata, "internal_metadata": v.InternalMetadata})
	return errors.Join(err, os.RemoveAll(config), os.Mkdir(config, 0o755),
		os.WriteFile(filepath.Join(config, "metadata.json"), metadata, 0o600),
		os.WriteFile(filepath.Join(config, "routes.json"), []byte("{}"), 0o644),
		os.WriteFile(filepath.Join(config, "tags.json"), []byte("{}"), 0o644))
}

func (s *state) delete(v *vm) error {
	if err := s.halt(v); err != nil {
		return err
	}
	if _, err := zfs("destroy", "-r", v.ZFSFilesystem); err != nil {
		return err
	}
	return errors.Join(os.Remove(s.path("vms", v.UUID+".json")), os.RemoveAll(v.Zonepath))
}
