package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"imagetools/internal/cli"
)

// foreign are flags of other programs that have the name of one of ours, with what stands before them.
var foreign = []string{"zfs send ", "qemu-img ", "xz -dc "}

// environment are variables that the program reads.
var environment = regexp.MustCompile(`\b(IMAGETOOLS_[A-Z_]+|SOURCE_DATE_EPOCH|TMPDIR)\b`)

var flagForm = regexp.MustCompile(`--([a-z][a-z0-9-]*)`)

// Packages below the command do not know by which flags and variables it is used: an error has a way
// out, which the table ways has a text for.
func TestLibrariesNameNoFlags(t *testing.T) {
	flags := map[string]bool{}
	var collect func(*cobra.Command)
	collect = func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) { flags[f.Name] = true })
		c.PersistentFlags().VisitAll(func(f *pflag.Flag) { flags[f.Name] = true })
		for _, sub := range c.Commands() {
			collect(sub)
		}
	}
	collect(newRootCommand(cli.NewEnv()))
	if !flags["lx-profile"] || !flags["overlay"] {
		t.Fatalf("the flags were not found: %d", len(flags))
	}
	const top = "../.."
	files := 0
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(top, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains([]string{"cmd", "test", "tools", "internal/cli", "internal/required"}, filepath.ToSlash(rel)) ||
			d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && rel != "."):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files++
		for _, fault := range namedFlags(t, path, flags) {
			t.Errorf("%s", fault)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 {
		t.Errorf("only %d files were looked at", files)
	}
}

// namedFlags are the strings of a Go file that name flags or variables of the program.
func namedFlags(t *testing.T, path string, flags map[string]bool) (faults []string) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(lit.Value)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(foreign, func(s string) bool { return strings.Contains(text, s) }) {
			return true
		}
		for _, m := range flagForm.FindAllStringSubmatch(text, -1) {
			if flags[m[1]] {
				faults = append(faults, set.Position(lit.Pos()).String()+": names the flag --"+m[1])
			}
		}
		if m := environment.FindString(text); m != "" {
			faults = append(faults, set.Position(lit.Pos()).String()+": names the variable "+m)
		}
		return true
	})
	return faults
}
