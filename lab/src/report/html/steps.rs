//! The decisions that led to the prediction, each with the line of YAML that decided it.

use maud::{Markup, html};
use mesh::model::Source;

use super::yaml::Manifests;
use crate::run_report::ProbeReport;

/// The decisions of a call in one mesh.
pub(super) fn render(probe: &ProbeReport, manifests: Option<&Manifests>) -> Option<Markup> {
    let steps = &probe.predicted.as_ref()?.steps;
    if steps.is_empty() {
        return None;
    }
    Some(html! {
        ol .steps {
            @for party in steps.chunk_by(|one, other| one.at == other.at) {
                li {
                    @if let Some(first) = party.first() { h5 { (first.at) } }
                    dl {
                        @for step in party {
                            dt { (step.what) " " b { (step.choice) } }
                            dd {
                                (step.because)
                                @if let Some(source) = &step.source { " " (decided_by(source, manifests)) }
                            }
                        }
                    }
                }
            }
        }
    })
}

fn decided_by(source: &Source, manifests: Option<&Manifests>) -> Markup {
    match manifests.and_then(|manifests| manifests.place(source)) {
        Some(place) => html! {
            a .source href={ "#" (place.anchor) } {
                "line " (place.line) ": " (place.document) " " (place.field)
            }
        },
        None => html! { span .source { (source) } },
    }
}
