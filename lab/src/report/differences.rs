//! Where the two meshes were seen to differ, as a page of Markdown.
//!
//! The page contains only what every run of the same scenarios gives: no times, no addresses but those of `lo`, and no outcome
//! of a race (see [`Expectation::from_prediction`]).

use std::{
    fmt::Write,
    net::{IpAddr, Ipv6Addr},
};

use mesh::{
    account::{Account, AppSees, Leg, LegNumber, Logged},
    model::Flavor,
};

use crate::{
    data_plane::DataPlane,
    expect::Expectation,
    run_report::{ProbeReport, RunReport},
    summary,
};

#[cfg(test)]
mod tests;

const HEAD: &str = "\
# Where the textbook and Istio differ

What each mesh was seen to do with the same manifests and the same call. Written by `sidelab run --differences FILE`, not by hand; a call in
which the two do the same is not here. `a > b` is b inside a.
";

/// Where Istio's sidecar dials its app from over IPv6. It is on `lo`, as 127.0.0.6 is, but no loopback address by its number.
const ISTIO_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6));

/// The maximum number of calls that are named per scenario.
const NAMED: usize = 3;

/// One way in which the meshes may differ.
struct Aspect {
    title: &'static str,
    about: &'static str,
    /// Its value in an account; `None` if that can differ from run to run.
    of: fn(&Settled<'_>) -> Option<String>,
    /// The calls in which it is compared.
    when: When,
}

/// The calls in which an aspect is compared.
#[derive(PartialEq)]
enum When {
    EndsDiffer,
    EndsAreAlike,
    Always,
}

const ASPECTS: [Aspect; 5] = [
    Aspect {
        title: "The call ends differently",
        about: "What the legs carried, what the app saw, who refused and why; then the flags and details in that sidecar's access log.",
        of: |seen| Some(seen.ending()),
        when: When::EndsDiffer,
    },
    Aspect {
        title: "The same end, but other layers on the way",
        about: "What the legs carried, where the app sees the same.",
        of: |seen| Some(seen.legs()),
        when: When::EndsAreAlike,
    },
    Aspect {
        title: "What the client's side says in its ClientHello",
        about: "On leg 2, outermost TLS: the protocols that it offers (ALPN), and the name that it asks for (SNI).",
        of: |seen| seen.hello(),
        when: When::Always,
    },
    Aspect {
        title: "Whether the client's sidecar reads the SNI of the app's own TLS",
        about: "As its access log has it.",
        of: |seen| Some(seen.server_name_read()),
        when: When::Always,
    },
    Aspect {
        title: "Where the last leg comes from and goes to",
        about: "Leg 3, from the server's sidecar to its app. An app that listens on 127.0.0.1 alone is reached in one mesh only.",
        of: |seen| seen.last_leg(),
        when: When::Always,
    },
];

/// An account, reduced to what every run gives.
struct Settled<'a> {
    account: &'a Account,
    fields: Expectation,
}

/// What the two meshes do, and the calls in which they do it, by scenario and probe.
struct Row<'a> {
    textbook: String,
    istio: String,
    calls: Vec<(&'a str, &'a str)>,
}

pub fn render(run: &RunReport) -> String {
    let calls = run.probes.chunk_by(|one, other| (&one.scenario, &one.probe) == (&other.scenario, &other.probe));
    let pairs: Vec<_> = calls.filter_map(pair).collect();
    let mut text = String::from(HEAD);
    for aspect in &ASPECTS {
        let rows = rows(aspect, &pairs);
        if rows.is_empty() {
            continue;
        }
        let _ = writeln!(
            text,
            "\n## {}\n\n{}\n\n| textbook | istio | seen in |\n|---|---|---|",
            aspect.title, aspect.about
        );
        for Row { textbook, istio, calls } in &rows {
            let _ = writeln!(text, "| {} | {} | {} |", escaped(textbook), escaped(istio), escaped(&places(calls)));
        }
    }
    let differing = pairs
        .iter()
        .filter(|(_, textbook, istio)| ASPECTS.iter().any(|aspect| (aspect.of)(textbook) != (aspect.of)(istio)));
    let _ = writeln!(
        text,
        "\nOf {} calls that were made in both meshes, {} differ in something.",
        pairs.len(),
        differing.count()
    );
    text
}

/// A call as both meshes were seen to carry it.
fn pair(calls: &[ProbeReport]) -> Option<(&ProbeReport, Settled<'_>, Settled<'_>)> {
    let of = |mesh| {
        let probe = calls.iter().find(|probe| probe.mesh == mesh)?;
        let seen = probe.seen.get(&DataPlane::Native).or_else(|| probe.seen.values().next())?;
        Some(Settled { account: &seen.account, fields: Expectation::from_prediction(&seen.account) })
    };
    Some((calls.first()?, of(Flavor::Textbook)?, of(Flavor::Istio)?))
}

