// Package base says what a SmartOS base image is: which packages of pkgsrc it has, which files
// are laid over its seed, and which scripts run in its zone.
//
//	config, err := base.Args{Config: "2024Q4-x86_64", Name: "base-64-lts", Release: "24.4.1", Zone: uuid}.Parse()
//	img := base.Standard.Image(config)
//	img.Packages                  // "mozilla-rootcerts-openssl", …
//	img.Variables                 // of the overlay: IMAGE_PREFIX is "/opt/local", …
//	layers, err := img.Overlay()  // the files, for package overlay
//
// All that differs between versions, architectures and kinds of image stands in [Standard], a
// table with one line a rule.
//
// # The zone's half
//
// The overlay brings two scripts into the zone. [FirstScript] unpacks the bootstrap of pkgsrc,
// which has been put at [Image.BootstrapFile], adds packages, certificates and linker paths.
// Then files are edited (package customize). [SecondScript] does what only the zone's programs
// can do, and halts the zone. Both are run by [Image.Shell], tell where they are in lines that
// [ParseProgress] reads, end at the first failure, and leave all they said in [LogFile]. The
// second removes itself and the log before its last step. Each may be run again.
//
// The facts are those of the classic imagetools of 2013, 2020 and 2024.
package base
