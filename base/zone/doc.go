// Package zone turns a seed zone into a base-image zone. It applies the overlay, runs the scripts of
// package base in the zone, edits its files, and leaves the zone halted and prepared.
//
//	in := &zone.Install{Host: h, Image: img, Zone: name, Kit: func(ctx context.Context) (*zone.Kit, error) {
//		return (&zone.Fetch{URL: img.BootstrapURL()}).Get(ctx)
//	}}
//	result, err := in.Run(ctx)
//
// A [Kit] provides the bootstrap of pkgsrc: a local file, or one fetched over HTTPS. Nothing is fetched
// inside the zone before it has root certificates.
//
// # Failures
//
// After a failure the zone stays as it is. [Install.Run] can be repeated while the zone runs. A zone may
// be hostile: package rootfs accesses its files, and its output is used only to report progress.
//
// # Limits
//
// An interrupt ends zlogin. Processes that it started in the zone continue until the zone halts.
package zone
