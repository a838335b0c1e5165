//! `sidelab diagnose`.

use std::io::{self, Read};

use anyhow::{Context, Result, bail};
use schemars::JsonSchema;
use serde::Serialize;

use super::{FAILED, OK, print_json};
use crate::{
    cli::{DiagnoseArgs, Output},
    diagnose::{Finding, diagnose as find},
    terminal::{noteln, outln},
};

/// The version of [`DiagnoseReport`].
pub(crate) const SCHEMA: &str = "sidelab.diagnose/v1";

/// The causes that a text can have.
#[derive(Serialize, JsonSchema)]
pub(crate) struct DiagnoseReport {
    schema: &'static str,
    text: String,
    /// Most likely first.
    causes: Vec<CauseReport>,
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
    clues: Vec<String>,
    /// What to look at next.
    look: &'static [&'static str],
    /// The scenario that reproduces it; left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    scenario: Option<&'static str>,
}

pub(super) fn diagnose(args: &DiagnoseArgs) -> Result<u8> {
    let text = match &args.text[..] {
        [only] if only == "-" => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).context("can't read standard input")?;
            text
        }
        words => words.join(" "),
    };
    if text.trim().is_empty() {
        bail!("there is no text: pass a line of an access log, an error message or a response flag");
    }
    let findings = find(&text);
    let is_empty = findings.is_empty();
    match args.output.output {
        Output::Json => {
            let causes = findings.into_iter().map(report).collect();
            print_json(&DiagnoseReport { schema: SCHEMA, text, causes })?;
        }
        Output::Table => findings.iter().enumerate().try_for_each(|(index, finding)| print(index + 1, finding))?,
    }
    if is_empty {
        noteln!(
            "nothing in this text is known: lines of Envoy's access logs, response flags, and errors of curl, Go, OpenSSL, gRPC and Java are"
        );
        return Ok(FAILED);
    }
    Ok(OK)
}

fn report(Finding { cause, clues, .. }: Finding) -> CauseReport {
    CauseReport {
        cause: cause.id,
        signature: cause.signature,
        what: cause.what,
        why: cause.why,
        clues,
        look: cause.look,
        scenario: cause.scenario,
    }
}

fn print(number: usize, Finding { cause, clues, .. }: &Finding) -> Result<()> {
    let signature = cause.signature.map_or_else(String::new, |signature| format!(" [{signature}]"));
    if number > 1 {
        outln!("")?;
    }
    outln!("{number}. {}{signature}", cause.what)?;
    outln!("   clues: {}", clues.join(", "))?;
    outln!("   why: {}", cause.why)?;
    for look in cause.look {
        outln!("   look at: {look}")?;
    }
    if let Some(scenario) = cause.scenario {
        outln!("   reproduce: sidelab run {scenario}")?;
    }
    Ok(())
}
