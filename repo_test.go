package sidetone_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
)

const module = "github.com/sidetone/sidetone"

// arrows says, for each package, which of ours it may import; ARCHITECTURE.md
// draws the same picture. "*" stands for everything. A driver inherits the rule
// of its contract's "/..." line.
func arrows() map[string][]string {
	return map[string][]string{
		"":             {},
		"audio":        {},
		"conversation": {}, "conversation/script": {"conversation"}, "conversation/turns": {"conversation"}, "conversation/handover": {}, "journal": {"conversation", "conversation/script"}, "journal/rerun": {"conversation", "conversation/script", "journal"},
		"metrics": {}, "support": {}, "otlp": {},
		"process": {}, "process/processtest": {},
		"telephony":   {"audio"},
		"transcriber": {"audio"}, "synthesizer": {}, "llm": {},
		"telephony/telephonytest": {"telephony", "audio"}, "telephony/...": {"telephony", "audio", "phonenumber"},
		"transcriber/transcribertest": {"transcriber", "audio", "provider", "standin", "standin/tonewords"},
		"transcriber/socket":          {"transcriber", "audio", "provider"}, "transcriber/...": {"transcriber", "transcriber/socket", "audio", "process", "provider"},
		"synthesizer/synthesizertest": {"synthesizer", "synthesizer/stream", "provider", "standin", "standin/tonewords", ""},
		"synthesizer/...":             {"synthesizer", "synthesizer/stream", "audio", "process", "provider"}, "synthesizer/stream": {"synthesizer", "audio", "provider"},
		"llm/llmtest": {"llm", "provider", "standin"}, "llm/answer": {"llm", "provider"}, "llm/...": {"", "llm", "llm/answer", "provider"},
		"provider": {""}, "outbound": {},
		"standin": {}, "standin/model": {"standin", "llm", "llm/scripted"}, "standin/...": {"standin", "standin/hearing", "standin/model", "standin/speech", "llm", "audio"},
		"standin/speech":    {"standin", "standin/tonewords", "synthesizer", "audio"},
		"standin/tonewords": {"synthesizer"}, "standin/hearing": {"standin", "standin/tonewords", "transcriber", "audio"},
		"cluster/local":  {""},
		"auth":           {""},
		"recording/disk": {"audio"}, "recording/mp3": {"process"}, "recording/ladder": {"", "telephony"}, "recording/journals": {"conversation", "journal", "vault"}, "journal/journaltest": {"conversation", "conversation/script"},
		"vault": {}, "phonenumber": {}, "preset": {},
		"external": {"", "webhook", "outbound", "schemasize"}, "schemasize": {},
		"webhook": {""}, "webhook/delivery": {"", "outbound", "store", "webhook"},
		"store": {"", "vault", "phonenumber", "webhook", "store/configuration"}, "store/configuration": {""}, "store/copy": {}, "store/storetest": {"store", "vault", ""},
		"jobs": {"", "store", "telephony"}, "aftercall": {"", "llm", "schemasize"},
		"call":     {"", "audio", "conversation", "conversation/handover", "conversation/turns", "journal", "telephony", "transcriber", "llm", "synthesizer", "provider"},
		"client":   {""},
		"apply":    {""},
		"api":      {"", "api/wire", "api/contract", "api/dialect", "phonenumber", "store", "support", "telephony", "metrics"},
		"api/wire": {""}, "api/dialect": {"api/wire"}, "api/contract": {"", "api/wire", "api/dialect"},
		"softphone": {"audio", "telephony", "transcriber", "synthesizer"},
		"loadgen":   {"audio"},
		"demo":      {"", "client", "process"},
		"bench":     {"", "client", "loadgen", "process", "server", "standin/tonewords", "synthesizer", "synthesizer/flite"},
		"server":    {"*"},
		"cmd/docs":  {"audio", "client", "support", "server"},
		"cmd/sidetone": {"conversation", "conversation/handover", "journal", "journal/rerun", "server", "preset", "support", "phonenumber", "api/contract", "client", "apply", "call", "demo", "bench", "softphone", "llm", "llm/scripted", "loadgen", "process", "", "audio", "telephony", "telephony/sip",
			"webhook", "transcriber", "transcriber/pocketsphinx", "transcriber/tty", "synthesizer", "synthesizer/flite", "synthesizer/tty", "store", "store/copy", "standin", "standin/anthropic", "standin/google", "standin/model", "standin/openai",
			"standin/speech", "standin/openaispeech", "standin/deepgramspeak", "standin/elevenlabs", "standin/cartesia", "standin/azure", "standin/rime",
			"standin/hearing", "standin/deepgram", "standin/assemblyai", "standin/openaiaudio"},
		"e2e": {"*"}, "e2e/...": {"*"},
	}
}

