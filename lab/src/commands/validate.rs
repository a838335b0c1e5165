//! `sidelab validate`.

mod github;
mod sarif;

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use mesh::{Check, Fault, Place, Severity};
use schemars::JsonSchema;
use serde::Serialize;

use super::{OK, USAGE, print_json};
use crate::{
    cli::{ValidateArgs, ValidateOutput},
    manifests::{self, NoManifests},
    report::words::counted,
    terminal::outln,
};

/// The version of [`ValidateReport`].
pub(crate) const SCHEMA: &str = "sidelab.validate/v1";

/// The faults in a set of manifests.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ValidateReport {
    schema: &'static str,
    valid: bool,
    /// How many documents were read.
    documents: usize,
    /// By kind, the number of objects that were skipped because they do not matter here.
    set_aside: BTreeMap<String, usize>,
    faults: Vec<ReportedFault>,
}

#[derive(Serialize, JsonSchema)]
struct ReportedFault {
    severity: Severity,
    file: String,
    /// From 1; each item of a List counts.
    document: usize,
    #[serde(flatten)]
    place: Option<Place>,
    /// `KIND NAME`.
    object: String,
    field: String,
    message: String,
}

pub(super) fn validate(args: &ValidateArgs) -> Result<u8> {
    let files = manifests::read(&args.manifests.files)?;
    let Check { mut faults, documents, set_aside } = mesh::check(&files);
    if documents == 0 && set_aside.is_empty() && faults.is_empty() {
        bail!(NoManifests::in_files(&files));
    }
    for fault in faults.iter_mut().filter(|fault| args.strict && fault.set_aside) {
        fault.severity = Severity::Error;
    }
    let valid = !faults.iter().any(Fault::is_error);
    match args.output {
        ValidateOutput::Json => print_json(&ValidateReport {
            schema: SCHEMA,
            valid,
            documents,
            set_aside,
            faults: faults.into_iter().map(reported).collect(),
        })?,
        ValidateOutput::Sarif => print_json(&sarif::log(&faults))?,
        ValidateOutput::Github => faults.iter().try_for_each(|fault| outln!("{}", github::annotation(fault)))?,
        ValidateOutput::Table => {
            for fault in &faults {
                outln!("{fault}")?;
            }
            if !set_aside.is_empty() {
                let kinds: Vec<_> = set_aside.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
                outln!("skipped, since they do not matter here: {}", kinds.join(", "))?;
            }
            if faults.iter().all(|fault| fault.severity == Severity::Note) {
                outln!("{}, no fault", counted(documents, "document"))?;
            }
        }
    }
    Ok(if valid { OK } else { USAGE })
}

fn reported(fault: Fault) -> ReportedFault {
    let Fault { source, place, severity, kind_and_name, message, .. } = fault;
    ReportedFault {
        severity,
        file: source.file,
        document: source.document,
        place,
        object: kind_and_name,
        field: source.field,
        message,
    }
}

/// A fault without its place: `Service server: spec.ports: message`; empty parts are left out.
fn text(fault: &Fault) -> String {
    let parts = [&fault.kind_and_name, &fault.source.field, &fault.message];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).map(String::as_str).collect();
    parts.join(": ")
}

#[cfg(test)]
mod tests;
