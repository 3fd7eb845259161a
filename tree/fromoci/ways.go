package fromoci

import "imagetools/fault"

// Ways out of faults of container images.
var (
	WayPlatform = fault.NewWay("fromoci.platform") // choose one of the platforms that there are: one argument
	WayLimit    = fault.NewWay("fromoci.limit")    // allow more temporary data
)
