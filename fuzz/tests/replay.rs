//! Each target's claim holds for its seeds, for what fuzzing has found, and for mutations of both.

use std::{fs, path::Path};

use fuzz::{TARGETS, Target, mutate::Mutations, target};

/// Mutations per target: all of them take a few seconds.
const MUTATIONS: usize = 2000;

/// What fuzzing has found: inputs that violated the claim once.
fn found(target: &Target) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let Ok(entries) = fs::read_dir(folder) else { return vec![] };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn replay(name: &str) {
    let target = target(name).unwrap();
    let seeds = (target.seeds)();
    assert!(!seeds.is_empty(), "{name} has no seeds");
    let inputs = [seeds, found(target)].concat();
    inputs.iter().for_each(|input| (target.check)(input));
    Mutations::new(inputs, 1).take(MUTATIONS).for_each(|input| (target.check)(&input));
}

#[test]
fn the_tls_inspectors_decision_is_final() {
    replay("client_hello");
}

#[test]
fn the_http_inspectors_decision_is_final() {
    replay("http_inspector");
}

#[test]
fn http1_requests_may_arrive_in_any_pieces() {
    replay("http1_requests");
}

#[test]
fn http1_responses_may_arrive_in_any_pieces() {
    replay("http1_responses");
}

#[test]
fn records_may_arrive_in_any_pieces() {
    replay("tls_stream");
}

#[test]
fn envoys_files_are_written_as_they_were_read() {
    replay("envoy_files");
}

#[test]
fn access_logs_are_read_or_rejected() {
    replay("access_log");
}

#[test]
fn any_conversation_is_observed() {
    replay("conversation");
}

#[test]
fn any_capture_is_read_or_rejected() {
    replay("pcapng");
}

#[test]
fn any_manifest_is_predicted_or_rejected() {
    replay("manifests");
}

#[test]
fn every_target_is_replayed_here() {
    let own = include_str!("replay.rs");
    let missing: Vec<_> =
        TARGETS.iter().map(|target| target.name).filter(|name| !own.contains(&format!("replay(\"{name}\")"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
