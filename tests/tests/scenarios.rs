//! Every scenario, judged; and what the verdicts would say of a broken data plane.

use std::sync::Arc;

use lab::{
    deploy::{PodPlan, Tamper},
    scenario::{self, Scenario},
    verdict::{DataPlane, RunReport},
};
use mesh::model::Flavor;
use tests::{checkout, has_envoy, may_make_labs, run, scenario};

const BOTH: [Flavor; 2] = [Flavor::Textbook, Flavor::Istio];

fn all() -> Vec<Scenario> {
    scenario::find(&checkout().join("scenarios"), &[]).unwrap()
}

fn disagreements(report: &RunReport) -> String {
    let bad = report.probes.iter().filter(|probe| !probe.verdict.agrees);
    let told = bad.map(|probe| {
        let what: Vec<String> = probe.verdict.disagreements.iter().map(ToString::to_string).collect();
        format!("{} / {} ({}):\n{}", probe.scenario, probe.probe, probe.mesh, what.join("\n"))
    });
    told.collect::<Vec<_>>().join("\n\n")
}

#[test]
fn every_scenario_agrees_natively_and_with_envoy_in_both_meshes() {
    if !may_make_labs() || !has_envoy() {
        return;
    }
    let report = run(&all(), &BOTH, &[DataPlane::Native, DataPlane::Envoy], None);
    assert!(report.agrees, "{}", disagreements(&report));
}

#[test]
fn native_and_envoy_sidecars_understand_each_other() {
    if !may_make_labs() || !has_envoy() {
        return;
    }
    let mixed = [DataPlane::NativeToEnvoy, DataPlane::EnvoyToNative];
    let report = run(&[scenario("strict"), scenario("permissive")], &BOTH, &mixed, None);
    assert!(report.agrees, "{}", disagreements(&report));
}

/// Runs the STRICT scenario on a broken data plane, and gives the calls whose verdict turned red.
fn red(mesh: Flavor, tamper: impl Fn(&mut PodPlan) + Send + Sync + 'static) -> Vec<String> {
    let tamper: Tamper = Arc::new(tamper);
    let report = run(&[scenario("strict")], &[mesh], &[DataPlane::Native], Some(tamper));
    let red = report.probes.iter().filter(|probe| !probe.verdict.agrees);
    red.map(|probe| probe.probe.clone()).collect()
}

#[test]
fn a_forgotten_redirect_turns_verdicts_red() {
    if !may_make_labs() {
        return;
    }
    for mesh in BOTH {
        let red = red(mesh, |plan| {
            if plan.pod == "client.default" {
                plan.iptables = plan.iptables.replace("-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001\n", "");
            }
        });
        assert_eq!(red, ["http over IPv4", "tcp over IPv4"], "{mesh}");
    }
}

#[test]
fn plaintext_on_leg_2_turns_verdicts_red() {
    if !may_make_labs() {
        return;
    }
    for mesh in BOTH {
        let red = red(mesh, |plan| {
            for cluster in &mut plan.config.clusters {
                cluster.transport_socket = None;
                cluster.transport_socket_matches.clear();
            }
        });
        assert_eq!(red, ["http over IPv4", "http over IPv6", "tcp over IPv4", "tcp over IPv6"], "{mesh}");
    }
}

#[test]
fn plaintext_that_is_accepted_under_strict_turns_verdicts_red() {
    if !may_make_labs() {
        return;
    }
    for mesh in BOTH {
        let red = red(mesh, |plan| {
            let inbound = plan.config.listeners.iter_mut().filter(|listener| listener.name == "virtualInbound");
            for listener in inbound {
                let mut plain = listener.filter_chains.clone();
                plain.retain_mut(|chain| {
                    let Some(matched) = &mut chain.filter_chain_match else { return false };
                    if matched.transport_protocol != "tls" {
                        return false;
                    }
                    matched.transport_protocol = "raw_buffer".into();
                    matched.application_protocols.clear();
                    chain.transport_socket = None;
                    true
                });
                listener.filter_chains.extend(plain);
            }
        });
        assert_eq!(red, ["http without a sidecar", "tcp without a sidecar"], "{mesh}");
    }
}
