//! Envoy's listener and filter-chain matching, as a pure function.
