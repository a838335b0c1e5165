//! Runs in CI: which calls are made, the exit code, and the output files.

use std::{fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;
use tests::{checkout, labs::OwnLabs, may_make_labs, text};

/// A folder of two scenarios. The first call of the first one does not go as expected.
fn scenarios() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let strict = fs::read_to_string(checkout().join("scenarios/strict/manifests.yaml")).unwrap();
    let expected = "outcome: {delivered: true}, legs: {2: {layers: [mtls, http/1.1]}}";
    let calls = |first: &str| {
        format!(
            "title: t\nshows: s\nclaims: []\nprobes:\n\
             - {{name: the first call, from: client, to: 'server:8080', app: http, expect: {{{first}}}}}\n\
             - name: another call\n  from: client\n  to: server:8080\n  app: http\n  expect: {{{expected}}}\n"
        )
    };
    for (name, first) in [("a-fails", expected.replace("mtls", "tls")), ("b-agrees", expected.to_owned())] {
        let scenario = folder.path().join(name);
        fs::create_dir(&scenario).unwrap();
        fs::write(scenario.join("manifests.yaml"), &strict).unwrap();
        fs::write(scenario.join("scenario.yaml"), calls(&first)).unwrap();
    }
    folder
}

/// Runs these scenarios in the istio mesh, and returns exit code and JSON.
fn run(scenarios: &Path, options: &[&str]) -> (Option<i32>, Value) {
    let fixed = ["run", "--scenarios", scenarios.to_str().unwrap(), "--mesh", "istio", "--jobs", "1", "-o", "json"];
    let output = OwnLabs::new().sidelab(&[&fixed[..], options].concat());
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output)));
    (output.status.code(), json)
}

/// The calls of a run: `SCENARIO: CALL`.
fn calls(run: &Value) -> Vec<String> {
    let name_of = |call: &Value| format!("{}: {}", call["scenario"].as_str().unwrap(), call["probe"].as_str().unwrap());
    run["probes"].as_array().unwrap().iter().map(name_of).collect()
}

#[test]
fn fail_fast_starts_no_lab_after_a_failed_call() {
    if !may_make_labs() {
        return;
    }
    let folder = scenarios();
    let (code, run) = run(folder.path(), &["--fail-fast"]);
    assert_eq!(code, Some(1));
    assert_eq!(calls(&run), ["a-fails: the first call", "a-fails: another call"], "the lab is finished");
    assert_eq!(run["not_run"], serde_json::json!(["b-agrees-istio-native"]));
}

#[test]
fn a_run_makes_only_the_selected_calls() {
    if !may_make_labs() {
        return;
    }
    let folder = scenarios();
    let (code, another) = run(folder.path(), &["--probe", "ANOTHER"]);
    assert_eq!(
        (code, calls(&another)),
        (Some(0), vec!["a-fails: another call".into(), "b-agrees: another call".into()])
    );
    let shards = ["1/3", "2/3", "3/3"].map(|shard| run(folder.path(), &["--shard", shard, "--probe", "first"]));
    assert_eq!(
        shards.map(|(code, run)| (code, calls(&run))),
        [
            (Some(1), vec!["a-fails: the first call".to_owned()]),
            (Some(0), vec!["b-agrees: the first call".to_owned()]),
            (Some(0), vec![]),
        ]
    );
}

#[test]
fn ci_gets_junit_a_summary_and_annotations() {
    if !may_make_labs() {
        return;
    }
    let folder = scenarios();
    let [junit, summary] = ["out.xml", "summary.md"].map(|name| folder.path().join(name));
    fs::write(&summary, "an earlier step's\n").unwrap();
    let labs = OwnLabs::new();
    let mut command = labs.command(&["run", "--mesh", "istio", "-o", "github", "--scenarios"]);
    command.arg(folder.path()).arg("--junit").arg(&junit).arg("--summary").arg(&summary);
    let output = command.env("GITHUB_STEP_SUMMARY", &summary).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));

    let place = folder.path().join("a-fails/scenario.yaml").display().to_string();
    let annotation =
        format!("::error file={place},line=5,title=a-fails (istio)%3A the first call::leg 2 layers: expected");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("3 of 4 calls agree"), "{printed}");
    assert_eq!(printed.lines().filter(|line| line.starts_with("::")).count(), 1, "{printed}");
    assert!(printed.contains(&annotation), "{printed}");

    let summary = fs::read_to_string(&summary).unwrap();
    assert!(summary.starts_with("an earlier step's\n## ❌ sidelab: 3 of 4 calls agree\n"), "{summary}");

    let junit = fs::read_to_string(&junit).unwrap();
    assert_eq!(junit.matches("<testsuite ").count(), 2, "{junit}");
    let output = junit.split("<system-out>").nth(1).unwrap();
    for part in
        ["native: leg 1 http/1.1, leg 2 mtls &gt; http/1.1", "client sidecar&apos;s log: ", "via_upstream", "rerun: "]
    {
        assert!(output.contains(part), "{part}: {junit}");
    }
}

#[test]
fn an_empty_selection_is_an_error() {
    if !may_make_labs() {
        return;
    }
    let printed = |options: &[&str]| {
        let output = OwnLabs::new().sidelab(&[&["run"], options].concat());
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        text(&output)
    };
    for (options, part) in [
        (["--claim", "C999"], "--claim C999: no call of these scenarios tests it"),
        (["--claim", "mtls"], "expected a claim such as C37"),
        (["--probe", "no such call"], "no call of these scenarios has this in its name"),
        (["--shard", "3/2"], "expected K/N, such as 2/4"),
    ] {
        let printed = printed(&options);
        assert!(printed.contains(part), "{printed}");
    }
}
