//! The documents are correct: their commands run, their links resolve, their samples are the program's output.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use clap::Parser;
use lab::{
    cli::{Cli, Command as Sidelab},
    scenario::Scenario,
};
use mesh::account::Account;
use serde_json::Value;
use tests::{checkout, folder, has, labs::OwnLabs, may_make_labs, text, tools};

/// README and the other documents at the top level and in docs.
fn documents() -> Vec<PathBuf> {
    let top = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]
        .map(|name| checkout().join(name));
    let docs = files_in(&checkout().join("docs")).into_iter().filter(|path| path.is_file());
    top.into_iter().chain(docs).chain(questions()).collect()
}

/// The pages in docs/questions.
fn questions() -> Vec<PathBuf> {
    files_in(&checkout().join("docs/questions"))
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The contents of the fenced blocks of one language.
fn blocks(document: &Path, language: &str) -> Vec<String> {
    let text = fs::read_to_string(document).unwrap();
    let fenced = text.split("\n```").skip(1).step_by(2);
    let of_language = fenced.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'));
    of_language.map(str::to_owned).collect()
}

/// The commands in a document's `sh` blocks.
fn commands(document: &Path) -> Vec<String> {
    blocks(document, "sh").iter().flat_map(|block| block.lines()).map(str::to_owned).collect()
}

#[test]
fn the_commands_of_the_readme_run_unchanged() {
    if !may_make_labs() || !has("tshark") {
        return;
    }
    let readme = checkout().join("README.md");
    let commands = commands(&readme);
    assert_eq!(commands[..2], ["scripts/lab", "scripts/test"], "the two main commands come first");
    // The two main commands run for minutes, and the second would run this test; another test checks that CI runs them.
    // Commands that need the control plane are skipped if it is not built.
    let is_built = lab::istiod::Istiod::find().is_ok();
    let can_run = |line: &&str| is_built || !line.contains("--control-plane istiod");
    let by_hand: Vec<&str> = commands[2..].iter().map(String::as_str).filter(can_run).collect();
    assert!(by_hand.len() >= 10, "{by_hand:?}");
    let labs = OwnLabs::new();
    let folder = tempfile::tempdir().unwrap();
    symlink(checkout().join("scenarios"), folder.path().join("scenarios")).unwrap();
    // The README names the release build; here it is the tests' own build.
    let target = folder.path().join("target");
    fs::create_dir(&target).unwrap();
    symlink(&tools().own, target.join("release")).unwrap();
    let mut shell = Command::new("bash");
    shell.args(["-euxo", "pipefail", "-c", &by_hand.join("\n")]).current_dir(folder.path());
    let output = shell.env("SIDELAB_RUN_DIR", labs.path()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let printed = String::from_utf8(output.stdout).unwrap();
    for part in [
        "sidelab.seen/v1",
        "\"GET / HTTP/1.1\" 200 - via_upstream",
        "-j ISTIO_REDIRECT",
        "GET /probe-0-",
        "client -> server:8080  http/1.1 | mtls http/1.1 | http/1.1  200",
        "Inbound Filter Chains",
        "found in: prediction, access log",
    ] {
        assert!(printed.contains(part), "{part} in {printed}");
    }
    labs.assert_gone(&[]);
}

#[test]
fn the_sample_in_the_readme_is_what_the_program_prints() {
    if !may_make_labs() {
        return;
    }
    let sample = blocks(&checkout().join("README.md"), "text").remove(0);
    let printed = OwnLabs::new().done(&["run", "strict"]);
    // Times and sizes differ between runs and machines.
    let without_figures = |text: &str| -> Vec<String> {
        let is_figure = |word: &str| word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.');
        let words =
            |line: &str| line.split(' ').map(|w| if is_figure(w) { "N" } else { w }).collect::<Vec<_>>().join(" ");
        text.trim_end().lines().map(words).collect()
    };
    assert_eq!(without_figures(&printed), without_figures(&sample));
}

#[test]
fn every_sidelab_command_in_the_documents_parses() {
    let mut checked = 0;
    for document in documents() {
        for line in commands(&document) {
            let Some(at) = line.find("sidelab ") else { continue };
            let (before, command) = line.split_at(at);
            if !before.is_empty() && !before.ends_with("target/release/") {
                continue;
            }
            let words = first_command(command).split_whitespace();
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("{}: {line}: {error}", document.display());
            }
            checked += 1;
        }
    }
    assert!(checked >= 10, "only {checked} commands were found");
}

/// A line of a shell up to what follows its first command.
fn first_command(line: &str) -> &str {
    let ends = [" && ", " || ", " | ", " &"].into_iter().filter_map(|end| line.find(end));
    ends.min().map_or(line, |end| &line[..end])
}

/// The `sidelab` commands of a document, parsed.
fn sidelab_commands(document: &Path) -> Vec<Sidelab> {
    let lines = commands(document).into_iter().filter(|line| line.starts_with("sidelab "));
    let parsed = lines.map(|line| Cli::try_parse_from(first_command(&line).split_whitespace()));
    parsed.filter_map(|cli| Some(cli.ok()?.command)).collect()
}

#[test]
fn every_question_is_linked_and_has_a_command_a_reason_and_a_fix() {
    let readme = fs::read_to_string(checkout().join("README.md")).unwrap();
    for page in questions() {
        let text = fs::read_to_string(&page).unwrap();
        let name = page.file_name().unwrap().to_string_lossy();
        let title = text.lines().next().unwrap().trim_start_matches("# ");
        assert!(readme.contains(&format!("[{title}](docs/questions/{name})")), "{name} is not linked as {title:?}");
        for part in ["**Look at**", "**Why.**", "**Fix.**"] {
            assert!(text.contains(part), "{name}: no {part}");
        }
        assert!(!sidelab_commands(&page).is_empty(), "{name}: no command shows it");
        assert!(text.lines().count() <= 40, "{name} is no longer short");
    }
}

#[test]
fn every_scenario_that_a_document_runs_exists() {
    let mut checked = 0;
    for document in documents() {
        for command in sidelab_commands(&document) {
            let Sidelab::Run(run) = command else { continue };
            for name in run.names {
                let folder = checkout().join("scenarios").join(name.trim_start_matches("scenarios/"));
                assert!(folder.join("scenario.yaml").exists(), "{}: no scenario {name}", document.display());
                checked += 1;
            }
        }
    }
    assert!(checked >= 10, "only {checked} were found");
}

#[test]
fn every_link_in_the_documents_leads_to_a_file() {
    let mut followed = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
        for link in links.filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let path = if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            assert!(path.exists(), "{}: {link} leads nowhere", document.display());
            if !heading.is_empty() {
                let target = fs::read_to_string(&path).unwrap();
                let found = target.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == heading);
                assert!(found, "{}: {link}: no such heading", document.display());
            }
            followed += 1;
        }
    }
    assert!(followed >= 15, "only {followed} links were found");
}

