package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/config/schema/resource"
)

// domain of the cluster.
const domain = "cluster.local"

// validate calls the webhook for each Istio object, and returns those that pass.
func (s *Settings) validate(given *objects, answer *Answer) ([]stored, error) {
	var configs []stored
	for _, o := range given.istio {
		o.SetNamespace(namespace(o.GetNamespace()))
		result := Object{
			Kind: o.GetKind(), Namespace: o.GetNamespace(), Name: o.GetName(), File: o.file, Document: o.number,
		}
		raw, err := o.MarshalJSON()
		if err != nil {
			return nil, err
		}
		response, err := ask(s.validator, "/validate", raw, o.GroupVersionKind(), o.GetNamespace(), o.GetName())
		if err != nil {
			return nil, fmt.Errorf("%s %s/%s: %w", result.Kind, result.Namespace, result.Name, err)
		}
		result.Allowed, result.Warnings = response.Allowed, response.Warnings
		if response.Result != nil {
			result.Message = response.Result.Message
		}
		answer.Objects = append(answer.Objects, result)
		if !result.Allowed {
			continue
		}
		object := &crd.IstioKind{}
		if err := json.Unmarshal(raw, object); err != nil {
			return nil, err
		}
		gvk := o.GroupVersionKind()
		known, _ := collections.PilotGatewayAPI().FindByGroupVersionAliasesKind(resource.FromKubernetesGVK(&gvk))
		config, err := crd.ConvertObject(known, object, domain)
		if err != nil {
			return nil, err
		}
		configs = append(configs, *config)
	}
	return configs, nil
}

// ask sends the creation of an object to an admission webhook.
func ask(webhook http.Handler, path string, raw []byte, gvk schema.GroupVersionKind, namespace, name string) (*admissionv1.AdmissionResponse, error) {
	review := admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID:       types.UID(namespace + "/" + name),
			Kind:      metav1.GroupVersionKind{Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind},
			Namespace: namespace,
			Name:      name,
			Operation: admissionv1.Create,
			Object:    runtime.RawExtension{Raw: raw},
		},
	}
	body, err := json.Marshal(review)
	if err != nil {
		return nil, err
	}
	request := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	webhook.ServeHTTP(recorder, request)
	if recorder.Code != http.StatusOK {
		return nil, fmt.Errorf("webhook answers %d: %s", recorder.Code, recorder.Body)
	}
	var answered admissionv1.AdmissionReview
	if err := json.Unmarshal(recorder.Body.Bytes(), &answered); err != nil {
		return nil, err
	}
	if answered.Response == nil {
		return nil, fmt.Errorf("webhook answers without a response")
	}
	return answered.Response, nil
}
