//go:build !linux

package host

import (
	"os"
	"testing"
)

func thisProgram(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func mountSmall(t *testing.T, _ string) { t.Skip("no small file system on this system") }
