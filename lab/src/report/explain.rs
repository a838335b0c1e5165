//! One call, explained for people.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use mesh::{
    account::{Account, LegNumber, NoteKind, TlsFacts},
    model::ControlPlane,
};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const STRONG: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

/// The account as text, with colours, which printing removes where they don't belong.
pub fn render(account: &Account) -> String {
    let mut text = String::new();
    let Account { from, to, outcome, .. } = account;
    let by = match account.control_plane {
        ControlPlane::Compiler => "",
        ControlPlane::Istiod => " (files by istiod)",
        ControlPlane::Dumps => " (files by dumps)",
    };
    let sidecar = |has: bool| if has { "" } else { " (no sidecar)" };
    let _ = writeln!(
        text,
        "{STRONG}{} mesh{by}: {}{} sends {}{} to {}:{}{STRONG:#} ({})",
        account.mesh,
        from.pod,
        sidecar(from.sidecar),
        account.app_sends,
        account.app_speaks.map_or_else(String::new, |speaks| format!(" ({speaks})")),
        to.host,
        to.port,
        to.address
    );
    for leg in &account.legs {
        let layers: Vec<String> = leg.layers.iter().map(ToString::to_string).collect();
        let layers = if layers.is_empty() { "nothing".into() } else { layers.join(" > ") };
        let _ = write!(text, "\n  leg {}  {:<20} {STRONG}{layers}{STRONG:#}", leg.number, leg.path);
        if let Some(dials) = leg.dials {
            let _ = write!(text, "  {FAINT}to {dials}");
            if let Some(port) = leg.redirected_to {
                let _ = write!(text, ", redirected to {port}");
            }
            let _ = write!(text, "{FAINT:#}");
        }
        for tls in &leg.tls {
            for line in tls_lines(tls) {
                let _ = write!(text, "\n         {line}");
            }
        }
    }
    let _ = writeln!(text, "\n");
    for step in &account.steps {
        let _ = writeln!(text, "  {:<15} {:<17} {STRONG}{}{STRONG:#}", step.at, step.what, step.choice);
        let source = step.source.as_ref().map_or_else(String::new, |source| format!(" ({source})"));
        let _ = writeln!(text, "  {:<15} {:<17} {FAINT}{}{source}{FAINT:#}", "", "", step.because);
    }
    let _ = writeln!(text);
    let read_by: Vec<String> = account.read_by.iter().map(ToString::to_string).collect();
    let read_by = if read_by.is_empty() { "no sidecar".into() } else { read_by.join(", ") };
    let _ = writeln!(
        text,
        "  {}; flags {}, details {}
  the request is read by: {read_by}",
        end(account),
        outcome.response_flags,
        outcome.details
    );
    for other in &account.alternatives {
        let _ = writeln!(text, "{}", alternative(other));
    }
    notes(&mut text, account);
    text
}

/// How a call ends, in a line.
fn end(account: &Account) -> String {
    let outcome = &account.outcome;
    let ends = if outcome.delivered {
        format!("{GOOD}delivered{GOOD:#}")
    } else {
        let at = outcome.at.map_or_else(|| "?".into(), |at| at.to_string());
        let reason = outcome.reason.map_or_else(|| "?".into(), |reason| reason.to_string());
        format!("{BAD}refused{BAD:#} at the {at}: {reason}")
    };
    let is_open = account.notes.iter().any(|note| note.kind == NoteKind::NotModelled);
    let as_far = if is_open { " as far as it is modelled (see below)" } else { "" };
    let assumes = account.assumes.as_ref().map_or_else(String::new, |assumes| format!(" if {assumes}"));
    format!("{ends}{as_far}; the app sees {STRONG}{}{STRONG:#}{assumes}", outcome.app_sees)
}

/// Another way that the call may go, in two lines.
fn alternative(other: &Account) -> String {
    let pod = other.to.pod.as_deref().unwrap_or("another address");
    let leg = other.leg(LegNumber::BetweenPods);
    let layers: Vec<_> = leg.iter().flat_map(|leg| &leg.layers).map(ToString::to_string).collect();
    let layers = if layers.is_empty() { "nothing".into() } else { layers.join(" > ") };
    let way = leg.map_or_else(String::new, |leg| match leg.dials {
        Some(dials) => format!(" ({}, to {dials})", leg.path),
        None => format!(" ({})", leg.path),
    });
    format!("  {STRONG}or, if {pod} is chosen{STRONG:#}: leg 2 carries {layers}{way}\n    {}", end(other))
}

fn notes(text: &mut String, account: &Account) {
    for note in &account.notes {
        let source = note.source.as_ref().map_or_else(String::new, |source| format!(" {FAINT}({source}){FAINT:#}"));
        let style = if note.kind == NoteKind::NotUsed { FAINT } else { STRONG };
        let _ = writeln!(text, "  {style}{}{style:#}: {}{source}", note.kind, note.text);
        for line in note.yaml.iter().flat_map(|yaml| yaml.lines()) {
            let _ = writeln!(text, "    {line}");
        }
    }
}

fn tls_lines(tls: &TlsFacts) -> Vec<String> {
    let mut lines = Vec::new();
    if !tls.alpn_offered.is_empty() {
        let chosen = tls.alpn.as_ref().map_or_else(String::new, |alpn| format!(", chosen {alpn}"));
        lines.push(format!("ALPN {}{chosen}", tls.alpn_offered.join(",")));
    }
    for (name, value) in [("SNI", &tls.sni), ("client", &tls.client_identity), ("server", &tls.server_identity)] {
        if let Some(value) = value {
            lines.push(format!("{name} {value}"));
        }
    }
    lines
}
