//! Claims about the page, as a browser reads it.

use std::collections::{BTreeMap, BTreeSet};

use mesh::{
    account::{Account, Decision, LayerKind, Leg, LegNumber, LegPath, Party, Reason, Step},
    model::{Family, Flavor},
};
use pretty_assertions::assert_eq;
use scraper::{ElementRef, Html, Selector};

use super::*;
use crate::{
    data_plane::DataPlane,
    expect::Expectation,
    fixtures,
    observe_call::Seen,
    run_report::LabFigures,
    scenario::{Cell, Grid},
    verdict::Verdict,
};

mod contrast;
mod wire;

const MANIFESTS: &str = "kind: Service\nmetadata:\n  name: server # </pre><script>\nspec:\n  ports:\n  - name: http\n";

fn leg(number: LegNumber, path: LegPath, layers: &[LayerKind]) -> Leg {
    Leg { layers: layers.to_vec(), ..Leg::silent(number, path) }
}

/// A call over all three legs.
fn delivered() -> Account {
    let mut account = fixtures::account();
    account.legs.insert(0, leg(LegNumber::ToSidecar, LegPath::AppToSidecar, &[LayerKind::Http1]));
    account.legs.push(leg(LegNumber::ToApp, LegPath::SidecarToApp, &[LayerKind::Http1]));
    account.steps = vec![Step {
        at: Party::ClientSidecar,
        what: Decision::Listener,
        choice: "0.0.0.0_8080".into(),
        because: "port 8080 named http".into(),
        source: Some("scenarios/first/manifests.yaml#1 spec.ports[0].name".parse().unwrap()),
    }];
    account
}

fn refused(at: Party) -> Account {
    let mut account = delivered();
    account.outcome.delivered = false;
    account.outcome.at = Some(at);
    account.outcome.reason = Some(Reason::NoFilterChainMatch);
    account.outcome.response_flags = "NR".into();
    account.outcome.details = "filter_chain_not_found".into();
    account.outcome.app_sees = "connection_reset".into();
    account
}

/// A call whose accounts all agree.
fn probe(scenario: &str, probe: &str, mesh: Flavor, account: &Account) -> ProbeReport {
    let seen = [DataPlane::Native, DataPlane::Envoy].map(|plane| (plane, fixtures::seen(account.clone())));
    judged(ProbeReport {
        scenario: scenario.into(),
        title: format!("Title of {scenario}"),
        probe: probe.into(),
        mesh,
        claims: vec!["C4".into()],
        signatures: vec![],
        url: "http://server:8080".into(),
        family: Family::Ipv4,
        cell: None,
        expected: Expectation::default(),
        predicted: Some(account.clone()),
        seen: seen.into(),
        verdict: Verdict::default(),
    })
}

fn judged(mut probe: ProbeReport) -> ProbeReport {
    probe.verdict = Verdict::compare_one(&probe.expected, probe.predicted.as_ref(), &probe.seen);
    probe
}

fn text(probes: Vec<ProbeReport>) -> String {
    let names: BTreeSet<String> = probes.iter().map(|probe| probe.scenario.clone()).collect();
    let scenarios: Vec<ScenarioText> = names
        .into_iter()
        .map(|name| ScenarioText {
            shows: format!("What {name} shows."),
            folder: format!("scenarios/{name}"),
            manifests: MANIFESTS.into(),
            name,
        })
        .collect();
    let claim = |text: &str| Claim { claim: text.into(), textbook: "one".into(), istio: "another".into() };
    let claims = BTreeMap::from([(4, claim("leg 2 is mutual TLS")), (5, claim("nobody tests this"))]);
    let mut run = RunReport::new(jiff::Timestamp::UNIX_EPOCH, std::time::Duration::from_millis(1500), probes);
    let figures = LabFigures { ready_seconds: vec![0.5, 0.25], resident_bytes: vec![3 << 20] };
    run.labs.insert(DataPlane::Native, figures);
    render(&Page { run: &run, scenarios: &scenarios, claims: &claims, host: &Host::default() })
}

fn page(probes: Vec<ProbeReport>) -> Html {
    Html::parse_document(&text(probes))
}

