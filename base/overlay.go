package base

import "embed"

// Files of the overlay, which lie below the folder overlay, and overlay.mtree, which tells
// owners and modes of them.
//
//go:embed all:overlay overlay.mtree
var Files embed.FS

// What the overlay brings into a zone, and where the scripts expect what is handed to them.
const (
	FirstScript  = "/root/customize/first"
	SecondScript = "/root/customize/second"
	WorkDir      = "/var/tmp/basesetup"
	LogFile      = WorkDir + "/basesetup.log"
	CACertFile   = WorkDir + "/cacert.pem" // may be absent
)

// BootstrapFile is where the first script expects the bootstrap.
func (img *Image) BootstrapFile() string { return WorkDir + "/" + img.Variables["PKGSRC_BOOTSTRAP"] }

// Shell is the program that runs the scripts in the zone.
func (img *Image) Shell() string { return img.Variables["ZONE_SHELL"] }

// Target is where a directory of the overlay lies in the image: /etc for "etc".
func (img *Image) Target(dir string) string {
	if dir == "sysconfdir" {
		return img.Variables["IMAGE_SYSCONFDIR"]
	}
	return "/" + dir
}
