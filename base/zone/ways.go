package zone

import "imagetools/fault"

// Ways out of faults of an installation.
var (
	WayKit    = fault.NewWay("zone.kit")    // name another bootstrap
	WayTrust  = fault.NewWay("zone.trust")  // name root certificates to trust
	WayCACert = fault.NewWay("zone.cacert") // give the zone root certificates
)
