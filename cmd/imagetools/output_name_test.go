package main

import (
	"errors"
	"strings"
	"testing"

	"imagetools/compress"
	"imagetools/internal/cli"
	"imagetools/manifest"
)

// TestOutputNamesThatPromiseAnotherFormat: a file is not written under the name of what it is not.
func TestOutputNamesThatPromiseAnotherFormat(t *testing.T) {
	t.Parallel()
	raw := func(path string) *outputFile {
		return &outputFile{flag: "--raw", path: path, format: compress.None, what: "a raw disk", hint: rawHints()}
	}
	send := func(path string, f compress.Format) *outputFile {
		return &outputFile{flag: "-o", path: path, format: f, what: "a ZFS send stream", hint: streamHints}
	}
	for _, test := range []struct {
		out  *outputFile
		want string // "" if the name is right
		hint string
	}{
		{raw("-"), "", ""}, {raw("disk"), "", ""}, {raw("a/disk.raw"), "", ""}, {raw("disk.img"), "", ""}, {raw("zones/disk.d/x"), "", ""},
		{raw("x.qcow2"), "the name says a qcow2 disk, and the file would be a raw disk", "qemu-img convert -f raw -O qcow2 disk.raw x.qcow2"},
		{raw("x.QCOW2"), "a qcow2 disk", "qemu-img"}, {raw("x.vhd"), "a vhd disk", "-O vpc"}, {raw("x.vmdk"), "a vmdk disk", "-O vmdk"},
		{raw("x.raw.gz"), "the name says compressed with gzip", "--raw - | gzip > x.raw.gz"}, {raw("x.tar"), "a tar archive", ""}, {raw("x.zip"), "a ZIP archive", ""},
		{raw("a b.xz"), "compressed with xz", "xz > 'a b.xz'"},
		{tarOutput("--tar", "x.tar"), "", ""}, {tarOutput("--tar", "x"), "", ""},
		{tarOutput("--tar", "x.tar.gz"), "compressed with gzip", "--tar - | gzip > x.tar.gz"}, {tarOutput("-o", "x.tgz"), "compressed with gzip", "-o - | gzip"},
		{tarOutput("--tar", "x.cpio"), "a cpio archive", ""}, {tarOutput("--tar", "x.raw"), "a raw disk", ""},
		{send("x.zfs", compress.None), "", ""}, {send("x.zfs.gz", compress.Gzip), "", ""}, {send("x.zvol.xz", compress.XZ), "", ""}, {send("x", compress.XZ), "", ""},
		{send("x.zfs", compress.Gzip), "", ""},
		{send("x.zfs.gz", compress.None), "the name says compressed with gzip, and the file would be a ZFS send stream", "use -c gzip -o x.zfs.gz"},
		{send("x.zfs.gz", compress.XZ), "compressed with gzip, and the file would be a ZFS send stream compressed with xz", "use -c gzip"},
		{send("x.tar.gz", compress.Gzip), "the name says a tar archive", ""}, {send("x.json", compress.None), "a manifest", ""},
	} {
		err := test.out.check()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s: %v; want %q", test.out.flag, test.out.path, err, test.want)
		}
		if hints := strings.Join(cli.Hints(err), ""); !strings.Contains(hints, test.hint) || test.hint == "" && hints != "" {
			t.Errorf("%s %s: hint %q; want %q", test.out.flag, test.out.path, hints, test.hint)
		}
	}
}

// TestOutputDirectoryThatIsNone: neither standard output nor a file becomes a directory of its name.
func TestOutputDirectoryThatIsNone(t *testing.T) {
	for dir, want := range map[string]string{
		"": "", "output": "", "a/b.d": "", "web-1.0": "", "./-": "", t.TempDir(): "",
		"-": "cannot be standard output", "x.zfs.gz": "a file compressed with gzip", "x.json": "a manifest", "a/x.qcow2": "a qcow2 disk", "root.tar": "a tar archive",
	} {
		if err := checkOutputDir("-o", dir); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", dir, err, want)
		}
	}
	t.Chdir(t.TempDir())
	env := &cli.Env{Getenv: func(string) string { return "" }}
	out := outputFlags{Compression: "gzip", Dir: "-"}
	if _, err := out.spec(env, "web-1.0", ".", manifest.Options{}); err == nil || !strings.Contains(err.Error(), "cannot be standard output") {
		t.Errorf("create-image: %v", err)
	}
	for _, opts := range []extractOptions{{Dir: "-"}, {Dir: "x.tar"}, {Raw: "x.qcow2"}, {Tar: "x.tgz"}, {Dir: "x", Metalog: "-"}} {
		err := runExtract(t.Context(), env, opts)
		if _, ok := errors.AsType[*cli.UsageError](err); !ok {
			t.Errorf("extract %+v: %v", opts, err)
		}
	}
}
