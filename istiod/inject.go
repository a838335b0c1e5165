package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	jsonpatch "github.com/evanphx/json-patch/v5"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	meshconfig "istio.io/api/mesh/v1alpha1"
	"istio.io/istio/pilot/pkg/config/memory"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config/mesh/meshwatcher"
	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/config/schema/gvk"
	"istio.io/istio/pkg/kube/inject"
	"istio.io/istio/pkg/kube/multicluster"
)

// injector calls Istio's injection webhook for the pods that its configuration selects.
type injector struct {
	settings *Settings
	cluster  *cluster
	webhook  http.Handler
}

func (s *Settings) injector(mesh *meshconfig.MeshConfig, c *cluster, configs []stored) (*injector, error) {
	env := model.NewEnvironment()
	env.Watcher = meshwatcher.NewTestWatcher(mesh)
	env.NetworksWatcher = meshwatcher.NewFixedNetworksWatcher(nil)
	// Without these, injection knows neither MeshConfig's defaultConfig nor the annotation (GetProxyConfigOrDefault in
	// pilot/pkg/model/context.go).
	store := memory.Make(collections.Pilot)
	for _, one := range configs {
		if one.GroupVersionKind == gvk.ProxyConfig {
			if _, err := store.Create(one); err != nil {
				return nil, err
			}
		}
	}
	push := model.NewPushContext()
	push.ProxyConfigs = model.GetProxyConfigs(store, mesh)
	env.SetPushContext(push)
	mux := http.NewServeMux()
	_, err := inject.NewWebhook(inject.WebhookParameters{
		Watcher: fixed{s.template, s.values}, Env: env, Mux: mux, Revision: "default",
		MultiCluster: multicluster.NewFakeController(),
	})
	if err != nil {
		return nil, err
	}
	return &injector{s, c, mux}, nil
}

// fixed is a constant injection template.
type fixed struct {
	template *inject.Config
	values   string
}

func (f fixed) SetHandler(func(*inject.Config, string) error) {}
func (f fixed) Run(<-chan struct{})                           {}
func (f fixed) Get() (*inject.Config, string, error)          { return f.template, f.values, nil }

// inject applies the injection webhook's patch to a pod.
func (i *injector) inject(pod *corev1.Pod) error {
	asked, err := i.isAsked(pod)
	if err != nil || !asked {
		return err
	}
	// At the time of admission a pod has no status, and so no address.
	status := pod.Status
	pod.Status = corev1.PodStatus{}
	defer func() { pod.Status = status }()
	raw, err := json.Marshal(pod)
	if err != nil {
		return err
	}
	response, err := ask(i.webhook, "/inject", raw, corev1.SchemeGroupVersion.WithKind("Pod"), pod.Namespace, pod.Name)
	if err != nil {
		return err
	}
	if !response.Allowed {
		message := "refused"
		if response.Result != nil {
			message = response.Result.Message
		}
		return fmt.Errorf("%s", message)
	}
	if len(response.Patch) == 0 {
		return nil
	}
	patch, err := jsonpatch.DecodePatch(response.Patch)
	if err != nil {
		return err
	}
	patched, err := patch.Apply(raw)
	if err != nil {
		return err
	}
	*pod = corev1.Pod{}
	return json.Unmarshal(patched, pod)
}

// isAsked reports whether the selectors of any webhook match.
func (i *injector) isAsked(pod *corev1.Pod) (bool, error) {
	for _, webhook := range i.settings.webhooks {
		matches := true
		for _, each := range []struct {
			selector *metav1.LabelSelector
			labels   map[string]string
		}{
			{webhook.NamespaceSelector, i.cluster.namespaces[pod.Namespace].Labels},
			{webhook.ObjectSelector, pod.Labels},
		} {
			selector, err := metav1.LabelSelectorAsSelector(each.selector)
			if err != nil {
				return false, err
			}
			matches = matches && selector.Matches(labels.Set(each.labels))
		}
		if matches {
			return true, nil
		}
	}
	return false, nil
}

// hasSidecar reports whether the pod has a sidecar, either as a container or as a native sidecar (init container).
func hasSidecar(pod *corev1.Pod) bool {
	isProxy := func(container corev1.Container) bool { return container.Name == inject.ProxyContainerName }
	return slices.ContainsFunc(pod.Spec.Containers, isProxy) || slices.ContainsFunc(pod.Spec.InitContainers, isProxy)
}

func probes(pod *corev1.Pod) (all []Probe) {
	for _, container := range pod.Spec.Containers {
		if container.Name == inject.ProxyContainerName {
			continue
		}
		for _, each := range []struct {
			kind  string
			probe *corev1.Probe
		}{
			{"startup", container.StartupProbe}, {"liveness", container.LivenessProbe}, {"readiness", container.ReadinessProbe},
		} {
			if each.probe == nil {
				continue
			}
			if text, err := json.Marshal(each.probe); err == nil {
				all = append(all, Probe{Container: container.Name, Kind: each.kind, Probe: text})
			}
		}
	}
	return all
}