/// A heading's anchor, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_'));
    kept.map(|char| if char == ' ' { '-' } else { char }).collect()
}

#[test]
fn the_main_commands_can_be_run_and_ci_runs_the_tests() {
    let scripts =
        ["lab", "test", "setup", "envoy", "dist", "bill-of-materials", "fresh-lockfile", "fresh-machine", "action"];
    for script in scripts.map(|name| format!("scripts/{name}")).into_iter().chain([".ci/run".into()]) {
        let mode = fs::metadata(checkout().join(&script)).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script} can be run by everybody");
    }
    let ci = fs::read_to_string(checkout().join(".ci/run")).unwrap();
    assert!(ci.lines().any(|line| line == "exec scripts/test"), "{ci}");
}

#[test]
fn every_json_contract_is_documented() {
    let documented = contracts(&fs::read_to_string(checkout().join("docs/json.md")).unwrap());
    let sources =
        ["lab", "mesh", "demo-apps", "observe", "proxy", "netns"].map(|name| checkout().join(name).join("src"));
    let printed = sources.iter().flat_map(|folder| rust_files(folder));
    let printed: BTreeSet<String> = printed.flat_map(|file| contracts(&fs::read_to_string(file).unwrap())).collect();
    assert_eq!(documented, printed);
}

/// The schemas that a text names: `sidelab.NAME/vN`.
fn contracts(text: &str) -> BTreeSet<String> {
    let named = text.split("sidelab.").skip(1).filter_map(|rest| {
        let end = rest.find(|char: char| !char.is_ascii_alphanumeric() && char != '/')?;
        let (name, version) = rest[..end].split_once("/v")?;
        version.parse::<u8>().ok().map(|version| format!("sidelab.{name}/v{version}"))
    });
    named.collect()
}

