package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// document is an object of a file of manifests.
type document struct {
	// Its number in the file, from 1, without empty documents.
	number int
	object *unstructured.Unstructured
	// Why it is no object.
	err error
}

// documents reads YAML or JSON as kubectl does. The items of a List are documents of their own with its number.
func documents(text string) ([]document, error) {
	all := []document{}
	reader := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for number := 1; ; {
		part, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		json, err := yaml.ToJSON(part)
		if err != nil {
			all = append(all, document{number: number, err: err})
			number++
			continue
		}
		if bytes.Equal(bytes.TrimSpace(json), []byte("null")) {
			continue
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(json); err != nil {
			all = append(all, document{number: number, err: err})
		} else if object.IsList() && strings.HasSuffix(object.GetKind(), "List") {
			err := object.EachListItem(func(item runtime.Object) error {
				all = append(all, document{number: number, object: item.(*unstructured.Unstructured)})
				return nil
			})
			if err != nil {
				return nil, err
			}
		} else {
			all = append(all, document{number: number, object: object})
		}
		number++
	}
}

// caller makes requests like kubectl, for a user.
type caller struct {
	dynamic  dynamic.Interface
	mapper   *restmapper.DeferredDiscoveryRESTMapper
	warnings *warnings
}

// warnings collects the server's warnings.
type warnings struct{ texts []string }

func (w *warnings) HandleWarningHeader(code int, _ string, text string) {
	if code == 299 && text != "" {
		w.texts = append(w.texts, text)
	}
}

func (w *warnings) take() []string {
	texts := w.texts
	w.texts = nil
	return texts
}

func newCaller(config *rest.Config, user string) (*caller, error) {
	config = rest.CopyConfig(config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:masters", "system:authenticated"}}
	warnings := &warnings{}
	config.WarningHandler = warnings
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(typed.Discovery()))
	return &caller{client, mapper, warnings}, nil
}

// resource is where objects of this kind are created.
func (c *caller) resource(object *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	kind := object.GroupVersionKind()
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		if meta.IsNoMatchError(err) {
			// As kubectl says it.
			return nil, fmt.Errorf("no matches for kind %q in version %q", kind.Kind, object.GetAPIVersion())
		}
		return nil, err
	}
	client := c.dynamic.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		object.SetNamespace("")
		return client, nil
	}
	if object.GetNamespace() == "" {
		object.SetNamespace(metav1.NamespaceDefault)
	}
	return client.Namespace(object.GetNamespace()), nil
}

// create creates an object, or with dryRun has the server try it.
func (c *caller) create(ctx context.Context, object *unstructured.Unstructured, dryRun bool) (*unstructured.Unstructured, error) {
	resource, err := c.resource(object)
	if err != nil {
		return nil, err
	}
	options := metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	created, err := resource.Create(ctx, object, options)
	if !apierrors.IsAlreadyExists(err) {
		return created, err
	}
	// The server has made it itself, such as the namespace `default`.
	return resource.Update(ctx, object, metav1.UpdateOptions{FieldValidation: options.FieldValidation, DryRun: options.DryRun})
}

// status is the server's answer to a refused request.
func status(err error) (code int32, message string, ok bool) {
	var refused apierrors.APIStatus
	if !errors.As(err, &refused) {
		return 0, err.Error(), false
	}
	return refused.Status().Code, refused.Status().Message, true
}
