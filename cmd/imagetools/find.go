package main

import (
	"bytes"
	"errors"
	"os"

	"imagetools/internal/cli"
	"imagetools/source/content"
)

// finding is what a file or standard input is, by its contents.
type finding = content.Finding

// peekSize is how much of standard input is looked at before it is read.
const peekSize = 1 << 20

// recognise looks what a path or "-" is. What is read of standard input is put back. The result is
// nil for what is no regular file, and for a terminal.
func recognise(env *cli.Env, path string) (*finding, error) {
	if path != "-" {
		f, err := content.SniffFile(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil // whoever opens it says so
		}
		return f, err
	}
	if cli.IsTerminal(env.Stdin) {
		return nil, nil
	}
	start, err := env.PeekStdin(peekSize)
	if err != nil {
		return nil, err
	}
	return content.Sniff(bytes.NewReader(start))
}

// isImage tells whether a finding is the stream of an image, as it can be read, or a manifest.
func isImage(f *finding) bool {
	return f != nil && (f.Kind == content.Stream && (!f.Packed() || f.Compressed()) || f.Kind == content.JSON && !f.Packed())
}

// looksLikeImage tells whether arg is a manifest or a stream.
func looksLikeImage(env *cli.Env, arg string) (bool, error) {
	f, err := recognise(env, arg)
	return isImage(f), err
}

// isContainer tells whether a finding is the archive of a container image.
func isContainer(f *finding) bool { return f != nil && f.Kind == content.Container }

// isDisk tells whether a finding is a disk, or several, rather than a root file system.
func isDisk(f *finding) bool {
	return f != nil && (f.Kind == content.Disk || f.Kind == content.Disks)
}

// checkTree refuses what is recognised as something other than a root file system in a tar.
func (p *place) checkTree() error {
	f := p.found
	switch {
	case f == nil || f.Kind == content.Tree || f.Kind == content.Unknown || f.Kind == content.Nothing && !f.Packed():
		return nil
	case f.Kind == content.Container:
		return cli.Hint(errors.New("standard input is the archive of a container image, not a root file system"), "docker-archive:- in place of - reads its layers")
	case f.Kind == content.Nothing:
		return nil // what reads it says what is wrong
	}
	name := p.path
	if name == "-" {
		name = "standard input"
	}
	return &content.NotReadError{Name: name, Finding: f}
}
