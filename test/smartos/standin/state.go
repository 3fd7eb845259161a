//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"
)

// state is the folder in which the host's stand-ins keep what there is:
//
//	calls, refused       what they were asked
//	sysinfo.json         the answer of sysinfo
//	images/POOL-UUID.json   imgadm's database: {manifest, zpool}
//	vms/UUID.json        virtual machines
//	zones/UUID/          what a zone's stand-ins record; the zone's /dev/standin
//	platform             link to what zones see of the platform
//	packages/            what pkg_add adds
//	standin              the program
type state struct{ dir string }

func (s *state) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// vm is a virtual machine: what vmadm get shows of it, and what the stand-ins keep.
type vm struct {
	UUID             string         `json:"uuid"`
	Alias            string         `json:"alias,omitempty"`
	Zonename         string         `json:"zonename"`
	Brand            string         `json:"brand"`
	State            string         `json:"state"`
	ZoneState        string         `json:"zone_state"`
	Zpool            string         `json:"zpool"`
	ZFSFilesystem    string         `json:"zfs_filesystem"`
	Zonepath         string         `json:"zonepath"`
	ImageUUID        string         `json:"image_uuid,omitempty"`
	Memory           int            `json:"max_physical_memory"`
	Quota            int            `json:"quota"`
	Autoboot         bool           `json:"autoboot"`
	Resolvers        []string       `json:"resolvers"`
	NICs             []any          `json:"nics"`
	CustomerMetadata map[string]any `json:"customer_metadata"`
	InternalMetadata map[string]any `json:"internal_metadata"`
	Mounts           []string       `json:"_mounts,omitempty"` // below the root of the zone, in their order
	Made             []string       `json:"_made,omitempty"`   // for them
	Boots            int            `json:"_boots,omitempty"`  // how many there were
}

// lock keeps other stand-ins of this state away until unlock is called.
func (s *state) lock() (unlock func(), err error) {
	f, err := os.OpenFile(s.path("lock"), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, err
	}
	return func() { f.Close() }, nil
}

// errNoZone is how vmadm and zoneadm tell of one that does not exist.
func errNoZone(name string) error { return fmt.Errorf("zoneadm: %s: No such zone configured", name) }

func (s *state) load(uuid string) (*vm, error) {
	text, err := os.ReadFile(s.path("vms", filepath.Base(uuid)+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoZone(uuid)
	}
	v := &vm{}
	return v, errors.Join(err, json.Unmarshal(text, v))
}

func (s *state) save(v *vm) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	path := s.path("vms", v.UUID+".json")
	return errors.Join(os.WriteFile(path+".new", text, 0o666), os.Rename(path+".new", path))
}

// all are the virtual machines, by UUID.
func (s *state) all() ([]*vm, error) {
	paths, err := filepath.Glob(s.path("vms", "*.json"))
	if err != nil {
		return nil, err
	}
	sort.Strings(paths)
	var vms []*vm
	for _, p := range paths {
		v, err := s.load(strings.TrimSuffix(filepath.Base(p), ".json"))
		if err != nil {
			return nil, err
		}
		vms = append(vms, v)
	}
	return vms, nil
}

// zfs runs the real one. That a file was closed reaches zfs-fuse a little later, so that a
// dataset may be busy for a while.
func zfs(args ...string) (string, error) {
	out, err := exec.Command("zfs", args...).CombinedOutput()
	for try := 0; err != nil && strings.Contains(string(out), "dataset is busy") && try < 50; try++ {
		time.Sleep(100 * time.Millisecond)
		out, err = exec.Command("zfs", args...).CombinedOutput()
	}
	if err != nil {
		return "", fmt.Errorf("zfs %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// onHost is the program name on the host.
func onHost(s *state, name string, args []string) error {
	if name == zoneInit { // nobody calls that but we
		return s.init(args[0], args[1])
	}
	programs := map[string]func([]string) error{
		"vmadm": s.vmadm, "zoneadm": s.zoneadm, "zlogin": s.zlogin, "imgadm": s.imgadm, "sysinfo": s.sysinfo,
	}
	return recorded(s.dir, name, args, func() error {
		if programs[name] == nil {
			return unknown("program %q on the host", name)
		}
		return programs[name](args)
	})
}

func (s *state) sysinfo(args []string) error {
	if len(args) > 0 {
		return unknown("sysinfo is called without arguments")
	}
	text, err := os.ReadFile(s.path("sysinfo.json"))
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}
