// Says what the Go compiler's own front end sees in packages: the imports of each file, and which
// file declares each package-level object that a file uses.
//
//	go run go_uses.go < packages.json
//
// Packages that are neither given nor in the standard library stay unknown: what is used of them is
// left out, and the rest is resolved all the same.
package main

import (
	"encoding/json"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"strconv"
)

// Listed is one package as `go list` has it; files are absolute paths.
type Listed struct {
	ImportPath, Name string
	Files, Tests     []string
	XTests, Ignored  []string
	ImportMap        map[string]string
}

type checker struct {
	fset     *token.FileSet
	listed   map[string]*Listed
	done     map[string]*types.Package
	parsed   map[string]*ast.File
	standard types.Importer
	uses     map[[2]string]bool
}

func main() {
	var packages []*Listed
	if err := json.NewDecoder(os.Stdin).Decode(&packages); err != nil {
		panic(err)
	}
	c := &checker{
		fset: token.NewFileSet(), listed: map[string]*Listed{}, done: map[string]*types.Package{},
		parsed: map[string]*ast.File{}, uses: map[[2]string]bool{},
	}
	c.standard = importer.ForCompiler(c.fset, "gc", nil)
	for _, p := range packages {
		c.listed[p.ImportPath] = p
	}
	imports := map[string][]string{}
	for _, p := range packages {
		c.of(p.ImportPath)
		withTests := c.check(p, p.ImportPath, append(append([]string{}, p.Files...), p.Tests...), nil)
		c.check(p, p.ImportPath+"_test", p.XTests, withTests)
		for _, names := range [][]string{p.Files, p.Tests, p.XTests, p.Ignored} {
			for _, name := range names {
				imports[name] = c.imports(name)
			}
		}
	}
	pairs := [][2]string{}
	for pair := range c.uses {
		pairs = append(pairs, pair)
	}
	out := map[string]any{"imports": imports, "uses": pairs}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		panic(err)
	}
}

func (c *checker) parse(name string) *ast.File {
	if _, known := c.parsed[name]; !known {
		file, _ := parser.ParseFile(c.fset, name, nil, 0)
		c.parsed[name] = file
	}
	return c.parsed[name]
}

func (c *checker) imports(name string) []string {
	file := c.parse(name)
	found := []string{}
	if file == nil {
		return found
	}
	for _, spec := range file.Imports {
		if path, err := strconv.Unquote(spec.Path.Value); err == nil {
			found = append(found, path)
		}
	}
	return found
}

// of returns the package without its tests, checked once.
func (c *checker) of(path string) *types.Package {
	if _, known := c.done[path]; !known {
		c.done[path] = types.NewPackage(path, "") // what an import cycle sees
		p := c.listed[path]
		c.done[path] = c.check(p, path, p.Files, nil)
	}
	return c.done[path]
}

type within struct {
	c     *checker
	p     *Listed
	tests *types.Package
}

func (w within) Import(path string) (*types.Package, error) {
	if mapped, found := w.p.ImportMap[path]; found {
		path = mapped
	}
	if w.tests != nil && path == w.p.ImportPath {
		return w.tests, nil
	}
	if _, found := w.c.listed[path]; found {
		return w.c.of(path), nil
	}
	return w.c.standard.Import(path)
}

func (c *checker) check(p *Listed, path string, names []string, tests *types.Package) *types.Package {
	var files []*ast.File
	for _, name := range names {
		if file := c.parse(name); file != nil {
			files = append(files, file)
		}
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: within{c, p, tests}, FakeImportC: true, Error: func(error) {}}
	checked, _ := config.Check(path, c.fset, files, info)
	for ident, object := range info.Uses {
		if object.Pkg() == nil || object.Parent() != object.Pkg().Scope() {
			continue
		}
		from := c.fset.Position(ident.Pos()).Filename
		to := c.fset.Position(object.Pos()).Filename
		if from != "" && to != "" && from != to {
			c.uses[[2]string{from, to}] = true
		}
	}
	return checked
}
