//! `sidelab validate`.

use anyhow::Result;
use mesh::Fault;
use serde::Serialize;

use super::{OK, USAGE, print_json};
use crate::{
    cli::{Output, ValidateArgs},
    manifests,
};

/// The faults of some manifests; JSON contract `sidelab.validate/v1`.
#[derive(Serialize)]
struct Report {
    schema: &'static str,
    valid: bool,
    faults: Vec<ReportedFault>,
}

#[derive(Serialize)]
struct ReportedFault {
    severity: mesh::Severity,
    file: String,
    document: usize,
    object: String,
    field: String,
    message: String,
}

pub(super) fn validate(args: &ValidateArgs) -> Result<u8> {
    let files = manifests::read(&args.manifests.files)?;
    let faults = mesh::check(&files);
    let valid = !faults.iter().any(Fault::is_error);
    match args.output.output {
        Output::Json => print_json(&Report {
            schema: "sidelab.validate/v1",
            valid,
            faults: faults.into_iter().map(reported).collect(),
        })?,
        Output::Table => {
            for fault in &faults {
                anstream::println!("{fault}");
            }
            if faults.is_empty() {
                let documents = mesh::load(&files).manifests.heads().count();
                anstream::println!("{documents} documents, no fault");
            }
        }
    }
    Ok(if valid { OK } else { USAGE })
}

fn reported(fault: Fault) -> ReportedFault {
    let Fault { source, severity, kind_and_name, message } = fault;
    ReportedFault {
        severity,
        file: source.file,
        document: source.document,
        object: kind_and_name,
        field: source.field,
        message,
    }
}