/// A page of two scenarios, with calls that are served and calls that are refused.
fn whole_page() -> Vec<ProbeReport> {
    vec![
        probe("first", "one", Flavor::Textbook, &delivered()),
        probe("first", "one", Flavor::Istio, &refused(Party::ServerSidecar)),
        probe("first", "two", Flavor::Istio, &refused(Party::Node)),
        probe("second", "one", Flavor::Textbook, &refused(Party::ClientApp)),
        probe("second", "one", Flavor::Istio, &refused(Party::ServerApp)),
    ]
}

fn all<'a>(page: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    page.select(&Selector::parse(selector).unwrap()).collect()
}

fn words(element: &ElementRef<'_>) -> String {
    element.text().collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn texts(page: &Html, selector: &str) -> Vec<String> {
    all(page, selector).iter().map(words).collect()
}

#[test]
fn a_parser_finds_no_fault_in_the_page() {
    assert_eq!(page(whole_page()).errors, Vec::<String>::new());
}

#[test]
fn every_scenario_and_every_call_is_there_once() {
    let page = page(whole_page());
    let titles = texts(&page, ".scenario h2");
    assert_eq!(titles, ["✓ as expected Title of first", "✓ as expected Title of second"]);
    let ids: Vec<_> = all(&page, ".call").iter().filter_map(|call| call.attr("id")).collect();
    assert_eq!(ids, ["first--one", "first--two", "second--one"]);
    assert_eq!(texts(&page, "#first--one .pictures h3"), ["textbook", "istio"]);
    assert_eq!(texts(&page, "#first--two .pictures h3"), ["istio"]);
}

#[test]
fn every_link_leads_to_one_place_on_the_page() {
    let page = page(whole_page());
    let ids: Vec<&str> = all(&page, "[id]").iter().filter_map(|element| element.attr("id")).collect();
    let distinct: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), distinct.len(), "an id is duplicated");
    for link in all(&page, "[href]") {
        let target = link.attr("href").unwrap();
        let id = target.strip_prefix('#').unwrap_or_else(|| panic!("{target} leads off the page"));
        assert!(distinct.contains(id), "{target} leads nowhere");
    }
}

#[test]
fn the_page_runs_and_fetches_nothing() {
    let text = text(whole_page());
    let page = Html::parse_document(&text);
    for selector in ["script", "link", "img", "iframe", "object", "embed", "[src]", "[srcset]", "base", "form"] {
        assert!(all(&page, selector).is_empty(), "{selector}");
    }
    for fetching in ["url(", "@import", "onclick", "javascript:"] {
        assert!(!text.contains(fetching), "{fetching}");
    }
}

#[test]
fn text_stays_text() {
    let hostile = "<script>alert(\"1\")</script> & 'x'";
    let mut account = refused(Party::ServerSidecar);
    account.outcome.details = hostile.into();
    account.steps[0].because = hostile.into();
    let mut probe = probe("first", hostile, Flavor::Istio, &account);
    probe.title = hostile.into();
    probe.claims = vec![hostile.into()];
    let seen = probe.seen.get_mut(&DataPlane::Native).unwrap();
    seen.evidence.server_sidecar_log = Some(hostile.into());
    let page = page(vec![probe]);
    assert!(all(&page, "script").is_empty());
    assert_eq!(page.errors, Vec::<String>::new());
    for selector in ["h2", "summary b", ".refusal code", ".steps dd", ".logs code"] {
        assert!(texts(&page, selector).iter().any(|text| text.contains(hostile)), "{selector}");
    }
    assert!(texts(&page, ".yaml")[0].contains("</pre><script>"));
}

