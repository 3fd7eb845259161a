package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// runKey is where the internal metadata of a virtual machine says which run of this program made
// it, in the form of the names of snapshots.
const runKey = "imagetools:run"

// Sign has a new virtual machine say that this run made it, and will delete it. One that is to be
// kept is not signed.
func (vm *NewVM) Sign(now time.Time) error {
	me, err := self(now)
	if err != nil {
		return err
	}
	if vm.InternalMetadata == nil {
		vm.InternalMetadata = map[string]string{}
	}
	vm.InternalMetadata[runKey] = me.String()
	return nil
}

// LeftVM is a virtual machine that another run of this program signed and has not deleted.
type LeftVM struct {
	UUID, Alias string
	PID         int
	Made        time.Time
	Fate        Fate
}

// LeftVMs returns the virtual machines whose alias has a prefix and that other runs signed, the
// oldest first. Those of which vmadm cannot tell are left out, and come in the error.
func (h *Host) LeftVMs(ctx context.Context, prefix string) ([]LeftVM, error) {
	if !IsAlias(prefix) {
		return nil, fmt.Errorf("virtual machines %q: no such alias is possible", prefix)
	}
	me, err := self(time.Time{})
	if err != nil {
		return nil, err
	}
	uuids, err := h.lookup(ctx, "alias=~^"+strings.ReplaceAll(prefix, ".", `\.`))
	if err != nil {
		return nil, err
	}
	var left []LeftVM
	var faults []error
	for _, uuid := range uuids {
		vm, err := h.VM(ctx, uuid)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, fs.ErrNotExist): // no more
		case err != nil:
			faults = append(faults, err)
		default:
			signed, _ := vm.InternalMetadata[runKey].(string)
			if t, ok := parseTaker(signed); ok {
				left = append(left, LeftVM{vm.UUID, vm.Alias, t.pid, t.taken, t.fate(me)})
			}
		}
	}
	slices.SortStableFunc(left, func(a, b LeftVM) int { return a.Made.Compare(b.Made) })
	return left, errors.Join(faults...)
}
