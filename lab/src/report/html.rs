//! A run as one self-contained HTML page: for each call a picture of its legs, textbook next to istio, and below it what
//! was expected, predicted and seen, the TLS facts, the decisions, the log lines and the YAML.
//!
//! The page needs no script and fetches nothing: styles are inline, pictures are boxes. All text goes through `maud`,
//! which escapes it.

mod accounts;
mod call;
mod claims;
mod document;
mod evidence;
mod grid;
mod head;
mod host;
mod layers;
mod picture;
mod reproduce;
mod scenario;
mod steps;
mod tls;
mod yaml;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result};
use maud::{Markup, html};

#[cfg(test)]
pub(crate) use self::document::BASE;
pub(crate) use self::document::{document, foot};
pub use self::host::Host;
use crate::{claims::Claim, run_report::ProbeReport, run_report::RunReport, scenario::Scenario};

const STYLE: &str = include_str!("html/page.css");

/// The contents of the page.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    pub run: &'a RunReport,
    /// The scenarios that ran.
    pub scenarios: &'a [ScenarioText],
    /// All claims, by number.
    pub claims: &'a BTreeMap<u16, Claim>,
    /// The host that it ran on.
    pub host: &'a Host,
}

/// A scenario's own text.
#[derive(Clone, Debug)]
pub struct ScenarioText {
    pub name: String,
    /// What it demonstrates, in a few sentences.
    pub shows: String,
    /// Its folder, as a command line names it.
    pub folder: String,
    /// Its `manifests.yaml`.
    pub manifests: String,
}

impl ScenarioText {
    /// Reads a scenario's text for the page.
    ///
    /// # Errors
    /// If its manifests can't be read.
    pub fn read(scenario: &Scenario) -> Result<Self> {
        let path = scenario.manifests();
        let manifests = fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
        Ok(Self {
            name: scenario.name.clone(),
            shows: scenario.shows.clone(),
            folder: scenario.directory.display().to_string(),
            manifests,
        })
    }
}

pub fn render(page: &Page<'_>) -> String {
    let scenarios = scenario::group(page);
    let body = html! {
        (head::render(page))
        main {
            (scenario::index(&scenarios))
            (claims::render(page))
            @for scenario in &scenarios { (scenario::render(scenario, page)) }
        }
        (foot(page.run.version))
    };
    document(&format!("sidelab: {}", head::agreement(page.run)), STYLE, &body)
}

/// One call, in each mesh in which it was made.
struct Call<'a> {
    scenario: &'a str,
    name: &'a str,
    /// The call in each mesh, textbook first.
    meshes: Vec<&'a ProbeReport>,
}

impl Call<'_> {
    fn agrees(&self) -> bool {
        self.meshes.iter().all(|probe| probe.verdict.agrees)
    }

    /// The call's anchor on the page.
    fn id(&self) -> String {
        call_id(self.scenario, self.name)
    }
}

/// The anchor of a scenario's call.
fn call_id(scenario: &str, call: &str) -> String {
    format!("{}--{}", slug(scenario), slug(call))
}

/// Text as part of an anchor: letters and digits, and `-` for everything else.
fn slug(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

/// Whether something is as expected: a mark, with text for screen readers.
fn mark(good: bool) -> Markup {
    let (class, sign, word) = if good { ("ok", "✓", "as expected") } else { ("bad", "✗", "not as expected") };
    html! { span class={ "mark " (class) } title=(word) { span aria-hidden="true" { (sign) } span .sr { (word) } } }
}

/// `a, b and c`.
fn listed<S: AsRef<str>>(names: &[S]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// `1 call`, `2 calls`.
fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
