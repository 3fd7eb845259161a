//go:build !linux

package host

import "testing"

func mountSmall(t *testing.T, _ string) { t.Skip("no small file system on this system") }
