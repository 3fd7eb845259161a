package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	zoneUUID  = "54f1cc77-68f1-42ab-acac-5c4f64f5d6e0"
	imageUUID = "88a04a6c-d413-11e6-8341-ff5fa45bf3e9"
)

// vmJSON is as much of an answer of `vmadm get` as we read, and something more.
const vmJSON = `{"zonename": "` + zoneUUID + `", "brand": "bhyve", "uuid": "` + zoneUUID + `", "alias": "web", "state": "stopped",
 "zpool": "zones", "zfs_filesystem": "zones/` + zoneUUID + `", "zonepath": "/zones/` + zoneUUID + `", "boot_timestamp": "x", "quota": 10,
 "nics": [{"nic_tag": "admin", "ip": "10.88.1.5", "netmask": "255.255.255.0", "primary": true, "ips": ["10.88.1.5/24", "fd00::5/64", "addrconf"]},
	{"nic_tag": "external", "ip": "198.51.100.7"}, {"nic_tag": "external", "ip": "dhcp", "ips": ["dhcp"]}],
 "disks": [{"path": "/dev/zvol", "zfs_filesystem": "zones/d/disk0", "zpool": "zones", "image_uuid": "` + imageUUID + `"}, {"size": 1}]}`

func TestParseVM(t *testing.T) {
	want := &VM{
		UUID: zoneUUID, Alias: "web", Zonename: zoneUUID, Brand: "bhyve", State: "stopped", Zpool: "zones",
		ZFSFilesystem: "zones/" + zoneUUID, Zonepath: "/zones/" + zoneUUID,
		Disks: []Disk{{ZFSFilesystem: "zones/d/disk0", Zpool: "zones", ImageUUID: imageUUID}, {}},
		NICs: []NIC{
			{NICTag: "admin", IP: "10.88.1.5", IPs: []string{"10.88.1.5/24", "fd00::5/64", "addrconf"}, Primary: true},
			{NICTag: "external", IP: "198.51.100.7"}, {NICTag: "external", IP: "dhcp", IPs: []string{"dhcp"}},
		},
	}
	got, err := parseVM(vmJSON, zoneUUID)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	if addresses := fmt.Sprint(got.Addresses()); addresses != "[10.88.1.5 198.51.100.7 fd00::5]" {
		t.Errorf("addresses %s", addresses)
	}
	for field, value := range map[string]any{
		"uuid": imageUUID, "alias": "-x", "zonename": "../x", "brand": "", "state": "asleep", "zfs_filesystem": "-r", "zonepath": "zones",
		"image_uuid": "X", "disks": []any{map[string]any{"zfs_filesystem": "a@b"}},
	} {
		vm := map[string]any{}
		if err := json.Unmarshal([]byte(vmJSON), &vm); err != nil {
			t.Fatal(err)
		}
		vm[field] = value
		text, err := json.Marshal(vm)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseVM(string(text), zoneUUID); err == nil || got != nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s %v: %v, %v", field, value, got, err)
		}
	}
	_, err = parseVM(`{"uuid": "x", "state": "y"}`, zoneUUID)
	if err == nil || strings.Count(err.Error(), "\n") < 4 {
		t.Errorf("not all faults at once: %v", err)
	}
}

func FuzzParseVM(f *testing.F) {
	f.Add(vmJSON)
	f.Add("null")
	f.Fuzz(func(t *testing.T, s string) {
		if vm, err := parseVM(s, zoneUUID); err == nil && (vm.UUID != zoneUUID || !IsDatasetName(vm.ZFSFilesystem)) {
			t.Errorf("parseVM(%q) = %+v", s, vm)
		}
	})
}

