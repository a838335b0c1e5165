//! A run as JUnit XML, for CI: a test suite for each scenario, a test case for each call in each mesh.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::failure::{self, Place};
use crate::{
    run_report::{ProbeReport, RunReport, claims_of},
    scenario::Scenario,
};

#[cfg(test)]
mod tests;

/// The run as XML text. `scenarios` give the places of its calls.
///
/// # Errors
/// If it can't be written as XML.
pub fn render(run: &RunReport, scenarios: &[Scenario]) -> Result<String, SerializeError> {
    let mut report = Report::new("sidelab");
    report.timestamp = run.started.to_string().parse().ok();
    report.set_time(Duration::try_from_secs_f64(run.seconds).unwrap_or_default());
    for calls in run.probes.chunk_by(|one, other| one.scenario == other.scenario) {
        report.add_test_suite(suite(run, calls, scenarios));
    }
    report.to_string()
}

fn suite(run: &RunReport, calls: &[ProbeReport], scenarios: &[Scenario]) -> TestSuite {
    let (name, title) = calls.first().map_or(("", ""), |call| (&call.scenario, &call.title));
    let mut suite = TestSuite::new(name);
    suite.timestamp = run.started.to_string().parse().ok();
    suite.set_time(calls.iter().map(time).sum());
    let planes: Vec<String> = run.planes().iter().map(ToString::to_string).collect();
    suite.add_properties([
        Property::new("title", title),
        Property::new("claims", claims_of(calls).join(" ")),
        Property::new("data_planes", planes.join(" ")),
        Property::new("sidelab_version", run.version),
    ]);
    suite.add_test_cases(calls.iter().map(|call| case(call, scenarios)));
    suite
}

fn case(call: &ProbeReport, scenarios: &[Scenario]) -> TestCase {
    let status = if call.verdict.agrees { TestCaseStatus::success() } else { failed(call) };
    let mut case = TestCase::new(call.probe.as_str(), status);
    case.set_classname(format!("{}.{}", call.scenario, call.mesh));
    case.set_time(time(call));
    if let Some(Place { file, line }) = Place::find(call, scenarios) {
        case.extra.insert("file".into(), file.display().to_string().into());
        case.extra.insert("line".into(), line.to_string().into());
    }
    case.add_properties([
        Property::new("mesh", call.mesh.to_string()),
        Property::new("url", call.url.as_str()),
        Property::new("claims", call.claims.join(" ")),
    ]);
    if !call.verdict.agrees {
        case.set_system_out(failure::details(call, scenarios));
    }
    case
}

fn failed(call: &ProbeReport) -> TestCaseStatus {
    let disagreements = failure::disagreements(call);
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type("disagreement");
    status.set_message(disagreements.first().map_or("nothing was seen", String::as_str));
    status.set_description(disagreements.join("\n"));
    status
}

/// How long a call took, on all data planes together.
fn time(call: &ProbeReport) -> Duration {
    call.seen.values().map(|seen| Duration::from_micros(seen.evidence.client.timings.total_us)).sum()
}
