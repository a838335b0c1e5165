//! The subset of the Envoy v3 API that the control plane writes and the data planes read.
