//! `sidelab doctor`.

use anyhow::Result;
use netns::{Found, Host, Privilege};
use schemars::JsonSchema;
use serde::Serialize;

use super::{HOST, OK, print_json};
use crate::{
    cli::{Output, OutputArgs},
    terminal::outln,
    tools::Tools,
};

/// The version of [`DoctorReport`].
pub(crate) const SCHEMA: &str = "sidelab.doctor/v2";

/// What this host can do.
#[derive(Serialize, JsonSchema)]
pub(crate) struct DoctorReport {
    schema: &'static str,
    /// `root`, `user namespace`, or `null` if labs cannot run here.
    privilege: Option<&'static str>,
    /// The reason for `privilege`.
    because: &'static str,
    can_make_labs: bool,
    checks: Vec<ReportedCheck>,
}

#[derive(Serialize, JsonSchema)]
struct ReportedCheck {
    what: String,
    /// Whether labs need it.
    needed: bool,
    works: bool,
    /// What was found, or why it does not work.
    found: String,
    /// What to do about a check that does not work.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

pub(super) fn doctor(args: &OutputArgs) -> Result<u8> {
    // Not an error here: the checks report what an unprivileged process cannot do.
    let refused = Privilege::acquire().err();
    let host = Host::probe();
    let (privilege, because) = match host.privilege {
        Some(Privilege::Root) => (Some("root"), "this process is root: sidecars run as uid 1337, as in Istio"),
        Some(Privilege::UserNamespace) => (
            Some("user namespace"),
            "this process is not root: the redirects recognize sidecars by a mark instead of their uid",
        ),
        None => (None, "this process is not root, and the host does not allow it a user namespace"),
    };
    let can_make_labs = host.can_make_labs();
    let mut checks: Vec<ReportedCheck> = host.checks.into_iter().map(reported).collect();
    checks.push(match Tools::find().envoy() {
        Ok(path) => ReportedCheck {
            what: "the real Envoy".into(),
            needed: false,
            works: true,
            found: path.display().to_string(),
            fix: None,
        },
        Err(missing) => ReportedCheck {
            what: "the real Envoy".into(),
            needed: false,
            works: false,
            found: "not installed".into(),
            fix: Some(missing.fix),
        },
    });
    let report = DoctorReport { schema: SCHEMA, privilege, because, can_make_labs, checks };
    match args.output {
        Output::Json => print_json(&report)?,
        Output::Table => print(&report, refused.as_ref())?,
    }
    Ok(if can_make_labs { OK } else { HOST })
}

fn reported(check: netns::Check) -> ReportedCheck {
    let (works, found, fix) = match check.found {
        Found::Works(detail) => (true, detail, None),
        Found::Missing { why, fix } => (false, why, Some(fix)),
    };
    ReportedCheck { what: check.what, needed: check.needed, works, found, fix }
}

fn print(report: &DoctorReport, refused: Option<&netns::Error>) -> Result<()> {
    for check in &report.checks {
        let mark = match (check.works, check.needed) {
            (true, _) => "✓",
            (false, true) => "✗",
            (false, false) => "-",
        };
        outln!("{mark} {:<34} {}", check.what, check.found)?;
        if let Some(fix) = &check.fix {
            outln!("  {:<34} fix: {fix}", "")?;
        }
    }
    outln!("\nprivilege for labs: {} ({})", report.privilege.unwrap_or("none"), report.because)?;
    if let Some(refused) = refused {
        outln!("{refused}")?;
    }
    Ok(())
}
