// Package base says what a SmartOS base image is: which packages of pkgsrc it has, which files
// are laid over its seed, and which scripts run in its zone.
//
//	config, err := base.Args{CONFIG: "2024Q4-x86_64", Name: "base-64-lts", Release: "24.4.1", Zone: uuid}.Config()
//	img := base.Standard.Image(config)
//	img.Packages           // "mozilla-rootcerts-openssl", …
//	img.Variables          // of the overlay: IMAGE_PREFIX is "/opt/local", …
//	base.Overlay(img.Dirs) // the files
//
// All that differs between versions, architectures and kinds of image stands in [Standard], a
// table with one line a rule.
//
// The facts are those of the classic imagetools of 2013, 2020 and 2024.
package base
