// Package zone makes the zone of a seed the zone of a base image: it lays the overlay over
// it, runs the scripts of package base in it, edits its files, and leaves it halted and prepared.
//
//	in := &zone.Install{Host: h, Image: img, Zone: name, Kit: func(ctx context.Context) (*zone.Kit, error) {
//		return (&zone.Fetch{URL: img.BootstrapURL()}).Get(ctx)
//	}}
//	result, err := in.Run(ctx)
//
// The bootstrap of pkgsrc comes from a [Kit], a file that was there or was fetched over HTTPS.
// Nothing is fetched in the zone before it has root certificates.
//
// # When it fails
//
// A zone stays as it was when that happened, and [Install.Run] may be run again on it as long
// as it runs. A zone is hostile: its files are reached by package rootfs, and of what it prints
// nothing is believed but where it is.
//
// # Limits
//
// Interrupted, zlogin is ended. What it started in the zone goes on until that is halted.
package zone