fn rows<'a>(aspect: &Aspect, pairs: &[(&'a ProbeReport, Settled<'_>, Settled<'_>)]) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = Vec::new();
    for (probe, textbook, istio) in pairs {
        let when = if textbook.end() == istio.end() { When::EndsAreAlike } else { When::EndsDiffer };
        if aspect.when != When::Always && aspect.when != when {
            continue;
        }
        let (Some(textbook), Some(istio)) = ((aspect.of)(textbook), (aspect.of)(istio)) else { continue };
        if textbook == istio {
            continue;
        }
        let call = (probe.scenario.as_str(), probe.probe.as_str());
        match rows.iter_mut().find(|row| row.textbook == textbook && row.istio == istio) {
            Some(row) => row.calls.push(call),
            None => rows.push(Row { textbook, istio, calls: vec![call] }),
        }
    }
    rows
}

impl Settled<'_> {
    /// The legs and how it ended; `None` if only the way differs.
    fn ending(&self) -> String {
        format!("{}<br>{}", self.legs(), self.end())
    }

    fn legs(&self) -> String {
        let legs: Vec<String> = self.account.legs.iter().filter_map(|leg| self.leg(leg)).collect();
        legs.join(", ")
    }

    /// A leg's layers. What got through a handshake that failed is a race.
    fn leg(&self, leg: &Leg) -> Option<String> {
        let fields = self.fields.legs.get(&leg.number)?;
        if leg.layers.is_empty() && fields.dials.is_none() {
            // Whether it was there at all is a race.
            return None;
        }
        let settled = fields.layers.is_some();
        match (settled, leg.tls.is_empty()) {
            (true, _) => Some(format!("leg {} {}", leg.number, summary::layers(leg))),
            (false, false) => Some(format!("leg {} a handshake that fails", leg.number)),
            (false, true) => None,
        }
    }

    fn end(&self) -> String {
        let outcome = &self.fields.outcome;
        let mut account = self.account.clone();
        if outcome.app_sees.is_none() {
            account.outcome.app_sees = AppSees::failure("the connection ends");
        }
        let mut text = summary::end(&account);
        if !self.account.outcome.delivered {
            let details = outcome.details.as_ref().and_then(Logged::get).map(reason);
            for code in outcome.response_flags.as_ref().and_then(Logged::get).into_iter().chain(details) {
                let _ = write!(text, "<br>`{code}`");
            }
        }
        text
    }

    fn hello(&self) -> Option<String> {
        let tls = self.account.leg(LegNumber::BetweenPods)?.tls.first()?;
        let offered = if tls.alpn_offered.is_empty() { "nothing".into() } else { tls.alpn_offered.join(", ") };
        // A name differs from call to call; which name it is does not.
        let sni = match tls.sni.as_deref() {
            None => "no name",
            Some(name) if name.starts_with("outbound_") => "outbound\\_.PORT\\_.SUBSET\\_.HOST",
            Some(_) => "the called host",
        };
        Some(format!("offers {offered}; asks for {sni}"))
    }

    fn server_name_read(&self) -> String {
        let read = &self.account.outcome.requested_server_name;
        if read.is_nothing() { "nothing" } else { "the called host" }.into()
    }

    fn last_leg(&self) -> Option<String> {
        let leg = self.account.leg(LegNumber::ToApp)?;
        self.fields.legs.get(&LegNumber::ToApp)?.dials?;
        let place = |ip: IpAddr| {
            if ip.is_loopback() || ip == ISTIO_V6 { ip.to_string() } else { "the pod's own address".into() }
        };
        Some(format!("from {} to {}", place(leg.source?), place(leg.dials?.ip())))
    }
}

/// Envoy's details without what they quote: of a failed handshake, OpenSSL's reason.
fn reason(details: &str) -> &str {
    match details.split_once("OPENSSL_internal:") {
        Some((_, rest)) => rest.split(':').next().unwrap_or(rest),
        None => details,
    }
}

/// The calls by scenario: `strict` (http over IPv4, and 3 more).
fn places(calls: &[(&str, &str)]) -> String {
    let groups = calls.chunk_by(|(one, _), (other, _)| one == other).filter_map(|group| {
        let (scenario, _) = group.first()?;
        let mut names: Vec<String> = group.iter().take(NAMED).map(|(_, probe)| (*probe).to_owned()).collect();
        if group.len() > NAMED {
            names.push(format!("and {} more", group.len() - NAMED));
        }
        Some(format!("`{scenario}` ({})", names.join("; ")))
    });
    groups.collect::<Vec<_>>().join(", ")
}

/// Text in a cell of a table.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace(" > ", " \\> ")
}
