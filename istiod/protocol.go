package main

import "encoding/json"

// Request contains manifests, and addresses that the cluster has assigned.
type Request struct {
	Manifests []Manifest `json:"manifests"`
	Addresses Addresses  `json:"addresses"`
	// MeshConfig is YAML that is set on top of the installation's MeshConfig and the manifests' own.
	MeshConfig string `json:"mesh_config,omitempty"`
}

// Manifest is a file of manifests.
type Manifest struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Addresses are keyed by NAMESPACE/NAME. Objects that are not listed are assigned addresses by this program.
type Addresses struct {
	Pods     map[string][]string `json:"pods"`
	Services map[string][]string `json:"services"`
}

// Answer is what Istio makes of a request.
type Answer struct {
	// Version of istio.io/istio.
	Istio string `json:"istio"`
	// Why there is no answer; then no other field is set.
	Error string `json:"error,omitempty"`
	// The validating webhook's response for each Istio object.
	Objects []Object `json:"objects,omitempty"`
	// Objects of kinds that the control plane does not read: `KIND NAMESPACE/NAME`.
	Ignored []string `json:"ignored,omitempty"`
	Pods    []Pod    `json:"pods"`
}

// Object is an Istio object and the validating webhook's response.
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

// Pod is a pod of the cluster.
type Pod struct {
	Namespace string   `json:"namespace"`
	Name      string   `json:"name"`
	IPs       []string `json:"ips"`
	// Whether the injector added a sidecar.
	Sidecar bool `json:"sidecar"`
	// The injector's error.
	InjectionError string            `json:"injection_error,omitempty"`
	Labels         map[string]string `json:"labels,omitempty"`
	Annotations    map[string]string `json:"annotations,omitempty"`
	// Probes of its containers after injection.
	Probes []Probe `json:"probes,omitempty"`
	// Arguments of istio-init, and the resulting rules.
	Redirect *Redirect `json:"redirect,omitempty"`
	// Resources that are pushed to the sidecar.
	Listeners []json.RawMessage `json:"listeners,omitempty"`
	Routes    []json.RawMessage `json:"routes,omitempty"`
	Clusters  []json.RawMessage `json:"clusters,omitempty"`
	Endpoints []json.RawMessage `json:"endpoints,omitempty"`
}

// Probe is a probe of a container.
type Probe struct {
	Container string          `json:"container"`
	Kind      string          `json:"kind"`
	Probe     json.RawMessage `json:"probe"`
}

// Redirect is the configuration that redirects a pod's traffic to its sidecar.
type Redirect struct {
	Args []string `json:"args"`
	// In the format of iptables-restore.
	IPv4 string `json:"ipv4"`
	IPv6 string `json:"ipv6"`
}
