//go:build linux

package main

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

func (s *state) imagePath(pool, uuid string) string { return s.path("images", pool+"-"+uuid+".json") }

func (s *state) imgadm(args []string) error {
	if len(args) == 0 {
		return unknown("imgadm without a command")
	}
	verb := args[0]
	options, args, err := flags(args[1:], "", map[string]string{"get": "P", "install": "Pmf"}[verb])
	if err != nil {
		return err
	}
	pool := options['P']
	if pool == "" {
		pool = "zones"
	}
	switch {
	case verb == "get" && len(args) == 1:
		text, err := os.ReadFile(s.imagePath(pool, args[0]))
		if err != nil {
			fmt.Fprintf(os.Stderr, "imgadm get: error (ImageNotInstalled): image \"%s\" was not found on zpool \"%s\"\n", args[0], pool)
			return exitError(3)
		}
		_, err = os.Stdout.Write(text)
		return err
	case verb == "install" && len(args) == 0 && options['m'] != "" && options['f'] != "":
		if err := s.install(pool, options['m'], options['f']); err != nil {
			return fmt.Errorf("imgadm install: error: %w", err)
		}
		return nil
	}
	return unknown("imgadm %s %q", verb, args)
}

// install installs an image as imgadm does, as far as images of ours ask for it.
func (s *state) install(pool, manifestPath, file string) error {
	text, err := os.ReadFile(manifestPath)
	if err != nil {
		return err
	}
	var m struct {
		UUID  string
		Files []struct {
			Size              int64
			SHA1, Compression string
		}
	}
	if err := json.Unmarshal(text, &m); err != nil || len(m.Files) != 1 || !uuidForm.MatchString(m.UUID) {
		return fmt.Errorf("InvalidManifest: %w in %s", err, text)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if sum := sha1.Sum(data); int64(len(data)) != m.Files[0].Size || hex.EncodeToString(sum[:]) != m.Files[0].SHA1 {
		return errors.New("DownloadError: size or sha1 differ")
	}
	decompressor, ok := map[string]string{"none": "cat", "gzip": "gzip -cdfq", "bzip2": "bzip2 -cdfq", "xz": "xz -cdfq"}[m.Files[0].Compression]
	if !ok {
		return fmt.Errorf("ManifestValidation: compression %q", m.Files[0].Compression)
	}
	name := pool + "/" + m.UUID
	// It is not mounted yet: zfs-fuse is slow to let go of what it is to rename.
	receive := exec.Command("bash", "-o", "pipefail", "-c", decompressor+` <"$1" | zfs receive -u "$2"`, "bash", file, name+"-partial")
	if out, err := receive.CombinedOutput(); err != nil {
		return fmt.Errorf("zfs receive error while importing: %w: %s", err, out)
	}
	out, err := zfs("list", "-H", "-r", "-d", "1", "-t", "snapshot", "-o", "name", name+"-partial")
	snapshots := strings.Fields(out)
	if err != nil || len(snapshots) != 1 {
		return fmt.Errorf("UnexpectedNumberOfSnapshots: %q, %w", snapshots, err)
	}
	if final := name + "-partial@final"; snapshots[0] != final {
		if _, err := zfs("rename", snapshots[0], final); err != nil {
			return err
		}
	}
	if _, err := zfs("rename", name+"-partial", name); err != nil {
		return err
	}
	if _, err := zfs("mount", name); err != nil {
		return err
	}
	entry, err := json.Marshal(map[string]any{"manifest": json.RawMessage(text), "zpool": pool})
	return errors.Join(err, os.WriteFile(s.imagePath(pool, m.UUID), entry, 0o666))
}
