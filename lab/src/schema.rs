//! JSON Schemas of the documents that sidelab reads and prints, for editors and for programs that read its JSON. They are
//! checked in as `docs/schema`.

use demo_apps::report::{AdmissionReport, ClientReport, HoldReport, LoadReport, Seen};
use mesh::{account::Account, policy::Policy};
use schemars::{JsonSchema, Schema, generate::SchemaSettings};

use crate::{
    bench::{compare::Comparison, report::BenchReport},
    commands::{
        change::{self, ChangeReport},
        diagnose::{self, DiagnoseReport},
        doctor::{self, DoctorReport},
        fault::{self, FaultReport},
        import::{self, ImportReport},
        rotate::{self, PhaseReport},
        up::{self, UpReport},
        validate::{self, ValidateReport},
    },
    run_report::RunReport,
    scenario,
};

#[cfg(test)]
mod tests;

/// Generates every schema, with its file name without `.json`.
pub fn generate() -> Vec<(&'static str, Schema)> {
    use Direction::{Printed, Read};
    vec![
        ("scenario", schema::<scenario::written::File>("scenario.yaml", Read)),
        ("explain", schema::<Account>(mesh::account::SCHEMA, Printed)),
        ("run", schema::<RunReport>(crate::run_report::SCHEMA, Printed)),
        ("policy", schema::<Policy>(mesh::policy::SCHEMA, Printed)),
        ("validate", schema::<ValidateReport>(validate::SCHEMA, Printed)),
        ("up", schema::<UpReport>(up::SCHEMA, Printed)),
        ("change", schema::<ChangeReport>(change::SCHEMA, Printed)),
        ("rotate", schema::<PhaseReport>(rotate::SCHEMA, Printed)),
        ("fault", schema::<FaultReport>(fault::SCHEMA, Printed)),
        ("import", schema::<ImportReport<'_>>(import::SCHEMA, Printed)),
        ("diagnose", schema::<DiagnoseReport>(diagnose::SCHEMA, Printed)),
        ("doctor", schema::<DoctorReport>(doctor::SCHEMA, Printed)),
        ("bench", schema::<BenchReport>(crate::bench::report::SCHEMA, Printed)),
        ("comparison", schema::<Comparison>(crate::bench::compare::SCHEMA, Printed)),
        ("client", schema::<ClientReport>(demo_apps::report::CLIENT_SCHEMA, Printed)),
        ("load", schema::<LoadReport>(demo_apps::report::LOAD_SCHEMA, Printed)),
        ("hold", schema::<HoldReport>(demo_apps::report::HOLD_SCHEMA, Printed)),
        ("seen", schema::<Seen>(demo_apps::report::SEEN_SCHEMA, Printed)),
        ("admission", schema::<AdmissionReport>(demo_apps::report::ADMISSION_SCHEMA, Printed)),
    ]
}

/// Whether sidelab reads a document or prints it.
#[derive(Clone, Copy, PartialEq)]
enum Direction {
    /// Written by people: fields with a default are optional.
    Read,
    /// Fields that are always printed are required.
    Printed,
}

/// The schema of a type in draft 07, which editors support best.
fn schema<T: JsonSchema>(title: &str, direction: Direction) -> Schema {
    let settings = SchemaSettings::draft07();
    let settings = if direction == Direction::Printed { settings.for_serialize() } else { settings };
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("title".into(), title.into());
    schema
}
