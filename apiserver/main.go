// Command kube-apiserver is the real API server of Kubernetes, with its etcd, as one program without options to set up.
//
//	kube-apiserver create --manifests manifests.yaml --only WEBHOOK --name NAME
//	    creates a Pod, for which the server calls this webhook of the manifests, and prints demo-apiserver's report
//	kube-apiserver validate [--crds crds.yaml]...
//	    reads a request (JSON) per line, has the server try its objects, and prints an answer per line
//	kube-apiserver version
//	    prints the version of k8s.io/kubernetes that this is built from
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
)

// list is a flag that may be repeated.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "kube-apiserver:", err)
		os.Exit(2)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("say what to do: create, validate or version")
	}
	switch args[0] {
	case "create":
		return create(args[1:])
	case "validate":
		return validate(args[1:])
	case "version":
		fmt.Println(kubernetesVersion())
		return nil
	default:
		return fmt.Errorf("can't %q; it can create, validate, and print its version", args[0])
	}
}

func create(args []string) error {
	var manifests, services list
	flags := flag.NewFlagSet("create", flag.ExitOnError)
	creation := &creation{services: map[string][]string{}}
	flags.Var(&manifests, "manifests", "a file with webhook configurations, their services, and namespaces; may be repeated")
	flags.Var(&services, "service", "the addresses of a service, NAMESPACE/NAME=IP[,IP]; may be repeated")
	flags.StringVar(&creation.only, "only", "", "the webhook that is called")
	flags.StringVar(&creation.name, "name", "new", "name of the Pod")
	flags.StringVar(&creation.namespace, "namespace", "default", "namespace of the Pod")
	flags.StringVar(&creation.user, "user", "kubernetes-admin", "user who creates it")
	flags.BoolVar(&creation.ipv6, "ipv6", false, "call the webhook's service over IPv6")
	if err := flags.Parse(args); err != nil {
		return err
	}
	creation.manifests = manifests
	for _, service := range services {
		name, addresses, ok := strings.Cut(service, "=")
		if !ok {
			return fmt.Errorf("--service %q: not NAMESPACE/NAME=IP", service)
		}
		creation.services[name] = strings.Split(addresses, ",")
	}
	return inFolder(func(ctx context.Context, folder string) error {
		report, err := creation.run(ctx, folder)
		if err != nil {
			return err
		}
		return newEncoder(os.Stdout).Encode(report)
	})
}

func validate(args []string) error {
	var crds list
	flags := flag.NewFlagSet("validate", flag.ExitOnError)
	flags.Var(&crds, "crds", "a file of CustomResourceDefinitions; may be repeated")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return inFolder(func(ctx context.Context, folder string) error {
		validator, err := startValidator(ctx, folder, crds)
		if err != nil {
			return err
		}
		out, lines := newEncoder(os.Stdout), json.NewDecoder(bufio.NewReader(os.Stdin))
		for {
			var request Request
			if err := lines.Decode(&request); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return fmt.Errorf("not a request: %w", err)
			}
			answer, err := validator.answer(ctx, &request)
			if err != nil {
				return err
			}
			if err := out.Encode(answer); err != nil {
				return err
			}
		}
	})
}

// inFolder runs something that needs a folder, which is then removed. The servers end with the process.
func inFolder(run func(context.Context, string) error) error {
	folder, err := os.MkdirTemp("", "kube-apiserver-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		os.RemoveAll(folder)
		os.Exit(130)
	}()
	return run(context.Background(), folder)
}

func newEncoder(to io.Writer) *json.Encoder {
	encoder := json.NewEncoder(to)
	encoder.SetEscapeHTML(false)
	return encoder
}

func kubernetesVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, module := range info.Deps {
		if module.Path == "k8s.io/kubernetes" {
			return module.Version
		}
	}
	return "unknown"
}
