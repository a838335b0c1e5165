// Command istiod reports what the real Istio control plane makes of a set of manifests. For each pod: whether the injector
// adds a sidecar, the rules that redirect its traffic, and the Envoy resources that istiod pushes to it. For each Istio
// object: the validating webhook's response. It runs Istio's own packages, in memory, without a cluster.
//
//	istiod -f manifests.yaml            prints one answer, as JSON
//	cat manifests.yaml | istiod         the same, from standard input
//	istiod --requests                   reads one request (JSON) per line, and prints one answer per line
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"sort"
	"strings"

	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pkg/log"
)

// files is a flag that may be repeated.
type files []string

func (f *files) String() string     { return strings.Join(*f, ",") }
func (f *files) Set(s string) error { *f = append(*f, s); return nil }

func main() {
	var names files
	requests := flag.Bool("requests", false, "read a request (JSON) per line, and answer each with a line")
	version := flag.Bool("version", false, "print the version of istio.io/istio that this is built from")
	flag.Var(&names, "f", "a file of manifests, a folder of them, or - for standard input; may be repeated")
	flag.Parse()
	if *version {
		fmt.Println(istioVersion())
		return
	}
	quiet()
	// The lab's cluster is dual-stack, as with Istio's ISTIO_DUAL_STACK.
	features.EnableDualStack = true

	if err := run(names, *requests); err != nil {
		fmt.Fprintln(os.Stderr, "istiod:", err)
		os.Exit(2)
	}
}

func run(names files, requests bool) error {
	settings, err := install()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	if !requests {
		request, err := read(names)
		if err != nil {
			return err
		}
		return encoder.Encode(answer(settings, request))
	}
	lines := json.NewDecoder(bufio.NewReader(os.Stdin))
	for {
		var request Request
		if err := lines.Decode(&request); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("not a request: %w", err)
		}
		if err := encoder.Encode(answer(settings, &request)); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
}

// read makes a request from files.
func read(names files) (*Request, error) {
	if len(names) == 0 {
		names = files{"-"}
	}
	request := &Request{}
	for _, name := range names {
		found := []string{name}
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			found = nil
			for _, pattern := range []string{"*.yaml", "*.yml", "*.json"} {
				matches, err := filepath.Glob(filepath.Join(name, pattern))
				if err != nil {
					return nil, err
				}
				found = append(found, matches...)
			}
			sort.Strings(found)
		}
		for _, name := range found {
			var text []byte
			var err error
			if name == "-" {
				name = "<stdin>"
				text, err = io.ReadAll(os.Stdin)
			} else {
				text, err = os.ReadFile(name)
			}
			if err != nil {
				return nil, err
			}
			request.Manifests = append(request.Manifests, Manifest{Name: name, Text: string(text)})
		}
	}
	return request, nil
}

// quiet disables logging of Istio's packages: everything relevant is in the answer.
func quiet() {
	for _, scope := range log.Scopes() {
		scope.SetOutputLevel(log.NoneLevel)
	}
}

func istioVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dependency := range info.Deps {
			if dependency.Path == "istio.io/istio" {
				return dependency.Version
			}
		}
	}
	return "unknown"
}
