//! A run as JUnit XML, for CI: a test suite for each scenario and mesh, a test case for each probe.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::verdict::RunReport;

/// The run as XML text.
///
/// # Errors
/// When it can't be written as XML.
pub fn render(run: &RunReport) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new("sidelab");
    for group in run.probes.chunk_by(|one, other| (&one.scenario, one.mesh) == (&other.scenario, other.mesh)) {
        let Some(first) = group.first() else { continue };
        let mut suite = TestSuite::new(format!("{} ({})", first.scenario, first.mesh));
        for probe in group {
            let mut status = TestCaseStatus::success();
            if !probe.verdict.agrees {
                status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                let told: Vec<String> = probe.verdict.disagreements.iter().map(ToString::to_string).collect();
                status.set_message(told.join("\n"));
            }
            suite.add_test_case(TestCase::new(probe.probe.clone(), status));
        }
        report.add_test_suite(suite);
    }
    report.to_string()
}
