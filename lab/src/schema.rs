//! JSON Schemas of what sidelab reads and prints: for editors, and for programs that read its JSON. `docs/schema` holds them.

use demo_apps::report::{AdmissionReport, ClientReport, HoldReport, LoadReport, Seen};
use mesh::{account::Account, policy::Policy};
use schemars::{JsonSchema, Schema, generate::SchemaSettings};

use crate::{
    bench::{compare::Comparison, report::BenchReport},
    run_report::RunReport,
    scenario,
};

#[cfg(test)]
mod tests;

/// Every schema, by its file's name without `.json`.
pub fn all() -> Vec<(&'static str, Schema)> {
    vec![
        ("scenario", of::<scenario::File>("scenario.yaml", Use::Reads)),
        ("explain", of::<Account>(mesh::account::SCHEMA, Use::Prints)),
        ("run", of::<RunReport>(crate::run_report::SCHEMA, Use::Prints)),
        ("policy", of::<Policy>(mesh::policy::SCHEMA, Use::Prints)),
        ("bench", of::<BenchReport>(crate::bench::report::SCHEMA, Use::Prints)),
        ("comparison", of::<Comparison>(crate::bench::compare::SCHEMA, Use::Prints)),
        ("client", of::<ClientReport>(demo_apps::report::CLIENT_SCHEMA, Use::Prints)),
        ("load", of::<LoadReport>(demo_apps::report::LOAD_SCHEMA, Use::Prints)),
        ("hold", of::<HoldReport>(demo_apps::report::HOLD_SCHEMA, Use::Prints)),
        ("seen", of::<Seen>(demo_apps::report::SEEN_SCHEMA, Use::Prints)),
        ("admission", of::<AdmissionReport>(demo_apps::report::ADMISSION_SCHEMA, Use::Prints)),
    ]
}

/// What is done with a document.
#[derive(PartialEq)]
enum Use {
    /// It is written by people: what may be left out is optional.
    Reads,
    /// It is printed: what is always there is required.
    Prints,
}

/// The schema of a type, in the draft that editors know best.
#[allow(clippy::needless_pass_by_value, reason = "a use is a word")]
fn of<T: JsonSchema>(title: &str, done: Use) -> Schema {
    let settings = SchemaSettings::draft07();
    let settings = if done == Use::Prints { settings.for_serialize() } else { settings };
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("title".into(), title.into());
    schema
}
