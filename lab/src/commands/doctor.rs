//! `sidelab doctor`.

use anyhow::Result;
use netns::{Found, Host, Privilege};
use serde::Serialize;

use super::{HOST, OK, print_json};
use crate::{
    cli::{Output, OutputArgs},
    terminal::outln,
    tools::Tools,
};

/// What this host can do; JSON contract `sidelab.doctor/v1`.
#[derive(Serialize)]
struct Report {
    schema: &'static str,
    /// `root`, `user namespace`, or nothing.
    privilege: Option<&'static str>,
    /// Why that way.
    because: &'static str,
    can_make_labs: bool,
    checks: Vec<ReportedCheck>,
}

#[derive(Serialize)]
struct ReportedCheck {
    what: String,
    needed: bool,
    works: bool,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

pub(super) fn doctor(args: &OutputArgs) -> Result<u8> {
    // What an ordinary user's process may not do is what the checks find out.
    let refused = Privilege::acquire().err();
    let host = Host::probe();
    let (privilege, because) = match host.privilege {
        Some(Privilege::Root) => (Some("root"), "this process is root: sidecars run as uid 1337, as in Istio"),
        Some(Privilege::UserNamespace) => {
            (Some("user namespace"), "this process is not root: sidecars are told by a mark in place of their uid")
        }
        None => (None, "this process is not root, and the host allows it no user namespace"),
    };
    let can_make_labs = host.can_make_labs();
    let mut checks: Vec<ReportedCheck> = host.checks.into_iter().map(reported).collect();
    checks.push(match Tools::find().envoy() {
        Ok(path) => ReportedCheck {
            what: "the real Envoy".into(),
            needed: false,
            works: true,
            found: path.display().to_string(),
            mend: None,
        },
        Err(missing) => ReportedCheck {
            what: "the real Envoy".into(),
            needed: false,
            works: false,
            found: "not installed".into(),
            mend: Some(missing.mend),
        },
    });
    let report = Report { schema: "sidelab.doctor/v1", privilege, because, can_make_labs, checks };
    match args.output {
        Output::Json => print_json(&report)?,
        Output::Table => print(&report, refused.as_ref())?,
    }
    Ok(if can_make_labs { OK } else { HOST })
}

fn reported(check: netns::Check) -> ReportedCheck {
    let (works, found, mend) = match check.found {
        Found::Works(detail) => (true, detail, None),
        Found::Missing { why, fix: mend } => (false, why, Some(mend)),
    };
    ReportedCheck { what: check.what, needed: check.needed, works, found, mend }
}

fn print(report: &Report, refused: Option<&netns::Error>) -> Result<()> {
    for check in &report.checks {
        let mark = match (check.works, check.needed) {
            (true, _) => "✓",
            (false, true) => "✗",
            (false, false) => "-",
        };
        outln!("{mark} {:<34} {}", check.what, check.found)?;
        if let Some(mend) = &check.mend {
            outln!("  {:<34} mend: {mend}", "")?;
        }
    }
    outln!("\nlabs are made by: {} ({})", report.privilege.unwrap_or("nobody"), report.because)?;
    if let Some(refused) = refused {
        outln!("{refused}")?;
    }
    Ok(())
}
