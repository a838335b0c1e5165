use mesh::model::Flavor;
use pretty_assertions::assert_eq;

use super::*;
use crate::fixtures;

#[test]
fn a_scenario_is_one_suite_and_its_calls_are_distinguished_by_mesh() {
    let mut run = fixtures::run(fixtures::account());
    let mut other = fixtures::run(fixtures::account()).probes.remove(0);
    other.mesh = Flavor::Textbook;
    run.probes.push(other);
    let xml = render(&run, &[]).unwrap();
    let suite = "<testsuite name=\"strict\" tests=\"2\" skipped=\"0\" errors=\"0\" failures=\"0\" \
                 timestamp=\"1970-01-01T00:00:00.000+00:00\" time=\"0.000\">";
    assert_eq!(xml.matches("<testsuite ").count(), 1, "{xml}");
    assert!(xml.contains(suite), "{xml}");
    for class in ["classname=\"strict.istio\"", "classname=\"strict.textbook\""] {
        assert!(xml.contains(class), "{xml}");
    }
    for property in
        ["name=\"title\" value=\"A plaintext app\"", "name=\"claims\" value=\"C4\"", "name=\"mesh\" value=\"istio\""]
    {
        assert!(xml.contains(&format!("<property {property}/>")), "{xml}");
    }
    assert!(!xml.contains("<system-out>"), "a call that agrees needs no more words: {xml}");
}

#[test]
fn a_call_takes_as_long_as_its_client_says_on_all_data_planes() {
    let mut run = fixtures::run(fixtures::account());
    for seen in run.probes[0].seen.values_mut() {
        seen.evidence.client.timings.total_us = 12_345;
    }
    let xml = render(&run, &[]).unwrap();
    assert_eq!(xml.matches("time=\"0.012\"").count(), 2, "of the suite and of the case: {xml}");
}

#[test]
fn a_call_that_fails_says_in_what_and_what_was_seen() {
    let xml = render(&fixtures::run_that_fails(), &[]).unwrap();
    let failure =
        "<failure message=\"leg 2 layers: expected [mtls, http/1.1], native [http/1.1]\" type=\"disagreement\">";
    assert!(xml.contains(failure), "{xml}");
    let output = xml.split("<system-out>").nth(1).unwrap();
    assert!(output.contains("native: leg 2 http/1.1: 200") && output.contains("rerun: sidelab run strict"), "{xml}");
}

#[test]
fn a_call_is_placed_in_the_file_that_it_is_written_in() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scenario.yaml");
    let name = "a call with a name that does not fit its column";
    std::fs::write(&file, format!("title: t\nprobes:\n- name: {name}\n")).unwrap();
    let xml = render(&fixtures::run(fixtures::account()), &[fixtures::scenario(folder.path())]).unwrap();
    assert!(xml.contains(&format!("file=\"{}\" line=\"3\"", file.display())), "{xml}");
}
