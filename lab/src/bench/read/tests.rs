use super::*;
use crate::{
    bench::{
        fixtures::{Bench, plain},
        measure::Measure,
    },
    data_plane::DataPlane,
};

fn bench() -> Value {
    let mut bench = Bench::new();
    for (layering, p50) in [("redirect", 256.0), ("mesh", 1024.0), ("double", 1536.0)] {
        bench.add_rounds(layering, plain(DataPlane::Native), Measure::Connect, &[p50; 3]);
        bench.add_rounds(layering, plain(DataPlane::Envoy), Measure::Connect, &[p50 * 2.0; 3]);
    }
    serde_json::to_value(bench.report()).unwrap()
}

fn message(value: &Value) -> String {
    format!("{:#}", parse(value.to_string().as_bytes()).unwrap_err())
}

#[test]
fn a_bench_reads_back_as_it_was_written() {
    let value = bench();
    let read = serde_json::to_value(parse(value.to_string().as_bytes()).unwrap()).unwrap();
    assert!(read["series"] == value["series"] && read["machine"] == value["machine"], "{:#}", read["series"][0]);
    assert_eq!(read["answers"], value["answers"]);
}

#[test]
fn conclusions_are_recomputed_from_the_samples() {
    let mut value = bench();
    let answers = value["answers"].take();
    value["answers"] = Value::Array(Vec::new());
    value.as_object_mut().unwrap().remove("targets");
    let report = parse(value.to_string().as_bytes()).unwrap();
    assert_eq!(serde_json::to_value(&report.answers).unwrap(), answers);
    assert!(!report.targets.is_empty());
}

#[test]
fn a_file_that_is_not_a_bench_is_rejected_with_field_and_fix() {
    let fix = "`sidelab bench --json FILE` writes one";
    let refused = |text: &str| format!("{:#}", parse(text.as_bytes()).unwrap_err());
    assert_eq!(refused("\n"), format!("is empty, as if the bench did not finish; {fix}"));
    assert!(refused("not json").starts_with(&format!("is not JSON; {fix}: expected ident at line 1")));
    assert_eq!(refused("[1]"), format!("schema: is missing, so this is not a bench; {fix}"));
    assert_eq!(
        refused(r#"{"schema": "sidelab.run/v1"}"#),
        format!("schema: is sidelab.run/v1, not sidelab.bench/v1; {fix}")
    );
}

#[test]
fn a_field_that_is_wrong_is_named_by_its_path() {
    let mut value = bench();
    value["series"][1]["samples"][2]["foreign"] = "much".into();
    assert!(message(&value).starts_with("series[1]"), "{}", message(&value));
    let mut value = bench();
    value["machine"].as_object_mut().unwrap().remove("kernel");
    assert!(message(&value).starts_with("machine: missing field `kernel`; was it written"), "{}", message(&value));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = read(Path::new("/nowhere/a.json")).unwrap_err();
    assert!(format!("{error:#}").starts_with("can't read /nowhere/a.json: No such file"), "{error:#}");
}
