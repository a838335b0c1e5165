//! The scripts on machines that lack something, and the parts of an installation. `scripts/fresh-machine` tests the scripts on a
//! minimal machine.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output, Stdio},
};

use tests::{checkout, has, has_envoy, labs::OwnLabs, may_make_labs, sidelab, text, tools};

/// A machine that has these programs of this host, and these others, given as shell commands.
fn machine(programs: &[&str], others: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let here = |program: &str| {
        let folders = ["/usr/bin", "/bin"].map(Path::new);
        folders.into_iter().map(|folder| folder.join(program)).find(|path| path.exists()).unwrap()
    };
    for program in
        ["bash", "env", "sh", "dirname", "cat", "sed", "grep", "sort", "head", "cut", "id"].iter().chain(programs)
    {
        symlink(here(program), folder.path().join(program)).unwrap();
    }
    for (name, commands) in others {
        write_program(&folder.path().join(name), &format!("#!/bin/sh\n{commands}\n"));
    }
    folder
}

/// Writes a program in another process, for the reason of [`tests::copy_to`].
fn write_program(path: &Path, text: &str) {
    let mut writer = Command::new("install");
    let mut child = writer.args(["-m", "755", "/dev/stdin"]).arg(path).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{}", path.display());
}

/// Runs one of the project's scripts on such a machine.
fn script(machine: &Path, command: &[&str]) -> Output {
    let mut script = Command::new(checkout().join("scripts").join(command[0]));
    script.args(&command[1..]).env_clear().env("PATH", machine).env("HOME", machine);
    script.output().unwrap()
}

#[test]
fn without_rust_the_needed_version_and_how_to_get_it_are_printed() {
    let output = script(machine(&[], &[]).path(), &["lab"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    for part in ["cargo not found", "Rust 1.95 or newer is needed", "https://rustup.rs"] {
        assert!(text(&output).contains(part), "{part} in {}", text(&output));
    }
}

#[test]
fn a_too_old_rust_is_rejected_with_both_versions() {
    let old = machine(&[], &[("cargo", "exit 1"), ("rustc", "echo rustc 1.63.0")]);
    let output = script(old.path(), &["lab"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("Rust 1.63.0 is too old\nRust 1.95 or newer is needed"), "{}", text(&output));
}

#[test]
fn too_little_disk_space_is_reported_before_the_build() {
    let df = "echo Filesystem 1024-blocks Used Available Capacity Mounted; echo disk 9 9 1048576 99% /";
    let rust = [("cargo", "echo built"), ("rustc", "echo rustc 1.99.0"), ("df", df)];
    let full = machine(&["realpath", "awk"], &rust);
    let mut lab = Command::new(checkout().join("scripts/lab"));
    lab.env_clear().env("PATH", full.path()).env("HOME", full.path()).env("CARGO_TARGET_DIR", full.path().join("t/u"));
    let output = lab.output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let expected = format!("building needs 3 GB, and {} has 1 GB free", full.path().display());
    assert!(text(&output).contains(&expected), "{expected} in {}", text(&output));
}

#[test]
fn package_managers_other_than_apt_get_a_list_of_their_own_package_names() {
    for (manager, expected) in [
        ("dnf", "by hand, as root: dnf install"),
        ("apk", "by hand, as root: apk add"),
        ("pacman", "by hand, as root: pacman -S --needed"),
    ] {
        let output = script(machine(&[], &[(manager, "exit 1")]).path(), &["setup", "test"]);
        assert_eq!(output.status.code(), Some(3), "{}", text(&output));
        assert!(text(&output).contains(expected), "{}", text(&output));
        assert!(text(&output).contains("missing: "), "{}", text(&output));
    }
}

#[test]
fn setup_rejects_an_unknown_purpose() {
    let output = script(machine(&[], &[]).path(), &["setup", "everything"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("Usage: scripts/setup [run|lab|hand|test|fuzz]"), "{}", text(&output));
}

#[test]
fn completions_are_complete_in_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let output = sidelab(&["completion", shell]);
        assert!(output.status.success(), "{}", text(&output));
        for command in ["explain", "bench", "--data-plane", "fresh-machine"] {
            let offered = text(&output).contains(command) || text(&output).contains(command.trim_start_matches("--"));
            assert_eq!(offered, command != "fresh-machine", "{shell}: {command}");
        }
    }
    let loaded = Command::new("bash")
        .args(["-euc", "eval \"$1\"; complete -p sidelab", "bash"])
        .arg(text(&sidelab(&["completion", "bash"])))
        .output()
        .unwrap();
    assert!(text(&loaded).contains("-F _sidelab sidelab"), "{}", text(&loaded));
}

#[test]
fn every_command_has_a_manual_page_that_man_shows_without_a_warning() {
    if !has("man") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let written = sidelab(&["man", folder.path().to_str().unwrap()]);
    assert!(written.status.success(), "{}", text(&written));
    for command in ["sidelab", "sidelab-run", "sidelab-explain", "sidelab-bench-compare"] {
        let page = folder.path().join(format!("{command}.1"));
        let shown = Command::new("man")
            .args(["--warnings", "-E", "UTF-8", "-l"])
            .arg(page)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&shown.stderr), "", "{command}");
        assert!(String::from_utf8_lossy(&shown.stdout).contains("SYNOPSIS"), "{command}: {}", text(&shown));
    }
}

