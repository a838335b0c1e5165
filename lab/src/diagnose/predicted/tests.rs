use std::{collections::BTreeSet, path::PathBuf};

use mesh::model::{Flavor, Mesh};
use pretty_assertions::assert_eq;

use super::{super::causes as table, *};
use crate::{manifests, predict, scenario::Scenario};

/// The signatures of the causes of each scenario's refused calls. A prediction does not say why a certificate was rejected, so F16 and F17
/// come together.
const EXPECTED: &[(&str, &[&str])] = &[
    ("app-tls", &["F13", "F14"]),
    ("authorization", &["F20", "F21"]),
    ("disable-to-strict", &["F2", "F3"]),
    ("egress-registry-only", &["F12"]),
    ("egress-tls-origination", &["F15", "F16", "F17", "F26"]),
    ("loopback-app", &["F19"]),
    ("passthrough", &["F14", "F7"]),
    ("port-protocol", &["F10", "F11", "F7"]),
    ("server-first", &["F22"]),
    ("strict", &["F1"]),
    ("tunnel-to-plaintext", &["F26"]),
    ("webhook-fixes", &["F1", "F6"]),
    ("webhook-permissive", &["F9"]),
    ("webhook-strict", &["F7"]),
    ("wrong-identity", &["F16", "F17", "F18", "F7"]),
];

/// The predictions of a scenario's calls in the istio mesh.
fn predictions(scenario: &str) -> Vec<(String, Account)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(scenario);
    let scenario = Scenario::read(&folder).unwrap();
    let (resolved, _) = manifests::resolve(&manifests::read(&[scenario.manifests()]).unwrap()).unwrap();
    let mesh = Mesh::new(resolved, Flavor::Istio);
    let account = |probe: &crate::scenario::Probe| predict::probe(&mesh, probe).unwrap().remove(0);
    scenario.probes.iter().map(|probe| (probe.name.clone(), account(probe))).collect()
}

#[test]
fn the_causes_of_predicted_refusals_have_the_signatures_that_their_scenario_shows() {
    for (scenario, expected) in EXPECTED {
        let predictions = predictions(scenario);
        let ids = predictions.iter().flat_map(|(_, account)| causes(account));
        let signatures = ids.filter_map(|id| table::all().find(|cause| cause.id == id).unwrap().signature);
        let signatures: BTreeSet<&str> = signatures.collect();
        assert_eq!((scenario, signatures), (scenario, expected.iter().copied().collect()));
    }
}

#[test]
fn every_predicted_refusal_has_a_cause_and_no_delivery_has_one() {
    for (scenario, _) in EXPECTED {
        for (probe, account) in predictions(scenario) {
            assert_eq!(causes(&account).is_empty(), account.outcome.delivered, "{scenario}: {probe}");
        }
    }
}
