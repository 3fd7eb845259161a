//go:build ignore

// Rename gives the module in the working directory another path: see tools/module.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/format"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

func main() {
	if err := rename(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "tools/module: error: %v\n", err)
		os.Exit(1)
	}
}

// rename rewrites all files once all are known.
func rename(to string) error {
	if to == "" {
		return errors.New("go.mod: the path is empty")
	}
	r := &renamer{to: to, files: map[string][]byte{}}
	for _, mod := range []string{"go.mod", filepath.Join("tools", "go.mod")} {
		if err := r.module(mod); err != nil {
			return err
		}
	}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.Type().IsRegular() && filepath.Ext(path) == ".go":
			return r.source(path)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for path, text := range r.files {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, text, info.Mode().Perm()); err != nil {
			return err
		}
	}
	fmt.Printf("module %s is %s now: %d files changed\n", r.from, to, len(r.files))
	return nil
}

type renamer struct {
	from, to string
	files    map[string][]byte // what changes, by path
}

// module renames what a go.mod is of. The first one is that of the module, others are below it.
func (r *renamer) module(path string) error {
	old, err := goMod(path, "-json")
	if err != nil {
		return err
	}
	const key = `"Path": "`
	_, after, _ := strings.Cut(string(old), key)
	name, _, ok := strings.Cut(after, `"`)
	if !ok {
		return fmt.Errorf("%s: no module in it", path)
	}
	if r.from == "" {
		r.from = name
	}
	below, ok := strings.CutPrefix(name, r.from)
	if !ok || below != "" && below[0] != '/' {
		return fmt.Errorf("%s: module %s is not below %s", path, name, r.from)
	}
	text, err := goMod(path, "-module", r.to+below, "-print")
	if err == nil {
		r.files[path] = text
	}
	return err
}

// goMod runs go mod edit, which also checks paths.
func goMod(path string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", append(append([]string{"mod", "edit"}, args...), path)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", path, err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

// source renames the packages that a file names: in imports, and in other strings that are the path
// of a package in this tree, as tests give them to the go command.
func (r *renamer) source(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Contains(text, []byte(r.from+"/")) {
		return nil
	}
	set := token.NewFileSet()
	file := set.AddFile(path, -1, len(text))
	var faults scanner.ErrorList
	var s scanner.Scanner
	s.Init(file, text, faults.Add, 0)
	var out []byte
	done := 0
	for {
		pos, tok, lit := s.Scan()
		if tok == token.EOF {
			break
		}
		if tok != token.STRING {
			continue
		}
		value, err := strconv.Unquote(lit)
		below, ok := strings.CutPrefix(value, r.from+"/")
		if err != nil || !ok || !isPackage(below) {
			continue
		}
		at := file.Offset(pos)
		out = append(append(out, text[done:at]...), strconv.Quote(r.to+"/"+below)...)
		done = at + len(lit)
	}
	if err := faults.Err(); err != nil {
		return err
	}
	if done == 0 {
		return nil
	}
	out, err = format.Source(append(out, text[done:]...)) // imports are sorted
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	r.files[path] = out
	return nil
}

// isPackage reports whether a directory has Go files.
func isPackage(dir string) bool {
	files, err := filepath.Glob(filepath.Join(filepath.FromSlash(dir), "*.go"))
	return err == nil && files != nil
}
