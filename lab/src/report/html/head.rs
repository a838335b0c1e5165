//! The head of the page: how the run went, where and when it was made, and how to read what follows.

use maud::{Markup, html};
use mesh::{account::LayerKind, model::ControlPlane};

use super::{Page, count, layers};
use crate::{api_server::ApiServer, run_report::RunReport};

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
                "decrypted with the keys that the participants logged; then it was compared with what a person expected and with "
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
    if run.control_plane == ControlPlane::Istiod {
        facts.push((
            "Control plane",
            "istiod: the sidecars ran on its files, and the prediction is based on them".into(),
        ));
    }
    if run.api_server == ApiServer::Real {
        facts.push(("API server", "kube-apiserver itself called the webhooks".into()));
    }
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
                (layers::nest(&[LayerKind::Mtls, LayerKind::Tls, LayerKind::Http1], &[]))
                " is HTTP in the app's own TLS in the mesh's mTLS. Leg 1 and leg 3 stay on a pod's loopback; leg 2 is "
                "on the network."
            }
        }
    }
}