type pkg struct {
	dir   string
	files map[string]*ast.File
	fset  *token.FileSet
}

// packages parses every package of the repository; tests are included when
// asked for.
func packages(t *testing.T, tests bool) []pkg {
	t.Helper()
	found := map[string]*pkg{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"testdata", "bin", "data"}, d.Name())) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || !tests && strings.HasSuffix(path, "_test.go") {
			return nil
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		if dir == "." {
			dir = ""
		}
		p := found[dir]
		if p == nil {
			p = &pkg{dir: dir, files: map[string]*ast.File{}, fset: token.NewFileSet()}
			found[dir] = p
		}
		f, err := parser.ParseFile(p.fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		p.files[path] = f
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for _, p := range found {
		all = append(all, *p)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].dir < all[j].dir })
	return all
}

func rule(dir string) ([]string, bool) {
	rules := arrows()
	if allowed, ok := rules[dir]; ok {
		return allowed, true
	}
	allowed, ok := rules[filepath.ToSlash(filepath.Dir(dir))+"/..."]
	return allowed, ok
}

func TestArrows(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t, false) {
		allowed, ok := rule(p.dir)
		if !ok {
			t.Errorf("package %q has no rule in arrows()", p.dir)
			continue
		}
		if slices.Contains(allowed, "*") {
			continue
		}
		for path, f := range p.files {
			for _, imp := range f.Imports {
				name := strings.Trim(imp.Path.Value, `"`)
				ours := name == module || strings.HasPrefix(name, module+"/")
				target := strings.TrimPrefix(strings.TrimPrefix(name, module), "/")
				if ours && target != p.dir && !slices.Contains(allowed, target) {
					t.Errorf("%s: package %q must not import %q", path, p.dir, target)
				}
			}
		}
	}
}

// An arrow that nobody uses is a promise of a coupling that nobody needs.
func TestArrowsAreUsed(t *testing.T) {
	t.Parallel()
	used := map[string]map[string]bool{} // by rule, then by target
	for _, p := range packages(t, false) {
		key := ruleKey(p.dir)
		if used[key] == nil {
			used[key] = map[string]bool{}
		}
		for _, f := range p.files {
			for _, imp := range f.Imports {
				if target, ours := strings.CutPrefix(strings.Trim(imp.Path.Value, `"`), module); ours {
					used[key][strings.TrimPrefix(target, "/")] = true
				}
			}
		}
	}
	for key, allowed := range arrows() {
		if used[key] == nil {
			t.Errorf("arrows() has a rule for %q, which is no package", key)
		}
		for _, target := range allowed {
			if target != "*" && !used[key][target] {
				t.Errorf("package %q may import %q and does not: remove the arrow", key, target)
			}
		}
	}
}

// ruleKey is the line of arrows() that holds for a package.
func ruleKey(dir string) string {
	if _, ok := arrows()[dir]; ok {
		return dir
	}
	return filepath.ToSlash(filepath.Dir(dir)) + "/..."
}

