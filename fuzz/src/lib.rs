//! Readers of bytes that somebody else controls, as fuzz targets.
//!
//! `scripts/fuzz` runs them under libFuzzer; `tests/replay.rs` feeds them the seeds, what fuzzing has found (`corpus/TARGET`), and
//! mutations of both with a fixed seed. A target fails by panicking: its claims are assertions.

mod conversation;
pub mod mutate;
pub mod seeds;
mod targets;
mod tls_stream;

/// A reader of arbitrary bytes.
pub struct Target {
    /// The name that `scripts/fuzz` takes, and the folder of its corpus.
    pub name: &'static str,
    /// What it claims, apart from not panicking.
    pub claim: &'static str,
    /// Checks the claim for an input.
    pub check: fn(&[u8]),
    /// Inputs to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: [Target; 10] = [
    Target {
        name: "client_hello",
        claim: "a decision of the TLS inspector does not change when more bytes arrive",
        check: targets::client_hello,
        seeds: seeds::client_hellos,
    },
    Target {
        name: "http_inspector",
        claim: "a decision of the HTTP inspector does not change when more bytes arrive",
        check: targets::http_inspector,
        seeds: seeds::requests,
    },
    Target {
        name: "http1_requests",
        claim: "the same requests are read or rejected in whatever pieces they arrive",
        check: targets::http1_requests,
        seeds: seeds::requests,
    },
    Target {
        name: "http1_responses",
        claim: "the same responses are read or rejected in whatever pieces they arrive",
        check: targets::http1_responses,
        seeds: seeds::responses,
    },
    Target {
        name: "tls_stream",
        claim: "in whatever pieces records arrive, what was sent is read, and after a changed byte nothing else",
        check: tls_stream::check,
        seeds: tls_stream::seeds,
    },
    Target {
        name: "envoy_files",
        claim: "what is read of Envoy's files is written as it was read",
        check: targets::envoy_files,
        seeds: seeds::envoy_files,
    },
    Target {
        name: "access_log",
        claim: "formats and log lines are read or rejected",
        check: targets::access_log,
        seeds: seeds::access_logs,
    },
    Target {
        name: "conversation",
        claim: "a captured connection is observed, whatever was lost or sent again",
        check: targets::conversation,
        seeds: seeds::conversations,
    },
    Target { name: "pcapng", claim: "captures are read or rejected", check: targets::pcapng, seeds: seeds::captures },
    Target {
        name: "manifests",
        claim: "manifests that are accepted are compiled and predicted in both meshes",
        check: targets::manifests,
        seeds: seeds::manifests,
    },
];

/// The target of a name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