#[test]
fn a_refusal_is_marked_at_the_party_that_refused() {
    for (at, place) in [
        (Party::ClientApp, ".pod:first-child .hops > .node.app.refuses + .refusal"),
        (Party::ClientSidecar, ".pod:first-child .hops > .node.sidecar.refuses + .refusal"),
        (Party::Node, ".net .refusal"),
        (Party::ServerSidecar, ".pod:last-child .hops > .node.sidecar.refuses + .refusal"),
        (Party::ServerApp, ".pod:last-child .hops > .node.app.refuses + .refusal"),
    ] {
        let page = page(vec![probe("first", "one", Flavor::Istio, &refused(at))]);
        let expected = format!("✗ refused here , by the {at} no filter chain match logged: NR filter_chain_not_found");
        assert_eq!(texts(&page, ".refusal"), [expected.as_str()]);
        assert_eq!(texts(&page, place), [expected.as_str()], "{at}");
        assert!(texts(&page, ".sees")[0].contains("the app sees connection_reset"));
    }
}

#[test]
fn a_call_that_was_served_has_no_refusal() {
    let page = page(vec![probe("first", "one", Flavor::Istio, &delivered())]);
    assert!(all(&page, ".refusal, .refuses, .disagreements").is_empty());
    assert_eq!(texts(&page, ".sees"), ["the app sees 200", "the app gets HTTP/1.1"]);
}

#[test]
fn layers_are_boxes_in_boxes() {
    let mut account = delivered();
    account.legs[1].layers = vec![LayerKind::Mtls, LayerKind::Tls, LayerKind::Http1];
    let page = page(vec![probe("first", "one", Flavor::Istio, &account)]);
    assert_eq!(texts(&page, "[data-leg='2'] .tube > .mtls > .tls > .http"), ["HTTP/1.1"]);
    assert_eq!(texts(&page, "[data-leg='1'] .tube > .http"), ["HTTP/1.1"]);
}

#[test]
fn a_leg_that_was_not_reached_says_so() {
    let mut account = refused(Party::ClientSidecar);
    account.legs.truncate(1);
    let mut probe = probe("first", "one", Flavor::Istio, &account);
    let predicted = probe.predicted.as_mut().unwrap();
    predicted.legs.push(leg(LegNumber::BetweenPods, LegPath::SidecarToSidecar, &[]));
    predicted.legs.push(leg(LegNumber::ToApp, LegPath::SidecarToApp, &[]));
    let page = page(vec![probe]);
    assert_eq!(texts(&page, "[data-leg='2'].idle .tube"), ["not reached"]);
    assert_eq!(texts(&page, "[data-leg='3'].idle .tube"), ["not reached"]);
    assert_eq!(texts(&page, ".pod:last-child .sees"), ["no byte reaches the app"]);
}

#[test]
fn a_pod_without_sidecar_is_drawn_without() {
    let mut account = delivered();
    account.from.sidecar = false;
    account.legs.remove(0);
    account.legs[0].path = LegPath::AppToSidecar;
    let page = page(vec![probe("first", "one", Flavor::Istio, &account)]);
    assert_eq!(texts(&page, ".pod:first-child .node"), ["app"]);
    assert_eq!(texts(&page, ".pod:last-child .node"), ["sidecar", "app"]);
}

#[test]
fn a_bypassed_sidecar_is_drawn_aside() {
    let mut account = delivered();
    account.legs.remove(0);
    account.legs.pop();
    account.legs[0].path = LegPath::AppToApp;
    account.steps[0].at = Party::ServerSidecar;
    let page = page(vec![probe("first", "one", Flavor::Istio, &account)]);
    assert_eq!(texts(&page, ".pod:first-child .node.bypassed"), ["sidecar"]);
    assert_eq!(texts(&page, ".pod:last-child .node.bypassed"), ["sidecar"]);
}

#[test]
fn a_handshake_that_failed_is_shown_on_its_leg() {
    let mut account = refused(Party::ClientSidecar);
    account.legs[1].layers = vec![LayerKind::Tls];
    let mut probe = probe("first", "one", Flavor::Istio, &account);
    for Seen { evidence, .. } in probe.seen.values_mut() {
        evidence.flows.insert(LegNumber::BetweenPods, wire::tls_answered_in_plaintext("asked.for"));
    }
    let page = page(vec![probe]);
    assert_eq!(texts(&page, "[data-leg='2'] .tls .broken"), ["✗ failed"]);
    assert!(texts(&page, ".refusal")[0].contains("leg 2: handshake answered without TLS by the server"));
    assert!(texts(&page, ".beside tr").contains(&"SNI asked.for".to_owned()));
    assert!(texts(&page, ".cost")[0].starts_with("leg 2, native"));
}