// pure packages decide; they read no clock, start no goroutine, do no I/O.
func TestPurePackages(t *testing.T) {
	t.Parallel()
	banned := map[string][]string{
		"conversation":          {"time.Now", "time.After", "time.Sleep", "time.NewTimer", "time.AfterFunc", "context", "os", "net"},
		"conversation/script":   {"time.Now", "time.After", "time.Sleep", "time.NewTimer", "time.AfterFunc", "context", "os", "net"},
		"conversation/turns":    {"time.Now", "time.After", "time.Sleep", "time.NewTimer", "time.AfterFunc", "context", "os", "net"},
		"conversation/handover": {"time.Now", "time.After", "time.Sleep", "time.NewTimer", "time.AfterFunc", "context", "os", "net"},
		"journal/rerun":         {"time.Now", "time.After", "time.Sleep", "time.NewTimer", "time.AfterFunc", "context", "os", "net"},
		"journal":               {"time.Now", "time.After", "time.Sleep", "time.NewTimer", "time.AfterFunc", "context", "os", "net"},
		"audio":                 {"time.Now", "time.After", "time.Sleep", "time.NewTimer", "time.AfterFunc", "context", "os", "net"},
		"call":                  {"time.Now", "time.After", "time.Sleep", "time.NewTimer", "time.AfterFunc", "time.NewTicker"},
	}
	for _, p := range packages(t, false) {
		for path, f := range p.files {
			ast.Inspect(f, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && slices.Contains(banned[p.dir], x.Name+"."+s.Sel.Name) {
						t.Errorf("%s: %s.%s is not for package %s", p.fset.Position(n.Pos()), x.Name, s.Sel.Name, p.dir)
					}
				}
				if _, ok := n.(*ast.GoStmt); ok && len(banned[p.dir]) > 6 {
					t.Errorf("%s: package %s starts no goroutine", p.fset.Position(n.Pos()), p.dir)
				}
				return true
			})
			for _, imp := range f.Imports {
				if slices.Contains(banned[p.dir], strings.Trim(imp.Path.Value, `"`)) {
					t.Errorf("%s: package %s does not import %s", path, p.dir, imp.Path.Value)
				}
			}
		}
	}
}

func TestNoInitAndNoPackageState(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t, false) {
		for _, f := range p.files {
			for _, d := range f.Decls {
				switch d := d.(type) {
				case *ast.FuncDecl:
					if d.Name.Name == "init" && d.Recv == nil {
						t.Errorf("%s: init function", p.fset.Position(d.Pos()))
					}
				case *ast.GenDecl:
					for _, s := range d.Specs {
						v, ok := s.(*ast.ValueSpec)
						if !ok || d.Tok != token.VAR || embedded(d) {
							continue
						}
						for _, n := range v.Names {
							if n.Name != "_" && !(p.dir == "cmd/sidetone" && n.Name == "version") {
								t.Errorf("%s: package-level variable %s", p.fset.Position(n.Pos()), n.Name)
							}
						}
					}
				}
			}
		}
	}
}

// embedded variables are constants that the compiler fills from files.
func embedded(d *ast.GenDecl) bool {
	return d.Doc != nil && slices.ContainsFunc(d.Doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

func TestPackageComments(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t, false) {
		documented := false
		for _, f := range p.files {
			documented = documented || f.Doc != nil && strings.TrimSpace(f.Doc.Text()) != ""
		}
		if !documented {
			t.Errorf("package %q has no package comment", p.dir)
		}
	}
}

func TestExportedSymbolsAreDocumented(t *testing.T) {
	t.Parallel()
	total, documented := 0, 0
	var missing []string
	count := func(p pkg, n ast.Node, name string, has bool) {
		if !ast.IsExported(name) {
			return
		}
		total++
		if has {
			documented++
		} else {
			missing = append(missing, p.fset.Position(n.Pos()).String()+" "+name)
		}
	}
	for _, p := range packages(t, false) {
		for _, f := range p.files {
			if f.Name.Name == "main" {
				continue
			}
			for _, d := range f.Decls {
				switch d := d.(type) {
				case *ast.FuncDecl:
					if exportedReceiver(d) {
						count(p, d, d.Name.Name, d.Doc != nil)
					}
				case *ast.GenDecl:
					countSpecs(p, d, count)
				}
			}
		}
	}
	if documented*100 < total*98 {
		t.Errorf("%d of %d exported symbols are documented, want 98 %%; missing:\n%s", documented, total, strings.Join(missing, "\n"))
	}
}

func countSpecs(p pkg, d *ast.GenDecl, count func(pkg, ast.Node, string, bool)) {
	for _, s := range d.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			count(p, s, s.Name.Name, s.Doc != nil || d.Doc != nil || s.Comment != nil)
		case *ast.ValueSpec:
			for _, n := range s.Names {
				count(p, n, n.Name, s.Doc != nil || d.Doc != nil || s.Comment != nil)
			}
		}
	}
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	typ := d.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.IndexListExpr:
			typ = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}

