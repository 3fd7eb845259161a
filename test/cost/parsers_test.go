package cost

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// names are those of functions that go through input.
var names = regexp.MustCompile(`^(Parse|Read|Open|Decode|Decompress|Import|Inflate|Detect|Recognize|Sniff|Check|Verify|Validate|Lint|Diff|Find|` +
	`Walk|Visit|Extract|Locate|Scan|New.*Reader|NewMembers|NewPlan|NewTables|NewExcludes|NewNames)`)

// reasons are why a function of that kind needs no row.
var reasons = map[string]string{
	"build.Spec.Check":                      "the fields of a Spec",
	"source.Find":                           "a fixed number of names, and package content, which has rows",
	"source.Tar.Read":                       "reads by fromtar.Open, which has a row",
	"base.Args.Parse":                       "a few words of a command line",
	"base.ParseProgress":                    "one line",
	"compress.ParseFormat":                  "one word",
	"rootfs/lx.CheckKernelVersion":          "one word",
	"rootfs/lx.ParseProfile":                "one word",
	"rootfs/prepare.ParseAddress":           "one word",
	"tree/fromoci.Platform.Check":           "one word",
	"zfs/block.Parse":                       "one word",
	"image.Check":                           "names of files and a manifest, which has rows",
	"manifest.Manifest.Validate":            "a Document with the same content, which has rows",
	"manifest.Validate":                     "a Document with the same content, which has rows",
	"base.Image.ReadOverlay":                "reads by overlay.ReadFS, which has a row",
	"base.Image.ReadOverlays":               "reads by overlay.ReadFS and ReadDir, which have a row",
	"base.Overlays.Check":                   "the names of a few directories",
	"compress/deflate.NewReader":            "its Decoder has rows",
	"compress/deflate.Reader.Read":          "its Decoder has rows",
	"host.FindSvccfg":                       "looks for a program",
	"host.Host.FindVM":                      "asks vmadm",
	"host.PoolDataset.CheckZones":           "asks zoneadm",
	"host.PoolHome.Check":                   "one name",
	"host.Sending.Read":                     "passes on what zfs send writes",
	"host.Store.Check":                      "one name",
	"image.Origin.Open":                     "opens by image.Open, which has a row",
	"base/zone.OpenKit":                     "a tar, and fromtar has rows",
	"base/zone.ReadCACert":                  "a file of bounded size, which the library decodes",
	"internal/durable.CheckFile":            "one name",
	"internal/durable.OpenMade":             "one name",
	"internal/required.FindData":            "one name",
	"rootfs.OpenDir":                        "one name",
	"rootfs/edit.OpenRoot":                  "one name",
	"seed.Locate":                           "a fixed number of names",
	"tree.FS.ReadLink":                      "one name",
	"smf/list.Open":                         "a fixed number of directories",
	"source/content.FindMetalog":            "a fixed number of names",
	"tree/fromoci/registry.Open":            "asks a server, whose documents are bounded and have rows",
	"tree/fromoci/registry.Repository.Open": "asks a server, whose documents are bounded and have rows",
}

// parsers are the public functions that go through input.
func parsers(t *testing.T) (all []string) {
	const top = "../.."
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(top, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (rel == "test" || rel == "cmd" || rel == "tools" || strings.HasSuffix(rel, "test") || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Name.IsExported() && names.MatchString(f.Name.Name) {
				if receiver, public := receiverOf(f); public {
					all = append(all, filepath.Dir(rel)+"."+receiver+f.Name.Name)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 100 {
		t.Fatalf("only %d functions", len(all))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// receiverOf is the name of the type that a method is one of, with a dot behind it.
func receiverOf(f *ast.FuncDecl) (name string, public bool) {
	if f.Recv == nil {
		return "", true
	}
	of := f.Recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	if index, ok := of.(*ast.IndexExpr); ok {
		of = index.X
	}
	id, ok := of.(*ast.Ident)
	if !ok {
		return "", false
	}
	return id.Name + ".", id.IsExported()
}
