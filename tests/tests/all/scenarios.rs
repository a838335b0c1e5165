//! Every scenario agrees, and a broken data plane turns verdicts red.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

use envoy_api::{CommonTlsContext, TransportSocketConfig};
use lab::{
    data_plane::DataPlane,
    deploy::{PodPlan, Tamper},
    expect::Expectation,
    report::differences,
    run_report::{ProbeReport, RunReport},
    verdict::{Beside, Judge, Verdict},
};
use mesh::{account::LegNumber, model::Flavor};
use serde_json::Value;
use tests::{checkout, has_envoy, may_make_labs, run, scenario, tools};

const BOTH: [Flavor; 2] = [Flavor::Textbook, Flavor::Istio];

/// Every scenario in both meshes, natively and, if it is installed, with Envoy: run once for all tests that look at it.
fn run_of_all() -> &'static RunReport {
    static REPORT: OnceLock<RunReport> = OnceLock::new();
    REPORT.get_or_init(|| {
        let planes = [DataPlane::Native, DataPlane::Envoy];
        let planes = &planes[..if tools().envoy.is_some() { 2 } else { 1 }];
        run(&tests::scenarios(), &BOTH, planes, None)
    })
}

fn disagreements(report: &RunReport) -> String {
    let bad = report.probes.iter().filter(|probe| !probe.verdict.agrees);
    let printed = bad.map(|probe| {
        let what: Vec<String> = probe.verdict.disagreements.iter().map(ToString::to_string).collect();
        format!("{} / {} ({}):\n{}", probe.scenario, probe.probe, probe.mesh, what.join("\n"))
    });
    printed.collect::<Vec<_>>().join("\n\n")
}

#[test]
fn every_scenario_agrees_natively_and_with_envoy_in_both_meshes() {
    if !may_make_labs() || !has_envoy() {
        return;
    }
    let report = run_of_all();
    assert_eq!(report.planes(), BTreeSet::from([DataPlane::Native, DataPlane::Envoy]));
    assert!(report.agrees, "{}", disagreements(report));
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

/// The fields of an expectation, by path.
fn fields_of(expected: &Expectation) -> BTreeMap<String, Value> {
    fn walk(path: &str, value: Value, into: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(fields) => {
                fields.into_iter().for_each(|(name, field)| walk(&format!("{path}.{name}"), field, into));
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                items.into_iter().enumerate().for_each(|(i, item)| walk(&format!("{path}[{i}]"), item, into));
            }
            Value::Null => {}
            leaf => drop(into.insert(path.to_owned(), leaf)),
        }
    }
    let mut fields = BTreeMap::new();
    walk("", serde_json::to_value(expected).unwrap(), &mut fields);
    fields
}

fn contradicts_what_was_seen(of: &ProbeReport, seen: &ProbeReport) -> bool {
    let (_, verdict) = Verdict::compare(&of.expected, Beside::default(), seen.predicted.as_slice(), &seen.seen);
    verdict
        .disagreements
        .iter()
        .any(|one| (one.against, one.account) == (Judge::Expected, Judge::Seen(DataPlane::Native)))
}

/// With the meshes' expectations swapped, a verdict can stay green only if both expect the same.
#[test]
fn every_row_in_which_the_meshes_differ_turns_red_when_their_expectations_are_swapped() {
    if !may_make_labs() {
        return;
    }
    let mut differing = 0;
    for pair in
        run_of_all().probes.chunk_by(|one, other| (&one.scenario, &one.probe) == (&other.scenario, &other.probe))
    {
        let [one, other] = pair else { panic!("a call was not made in both meshes") };
        let (one_says, other_says) = (fields_of(&one.expected), fields_of(&other.expected));
        let name = format!("{} / {}", one.scenario, one.probe);
        if one_says == other_says {
            continue;
        }
        differing += 1;
        let contradicts =
            one_says.iter().any(|(field, value)| other_says.get(field).is_some_and(|printed| printed != value));
        let swapped = [contradicts_what_was_seen(one, other), contradicts_what_was_seen(other, one)];
        let red = swapped.into_iter().filter(|contradicts| *contradicts).count();
        // If only one of the two has an expectation, the other's row cannot fail.
        let wanted = if contradicts { 2 } else { 1 };
        assert!(red >= wanted, "{name}: {red} of its rows turned red");
    }
    assert!(differing >= 40, "the meshes differ in {differing} calls only");
}

#[test]
fn the_page_of_differences_between_the_meshes_is_up_to_date() {
    if !may_make_labs() {
        return;
    }
    let page = std::fs::read_to_string(checkout().join("docs/where-they-differ.md")).unwrap();
    let fix = "write it again: sidelab run --differences docs/where-they-differ.md";
    pretty_assertions::assert_str_eq!(page, differences::render(run_of_all()), "{fix}");
}