func TestBudgets(t *testing.T) {
	t.Parallel()
	var lengths []int
	for _, p := range packages(t, false) {
		for path, f := range p.files {
			if n := p.fset.Position(f.End()).Line; n > 800 {
				t.Errorf("%s has %d lines, at most 800 are allowed", path, n)
			}
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
					lengths = append(lengths, p.fset.Position(fn.End()).Line-p.fset.Position(fn.Pos()).Line+1)
				}
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if i, ok := n.(*ast.InterfaceType); ok && len(i.Methods.List) > 6 {
					t.Errorf("%s: interface with %d members, at most 6 are allowed", p.fset.Position(i.Pos()), len(i.Methods.List))
				}
				return true
			})
		}
	}
	sort.Ints(lengths)
	long := 0
	for _, n := range lengths {
		if n > 60 {
			long++
		}
	}
	if p90 := lengths[len(lengths)*9/10]; p90 > 40 {
		t.Errorf("nine of ten functions have up to %d lines, want 40", p90)
	}
	if long*100 >= len(lengths)*3 {
		t.Errorf("%d of %d functions have more than 60 lines, want less than 3 %%", long, len(lengths))
	}
}

// Sleeping tests are slow when they pass and flaky when they do not.
func TestTestsDoNotSleep(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t, true) {
		for path, f := range p.files {
			if !strings.HasSuffix(path, "_test.go") {
				continue
			}
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(src), "synctest.Test(") {
				continue // its clock jumps
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" && s.Sel.Name == "Sleep" {
						t.Errorf("%s: time.Sleep in a test", p.fset.Position(n.Pos()))
					}
				}
				return true
			})
		}
	}
}

