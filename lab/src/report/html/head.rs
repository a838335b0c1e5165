//! The head of the page: how the run went, where and when it was made, and how to read what follows.

use std::{fs, process::Command};

use maud::{Markup, html};

use super::{Page, count, layers};
use crate::{tools::Tools, verdict::RunReport};

/// Where a run was made.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// The kernel's release.
    pub kernel: Option<String>,
    /// The processor's name.
    pub processor: Option<String>,
    /// How many threads it runs at once.
    pub cores: usize,
    /// By what right labs were made, such as `root`.
    pub privilege: String,
    /// The real Envoy's version, where it ran.
    pub envoy: Option<String>,
}

impl Host {
    /// Asks this host. What it does not tell is left out.
    pub fn probe(privilege: netns::Privilege, tools: &Tools, with_envoy: bool) -> Self {
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|release| release.trim().to_owned());
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let privilege = match privilege {
            netns::Privilege::Root => "root",
            netns::Privilege::UserNamespace => "a user namespace",
        };
        Self {
            kernel,
            processor: model.map(|(_, name)| name.trim().to_owned()),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            privilege: privilege.into(),
            envoy: with_envoy.then(|| envoy_version(tools)).flatten(),
        }
    }
}

/// Out of `envoy  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL`.
fn envoy_version(tools: &Tools) -> Option<String> {
    let output = Command::new(tools.envoy().ok()?).arg("--version").output().ok()?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    told.split_once("version:")?.1.split('/').nth(1).map(str::to_owned)
}

/// `24 of 24 calls agree`.
pub(super) fn agreement(run: &RunReport) -> String {
    let right = run.probes.iter().filter(|probe| probe.verdict.agrees).count();
    format!("{right} of {} agree", count(run.probes.len(), "call"))
}

pub(super) fn render(page: &Page<'_>) -> Markup {
    let run = page.run;
    html! {
        header .top {
            p .brand { "sidelab" }
            h1 .(if run.agrees { "ok" } else { "bad" }) { (agreement(run)) }
            p .lead {
                "Each call was made in a pod's network namespace. What its legs carried was read from packets and "
                "opened with the keys that the participants logged; then it was held to what a person expected and to "
                "what the manifests predict."
            }
            dl .facts {
                @for (term, fact) in facts(page) { div { dt { (term) } dd { (fact) } } }
            }
            (legend())
        }
    }
}

fn facts(page: &Page<'_>) -> Vec<(&'static str, String)> {
    let Page { run, host, .. } = page;
    let mut facts = vec![
        ("When", run.started.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()),
        ("Took", format!("{:.1} s", run.seconds)),
        ("Accounts", accounts(run)),
    ];
    let mut meshes: Vec<String> = run.probes.iter().map(|probe| probe.mesh.to_string()).collect();
    meshes.sort();
    meshes.dedup();
    meshes.reverse();
    facts.push(("Meshes", meshes.join(", ")));
    for (plane, figures) in &run.labs {
        let slowest = figures.ready_seconds.iter().copied().fold(0.0, f64::max);
        let largest = figures.resident_bytes.iter().copied().max().unwrap_or_default();
        let mib = largest as f64 / f64::from(1 << 20);
        let labs = count(figures.ready_seconds.len(), "lab");
        let figures = format!("{labs} on {plane}, each ready within {slowest:.2} s; a sidecar at rest {mib:.1} MiB");
        facts.push(("Labs", figures));
    }
    let processor = host.processor.clone().unwrap_or_else(|| "processor unknown".into());
    let kernel = host.kernel.as_ref().map_or_else(String::new, |kernel| format!(", Linux {kernel}"));
    facts.push((
        "Host",
        format!("{processor}, {}{kernel}; labs made by {}", count(host.cores, "thread"), host.privilege),
    ));
    facts.extend(host.envoy.clone().map(|version| ("Envoy", version)));
    facts
}

fn accounts(run: &RunReport) -> String {
    let planes = run.planes().into_iter().map(|plane| plane.to_string());
    ["expected".to_owned(), "predicted".to_owned()].into_iter().chain(planes).collect::<Vec<_>>().join(", ")
}

/// How to read the pictures.
fn legend() -> Markup {
    html! {
        section .legend aria-label="How to read the pictures" {
            div .keys {
                @for kind in layers::LEGEND {
                    span .key { span .l .(layers::class(kind)) { (layers::label(kind)) } " " (layers::meaning(kind)) }
                }
                span .key { span .l.none { "nothing" } " no byte was sent" }
                span .key { span .flag { "✗ refused here" } " who ended the call, and why" }
            }
            p {
                "A box inside a box is a layer inside a layer: "
                (layers::nest(&["mtls", "tls", "http/1.1"], &[]))
                " is HTTP in the app's own TLS in the mesh's mTLS. Leg 1 and leg 3 stay on a pod's loopback; leg 2 is "
                "on the network."
            }
        }
    }
}
