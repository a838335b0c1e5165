//! The real kube-apiserver (`scripts/kube-apiserver`) as the caller of webhooks, and as the judge of what `validate` says.

use std::{collections::BTreeMap, env, fs};

use lab::{
    api_server::{ApiServer, KubeApiserver},
    data_plane::DataPlane,
    scenario,
};
use mesh::model::Flavor;
use tests::{
    checkout, may_make_labs, run_with,
    verdicts::{Verdicts, asked},
};

mod differences;

use self::differences::{Difference, KNOWN, table};

/// The real API server, if it is built.
fn built() -> Option<KubeApiserver> {
    let built = KubeApiserver::find().ok();
    if built.is_none() {
        println!("skipped: kube-apiserver is not built: run scripts/kube-apiserver");
    }
    built
}

#[test]
fn every_webhook_scenario_ends_the_same_with_the_real_caller() {
    if built().is_none() || !may_make_labs() {
        return;
    }
    let scenarios = tests::scenarios();
    let has_webhooks = |scenario: &scenario::Scenario| scenario.probes.iter().any(|probe| probe.webhook.is_some());
    let scenarios: Vec<_> = scenarios.into_iter().filter(has_webhooks).collect();
    let run = |api_server| run_with(api_server, &scenarios, &[Flavor::Textbook, Flavor::Istio], &[DataPlane::Native]);
    let (real, demo) = (run(ApiServer::Real), run(ApiServer::Demo));
    let mut bad = vec![];
    for (real, demo) in real.probes.iter().zip(&demo.probes) {
        let name = format!("{} in the {} mesh: {}", real.scenario, real.mesh, real.probe);
        bad.extend(real.verdict.disagreements.iter().map(|disagreement| format!("{name}: {disagreement}")));
        let outcome = |probe: &lab::run_report::ProbeReport| {
            let each = probe.seen.values().map(|seen| &seen.account.outcome);
            // Whether an app sees a reset or the end of its connection is a race.
            each.map(|one| (one.delivered, one.at, one.reason, one.status, one.admission)).collect::<Vec<_>>()
        };
        if outcome(real) != outcome(demo) {
            bad.push(format!("{name}: kube-apiserver {:?}, demo-apiserver {:?}", outcome(real), outcome(demo)));
        }
        let words = |probe: &lab::run_report::ProbeReport| {
            let notes = probe.seen.values().flat_map(|seen| &seen.evidence.notes);
            notes
                .filter(|note| note.starts_with("the API server says"))
                .map(|note| without_ports(note))
                .collect::<Vec<_>>()
        };
        if words(real) != words(demo) {
            bad.push(format!("{name}:\nkube-apiserver {:?}\ndemo-apiserver {:?}", words(real), words(demo)));
        }
    }
    println!("{} calls of {} scenarios, {} differ", real.probes.len(), scenarios.len(), bad.len());
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// A message without what differs from call to call: the ports of clients, and ids.
fn without_ports(text: &str) -> String {
    let text = text.split('"').map(|part| if part.len() == 36 { "ID" } else { part }).collect::<Vec<_>>().join("\"");
    let parts = text.split(' ').map(|part| part.split_once("->").map_or(part.into(), |(_, to)| format!("->{to}")));
    parts.collect::<Vec<String>>().join(" ")
}

#[test]
fn the_stored_answers_are_those_of_the_built_api_server() {
    let Some(server) = built() else { return };
    let asked = asked();
    let today = Verdicts::ask(&server, &asked).unwrap();
    if env::var_os("UPDATE_API_SERVER").is_some() {
        today.store().unwrap();
    }
    let stored = Verdicts::stored().unwrap();
    assert_eq!(stored.kubernetes, today.kubernetes, "set UPDATE_API_SERVER=1 to store the answers of this version");
    let changed = today.of.iter().filter(|(name, verdict)| {
        let allowed = |verdict: &Vec<Option<String>>| verdict.iter().map(Option::is_none).collect::<Vec<_>>();
        stored.of.get(*name).map(allowed) != Some(allowed(verdict))
    });
    let changed: Vec<_> = changed.map(|(name, _)| name.as_str()).collect();
    assert!(changed.is_empty(), "set UPDATE_API_SERVER=1 to store what is new: {}", changed.join("\n"));
}

#[test]
fn the_api_server_accepts_every_object_of_every_scenario() {
    let stored = Verdicts::stored().unwrap();
    let scenarios = stored.of.iter().filter(|(name, _)| name.starts_with("scenario "));
    let refused: Vec<_> = scenarios.flat_map(|(name, of)| of.iter().flatten().map(move |why| (name, why))).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn validate_refuses_what_the_api_server_refuses_except_as_the_table_says() {
    let stored = Verdicts::stored().unwrap();
    let mut used = vec![0; KNOWN.len()];
    let mut unexplained: BTreeMap<Difference, Vec<String>> = BTreeMap::new();
    let (mut both_accept, mut both_refuse) = (0, 0);
    for one in asked().iter().filter(|one| !one.name.starts_with("scenario ")) {
        let verdict = stored.of.get(&one.name).and_then(|of| of.first());
        let verdict = verdict.unwrap_or_else(|| panic!("{}: no answer is stored: see {}", one.name, file!()));
        let here: Vec<_> = mesh::check(std::slice::from_ref(&one.file)).faults;
        let here: Vec<_> = here.iter().filter(|fault| fault.is_error()).map(ToString::to_string).collect();
        let (difference, said) = match (verdict, here.is_empty()) {
            (None, true) => {
                both_accept += 1;
                continue;
            }
            (Some(_), false) => {
                both_refuse += 1;
                continue;
            }
            (Some(message), true) => (Difference::OnlyTheServerRefuses, message.clone()),
            (None, false) => (Difference::OnlyValidateRefuses, here.join("; ")),
        };
        match KNOWN.iter().position(|known| known.covers(difference, &one.name)) {
            Some(row) => used[row] += 1,
            None => unexplained.entry(difference).or_default().push(format!("{}: {said}", one.name)),
        }
    }
    let explained: usize = used.iter().sum();
    println!("both accept {both_accept}, both refuse {both_refuse}, {explained} differences with a reason");
    for (difference, lines) in &unexplained {
        println!("{difference:?}: {} without a reason", lines.len());
    }
    let stale: Vec<_> = KNOWN.iter().zip(used).filter(|(_, used)| *used == 0).map(|(known, _)| known.what).collect();
    let lines: Vec<_> = unexplained
        .iter()
        .flat_map(|(what, lines)| lines.iter().map(move |line| format!("{what:?}: {line}")))
        .collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
    assert!(stale.is_empty(), "these rows explain nothing any more: {stale:#?}");
}

#[test]
fn the_documentation_lists_the_known_differences() {
    let docs = fs::read_to_string(checkout().join("docs/api-server.md")).unwrap();
    assert!(docs.contains(&table()), "docs/api-server.md should have this table:\n{}", table());
}