func TestNetworkGoesThroughDrivers(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t, false) {
		if p.dir == "telephony/sip" || p.dir == "loadgen" {
			continue
		}
		for _, f := range p.files {
			ast.Inspect(f, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && (x.Name+"."+s.Sel.Name == "net.Dial" || x.Name+"."+s.Sel.Name == "http.DefaultClient") {
						t.Errorf("%s: %s.%s", p.fset.Position(n.Pos()), x.Name, s.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

// Who looks for a part finds it in ARCHITECTURE.md.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	tree := strings.Split(string(raw), "```")[1]
	for _, p := range packages(t, true) {
		if p.dir != "" && !strings.Contains(tree, filepath.Base(p.dir)+"/") {
			t.Errorf("the tree in ARCHITECTURE.md lacks %s/", p.dir)
		}
	}
	for _, dir := range regexp.MustCompile(`(?m)^([a-z0-9/]+)/ `).FindAllStringSubmatch(tree, -1) {
		if _, err := os.Stat(dir[1]); err != nil {
			t.Errorf("the tree in ARCHITECTURE.md has %s/, which is not there", dir[1])
		}
	}
}

// The walk of a request in ARCHITECTURE.md has at most ten steps, each of which
// begins with a file that exists.
func TestArchitectureWalk(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, walk, _ := strings.Cut(string(raw), "## From a request to a row\n")
	walk, _, _ = strings.Cut(walk, "\n## ")
	steps := regexp.MustCompile(`(?m)^\d+\. `).FindAllString(walk, -1)
	files := regexp.MustCompile("(?m)^\\d+\\. `([a-z_/]+\\.go)`: ").FindAllStringSubmatch(walk, -1)
	if len(files) == 0 || len(files) != len(steps) || len(files) > 10 {
		t.Errorf("the walk has %d steps, %d of them with a file; want 1 to 10", len(steps), len(files))
	}
	for _, m := range files {
		if _, err := os.Stat(m[1]); err != nil {
			t.Errorf("the walk leads through %s: %v", m[1], err)
		}
	}
}

// Every document is linked from the list of its folder; decisions are numbered
// without gaps.
func TestDocumentsAreListed(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"docs", "docs/adr"} {
		list, err := os.ReadFile(filepath.Join(dir, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.md"))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, path := range files { // in the order of their names
			name := filepath.Base(path)
			if name == "README.md" {
				continue
			}
			if !strings.Contains(string(list), "("+name+")") {
				t.Errorf("%s/README.md does not list %s", dir, name)
			}
			if n++; dir == "docs/adr" && !strings.HasPrefix(name, fmt.Sprintf("%04d-", n)) {
				t.Errorf("decision %d is called %s", n, name)
			}
		}
	}
}

// Relative links in the documents lead to files that exist.
func TestDocumentLinks(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".md") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s: link to %s leads nowhere", path, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The conversation decides with integers: floating point may round differently
// on another machine, and a journal would then not reproduce its call.
func TestConversationUsesNoFloats(t *testing.T) {
	t.Parallel()
	found := 0
	for _, p := range packages(t, false) {
		if p.dir != "conversation" && !strings.HasPrefix(p.dir, "conversation/") {
			continue
		}
		found++
		for _, f := range p.files {
			ast.Inspect(f, func(n ast.Node) bool {
				if what := floating(n); what != "" {
					t.Errorf("%s: %s", p.fset.Position(n.Pos()), what)
				}
				return true
			})
		}
	}
	if found == 0 {
		t.Error("no package conversation")
	}
}

// floating names the floating point that n brings in, or is "": a type, a
// literal, a function that parses or prints it, or one of the methods of
// time.Duration that return it.
func floating(n ast.Node) string {
	switch n := n.(type) {
	case *ast.Ident:
		if slices.Contains([]string{"float32", "float64", "complex64", "complex128"}, n.Name) {
			return n.Name
		}
	case *ast.BasicLit:
		if n.Kind == token.FLOAT || n.Kind == token.IMAG {
			return "literal " + n.Value
		}
	case *ast.SelectorExpr:
		if slices.Contains([]string{"Seconds", "Minutes", "Hours", "ParseFloat", "AppendFloat", "FormatFloat"}, n.Sel.Name) {
			return n.Sel.Name + " is floating point"
		}
	case *ast.ImportSpec:
		if path := strings.Trim(n.Path.Value, `"`); strings.HasPrefix(path, "math") && path != "math/bits" {
			return "import of " + path
		}
	}
	return ""
}

// reachedLater are functions, and packages, that no program reaches yet, each
// with its later user. More than ten would be a store of spare parts.
func reachedLater() map[string]string {
	return map[string]string{
		"conversation/script.ParseInput":  "the simulated part of replay --with; golden calls have it already",
		"conversation/script.ReadJournal": "as ParseInput", "conversation/script.wholeLines": "as ParseInput",
		"conversation/script.ParseOutput": "as ParseInput", "conversation/script.outputs": "as ParseInput", "conversation/script.newOutput": "as ParseInput",
	}
}

// Code that only tests reach has no user: `deadcode` finds functions in the
// packages of the programs, the list of dependencies whole packages.
func TestProgramsReachAllCode(t *testing.T) {
	t.Parallel()
	later := reachedLater()
	if len(later) > 10 {
		t.Errorf("%d exceptions, at most 10 are allowed", len(later))
	}
	unreached := map[string]bool{}
	for _, line := range goTool(t, "tool", "deadcode", "-f", `{{range .Funcs}}{{printf "%s.%s\n" $.Path .Name}}{{end}}`, "./cmd/...") {
		unreached[strings.TrimPrefix(line, module+"/")] = true
	}
	linked := goTool(t, "list", "-deps", "./cmd/...")
	for _, p := range packages(t, false) {
		suite := strings.HasSuffix(p.dir, "test") || strings.HasPrefix(p.dir, "e2e")
		if !suite && !slices.Contains(linked, strings.TrimSuffix(module+"/"+p.dir, "/")) {
			unreached[p.dir] = true
		}
	}
	for what := range unreached {
		if later[what] == "" {
			t.Errorf("only tests reach %s", what)
		}
	}
	for what := range later {
		if !unreached[what] {
			t.Errorf("%s is listed as unreached, but is reached or gone", what)
		}
	}
}

// goTool runs a go command and returns the lines it prints.
func goTool(t *testing.T, args ...string) []string {
	t.Helper()
	var out, complaints strings.Builder
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		t.Fatalf("go %s: %v: %s", strings.Join(args, " "), err, complaints.String())
	}
	return strings.Fields(out.String())
}
