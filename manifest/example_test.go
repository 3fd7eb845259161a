// SPDX-License-Identifier: MIT

package manifest_test

import (
	"fmt"
	"os"
	"time"

	"imagetools/manifest"
)

func ExampleNew() {
	name, version, err := manifest.SplitNameVersion("web-server-1.0")
	if err != nil {
		fmt.Println(err)
		return
	}
	m := manifest.New(manifest.Options{
		Name: name, Version: version, Type: manifest.TypeLX, Creator: "jo",
		SnapshotGUID: 42,
		Description:  "A web server",
		PublishedAt:  time.Unix(1600000000, 0),
		File:         &manifest.File{SHA1: "da39a3ee5e6b4b0d3255bfef95601890afd80709", Size: 20, Compression: "gzip"},
	})
	text, err := manifest.Marshal(m)
	if err != nil {
		fmt.Println(err)
		return
	}
	os.Stdout.Write(text)
	// Output:
	// {
	//   "v": 2,
	//   "uuid": "091b37cc-21c0-5c5b-8a6a-ea6a13f72b4f",
	//   "owner": "00000000-0000-0000-0000-000000000000",
	//   "name": "web-server",
	//   "version": "1.0",
	//   "description": "A web server",
	//   "urn": "sdc:jo:web-server:1.0",
	//   "published_at": "2020-09-13T12:26:40Z",
	//   "public": false,
	//   "type": "lx-dataset",
	//   "os": "linux",
	//   "files": [
	//     {
	//       "sha1": "da39a3ee5e6b4b0d3255bfef95601890afd80709",
	//       "size": 20,
	//       "compression": "gzip",
	//       "dataset_guid": "42"
	//     }
	//   ],
	//   "requirements": {
	//     "networks": [
	//       {
	//         "name": "net0",
	//         "description": "public"
	//       }
	//     ],
	//     "brand": "lx"
	//   },
	//   "tags": {
	//     "creator": "jo",
	//     "group": "web-server",
	//     "role": "os"
	//   }
	// }
}

func ExampleDocument_Lint() {
	d, err := manifest.Decode([]byte(`{
  "v": 2,
  "uuid": "01b2c898-945f-11e1-a523-af1afbe22822",
  "name": "web server", "version": "1 beta",
  "type": "zone-dataset", "os": "smartos"
}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	faults, warnings, err := d.Lint(manifest.IMGADM)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range faults {
		line, column := d.Position(f.Field)
		fmt.Printf("%d:%d: %v\n", line, column, f)
	}
	for _, w := range warnings {
		fmt.Println("warning:", w)
	}
	// Output:
	// 4:25: version: must consist of letters, digits and . _ / + -
	// warning: files: imgadm crashes on a manifest without a file
}

func ExampleParse() {
	_, err := manifest.Parse([]byte(`{
  "v": 2,
  "name": "web", "nam": "web",
  "public": "maybe"
}`))
	fmt.Println(err)
	// Output:
	// manifest: 3:18: nam: unknown field
	// manifest: 4:3: public: must be true or false, not "maybe"
}
