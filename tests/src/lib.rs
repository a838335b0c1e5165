//! Helpers of tests across crates: find the programs, check privileges, run scenarios.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{OnceLock, atomic::AtomicBool},
};

use lab::{
    api_server::ApiServer,
    data_plane::DataPlane,
    deploy::Tamper,
    istiod::Istiod,
    run::{self, Options},
    run_report::RunReport,
    scenario::{self, Scenario},
    stand_ins::Images,
    tools::Tools,
    tuning::Tuning,
};
use mesh::model::{ControlPlane, Flavor};

pub mod chaos;
pub mod generate;
pub mod labs;
pub mod mutations;
pub mod verdicts;

pub fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the checkout")
}

/// This project's programs, and the real Envoy if it is installed. The programs in `SIDELAB_BIN` are used as they are; without it
/// they are built.
pub fn tools() -> Tools {
    static BUILT: OnceLock<Tools> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        // Tests make labs in this process too.
        let _ = demo_apps::program::raise_file_limit();
        if env::var_os("SIDELAB_BIN").is_some() {
            return Tools::find();
        }
        let test = env::current_exe().expect("a program has a path");
        let own = test.ancestors().nth(2).expect("tests lie in TARGET/PROFILE/deps").to_path_buf();
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--locked", "--bins"]).current_dir(checkout());
        if own.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success(), "the programs don't build");
        Tools { own, ..Tools::find() }
    });
    built.clone()
}

/// Whether this process can create labs. If not, the test reports that it is skipped, or fails if `CI` is set.
pub fn may_make_labs() -> bool {
    needs(nix::unistd::geteuid().is_root(), "root: network namespaces, redirects and captures")
}

/// Whether the real Envoy is installed.
pub fn has_envoy() -> bool {
    needs(tools().envoy.is_some(), "the real Envoy: run scripts/envoy")
}

/// The built istiod. Without it the test reports that it is skipped, or fails if `CI` is set and Go, which builds it, is there.
pub fn istiod() -> Option<Istiod> {
    let found = Istiod::find();
    if let Err(error) = &found {
        assert!(!(is_on_path("go") && env::var_os("CI").is_some()), "Go is installed, and {error:#}");
        eprintln!("skipped: istiod is not built: run scripts/istiod");
    }
    found.ok()
}

/// Whether this host has a program.
pub fn has(program: &str) -> bool {
    needs(is_on_path(program), &format!("{program}: run scripts/setup test"))
}

fn is_on_path(program: &str) -> bool {
    env::split_paths(&env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(program).is_file())
}

fn needs(there: bool, what: &str) -> bool {
    assert!(there || env::var_os("CI").is_none(), "skipped tests are failures in CI, and this one needs {what}");
    if !there {
        eprintln!("skipped: needs {what}");
    }
    there
}

/// Runs `sidelab` with these arguments in the checkout.
pub fn sidelab(args: &[&str]) -> Output {
    sidelab_command(args).output().expect("sidelab runs")
}

/// A `sidelab` command with these arguments in the checkout.
pub fn sidelab_command(args: &[&str]) -> Command {
    let mut command = Command::new(tools().own.join("sidelab"));
    command.args(args).current_dir(checkout()).env_remove("COLUMNS");
    command
}

/// All of the project's scenarios.
pub fn scenarios() -> Vec<Scenario> {
    scenario::find(&checkout().join("scenarios"), &[]).expect("the scenarios are in the checkout")
}

/// One of the project's scenarios.
pub fn scenario(name: &str) -> Scenario {
    let found = scenario::find(&checkout().join("scenarios"), &[name.to_owned()]);
    found.expect("the scenario is there").remove(0)
}

/// Runs scenarios; `tamper` breaks the sidecars' files.
pub fn run(scenarios: &[Scenario], meshes: &[Flavor], planes: &[DataPlane], tamper: Option<Tamper>) -> RunReport {
    run::run(scenarios, &Options { tamper, ..options(meshes, planes) }).expect("the run comes to its end")
}

/// Runs scenarios on the files of this control plane.
pub fn run_by(
    control_plane: ControlPlane,
    scenarios: &[Scenario],
    meshes: &[Flavor],
    planes: &[DataPlane],
) -> RunReport {
    run::run(scenarios, &Options { control_plane, ..options(meshes, planes) }).expect("the run comes to its end")
}

/// Runs scenarios whose webhooks this API server calls.
pub fn run_with(api_server: ApiServer, scenarios: &[Scenario], meshes: &[Flavor], planes: &[DataPlane]) -> RunReport {
    run::run(scenarios, &Options { api_server, ..options(meshes, planes) }).expect("the run comes to its end")
}

fn options(meshes: &[Flavor], planes: &[DataPlane]) -> Options {
    static NEVER: AtomicBool = AtomicBool::new(false);
    Options {
        data_planes: planes.to_vec(),
        meshes: meshes.to_vec(),
        images: Images::default(),
        control_plane: ControlPlane::Compiler,
        api_server: ApiServer::Demo,
        tools: tools(),
        privilege: netns::Privilege::acquire().expect("this process may make labs"),
        captures: None,
        jobs: 4,
        fail_fast: false,
        soak: false,
        tuning: Tuning::default(),
        tamper: None,
        progress: indicatif::ProgressBar::hidden(),
        interrupted: &NEVER,
    }
}

/// The text of both streams of an output.
pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Copies files and folders into a folder, in another process.
///
/// Programs must not be written by a test's own process: a child that another test forks meanwhile would hold them open for
/// writing, and the kernel would not execute them (`ETXTBSY`).
pub fn copy_to(folder: &Path, files: &[PathBuf]) {
    let copied = Command::new("cp").arg("-rt").arg(folder).args(files).status().expect("cp runs");
    assert!(copied.success(), "{files:?} to {}", folder.display());
}

/// A folder with these files, removed when dropped.
pub fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let paths = files.iter().map(|(name, text)| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file is written");
        path
    });
    let paths = paths.collect();
    (folder, paths)
}