#[test]
fn data_planes_that_did_the_same_share_a_picture() {
    let alike = probe("first", "one", Flavor::Istio, &delivered());
    assert_eq!(texts(&page(vec![alike]), "figcaption"), ["seen with native and envoy"]);
}

#[test]
fn data_planes_that_differ_are_drawn_both_and_the_difference_is_marked() {
    let mut apart = probe("first", "one", Flavor::Istio, &delivered());
    apart.seen.get_mut(&DataPlane::Envoy).unwrap().account = refused(Party::ServerSidecar);
    let page = page(vec![judged(apart)]);
    assert_eq!(texts(&page, "figcaption"), ["seen with native", "seen with envoy"]);
    let lines = texts(&page, ".disagreements li");
    assert!(lines.iter().any(|line| line == "app sees : predicted 200 , envoy connection_reset"), "{lines:?}");
    assert!(texts(&page, "td.differs").contains(&"differs: ≠ connection_reset".to_owned()));
    assert_eq!(texts(&page, "h1"), ["0 of 1 call agree"]);
}

#[test]
fn every_field_that_differs_is_marked_in_the_table() {
    let expected = "{legs: {1: {layers: [tcp], interface: eth0, source: 1.1.1.1, dials: '1.1.1.1:1', redirected_to: 1},
        2: {tls: {version: a, cipher_suite: a, group: a, alpn_offered: [a], alpn: a, sni: b, client_identity: a,
        server_identity: a}}}, outcome: {delivered: false, at: node, reason: timeout, response_flags: a, details: a,
        status: 1, app_sees: a}}";
    let mut probe = probe("first", "one", Flavor::Istio, &delivered());
    probe.expected = serde_saphyr::from_str(expected).unwrap();
    probe.predicted = None;
    probe.seen.remove(&DataPlane::Envoy);
    let probe = judged(probe);
    let differences = probe.verdict.disagreements[0].differences.len();
    assert_eq!(differences, 20);
    let page = page(vec![probe]);
    assert_eq!(all(&page, "td.differs").len(), differences);
    assert_eq!(all(&page, ".disagreements li").len(), differences);
}

#[test]
fn equal_accounts_share_a_cell() {
    let mut probe = probe("first", "one", Flavor::Istio, &delivered());
    probe.expected = serde_saphyr::from_str("{outcome: {status: 200}}").unwrap();
    let page = page(vec![judged(probe)]);
    let status = all(&page, ".beside tr").into_iter().find(|row| words(row).starts_with("status")).unwrap();
    let cells: Vec<_> = status.select(&Selector::parse("td").unwrap()).collect();
    assert_eq!(cells.len(), 1);
    assert_eq!(cells[0].attr("colspan"), Some("4"));
}

#[test]
fn a_call_that_was_not_seen_is_drawn_as_predicted() {
    let mut probe = probe("first", "one", Flavor::Istio, &delivered());
    probe.seen.clear();
    let page = page(vec![judged(probe)]);
    assert_eq!(texts(&page, "figcaption"), ["predicted; nothing was seen"]);
    assert_eq!(texts(&page, ".disagreements li"), ["nothing was seen"]);
}

#[test]
fn claims_are_held_not_held_or_not_tested() {
    let mut wrong = probe("first", "one", Flavor::Istio, &delivered());
    wrong.expected = serde_saphyr::from_str("{outcome: {status: 404}}").unwrap();
    let page = page(vec![probe("first", "one", Flavor::Textbook, &delivered()), judged(wrong)]);
    assert_eq!(
        texts(&page, ".tile"),
        ["C4 ✓ ✗ : textbook held, istio not held", "C5 · · : textbook not tested, istio not tested"]
    );
    assert_eq!(texts(&page, "#C4 .result"), ["✓ held", "✗ not held"]);
    assert_eq!(texts(&page, "#C4 a"), ["Title of first"]);
}