#[test]
fn a_pooled_connection_belongs_to_each_call_that_it_carried() {
    if !may_make_labs() {
        return;
    }
    let mut scenario = scenario("strict");
    let mut probe = scenario.probes[0].clone();
    assert_eq!(probe.name, "http over IPv4");
    scenario.probes.truncate(1);
    for name in ["again", "and again"] {
        probe.name = name.into();
        scenario.probes.push(probe.clone());
    }
    let report = run(&[scenario], &[Flavor::Istio], &[DataPlane::Native], None);
    assert!(report.agrees, "{}", disagreements(&report));
    let flows: Vec<_> = report.probes.iter().map(|probe| &probe.seen[&DataPlane::Native].evidence.flows).collect();
    for leg in [LegNumber::BetweenPods, LegNumber::ToApp] {
        let ends: BTreeSet<_> = flows.iter().map(|flows| flows[&leg].initiator).collect();
        assert_eq!(ends.len(), 1, "{leg:?}: the sidecar opened a connection for each call");
    }
    for (number, flows) in flows.iter().enumerate() {
        let marker = format!("probe-{number}-");
        assert_eq!(flows[&LegNumber::ToSidecar].content.exchanges().len(), 1);
        for leg in [LegNumber::BetweenPods, LegNumber::ToApp] {
            let exchange = flows[&leg].find(&marker).unwrap();
            assert!(exchange.request.target.contains(&marker), "{exchange:?}");
        }
    }
}

/// Runs the STRICT scenario on a broken data plane, and returns the calls whose verdict turned red.
fn red(mesh: Flavor, tamper: impl Fn(&mut PodPlan) + Send + Sync + 'static) -> Vec<String> {
    red_in("strict", mesh, tamper)
}

/// Runs another scenario on a broken data plane, and returns the calls whose verdict turned red.
fn red_in(name: &str, mesh: Flavor, tamper: impl Fn(&mut PodPlan) + Send + Sync + 'static) -> Vec<String> {
    let tamper: Tamper = Arc::new(tamper);
    let report = run(&[scenario(name)], &[mesh], &[DataPlane::Native], Some(tamper));
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
                    if matched.transport_protocol != "tls" || matched.destination_port.is_none() {
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

/// The TLS contexts of a pod's clusters.
fn upstream_tls(plan: &mut PodPlan) -> impl Iterator<Item = &mut CommonTlsContext> {
    plan.config.clusters.iter_mut().flat_map(|cluster| {
        let matches = cluster.transport_socket_matches.iter_mut().map(|matched| &mut matched.transport_socket);
        let sockets = matches.chain(cluster.transport_socket.iter_mut());
        sockets.filter_map(|socket| match &mut socket.typed_config {
            TransportSocketConfig::UpstreamTls(context) => Some(&mut context.common_tls_context),
            _ => None,
        })
    })
}

/// The TLS contexts of a pod's listeners.
fn downstream_tls(plan: &mut PodPlan) -> impl Iterator<Item = &mut CommonTlsContext> {
    plan.config.listeners.iter_mut().flat_map(|listener| {
        listener.filter_chains.iter_mut().filter_map(|chain| match &mut chain.transport_socket.as_mut()?.typed_config {
            TransportSocketConfig::DownstreamTls(context) => Some(&mut context.common_tls_context),
            _ => None,
        })
    })
}

fn forget_names(context: &mut CommonTlsContext) {
    if let Some(combined) = &mut context.combined_validation_context {
        combined.default_validation_context.match_typed_subject_alt_names.clear();
    }
    if let Some(validation) = &mut context.validation_context {
        validation.match_typed_subject_alt_names.clear();
    }
}

#[test]
fn a_port_level_that_is_ignored_turns_verdicts_red() {
    if !may_make_labs() {
        return;
    }
    for mesh in BOTH {
        let red = red_in("port-level", mesh, |plan| {
            for listener in &mut plan.config.listeners {
                listener.filter_chains.retain(|chain| {
                    let matched = chain.filter_chain_match.as_ref();
                    let of_port = matched.is_some_and(|matched| matched.destination_port == Some(9000));
                    !of_port || matched.is_some_and(|matched| matched.transport_protocol == "tls")
                });
            }
        });
        assert_eq!(red, ["PERMISSIVE port, from no sidecar"], "{mesh}");
    }
}

#[test]
fn a_san_check_that_the_client_skips_turns_verdicts_red() {
    if !may_make_labs() {
        return;
    }
    let red = red_in("wrong-identity", Flavor::Istio, |plan| upstream_tls(plan).for_each(forget_names));
    assert_eq!(red, ["server with other-trust-domain", "server with wrong-service-account", "server with no-uri"]);
}

#[test]
fn a_trust_domain_that_the_server_ignores_turns_verdicts_red() {
    if !may_make_labs() {
        return;
    }
    let red = red_in("wrong-identity", Flavor::Istio, |plan| downstream_tls(plan).for_each(forget_names));
    assert_eq!(red, ["client with other-trust-domain", "client with no-uri"]);
}

#[test]
fn the_wrong_alpn_turns_verdicts_red() {
    if !may_make_labs() {
        return;
    }
    for mesh in BOTH {
        let red = red(mesh, |plan| {
            upstream_tls(plan).for_each(|context| context.alpn_protocols = vec!["http/1.1".into()]);
        });
        assert_eq!(red, ["http over IPv4", "http over IPv6", "tcp over IPv4", "tcp over IPv6"], "{mesh}");
    }
}
