//! A scenario: its description, calls and YAML, and how to run it again.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};
use mesh::model::Flavor;

use super::{Call, Page, ScenarioText, call, count, grid, mark, reproduce, slug, yaml::Manifests};
use crate::run_report::{ProbeReport, claims_of};

/// A scenario of the run.
pub(super) struct Section<'a> {
    name: &'a str,
    title: &'a str,
    claims: Vec<&'a str>,
    signatures: &'a [String],
    text: Option<&'a ScenarioText>,
    calls: Vec<Call<'a>>,
}

/// The run's calls, by scenario.
pub(super) fn group<'a>(page: &Page<'a>) -> Vec<Section<'a>> {
    let groups = page.run.probes.chunk_by(|one, other| one.scenario == other.scenario);
    groups.filter_map(|probes| section(page, probes)).collect()
}

fn section<'a>(page: &Page<'a>, probes: &'a [ProbeReport]) -> Option<Section<'a>> {
    let first = probes.first()?;
    let calls = probes.chunk_by(|one, other| one.probe == other.probe).filter_map(|meshes| {
        let first = meshes.first()?;
        Some(Call { scenario: &first.scenario, name: &first.probe, meshes: meshes.iter().collect() })
    });
    Some(Section {
        name: &first.scenario,
        title: &first.title,
        claims: claims_of(probes),
        signatures: &first.signatures,
        text: page.scenarios.iter().find(|text| text.name == first.scenario),
        calls: calls.collect(),
    })
}

impl Section<'_> {
    fn agrees(&self) -> bool {
        self.calls.iter().all(Call::agrees)
    }
}

/// The list of scenarios at the top of the page.
pub(super) fn index(sections: &[Section<'_>]) -> Markup {
    html! {
        nav .scenarios aria-labelledby="scenarios" {
            h2 #scenarios { "Scenarios" }
            ul {
                @for section in sections {
                    @let apart = section.calls.iter().filter(|call| call::apart(call).is_some()).count();
                    li {
                        (mark(section.agrees())) " "
                        a href={ "#" (slug(section.name)) } { (section.title) }
                        " " span .soft {
                            (count(section.calls.len(), "call"))
                            @if apart > 0 { ", the meshes end differently in " (apart) }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn render(section: &Section<'_>, page: &Page<'_>) -> Markup {
    let manifests = section.text.map(|text| Manifests::new(section.name, &text.manifests));
    html! {
        section .scenario id=(slug(section.name)) aria-labelledby={ (slug(section.name)) "-title" } {
            div .head {
                h2 id={ (slug(section.name)) "-title" } { (mark(section.agrees())) " " (section.title) }
                p .tags {
                    code { (section.name) }
                    @for claim in &section.claims { " " (tag(claim, page)) }
                    @for signature in section.signatures { " " span .tag title="failure signature" { (signature) } }
                }
            }
            @if let Some(text) = section.text { p .shows { (text.shows.trim()) } }
            @if let Some(grid) = grid::render(&section.calls) { (grid) }
            @for (i, of_section) in section.calls.iter().enumerate() {
                @let open = i == 0 || !of_section.agrees();
                (call::render(of_section, section.text, manifests.as_ref(), own_claims(of_section, section, page).as_ref(), open))
            }
            @if let (Some(text), Some(manifests)) = (section.text, &manifests) {
                details .more {
                    summary { "The YAML that caused it" }
                    p .soft { (text.folder) "/manifests.yaml; the lines that decided something are marked." }
                    (manifests.render(&decisive(section, manifests)))
                }
                details .more {
                    summary { "How to run it again" }
                    (reproduce::scenario(text))
                }
            }
        }
    }
}

/// A claim's number, with a link if the claim exists.
fn tag(name: &str, page: &Page<'_>) -> Markup {
    match crate::claims::number(name).and_then(|number| page.claims.get(&number)) {
        Some(claim) => html! { a .tag href={ "#" (name) } title=(claim.claim) { (name) } },
        None => html! { span .tag { (name) } },
    }
}

/// The claims that a call tests, if these are not all of its scenario's.
fn own_claims(call: &Call<'_>, section: &Section<'_>, page: &Page<'_>) -> Option<Markup> {
    let claims = &call.meshes.first()?.claims;
    (claims.len() < section.claims.len()).then(|| html! { @for claim in claims { (tag(claim, page)) " " } })
}

/// The lines that decided something in any call.
fn decisive(section: &Section<'_>, manifests: &Manifests<'_>) -> BTreeSet<usize> {
    let predicted = section.calls.iter().flat_map(|call| &call.meshes).filter_map(|probe| probe.predicted.as_ref());
    let sources = predicted.flat_map(|account| &account.steps).filter_map(|step| step.source.as_ref());
    sources.filter_map(|source| manifests.place(source)).map(|place| place.line).collect()
}

/// A scenario that tests a claim.
pub(super) struct Tests<'a> {
    pub(super) name: &'a str,
    pub(super) title: &'a str,
    /// The calls that do, and whether all accounts of them agree.
    pub(super) calls: Vec<(&'a str, bool)>,
    /// Whether these are all its calls.
    pub(super) all: bool,
}

/// By claim, the scenarios that test it.
pub(super) fn by_claim<'a>(page: &Page<'a>) -> BTreeMap<&'a str, Vec<Tests<'a>>> {
    let mut claims: BTreeMap<&str, Vec<Tests<'_>>> = BTreeMap::new();
    for scenario in page.run.probes.chunk_by(|one, other| one.scenario == other.scenario) {
        for claim in claims_of(scenario) {
            let serves = |probe: &&ProbeReport| probe.claims.iter().any(|name| name == claim);
            let mut calls: Vec<(&str, bool)> = Vec::new();
            for probe in scenario.iter().filter(serves) {
                match calls.iter_mut().find(|(name, _)| *name == probe.probe) {
                    Some((_, agrees)) => *agrees &= probe.verdict.agrees,
                    None => calls.push((&probe.probe, probe.verdict.agrees)),
                }
            }
            let Some(first) = scenario.first() else { continue };
            let all = scenario.iter().all(|probe| serves(&probe));
            claims.entry(claim).or_default().push(Tests { name: &first.scenario, title: &first.title, calls, all });
        }
    }
    claims
}

/// Both meshes, textbook first.
pub(super) const MESHES: [Flavor; 2] = [Flavor::Textbook, Flavor::Istio];