#[test]
fn a_claim_that_some_calls_test_names_them_and_they_name_it() {
    let mut other = probe("first", "two", Flavor::Istio, &refused(Party::Node));
    other.claims = vec!["C5".into()];
    let page = page(vec![probe("first", "one", Flavor::Istio, &delivered()), other]);
    assert_eq!(texts(&page, "#C5 .calls a"), ["two"]);
    assert_eq!(all(&page, "#C5 .calls a")[0].attr("href"), Some("#first--two"));
    assert_eq!(texts(&page, "#first--two > .tags a"), ["C5"]);
    assert_eq!(texts(&page, ".scenario .head .tags a"), ["C4", "C5"]);
}

#[test]
fn a_sidecar_that_reads_the_request_says_so() {
    let mut account = delivered();
    account.read_by = vec![Party::ClientSidecar];
    let page = page(vec![probe("first", "one", Flavor::Istio, &account)]);
    assert_eq!(texts(&page, ".node:has(.reads)"), ["sidecar reads it"]);
    assert_eq!(all(&page, ".node:has(.reads)")[0].attr("data-party"), Some("client sidecar"));
}

#[test]
fn what_both_meshes_share_is_shown_once() {
    let page = page(vec![
        probe("first", "one", Flavor::Textbook, &delivered()),
        probe("first", "one", Flavor::Istio, &delivered()),
    ]);
    assert!(texts(&page, ".part h4").iter().all(|head| head == "textbook and istio"), "{:?}", texts(&page, ".part h4"));
}

#[test]
fn a_decision_links_to_its_line_of_yaml() {
    let page = page(vec![probe("first", "one", Flavor::Istio, &delivered())]);
    assert_eq!(texts(&page, ".steps a"), ["line 6: Service server spec.ports[0].name"]);
    assert_eq!(all(&page, ".steps a")[0].attr("href"), Some("#first-line-6"));
    assert_eq!(texts(&page, "#first-line-6.decides"), ["- name: http"]);
}

#[test]
fn commands_to_reproduce_name_the_scenario_and_the_pod() {
    let page = page(vec![probe("first", "one", Flavor::Istio, &delivered())]);
    let commands = texts(&page, ".commands code");
    for command in [
        "sidelab run scenarios/first --data-plane both",
        "sidelab up -f scenarios/first/manifests.yaml --mesh istio",
        "sidelab exec client -- curl -sv -4 http://server:8080/",
    ] {
        assert!(commands.iter().any(|text| text == command), "{command}: {commands:?}");
    }
}

#[test]
fn calls_in_two_dimensions_are_drawn_as_a_grid() {
    let placed = |name: &str, cell: [&str; 2], mesh, account: &Account| {
        let grid = Grid { rows: "client".into(), columns: "server".into() };
        let cell = Some((grid, Cell(cell[0].into(), cell[1].into())));
        ProbeReport { cell, ..probe("first", name, mesh, account) }
    };
    let page = page(vec![
        placed("a to x, http", ["a", "x"], Flavor::Textbook, &delivered()),
        placed("a to x, http", ["a", "x"], Flavor::Istio, &refused(Party::ServerSidecar)),
        placed("a to y, http", ["a", "y"], Flavor::Textbook, &delivered()),
        placed("a to y, http", ["a", "y"], Flavor::Istio, &delivered()),
        placed("b to y, tcp", ["b", "y"], Flavor::Istio, &delivered()),
    ]);
    assert_eq!(texts(&page, ".grid thead th"), ["client ↓ server →", "x", "y"]);
    let cells =
        ["http textbook mTLS HTTP/1.1 istio ✗ no filter chain match", "http mTLS HTTP/1.1", "", "tcp mTLS HTTP/1.1"];
    assert_eq!(texts(&page, ".grid td"), cells);
    assert_eq!(page.errors, Vec::<String>::new());
}

#[test]
fn calls_that_end_differently_in_the_two_meshes_say_so() {
    let page = page(whole_page());
    assert_eq!(texts(&page, "#first--one .apart"), ["served in one mesh only"]);
    assert_eq!(texts(&page, "#second--one .apart"), ["refused differently"]);
}