// What programs answer in other ways than they are known to is an error that shows it.
func TestStrangeAnswers(t *testing.T) {
	ctx := t.Context()
	h := &Host{}
	vm := NewVM{UUID: zoneUUID, ImageUUID: imageUUID, Brand: "joyent"}
	calls := map[string]func() error{
		"get":     func() error { _, err := h.VM(ctx, zoneUUID); return err },
		"lookup":  func() error { _, err := h.VMsWithAlias(ctx, "web"); return err },
		"create":  func() error { return h.CreateVM(ctx, vm) },
		"image":   func() error { _, err := h.InstalledImage(ctx, imageUUID, "zones"); return err },
		"sysinfo": func() error { _, err := h.Platform(ctx); return err },
	}
	for _, test := range []struct{ call, program, script, want string }{
		{"get", "vmadm", "echo nonsense", `in "nonsense`},
		{"get", "vmadm", "echo vmadm: broken >&2; exit 1", "exit status 1: vmadm: broken"},
		{"lookup", "vmadm", "echo one two", `"one two\n" is no list of UUIDs`},
		{"create", "vmadm", "echo Created >&2", `said "Created", not "Successfully created VM ` + zoneUUID},
		{"create", "vmadm", "echo 'Successfully created VM " + imageUUID + "' >&2", `not "Successfully created VM ` + zoneUUID},
		{"image", "imgadm", "echo []", `in "[]`},
		{"image", "imgadm", `echo '{"manifest": {"uuid": "` + zoneUUID + `"}, "zpool": "zones"}'`, `manifest.uuid is "` + zoneUUID},
		{"sysinfo", "sysinfo", "echo '{}'", `Live Image ""`},
	} {
		standIn(t, map[string]string{test.program: test.script})
		if err := calls[test.call](); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s, %s: %v, want %q in it", test.call, test.script, err, test.want)
		}
	}
	standIn(t, map[string]string{"vmadm": "printf '%s\\n' " + zoneUUID + " " + imageUUID})
	if _, err := h.FindVM(ctx, "web"); err == nil || !strings.Contains(err.Error(), "2 have that alias: "+zoneUUID+", "+imageUUID) {
		t.Errorf("an alias of two: %v", err)
	}
	standIn(t, map[string]string{"vmadm": "exit 0"})
	if _, err := h.FindVM(ctx, "web"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an alias of none: %v", err)
	}
	standIn(t, map[string]string{
		"vmadm":   "[ $1 = lookup ] || echo '" + vmJSON + "'",
		"zoneadm": "echo -:web:installed:/zones/web:" + zoneUUID + ":joyent:excl; echo -:odd:installed:/zones/odd::joyent:excl",
	})
	if vm, err := h.FindVM(ctx, "web"); err != nil || vm.UUID != zoneUUID {
		t.Errorf("by the name of its zone: %+v, %v", vm, err)
	}
	if _, err := h.FindVM(ctx, "odd"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a zone that is no virtual machine: %v", err)
	}
}

