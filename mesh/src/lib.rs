//! The control plane: Kubernetes and Istio YAML in, Envoy files, redirect rules and a prediction out.
