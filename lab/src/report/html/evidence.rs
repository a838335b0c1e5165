//! The log lines of both sidecars for a call, and the gaps of the capture.

use maud::{Markup, html};

use crate::run_report::ProbeReport;

/// The log lines of a call in one mesh, by data plane.
pub(super) fn render(probe: &ProbeReport) -> Markup {
    html! {
        @for (plane, seen) in &probe.seen {
            @let evidence = &seen.evidence;
            h5 { (plane) }
            dl .logs {
                (line("client sidecar", evidence.client_sidecar_log.as_deref(), seen.account.from.sidecar))
                @if let Some(text) = &evidence.gateway_log { (line("gateway", Some(text), true)) }
                (line("server sidecar", evidence.server_sidecar_log.as_deref(), true))
                @if let Some(error) = &evidence.client.error {
                    dt { "client app" }
                    dd { code { (error) } }
                }
                @for load in &evidence.loads { dt { "load " (load.name) } dd { (load) } }
                @for note in &evidence.notes { dt { "capture" } dd { (note) } }
            }
        }
    }
}

fn line(who: &str, line: Option<&str>, has_sidecar: bool) -> Markup {
    html! {
        dt { (who) }
        dd {
            @match line {
                Some(line) => code { (line) },
                None => span .unsaid { (if has_sidecar { "has no log line of this call" } else { "there is none" }) },
            }
        }
    }
}
