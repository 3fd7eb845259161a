package main

import (
	"os"
	"regexp"
	"testing"
)

// TestVersion holds the version to the changelog: the newest section that has a number is of it.
func TestVersion(t *testing.T) {
	text, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	newest := regexp.MustCompile(`(?m)^## \[(\d+\.\d+\.\d+)\]`).FindSubmatch(text)
	if newest == nil || string(newest[1]) != version {
		t.Errorf("the newest section of the changelog is %q, the version %s", newest, version)
	}
}
