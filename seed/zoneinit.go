package seed

import (
	_ "embed"
	"errors"
)

//go:embed files/zoneinit.json
var zoneinitJSON []byte

//go:embed files/S99final
var finalScript []byte

// addZoneinit lets a bare seed provision: zoneinit.json tells vmadm that the image knows of
// /var/svc/provisioning, and S99final does what zoneinit does at its end.
func (b *builder) addZoneinit(s *Step) error {
	s.Did, s.Paths = "added", []string{"var/zoneinit/zoneinit.json", "etc/rc2.d/S99final"}
	return errors.Join(
		b.put("var/zoneinit/zoneinit.json", 0o644, zoneinitJSON),
		b.put("etc/rc2.d/S99final", 0o755, finalScript))
}