// No name that could be taken for something else gets to a program.
func TestBadNames(t *testing.T) {
	script := "echo ran >&2; exit 99"
	standIn(t, map[string]string{"vmadm": script, "zoneadm": script, "zlogin": script, "imgadm": script})
	ctx := t.Context()
	h := &Host{}
	login := func(zone string, args ...string) error {
		_, err := h.Login(ctx, Login{Zone: zone, Args: args})
		return err
	}
	_, script1 := h.LoginScript(ctx, Login{Zone: "web", Stdin: strings.NewReader("")}, "x", "true")
	_, script2 := h.LoginScript(ctx, Login{Zone: "web"}, "x", "tr\x00ue")
	for i, err := range []error{
		h.HaltZone(ctx, "-F"), h.HaltZone(ctx, "global"), login("-C", "true"), login("web"), login("web", "a\x00b"), script1, script2,
		h.StartVM(ctx, "web"), h.StopVM(ctx, strings.ToUpper(zoneUUID)), h.DeleteVM(ctx, "-h"), h.CreateVM(ctx, NewVM{}),
		errorOf(h.VM(ctx, "--all")), errorOf(h.VMsWithAlias(ctx, "~.*")), errorOf(h.InstalledImage(ctx, "x", "zones")), errorOf(h.InstalledImage(ctx, imageUUID, "-P")),
	} {
		if err == nil || strings.Contains(err.Error(), "ran") {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func errorOf[T any](_ T, err error) error { return err }

func TestLoginCommand(t *testing.T) {
	standIn(t, map[string]string{"zlogin": `printf '%s|' "$@"; cat`})
	h := &Host{}
	out, err := h.Login(t.Context(), Login{Zone: "web", Args: []string{"echo", "a b", "$x"}, Stdin: strings.NewReader("in")})
	if want := "web|echo 'a b' '$x'|in"; err != nil || out.Stdout != want {
		t.Errorf("%+v, %v, want %q", out, err, want)
	}
	// zlogin has a shell read the rest; a script that is cut off is not run.
	standIn(t, map[string]string{"zlogin": `shift; exec sh -c "$*"`})
	script := "echo \"$0 $1\"\ncat\nexit 5\n"
	out, err = h.LoginScript(t.Context(), Login{Zone: "web", Args: []string{"it's"}}, "name", script)
	failed, ok := errors.AsType[*CommandError](err)
	if !ok || failed.ExitCode() != 5 || out.Stdout != "name it's\n" {
		t.Errorf("%+v, %v", out, err)
	}
	standIn(t, map[string]string{"zlogin": `shift; head -n 2 | sh -c "$*"`})
	out, err = h.LoginScript(t.Context(), Login{Zone: "web"}, "name", script)
	failed, ok = errors.AsType[*CommandError](err)
	if !ok || failed.ExitCode() != 125 || out.Stdout != "" {
		t.Errorf("cut off: %+v, %v", out, err)
	}
}

// A dry run of the calls shows what is pasted.
func TestDryRunOfVMs(t *testing.T) {
	var shown strings.Builder
	h := &Host{DryRun: &shown}
	ctx := t.Context()
	autoboot := false
	vm := NewVM{UUID: zoneUUID, Brand: "joyent", ImageUUID: imageUUID, Autoboot: &autoboot, NICs: []NIC{{NICTag: "admin", IPs: []string{"dhcp"}}}}
	if err := errors.Join(h.CreateVM(ctx, vm), errorOf(h.LoginScript(ctx, Login{Zone: "web", Args: []string{"x"}}, "name", "true")), h.HaltZone(ctx, "web"), h.DeleteVM(ctx, zoneUUID)); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`vmadm create <<'END'
{
  "uuid": "%s",
  "brand": "joyent",
  "image_uuid": "%s",
  "nics": [
    {
      "nic_tag": "admin",
      "ips": [
        "dhcp"
      ]
    }
  ],
  "autoboot": false
}
END
zlogin web 'bash -c '\''script=$(cat) && [[ $script == *"# end of script" ]] || exit 125; eval "$script"'\'' name x' <<'END'
true
# end of script
END
zoneadm -z web halt
vmadm delete %s
`, zoneUUID, imageUUID, zoneUUID)
	if diff := cmp.Diff(want, shown.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What runs left is told by what they wrote into the machines that they made.
func TestLeftVMs(t *testing.T) {
	me, err := self(time.Unix(1e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	signed := func(pid int, host string, hours int) string {
		return taker{time.Unix(1e9, 0).UTC().Add(time.Duration(hours) * time.Hour), pid, host}.String()
	}
	const none = 1 << 22 // more than any process has
	vms := map[string]string{}
	for i, metadata := range []string{
		runKey + `": "` + signed(none, me.host, 3), runKey + `": "` + signed(os.Getppid(), me.host, 2), runKey + `": "` + signed(none, "00000000", 1),
		"other\": \"x", runKey + `": "final`,
	} {
		uuid := fmt.Sprintf("%08d%s", i, zoneUUID[8:])
		vms[uuid] = fmt.Sprintf(`{"zonename": "%[1]s", "brand": "joyent", "uuid": "%[1]s", "alias": "proto-%[2]d", "state": "running", "zfs_filesystem": "zones/x", "zonepath": "/zones/x",
			"internal_metadata": {"n": 1, "%[3]s"}}`, uuid, i, metadata)
	}
	script := "case $* in\n'lookup alias=~^proto-')\n"
	for uuid := range vms {
		script += "echo " + uuid + "\n"
	}
	script += "echo " + zoneUUID + "; echo " + imageUUID + ";;\n"
	for uuid, text := range vms {
		script += "'get " + uuid + "') echo '" + text + "' ;;\n"
	}
	standIn(t, map[string]string{"vmadm": script + "'get " + imageUUID + "') echo '{}' ;;\n*) echo \"$2: No such zone configured\" >&2; exit 1 ;;\nesac"})
	left, err := (&Host{}).LeftVMs(t.Context(), "proto-")
	if err == nil || !strings.Contains(err.Error(), "vmadm get "+imageUUID) {
		t.Errorf("a machine that cannot be read: %v", err)
	}
	var got []string
	for _, l := range left {
		got = append(got, fmt.Sprintf("%s %s %d %v %v", l.UUID[:8], l.Alias, l.PID, l.Made.Unix()-1e9, l.Fate))
	}
	want := []string{
		fmt.Sprintf("00000002 proto-2 %d 3600 %v", none, Unknown), fmt.Sprintf("00000001 proto-1 %d 7200 %v", os.Getppid(), Alive),
		fmt.Sprintf("00000000 proto-0 %d 10800 %v", none, Ended),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	vm := NewVM{}
	if err := vm.Sign(time.Unix(1e9, 0)); err != nil || vm.InternalMetadata[runKey] != me.String() {
		t.Errorf("signed %+v, %v", vm, err)
	}
}
