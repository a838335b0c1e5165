//! The data plane: a sidecar proxy that reads Envoy v3 files.
