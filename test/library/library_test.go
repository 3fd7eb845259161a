// Package library checks what a Go program that imports the packages relies on: a runnable Example in
// each, and zero values that work.
package library

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// publicPackage is a package that other programs may import.
type publicPackage struct {
	path         string // below the module
	files, tests []*ast.File
}

// publicPackages parses all packages of the module but those that are internal, programs or helpers
// of tests.
func publicPackages(t *testing.T) []*publicPackage {
	t.Helper()
	top := filepath.Join("..", "..")
	if _, err := os.Stat(filepath.Join(top, "go.mod")); err != nil {
		t.Fatal(err)
	}
	found := make(map[string]*publicPackage)
	fset := token.NewFileSet()
	err := filepath.WalkDir(top, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(top, file)
		name = filepath.ToSlash(name)
		if d.IsDir() {
			if base := path.Base(name); name != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "internal" || name == "test" || strings.HasSuffix(base, "test")) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		parsed, err := parser.ParseFile(fset, file, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		if parsed.Name.Name == "main" {
			return nil
		}
		dir := path.Dir(name)
		if found[dir] == nil {
			found[dir] = &publicPackage{path: dir}
		}
		p := found[dir]
		if strings.HasSuffix(name, "_test.go") {
			p.tests = append(p.tests, parsed)
		} else {
			p.files = append(p.files, parsed)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []*publicPackage
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if p := found[name]; len(p.files) > 0 {
			all = append(all, p)
		}
	}
	if len(all) < 40 {
		t.Fatalf("only %d packages were found", len(all))
	}
	return all
}

// Each package has an Example that runs, and a comment that says what it is.
func TestEveryPackageHasAnExample(t *testing.T) {
	for _, p := range publicPackages(t) {
		runs := 0
		for _, e := range doc.Examples(p.tests...) {
			if e.Output != "" || e.EmptyOutput {
				runs++
			}
		}
		if runs == 0 {
			t.Errorf("%s: no Example with // Output:", p.path)
		}
		commented := slices.ContainsFunc(p.files, func(f *ast.File) bool {
			return f.Doc != nil && strings.HasPrefix(f.Doc.Text(), "Package "+f.Name.Name+" ")
		})
		if !commented {
			t.Errorf("%s: no package comment", p.path)
		}
	}
}

// The Example that reads a file of an image is a program of at most 20 lines.
func TestExampleIsShort(t *testing.T) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, filepath.Join("..", "..", "image", "example_test.go"), nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Name.Name != "ExampleOpen" {
			continue
		}
		if lines := fset.Position(fn.Body.Rbrace).Line - fset.Position(fn.Body.Lbrace).Line - 1; lines > 20 {
			t.Errorf("ExampleOpen has %d lines", lines)
		}
		return
	}
	t.Error("there is no ExampleOpen")
}

// optionTypes are the exported structures that are options of something, as package.Type.
func optionTypes(t *testing.T) (names []string) {
	t.Helper()
	for _, p := range publicPackages(t) {
		for _, f := range p.files {
			for _, d := range f.Decls {
				g, ok := d.(*ast.GenDecl)
				if !ok || g.Tok != token.TYPE {
					continue
				}
				for _, s := range g.Specs {
					spec := s.(*ast.TypeSpec)
					if _, isStruct := spec.Type.(*ast.StructType); isStruct && spec.Name.IsExported() && strings.HasSuffix(spec.Name.Name, "Options") {
						names = append(names, p.path+"."+spec.Name.Name)
					}
				}
			}
		}
	}
	return names
}
