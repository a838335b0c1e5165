use std::path::Path;

use mesh::{account::AppProtocol, model::Family};
use pretty_assertions::assert_eq;

use super::*;
use crate::{expect::Expectation, fixtures, request::Asked};

/// A scenario whose calls test these claims.
fn scenario(name: &str, calls: &[(&str, &str)]) -> Scenario {
    let probe = |(name, claim): &(&str, &str)| Probe {
        changes: vec![],
        has_faults: false,
        loads: vec![],
        name: (*name).into(),
        from: "client".into(),
        host: "server".into(),
        port: 80,
        family: Family::Ipv4,
        app: AppProtocol::Http,
        speaks: None,
        asked: Asked::default(),
        sni: None,
        verify: true,
        certificate: None,
        webhook: None,
        times: 1,
        counts: vec![],
        traces: None,
        cell: None,
        claims: vec![(*claim).into()],
        textbook: Expectation::default(),
        istio: Expectation::default(),
    };
    Scenario { name: name.into(), probes: calls.iter().map(probe).collect(), ..fixtures::scenario(Path::new(name)) }
}

fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("first", &[("HTTP over IPv4", "C1"), ("http over IPv6", "C2")]),
        scenario("second", &[("tcp", "C2")]),
        scenario("third", &[("a", "C3"), ("b", "C3"), ("c", "C3")]),
    ]
}

/// What is left: `SCENARIO: CALL, CALL`.
fn selected(claims: &[&str], probes: &[&str]) -> Result<Vec<String>, NothingSelected> {
    let [claims, probes] = [claims, probes].map(|all| all.iter().map(|&one| one.to_owned()).collect::<Vec<_>>());
    let left = select(scenarios(), Selection { claims: &claims, probes: &probes, shard: None })?;
    let names = |scenario: &Scenario| {
        let calls: Vec<&str> = scenario.probes.iter().map(|probe| probe.name.as_str()).collect();
        format!("{}: {}", scenario.name, calls.join(", "))
    };
    Ok(left.iter().map(names).collect())
}

#[test]
fn an_empty_selection_selects_everything() {
    assert_eq!(selected(&[], &[]).unwrap().len(), 3);
}

#[test]
fn a_claim_selects_the_calls_that_test_it() {
    assert_eq!(selected(&["C2"], &[]).unwrap(), ["first: http over IPv6", "second: tcp"]);
    assert_eq!(selected(&["C1", "C3"], &[]).unwrap(), ["first: HTTP over IPv4", "third: a, b, c"]);
}

#[test]
fn a_part_of_a_name_selects_calls_ignoring_case() {
    assert_eq!(selected(&[], &["http over"]).unwrap(), ["first: HTTP over IPv4, http over IPv6"]);
    assert_eq!(selected(&["C2"], &["HTTP"]).unwrap(), ["first: http over IPv6"]);
}

#[test]
fn a_selection_without_calls_is_an_error_that_names_it() {
    assert_eq!(selected(&["C2", "C9"], &[]), Err(NothingSelected::Claim("C9".into())));
    let nearly = selected(&[], &["http ovr IPv6"]).unwrap_err();
    assert!(nearly.to_string().ends_with("has this in its name; did you mean \"http over IPv6\"?"), "{nearly}");
    assert_eq!(selected(&["C3"], &["http"]), Err(NothingSelected::Both));
}

#[test]
fn every_scenario_is_in_one_shard_and_shards_have_similar_sizes() {
    let of = |shard: &str| {
        let shard = Some(shard.parse().unwrap());
        let left = select(scenarios(), Selection { shard, ..Selection::default() }).unwrap();
        left.into_iter().map(|scenario| scenario.name).collect::<Vec<_>>()
    };
    assert_eq!([of("1/2"), of("2/2")], [vec!["third"], vec!["first", "second"]]);
    assert_eq!(of("1/1"), ["first", "second", "third"]);
    assert_eq!([of("3/4"), of("4/4")], [vec!["second".to_owned()], vec![]]);
}

#[test]
fn a_shard_is_written_as_k_of_n() {
    for text in ["", "1", "0/4", "5/4", "1/0", "a/b", "1/2/3", "-1/2"] {
        assert!(text.parse::<Shard>().is_err(), "{text}");
    }
}

#[test]
fn a_call_of_a_lab_that_changes_is_selected_with_the_calls_before_it() {
    let mut steps = scenario("steps", &[("first", "C1"), ("second", "C2"), ("third", "C1")]);
    steps.probes[1].changes = vec![crate::scenario::Change::Apply("changes/strict.yaml".into())];
    let probes = ["second".to_owned()];
    let selected = select(vec![steps], Selection { probes: &probes, ..Selection::default() }).unwrap();
    let names: Vec<&str> = selected[0].probes.iter().map(|probe| probe.name.as_str()).collect();
    assert_eq!(names, ["first", "second"]);
}
