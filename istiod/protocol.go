package main

import "encoding/json"

// Request is what is asked: manifests, and the addresses that the cluster gave out.
type Request struct {
	Manifests []Manifest `json:"manifests"`
	Addresses Addresses  `json:"addresses"`
}

// Manifest is a file of manifests.
type Manifest struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Addresses are keyed by NAMESPACE/NAME. What is not in here is given an address of its own.
type Addresses struct {
	Pods     map[string][]string `json:"pods"`
	Services map[string][]string `json:"services"`
}

// Answer is what Istio makes of a request.
type Answer struct {
	// The version of istio.io/istio.
	Istio string `json:"istio"`
	// Why there is no answer: nothing else is set then.
	Error string `json:"error,omitempty"`
	// What the webhook says of each object of Istio's.
	Objects []Object `json:"objects,omitempty"`
	// Objects of kinds that the control plane does not read: `KIND NAMESPACE/NAME`.
	Ignored []string `json:"ignored,omitempty"`
	Pods    []Pod    `json:"pods"`
}

// Object is an object of Istio's, and what its validating webhook says.
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
	// Whether the injector gave it a sidecar.
	Sidecar bool `json:"sidecar"`
	// Why the injector refused it.
	InjectionError string            `json:"injection_error,omitempty"`
	Labels         map[string]string `json:"labels,omitempty"`
	Annotations    map[string]string `json:"annotations,omitempty"`
	// The probes of its containers after injection.
	Probes []Probe `json:"probes,omitempty"`
	// The arguments of istio-init, and the rules that they make.
	Redirect *Redirect `json:"redirect,omitempty"`
	// What is pushed to the sidecar.
	Listeners []json.RawMessage `json:"listeners,omitempty"`
	Routes    []json.RawMessage `json:"routes,omitempty"`
	Clusters  []json.RawMessage `json:"clusters,omitempty"`
	Endpoints []json.RawMessage `json:"endpoints,omitempty"`
}

// Probe is a container's probe.
type Probe struct {
	Container string          `json:"container"`
	Kind      string          `json:"kind"`
	Probe     json.RawMessage `json:"probe"`
}

// Redirect is what takes a pod's traffic to its sidecar.
type Redirect struct {
	Args []string `json:"args"`
	// As iptables-restore reads them.
	IPv4 string `json:"ipv4"`
	IPv6 string `json:"ipv6"`
}
