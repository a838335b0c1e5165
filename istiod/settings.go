package main

import (
	"fmt"
	"net/http"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	meshconfig "istio.io/api/mesh/v1alpha1"
	"istio.io/istio/operator/pkg/render"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/kube/inject"
	"istio.io/istio/pkg/webhooks/validation/server"
)

// Settings are those of an installation with Istio's default profile, from its rendered charts.
type Settings struct {
	// MeshConfig, as written by the chart.
	meshYAML string
	// Injection template, and the chart's values.
	template     *inject.Config
	templateText string
	values       string
	// The injection webhooks, with their selectors.
	webhooks []admissionv1.MutatingWebhook
	// The validating webhook.
	validator http.Handler
}

func install() (*Settings, error) {
	s := &Settings{}
	manifests, _, err := render.GenerateManifest(nil, []string{"profile=empty", "components.pilot.enabled=true"}, false, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("render Istio's charts: %w", err)
	}
	for _, set := range manifests {
		for _, object := range set.Manifests {
			switch object.GetKind() + " " + object.GetName() {
			case "ConfigMap istio":
				s.meshYAML, err = data(object.Object, "mesh")
			case "ConfigMap istio-sidecar-injector":
				if s.templateText, err = data(object.Object, "config"); err == nil {
					s.values, err = data(object.Object, "values")
				}
			case "MutatingWebhookConfiguration istio-sidecar-injector":
				configuration := &admissionv1.MutatingWebhookConfiguration{}
				err = runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, configuration)
				s.webhooks = configuration.Webhooks
			}
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
			}
		}
	}
	if s.meshYAML == "" || s.templateText == "" || len(s.webhooks) == 0 {
		return nil, fmt.Errorf("Istio's chart has no MeshConfig, injection template or webhook")
	}
	template, err := inject.UnmarshalConfig([]byte(s.templateText))
	if err != nil {
		return nil, err
	}
	s.template = &template
	mux := http.NewServeMux()
	if _, err := server.New(server.Options{Schemas: collections.Istio, DomainSuffix: domain, Mux: mux}); err != nil {
		return nil, err
	}
	s.validator = mux
	return s, nil
}

// data returns a value of a ConfigMap.
func data(object map[string]any, key string) (string, error) {
	configMap := &corev1.ConfigMap{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, configMap); err != nil {
		return "", err
	}
	return configMap.Data[key], nil
}

// mesh returns the installation's MeshConfig, overridden by ConfigMap istio-system/istio, overridden by the request.
func (s *Settings) mesh(given *objects, request *Request) (*meshconfig.MeshConfig, error) {
	config, err := mesh.ApplyMeshConfig(s.meshYAML, mesh.DefaultMeshConfig())
	if err != nil {
		return nil, err
	}
	for _, object := range given.others {
		if own, ok := object.(*corev1.ConfigMap); ok && own.Name == "istio" && own.Namespace == "istio-system" {
			if config, err = mesh.ApplyMeshConfig(own.Data["mesh"], config); err != nil {
				return nil, fmt.Errorf("ConfigMap istio-system/istio: %w", err)
			}
		}
	}
	if request.MeshConfig != "" {
		if config, err = mesh.ApplyMeshConfig(request.MeshConfig, config); err != nil {
			return nil, fmt.Errorf("mesh_config of the request: %w", err)
		}
	}
	return config, nil
}

// stored is an Istio object that passed validation.
type stored = config.Config