#[test]
fn the_examples_in_the_documents_are_valid() {
    let docs = checkout().join("docs");
    let written = blocks(&docs.join("scenarios.md"), "yaml").remove(0);
    let manifests = fs::read_to_string(checkout().join("scenarios/strict/manifests.yaml")).unwrap();
    let (scenario, _) = folder(&[("scenario.yaml", &written), ("manifests.yaml", &manifests)]);
    let read = Scenario::read(scenario.path()).unwrap_or_else(|error| panic!("docs/scenarios.md: {error}"));
    assert_eq!(read.probes.len(), 1);
    for example in blocks(&docs.join("json.md"), "json") {
        let value: Value = serde_json::from_str(&example).unwrap_or_else(|error| panic!("{error}: {example}"));
        if value["schema"] == "sidelab.explain/v1" {
            let account: Account = serde_json::from_value(value).unwrap();
            assert_eq!(account.legs.len(), 3);
        }
    }
}

#[test]
fn every_dependency_is_documented() {
    let documented = fs::read_to_string(checkout().join("docs/DEPENDENCIES.md")).unwrap();
    let (documented, _) = documented.split_once("\n## Go").unwrap();
    let mut crates = BTreeSet::new();
    for member in [
        "lab",
        "mesh",
        "demo-apps",
        "observe",
        "proxy",
        "proxy/envoy-api",
        "proxy/envoy-rules",
        "netns",
        "benches",
        "tests",
    ] {
        let manifest = fs::read_to_string(checkout().join(member).join("Cargo.toml")).unwrap();
        let mut inside = false;
        for line in manifest.lines() {
            if line.starts_with('[') {
                inside = line.contains("dependencies");
            } else if let Some((name, _)) = line.split_once('=').filter(|_| inside && !line.contains("path =")) {
                crates.insert(name.trim().trim_end_matches(".workspace").to_owned());
            }
        }
    }
    for own in ["lab", "mesh", "demo-apps", "observe", "proxy", "demo-args", "envoy-api", "envoy-rules", "netns"] {
        crates.remove(own);
    }
    // The first column of the tables names them.
    let rows = documented.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" |"));
    let named: BTreeSet<String> =
        rows.flat_map(|(names, _)| names.split(", ")).filter(|name| *name != "Crate").map(str::to_owned).collect();
    assert_eq!(named, crates, "left: docs/DEPENDENCIES.md, right: the manifests");
}

#[test]
fn files_stay_short_and_unsafe_stays_in_sys_rs() {
    for file in rust_files(checkout()) {
        let text = fs::read_to_string(&file).unwrap();
        let lines = text.lines().count();
        assert!(lines <= 500, "{} has {lines} lines", file.display());
        let is_unsafe = text.lines().any(|line| {
            let code = line.split("//").next().unwrap_or_default();
            ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"].iter().any(|part| code.contains(part))
        });
        let allowed = file.file_name().is_some_and(|name| name == "sys.rs") || file.ends_with("all/readme.rs");
        assert!(!is_unsafe || allowed, "{}: unsafe belongs in sys.rs", file.display());
    }
}

/// The Rust files below a folder, except build output.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files.extend(rust_files(&path));
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    files
}
