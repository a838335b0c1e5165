//! One call, explained for people.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use mesh::{
    account::{Account, Decision, LegNumber, NoteKind, TlsFacts},
    model::ControlPlane,
};

use super::words::{wrapped, wrapped_below};

#[cfg(test)]
mod tests;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const STRONG: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

/// The column at which the reasons of steps begin.
const REASONS: usize = 36;

/// The account in lines of `width` columns, with colours, which printing removes where they don't belong. Names that are longer stay
/// whole.
pub fn render(account: &Account, width: usize) -> String {
    let mut text = String::new();
    let Account { from, to, outcome, .. } = account;
    let by = match account.control_plane {
        ControlPlane::Compiler => "",
        ControlPlane::Istiod => " (files by istiod)",
        ControlPlane::Dumps => " (files by dumps)",
    };
    let sidecar = |has: bool| if has { "" } else { " (no sidecar)" };
    let head = format!(
        "{} mesh{by}: {}{} sends {}{} to {}:{} ({})",
        account.mesh,
        from.pod,
        sidecar(from.sidecar),
        account.app_sends,
        account.app_speaks.map_or_else(String::new, |speaks| format!(" ({speaks})")),
        to.host,
        to.port,
        to.address
    );
    let _ = writeln!(text, "{STRONG}{}{STRONG:#}", wrapped(&head, width, 0));
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
        let because = wrapped_below(&format!("{}{source}", step.because), width, REASONS, REASONS);
        let _ = writeln!(text, "{:REASONS$}{FAINT}{because}{FAINT:#}", "");
    }
    let _ = writeln!(text);
    let read_by: Vec<String> = account.read_by.iter().map(ToString::to_string).collect();
    let read_by = if read_by.is_empty() { "no sidecar".into() } else { read_by.join(", ") };
    let end = format!("{}; flags {}, details {}", end(account), outcome.response_flags, outcome.details);
    let _ = writeln!(text, "  {}\n  the request is read by: {read_by}", wrapped(&end, width, 2));
    for other in &account.alternatives {
        let _ = writeln!(text, "  {}", wrapped(&alternative(account, other), width, 2));
    }
    notes(&mut text, account, width);
    text
}

/// How a call ends, in a line.
fn end(account: &Account) -> String {
    let outcome = &account.outcome;
    let ends = if outcome.delivered {
        format!("{GOOD}delivered{GOOD:#}")
    } else if outcome.at.is_none() && outcome.status.is_some() {
        format!("{BAD}answered{BAD:#} by the server app")
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

/// Another way that the call may go.
fn alternative(account: &Account, other: &Account) -> String {
    let leg = other.leg(LegNumber::BetweenPods);
    let layers: Vec<_> = leg.iter().flat_map(|leg| &leg.layers).map(ToString::to_string).collect();
    let layers = if layers.is_empty() { "nothing".into() } else { layers.join(" > ") };
    let way = leg.map_or_else(String::new, |leg| match leg.dials {
        Some(dials) => format!(" ({}, to {dials})", leg.path),
        None => format!(" ({})", leg.path),
    });
    format!("or, if {}: leg 2 carries {layers}{way}; {}", condition(account, other), end(other))
}

/// By what chance the other way is taken: a fault that does not happen, else a pod, by its weight where routes have one.
fn condition(account: &Account, other: &Account) -> String {
    let faults = |account: &Account| {
        let steps = account.steps.iter().filter(|step| step.what == Decision::Fault);
        steps.map(|step| step.choice.clone()).collect::<Vec<_>>()
    };
    let on_it = faults(other);
    let mut all: Vec<String> = faults(account)
        .iter()
        .filter(|fault| !on_it.contains(fault))
        .map(|fault| format!("not {fault} by the fault"))
        .collect();
    let cluster = |account: &Account| {
        let step = account.steps.iter().find(|step| step.what == Decision::Cluster)?;
        Some(step.choice.clone())
    };
    if all.is_empty() || other.to.pod != account.to.pod {
        let pod = other.to.pod.as_deref().unwrap_or("another address");
        let other_cluster = cluster(other).filter(|other| cluster(account).is_some_and(|own| own != *other));
        let weight = weight(other, other_cluster.as_deref());
        all.push(format!("{pod} is chosen{weight}"));
    }
    all.join(" and ")
}

/// The weight of a cluster among those of the call's route.
fn weight(account: &Account, cluster: Option<&str>) -> String {
    let targets = account.route.as_ref().map(|route| &route.clusters[..]).unwrap_or_default();
    let all: u32 = targets.iter().map(|target| target.weight).sum();
    let chosen = targets.iter().find(|target| targets.len() > 1 && cluster == Some(&target.name));
    chosen.map_or_else(String::new, |target| format!(" (weight {} of {all})", target.weight))
}

fn notes(text: &mut String, account: &Account, width: usize) {
    for note in &account.notes {
        let source = note.source.as_ref().map_or_else(String::new, |source| format!(" ({source})"));
        let words = wrapped(&format!("{}: {}{source}", note.kind, note.text), width, 2);
        let style = if note.kind == NoteKind::NotUsed { FAINT } else { STRONG };
        let _ = match words.split_once(':') {
            Some((kind, rest)) => writeln!(text, "  {style}{kind}{style:#}:{rest}"),
            None => writeln!(text, "  {words}"),
        };
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
