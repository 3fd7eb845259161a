package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
)

// imageAbsent is the exit status of imgadm(8) for an image that is not installed.
const imageAbsent = 3

// InstalledImage returns the manifest of an image that is installed in a pool, as it is in
// imgadm's database, which does not judge what it takes. One that is not installed gives
// fs.ErrNotExist; one whose manifest is not known has but a uuid.
func (h *Host) InstalledImage(ctx context.Context, uuid, pool string) (map[string]json.RawMessage, error) {
	if !IsUUID(uuid) {
		return nil, fmt.Errorf("image %q: this is no UUID", uuid)
	}
	if !poolName.MatchString(pool) {
		return nil, fmt.Errorf("image %s: %q cannot be the name of a pool", uuid, pool)
	}
	out, err := h.Query(ctx, "imgadm", "get", "-P", pool, uuid)
	if failed, ok := errors.AsType[*CommandError](err); ok && failed.ExitCode() == imageAbsent {
		return nil, &absentError{"image", uuid, fmt.Sprintf("in the pool %q", pool)}
	}
	if err != nil {
		return nil, err
	}
	var answer struct {
		Manifest map[string]json.RawMessage `json:"manifest"`
		Zpool    string                     `json:"zpool"`
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		return nil, fmt.Errorf("imgadm get %s: %w in %q", uuid, err, excerpt(out))
	}
	var is string
	if err := json.Unmarshal(answer.Manifest["uuid"], &is); err != nil || is != uuid || answer.Zpool != pool {
		return nil, fmt.Errorf("imgadm get %s: manifest.uuid is %q and zpool %q in %q", uuid, is, answer.Zpool, excerpt(out))
	}
	return answer.Manifest, nil
}

// poolName is what imgadm takes for a pool.
var poolName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9._-]*$`)

// Platform is what a SmartOS runs.
type Platform struct {
	SDCVersion string // 7.0
	Stamp      string // of the platform image: 20141030T081701Z
}

var (
	sdcForm   = regexp.MustCompile(`^\d+(\.\d+)+$`)
	stampForm = regexp.MustCompile(`^\d{8}T\d{6}Z$`)
)

// Platform asks sysinfo(8) for the platform of this host. One that does not tell its SDC
// version is from before 7.0, as imgadm has it.
func (h *Host) Platform(ctx context.Context) (Platform, error) {
	out, err := h.Query(ctx, "sysinfo")
	if err != nil {
		return Platform{}, err
	}
	answer := struct {
		SDCVersion string `json:"SDC Version"`
		LiveImage  string `json:"Live Image"`
	}{SDCVersion: "6.5"}
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		return Platform{}, fmt.Errorf("sysinfo: %w in %q", err, excerpt(out))
	}
	p := Platform{answer.SDCVersion, answer.LiveImage}
	if !sdcForm.MatchString(p.SDCVersion) || !stampForm.MatchString(p.Stamp) {
		return Platform{}, fmt.Errorf("sysinfo: SDC Version is %q and Live Image %q", p.SDCVersion, p.Stamp)
	}
	return p, nil
}