#[test]
fn every_third_party_action_is_pinned_by_commit() {
    let mut pinned = 0;
    let workflows = fs::read_dir(checkout().join(".github/workflows")).unwrap().map(|entry| entry.unwrap().path());
    for file in workflows.chain([checkout().join("action.yml")]) {
        let text = fs::read_to_string(&file).unwrap();
        let used = text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: "));
        for action in used.filter(|action| !action.starts_with("./")) {
            let commit = action.split_once('@').unwrap().1.split_once(" # v").unwrap().0;
            let is_hash = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(is_hash, "{}: {action}", file.display());
            pinned += 1;
        }
    }
    assert!(pinned >= 6, "only {pinned} were found");
}

#[test]
fn the_action_judges_scenarios_of_another_repository_and_keeps_its_report() {
    if !may_make_labs() || !has_envoy() {
        return;
    }
    // A repository whose scenario has a wrong expectation.
    let workspace = tempfile::tempdir().unwrap();
    let scenario = workspace.path().join("mesh tests/strict");
    fs::create_dir_all(&scenario).unwrap();
    let strict = checkout().join("scenarios/strict");
    fs::copy(strict.join("manifests.yaml"), scenario.join("manifests.yaml")).unwrap();
    let text_of = fs::read_to_string(strict.join("scenario.yaml")).unwrap();
    let wrong = text_of.replacen("delivered: true", "delivered: false", 1);
    assert_ne!(wrong, text_of);
    fs::write(scenario.join("scenario.yaml"), wrong).unwrap();

    let labs = OwnLabs::new();
    let at = |name: &str| workspace.path().join(name);
    let output = Command::new(checkout().join("scripts/action"))
        .arg("run")
        .current_dir(workspace.path().join("mesh tests"))
        .env("SIDELAB_RUN_DIR", labs.path())
        .env("SIDELAB_BIN", &tools().own)
        .env("RUNNER_TEMP", workspace.path())
        .env("GITHUB_OUTPUT", at("output"))
        .env("GITHUB_STEP_SUMMARY", at("summary"))
        .env("INPUT_SCENARIOS", "./strict\n")
        .env("INPUT_MESH", "istio")
        .env("INPUT_DATA_PLANE", "both")
        .env("INPUT_ARGS", "--jobs 2")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("::error"), "an annotation: {}", text(&output));
    let written = fs::read_to_string(at("output")).unwrap();
    assert_eq!(written, format!("report={}\n", at("sidelab").display()));
    for file in ["summary", "sidelab/report.html", "sidelab/run.json", "sidelab/run.xml"] {
        assert!(fs::read_to_string(at(file)).unwrap().contains("http over IPv4"), "{file}");
    }
}
