use super::*;
use crate::{facts::Value, fixtures};

#[test]
fn a_run_is_a_row_for_each_scenario() {
    let text = render(&fixtures::run(fixtures::account()), &[]);
    assert!(text.starts_with("## ✅ sidelab: 1 of 1 calls agree\n\nOn native, in 1.0 s.\n"), "{text}");
    assert!(text.contains("\n| ✅ | **strict**: A plaintext app | 1 of 1 | C4 |\n"), "{text}");
    assert!(!text.contains("<details>"), "{text}");
}

#[test]
fn a_failed_call_is_detailed_below() {
    let text = render(&fixtures::run_that_fails(), &[]);
    assert!(text.starts_with("## ❌ sidelab: 0 of 1 calls agree\n"), "{text}");
    assert!(text.contains("\n| ❌ | **strict**: A plaintext app | 0 of 1 | C4 |\n"), "{text}");
    assert!(text.contains("<details><summary>❌ strict (istio): a call with"), "{text}");
    assert!(text.contains("\n```text\nleg 2 layers: expected [mtls, http/1.1], native [http/1.1]\n"), "{text}");
}

#[test]
fn text_of_a_scenario_is_escaped() {
    let mut run = fixtures::run_that_fails();
    run.probes[0].title = "a | b <script>".into();
    run.probes[0].verdict.disagreements[0].differences[0].found = Some(Value::One("```".into()));
    let text = render(&run, &[]);
    assert!(text.contains("**strict**: a \\| b &lt;script> |"), "{text}");
    assert!(text.contains("\n````text\n"), "a fence that its text can't close: {text}");
}

#[test]
fn a_summary_stays_below_githubs_limit() {
    let mut run = fixtures::run_that_fails();
    let failed = || fixtures::run_that_fails().probes.remove(0);
    run.probes.extend((1..200).map(|_| failed()));
    let text = render(&run, &[]);
    assert_eq!(text.matches("<details>").count(), DETAILED);
    assert!(text.ends_with("\nand 150 more that failed\n"), "{text}");
}
