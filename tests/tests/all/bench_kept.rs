//! Stored benches are shown again, drawn and compared. Needs no lab.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use lab::{
    bench::{
        layering::Layering,
        measure::Measure,
        report::BenchReport,
        sample::{Latency, Sample},
        series::Series,
        setup::{Settings, Setup},
    },
    data_plane::DataPlane,
    role::Role,
};
use serde_json::Value;
use tests::{sidelab_command, text};

const LAYERINGS: [&str; 3] = ["redirect", "mesh", "double"];

/// Writes a bench in which a new connection over `redirect` takes this many microseconds, and over the others two and three times
/// that.
fn keep(path: &Path, micros: f64) {
    let sample = |micros: f64| Sample {
        latency: Some(Latency { p50_us: micros, p90_us: micros, p99_us: micros, p999_us: micros, max_us: micros }),
        cost: BTreeMap::from([(Role::ClientSidecar, micros)]),
        ..Sample::default()
    };
    let series = |(i, layering): (usize, &str)| Series {
        layering: layering.into(),
        setup: Setup::plain(DataPlane::Native),
        measure: Measure::Connect,
        operations: 100,
        offered: None,
        samples: [1.0, 1.01, 0.99, 1.0, 1.02].map(|round| sample(micros * round * (i + 1) as f64)).into(),
    };
    let layering = |name: &str| Layering {
        name: name.into(),
        client: "client.default".into(),
        server: "server.default".into(),
        url: "http://server:8080".into(),
        legs: [None, None, None],
    };
    let report = BenchReport::new(
        (jiff::Timestamp::UNIX_EPOCH, Duration::from_secs(60)),
        (Settings::default(), Vec::new(), Vec::new()),
        (LAYERINGS.map(layering).into(), Vec::new()),
        (LAYERINGS.into_iter().enumerate().map(series).collect(), Vec::new()),
    );
    fs::write(path, serde_json::to_string(&report).unwrap()).unwrap();
}

/// Runs `sidelab bench` with these arguments, and returns its exit code and output.
fn bench(args: &[&str]) -> (Option<i32>, String) {
    let output = sidelab_command(&[&["bench"], args].concat()).output().unwrap();
    (output.status.code(), text(&output))
}

#[test]
fn a_stored_bench_is_shown_and_drawn_again() {
    let folder = tempfile::tempdir().unwrap();
    let (kept, page) = (folder.path().join("kept.json"), folder.path().join("page.html"));
    keep(&kept, 200.0);
    let (code, printed) = bench(&["show", kept.to_str().unwrap(), "--html", page.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(
        printed.contains("C10 (native): the second handshake makes a new connection x1.50 [1.50-1.50] here"),
        "{printed}"
    );
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("A second layer of TLS: a new connection ×1.50"), "{page}");
}

#[test]
fn what_changed_from_one_bench_to_another_is_printed_and_is_not_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("a.json"), folder.path().join("b.json"));
    keep(&first, 200.0);
    keep(&second, 150.0);
    let (first, second) = (first.to_str().unwrap(), second.to_str().unwrap());
    let (code, printed) = bench(&["compare", first, second]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("-25 %  better"), "{printed}");
    assert!(printed.contains("15 figures in both: 15 better, 0 worse, 0 not changed beyond noise"), "{printed}");
    let (_, printed) = bench(&["compare", first, first]);
    assert!(printed.contains("15 figures in both: 0 better, 0 worse, 15 not changed beyond noise"), "{printed}");
    let (_, printed) = bench(&["compare", first, second, "-o", "json"]);
    let comparison: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(comparison["schema"], "sidelab.comparison/v1");
    assert_eq!(comparison["figures"][0]["change"], "better");
}

#[test]
fn a_comparison_can_fail_on_worse_figures() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("a.json"), folder.path().join("b.json"));
    keep(&first, 150.0);
    keep(&second, 165.0);
    let (first, second) = (first.to_str().unwrap(), second.to_str().unwrap());
    for (files, on, code) in [
        ([first, second], "worse", 1),
        ([first, second], "worse=5%", 1),
        ([first, second], "worse=20%", 0),
        ([second, first], "worse", 0),
        ([first, first], "worse", 0),
    ] {
        let (ended, printed) = bench(&[&["compare"], &files[..], &["--fail-on", on]].concat());
        assert_eq!(ended, Some(code), "{on}: {printed}");
        assert_eq!(printed.contains("--fail-on: 15 figures: worse"), code == 1, "{printed}");
    }
    let (_, printed) = bench(&["compare", first, second, "--fail-on", "worse=20%", "-o", "github"]);
    let annotation =
        "::warning title=worse than before::redirect: new connections, p50 (native): 150 -> 165 µs, +10 %25";
    assert!(printed.lines().any(|line| line == annotation), "{printed}");
    let (ended, printed) = bench(&["compare", first, second, "--fail-on", "worse=5"]);
    assert_eq!(ended, Some(2), "{printed}");
    assert!(printed.contains("write worse=5%"), "{printed}");
}

#[test]
fn a_stored_bench_is_exported_to_other_programs() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept.json");
    keep(&kept, 200.0);
    let show = |output: &str| bench(&["show", kept.to_str().unwrap(), "-o", output]).1;
    let lines = show("csv");
    assert!(lines.lines().any(|line| line.starts_with("mesh,native,1,0,64,connect,p50,µs,less,400.0,")), "{lines}");
    let entries: Value = serde_json::from_str(&show("smaller-is-better")).unwrap();
    assert_eq!(entries[0]["name"], "redirect: new connections, p50 (native)");
    assert_eq!((&entries[0]["value"], &entries[0]["unit"]), (&Value::from(200.0), &Value::from("µs")));
    assert_eq!(show("bigger-is-better"), "[]\n", "no rate was measured");
}

#[test]
fn a_file_that_is_not_a_bench_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    let (kept, other) = (folder.path().join("kept.json"), folder.path().join("other.json"));
    keep(&kept, 200.0);
    for (content, what) in [
        ("", "is empty, as if the bench did not finish"),
        ("{\"a\": ", "is not JSON"),
        ("{}", "schema: is missing, so this is not a bench"),
        (r#"{"schema": "sidelab.run/v1"}"#, "schema: is sidelab.run/v1, not sidelab.bench/v1"),
        (r#"{"schema": "sidelab.bench/v1"}"#, "missing field `version`"),
    ] {
        fs::write(&other, content).unwrap();
        let (code, printed) = bench(&["compare", kept.to_str().unwrap(), other.to_str().unwrap()]);
        assert_eq!(code, Some(2), "{printed}");
        assert!(printed.contains(&format!("{}: ", other.display())) && printed.contains(what), "{printed}");
        assert!(printed.contains("`sidelab bench --json FILE` writes one"), "{printed}");
    }
}
