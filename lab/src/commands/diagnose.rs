//! `sidelab diagnose`.

use std::io::{self, Read};

use anyhow::{Context, Result, bail};
use schemars::JsonSchema;
use serde::Serialize;

use super::{FAILED, OK, print_json};
use crate::{
    cli::{DiagnoseArgs, Output},
    diagnose::{Finding, Found, FoundIn, confirm, diagnose as find},
    report::words::wrapped_below,
    terminal::{self, noteln, outln},
};

mod place;

/// The version of [`DiagnoseReport`].
pub(crate) const SCHEMA: &str = "sidelab.diagnose/v1";

/// The causes that a text can have.
#[derive(Serialize, JsonSchema)]
pub(crate) struct DiagnoseReport {
    schema: &'static str,
    text: String,
    /// The call that was looked at; left out without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<CallReport>,
    /// What was found where the call is made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    found: Vec<Found>,
    /// Those that something found points to first, then most likely first.
    causes: Vec<CauseReport>,
}

/// A call that is looked at.
#[derive(Serialize, JsonSchema)]
struct CallReport {
    /// The calling pod, `POD.NAMESPACE`.
    from: String,
    /// `HOST:PORT`.
    to: String,
    /// The lab; left out if only manifests were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    lab: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct CauseReport {
    /// A short name, such as `plaintext-to-strict`.
    cause: &'static str,
    /// Such as `F1`; left out if no scenario has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<&'static str>,
    what: &'static str,
    why: &'static str,
    /// What in the text points to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    clues: Vec<String>,
    /// What points to it where the call is made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    confirmed_by: Vec<FoundIn>,
    /// What to look at next.
    look: &'static [&'static str],
    /// The scenario that reproduces it; left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    scenario: Option<&'static str>,
}

pub(super) fn diagnose(args: &DiagnoseArgs) -> Result<u8> {
    let text = text(args)?;
    let looked = place::look(args, &text)?;
    let (call, found) = looked.map_or((None, Vec::new()), |(call, found)| (Some(call), found));
    let mut findings = find(&text);
    confirm(&mut findings, &found);
    let (is_empty, is_call) = (findings.is_empty(), call.is_some());
    match args.place.output.output {
        Output::Json => {
            let causes = findings.into_iter().map(report).collect();
            print_json(&DiagnoseReport { schema: SCHEMA, text, call, found, causes })?;
        }
        Output::Table => {
            if let Some(call) = &call {
                print_found(call, &found)?;
            }
            findings.iter().enumerate().try_for_each(|(index, finding)| print(index + 1, finding))?;
        }
    }
    match (is_empty, is_call) {
        (false, _) => return Ok(OK),
        (true, true) => noteln!("nothing that was found explains a failure of this call"),
        (true, false) => noteln!(
            "nothing in this text is known: lines of Envoy's access logs, response flags, and errors of curl, Go, OpenSSL, gRPC and Java are"
        ),
    }
    Ok(FAILED)
}

/// The text; empty if a call is asked about instead.
fn text(args: &DiagnoseArgs) -> Result<String> {
    let text = match &args.text[..] {
        [only] if only == "-" => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).context("can't read standard input")?;
            text
        }
        words => words.join(" "),
    };
    if text.trim().is_empty() && args.from.is_none() {
        bail!("there is no text: pass a line of an access log, an error message or a response flag");
    }
    Ok(text)
}

fn report(Finding { cause, clues, confirmed_by, .. }: Finding) -> CauseReport {
    CauseReport {
        cause: cause.id,
        signature: cause.signature,
        what: cause.what,
        why: cause.why,
        clues,
        confirmed_by,
        look: cause.look,
        scenario: cause.scenario,
    }
}

fn print_found(CallReport { from, to, lab }: &CallReport, found: &[Found]) -> Result<()> {
    let place = lab.as_ref().map_or_else(String::new, |lab| format!(" in lab {lab}"));
    outln!("{from} -> {to}{place}")?;
    for Found { source, pod, what, .. } in found {
        let pod = pod.as_ref().map_or_else(String::new, |pod| format!(" {pod}:"));
        let line = format!("{}:{pod} {what}", source.label());
        outln!("   {}", wrapped_below(&line, terminal::columns(usize::MAX), 3, 6))?;
    }
    outln!("")?;
    Ok(())
}

fn print(number: usize, Finding { cause, clues, confirmed_by, .. }: &Finding) -> Result<()> {
    let signature = cause.signature.map_or_else(String::new, |signature| format!(" [{signature}]"));
    if number > 1 {
        outln!("")?;
    }
    outln!("{number}. {}{signature}", cause.what)?;
    if !confirmed_by.is_empty() {
        let by: Vec<&str> = confirmed_by.iter().map(|source| source.label()).collect();
        outln!("   found in: {}", by.join(", "))?;
    }
    if !clues.is_empty() {
        outln!("   clues: {}", clues.join(", "))?;
    }
    outln!("   why: {}", cause.why)?;
    for look in cause.look {
        outln!("   look at: {look}")?;
    }
    if let Some(scenario) = cause.scenario {
        outln!("   reproduce: sidelab run {scenario}")?;
    }
    Ok(())
}
