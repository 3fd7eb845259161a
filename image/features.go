package image

import (
	"fmt"
	"strings"

	"imagetools/zfs/stream"
)

// platform is the first SmartOS platform, by the date of its build, that receives streams
// with a feature; empty if none does.
type platform struct {
	feature stream.Features
	since   string // YYYYMMDD
	why     string
}

// platforms are what the features of streams ask of the receiver. Dates are those of the
// changes in illumos, given by their numbers, rounded up to the next month.
var platforms = []platform{
	{stream.FeatureSASpill, "20100901", "pool version 24"},
	{stream.FeatureLZ4, "20130201", "illumos 3035"},
	{stream.FeatureEmbedData, "20140701", "illumos 4757"},
	{stream.FeatureLargeBlocks, "20141201", "illumos 5027"},
	{stream.FeatureResuming, "20151101", "illumos 2605"},
	{stream.FeatureCompressed, "20161201", "illumos 7252"},
	{stream.FeatureLargeDnode, "20181101", "illumos 8423"},
	{stream.FeatureRaw, "20190701", "illumos 8727"},
	{stream.FeatureRedacted, "", "OpenZFS 2.0 alone"},
	{stream.FeatureZstd, "", "OpenZFS 2.0 alone"},
	{stream.FeatureSwitchToLargeBlocks, "", "OpenZFS 2.0 alone"},
	{stream.FeatureLongname, "", "OpenZFS 2.4 alone"},
	{stream.FeatureLargeMicrozap, "", "OpenZFS 2.4 alone"},
}

// OldestPlatform is the date of the oldest SmartOS platform that receives streams with the
// features, as YYYYMMDD, with the feature that asks for it. ok is false if no platform does.
func OldestPlatform(f stream.Features) (since, why string, ok bool) {
	since, why = "20100901", "no feature beyond pool version 24"
	for _, p := range platforms {
		if f&p.feature == 0 {
			continue
		}
		if p.since == "" {
			return "", fmt.Sprintf("%v: %s", p.feature, p.why), false
		}
		if p.since > since {
			since, why = p.since, fmt.Sprintf("%v: %s", p.feature, p.why)
		}
	}
	return since, why, true
}

// Kind is what a stream holds, in words.
func Kind(t stream.ObjsetType) string {
	switch t {
	case stream.ObjsetZFS:
		return "file system"
	case stream.ObjsetZvol:
		return "volume"
	}
	return strings.TrimSpace(fmt.Sprintf("objset type %d", uint32(t)))
}
