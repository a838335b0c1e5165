//! One call: a summary line for each mesh, and collapsed pictures and evidence.

use maud::{Markup, html};
use mesh::account::{Account, LayerKind, Outcome};

use super::{
    Call, ScenarioText, accounts, evidence, layers, listed, mark, picture, reproduce, steps, tls, yaml::Manifests,
};
use crate::{
    data_plane::DataPlane,
    facts::Difference,
    run_report::ProbeReport,
    verdict::{Disagreement, Judge},
};

/// A call. One that is `open` shows its pictures at once.
pub(super) fn render(
    call: &Call<'_>,
    text: Option<&ScenarioText>,
    manifests: Option<&Manifests<'_>>,
    claims: Option<&Markup>,
    open: bool,
) -> Markup {
    html! {
        details .call id=(call.id()) open[open] {
            summary { (line(call)) }
            @if let Some(claims) = claims { p .tags { "tests " (claims) } }
            div .pair.pictures {
                @for probe in &call.meshes {
                    div .mesh data-mesh=(probe.mesh) {
                        h3 { (probe.mesh) }
                        (picture::pictures(probe))
                    }
                }
            }
            @if !call.agrees() {
                div .pair {
                    @for probe in &call.meshes {
                        div .mesh { @if !probe.verdict.agrees { (disagreements(probe)) } }
                    }
                }
            }
            (part(call, "Expected, predicted, seen", |probe| Some(accounts::table(probe))))
            (part(call, "TLS, and what it cost", tls::render))
            (part(call, "Why: the decisions behind the prediction", |probe| steps::render(probe, manifests)))
            (part(call, "Log lines", |probe| Some(evidence::render(probe))))
            @if let Some(commands) = reproduce::call(call, text) {
                details .part { summary { "How to reproduce it" } (commands) }
            }
        }
    }
}

/// The summary of a collapsed call.
fn line(call: &Call<'_>) -> Markup {
    let url = call.meshes.first().map(|probe| probe.url.as_str());
    let from = call.meshes.iter().find_map(|probe| shown(probe)).map(|account| account.from.pod.as_str());
    html! {
        span .title {
            (mark(call.agrees())) " " b { (call.name) }
            @if let Some(reason) = apart(call) { " " span .apart { (reason) } }
            span .route { @if let Some(from) = from { (from) " → " } (url.unwrap_or_default()) }
        }
        @for probe in &call.meshes {
            span .strip data-mesh=(probe.mesh) {
                span .meshname { (probe.mesh) }
                @if let Some(account) = shown(probe) { (strip(account)) }
            }
        }
    }
}

/// A call's legs and end in one line.
fn strip(account: &Account) -> Markup {
    let outcome = &account.outcome;
    html! {
        span .legs {
            @for (i, leg) in account.legs.iter().enumerate() {
                @if i > 0 { span .to aria-hidden="true" { "→" } }
                (layers::nest(&leg.layers, &[]))
            }
        }
        @if outcome.delivered {
            span .end.ok { (outcome.app_sees) }
        } @else {
            span .end.bad { "✗ " @if let Some(at) = outcome.at { (at) ": " } (outcome.app_sees) }
        }
    }
}

/// The account that represents a call: the native data plane's, else another's, else the prediction.
pub(super) fn shown(probe: &ProbeReport) -> Option<&Account> {
    let seen = probe.seen.get(&DataPlane::Native).or_else(|| probe.seen.values().next());
    seen.map(|seen| &seen.account).or(probe.predicted.as_ref())
}

/// The visible difference between the two meshes, if there is one.
pub(super) fn apart(call: &Call<'_>) -> Option<&'static str> {
    let [textbook, istio] = call.meshes.as_slice() else { return None };
    let (textbook, istio) = (shown(textbook)?, shown(istio)?);
    let refusal = |account: &Account| {
        let Outcome { at, reason, app_sees, .. } = &account.outcome;
        (*at, *reason, app_sees.clone())
    };
    let carried =
        |account: &Account| -> Vec<Vec<LayerKind>> { account.legs.iter().map(|leg| leg.layers.clone()).collect() };
    if textbook.outcome.delivered != istio.outcome.delivered {
        Some("served in one mesh only")
    } else if refusal(textbook) != refusal(istio) {
        Some("refused differently")
    } else if carried(textbook) != carried(istio) {
        Some("other layers")
    } else {
        None
    }
}

/// The disagreements of a call's accounts, never collapsed. Accounts that differ in the same way share a line.
fn disagreements(probe: &ProbeReport) -> Markup {
    let mut lines: Vec<(Judge, &Difference, Vec<String>)> = Vec::new();
    for Disagreement { account, against, differences } in &probe.verdict.disagreements {
        for difference in differences {
            match lines.iter_mut().find(|(other, reported, _)| other == against && *reported == difference) {
                Some((_, _, accounts)) => accounts.push(account.to_string()),
                None => lines.push((*against, difference, vec![account.to_string()])),
            }
        }
    }
    html! {
        div .disagreements {
            p { b { "✗ " (probe.mesh) ": the accounts do not agree" } }
            ul {
                @for (against, difference, accounts) in &lines {
                    li {
                        b { (difference.field) } ": " (against) " " code { (difference.expected) }
                        ", " (listed(accounts)) " " code { (difference.found()) }
                    }
                }
                @if probe.seen.is_empty() { li { "nothing was seen" } }
            }
        }
    }
}

/// A part of the evidence, textbook next to istio, merged if equal; left out if empty in both.
fn part(call: &Call<'_>, title: &str, of: impl Fn(&ProbeReport) -> Option<Markup>) -> Markup {
    let mut meshes: Vec<_> = call.meshes.iter().map(|probe| (probe.mesh.to_string(), of(probe))).collect();
    let text = |content: &Option<Markup>| content.as_ref().map(|content| content.0.clone());
    if meshes.windows(2).all(|pair| text(&pair[0].1) == text(&pair[1].1)) {
        // Shown once.
        let both: Vec<String> = meshes.iter().map(|(mesh, _)| mesh.clone()).collect();
        meshes.truncate(1);
        meshes.iter_mut().for_each(|(mesh, _)| *mesh = listed(&both));
    }
    html! {
        @if meshes.iter().any(|(_, content)| content.is_some()) {
            details .part {
                summary { (title) }
                div .pair {
                    @for (mesh, content) in &meshes {
                        div .mesh {
                            h4 { (mesh) }
                            @match content { Some(content) => (content), None => p .soft { "nothing" } }
                        }
                    }
                }
            }
        }
    }
}
