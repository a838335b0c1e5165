package main

import (
	"context"
	"fmt"
	"os"
	"time"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsclient "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
)

// Request contains manifests to try.
type Request struct {
	Manifests []Manifest `json:"manifests"`
}

// Manifest is a file of manifests.
type Manifest struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Answer is the server's response for each object of a request.
type Answer struct {
	// Version of k8s.io/kubernetes.
	Kubernetes string   `json:"kubernetes"`
	Objects    []Object `json:"objects"`
}

// Object is an object, and the server's response to creating it with `--dry-run=server`.
type Object struct {
	Kind      string   `json:"kind"`
	Namespace string   `json:"namespace"`
	Name      string   `json:"name"`
	File      string   `json:"file"`
	Document  int      `json:"document"`
	Allowed   bool     `json:"allowed"`
	Message   string   `json:"message,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
}

// validator asks a server.
type validator struct {
	server *server
	user   *caller
	// The namespaces that exist.
	namespaces map[string]bool
}

// startValidator starts a server that serves the kinds of these files of CustomResourceDefinitions, too.
func startValidator(ctx context.Context, folder string, crds []string) (*validator, error) {
	server, err := startServer(ctx, folder, &observer{})
	if err != nil {
		return nil, err
	}
	user, err := newCaller(server.config, "kubernetes-admin")
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, file := range crds {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		all, err := documents(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, one := range all {
			if one.err != nil {
				return nil, fmt.Errorf("%s: document %d: %w", file, one.number, one.err)
			}
			if err := refusedWith(user.create(ctx, one.object, false))(one.object); err != nil {
				return nil, err
			}
			names = append(names, one.object.GetName())
		}
	}
	if err := awaitEstablished(ctx, server, names); err != nil {
		return nil, err
	}
	user.mapper.Reset()
	return &validator{server, user, map[string]bool{}}, nil
}

// awaitEstablished waits until the server serves the kinds of these definitions.
func awaitEstablished(ctx context.Context, server *server, names []string) error {
	client, err := apiextensionsclient.NewForConfig(server.config)
	if err != nil {
		return err
	}
	established := func(ctx context.Context) (bool, error) {
		for _, name := range names {
			definition, err := client.ApiextensionsV1().CustomResourceDefinitions().Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return false, err
			}
			ready := false
			for _, condition := range definition.Status.Conditions {
				ready = ready || condition.Type == apiextensions.Established && condition.Status == apiextensions.ConditionTrue
			}
			if !ready {
				return false, nil
			}
		}
		return true, nil
	}
	if err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, time.Minute, true, established); err != nil {
		return fmt.Errorf("the custom kinds are not served: %w", err)
	}
	return nil
}

// answer tries each object by itself. The namespaces of all of them exist.
func (v *validator) answer(ctx context.Context, request *Request) (*Answer, error) {
	answer := &Answer{Kubernetes: kubernetesVersion(), Objects: []Object{}}
	for _, manifest := range request.Manifests {
		all, err := documents(manifest.Text)
		if err != nil {
			answer.Objects = append(answer.Objects, Object{File: manifest.Name, Document: 1, Message: err.Error()})
			continue
		}
		for _, one := range all {
			object := Object{File: manifest.Name, Document: one.number}
			if one.err != nil {
				object.Message = one.err.Error()
			} else {
				v.try(ctx, one.object, &object)
			}
			answer.Objects = append(answer.Objects, object)
		}
	}
	return answer, nil
}

func (v *validator) try(ctx context.Context, tried *unstructured.Unstructured, object *Object) {
	object.Kind = tried.GetKind()
	if _, err := v.user.resource(tried); err == nil && tried.GetNamespace() != "" && !v.namespaces[tried.GetNamespace()] {
		// If it can't exist, the server says so of the object.
		_, err := v.user.create(ctx, namespace(tried.GetNamespace()), false)
		v.namespaces[tried.GetNamespace()] = err == nil
	}
	v.user.warnings.take()
	_, err := v.user.create(ctx, tried, true)
	object.Namespace, object.Name, object.Warnings = tried.GetNamespace(), tried.GetName(), v.user.warnings.take()
	object.Allowed = err == nil
	if err != nil {
		_, object.Message, _ = status(err)
	}
}
