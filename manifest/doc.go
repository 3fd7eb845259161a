// SPDX-License-Identifier: MIT

// Package manifest reads, checks, makes and writes SmartOS image manifests.
//
// A manifest is the JSON object beside an image file: what the image is called, which file holds
// it, and what a host must offer to run it. Version 2 is written; version 1, the manifests of the
// old dataset servers, is read and upgraded.
//
//	m, err := manifest.Parse(data) // strict: one error per mistake, each with line:column
//	...
//	faults, err := m.Validate(manifest.IMGADM)
//	...
//	out, err := manifest.Marshal(m) // the same bytes for the same manifest
//
// # Validation
//
// imgadm and IMGAPI both judge manifests with the npm package imgmanifest, in four variants
// ([For]). [Validate] gives the same verdict, and the same fields and codes, as version 3.2.1 of
// that package; test/imgmanifest compares the two. [Document.Lint] judges what a server accepts at
// import instead: the same rules, after what the server sets by itself. That includes its habits: a boolean may be the
// string "true", version 2 may be the string "2", a numeric name passes, and so does the type
// "toString". What passes there and still goes wrong later is found by [Document.Warnings].
//
// Where imgmanifest ends with an exception instead of an answer (null for an object, a word for a
// boolean, channels given to imgadm) there is a [Fault] of code [Invalid] that names the field.
//
// # Limits
//
// Channels are refused, as they are by every server that has none configured. Of a homepage or
// eula whose host name is not plain ASCII, or has a label that begins with xn--, only the scheme
// and the length are judged; imgmanifest's answer then depends on the version of Node.js.
package manifest
