//! Counts the instructions of the steady work under valgrind, and compares them with `benches/instructions.txt`.
//!
//! Unlike time, instructions do not depend on the load of the machine. Cryptography is not counted, since its code differs
//! between processors.

#![cfg(target_arch = "x86_64")]

use std::{
    env, fs,
    hint::black_box,
    path::Path,
    process::{Child, Command, Stdio},
};

use benches::{
    chains::{Case, Lookup},
    figures::Figures,
    hellos::{First, inspect},
    services,
};

/// Environment variable of the process under valgrind: the work to do, and how often.
const WORK: &str = "INSTRUCTIONS_WORK";
const TIMES: &str = "INSTRUCTIONS_TIMES";

/// Environment variable to record the counts instead of comparing them.
const WRITE: &str = "INSTRUCTIONS_WRITE";

/// Prepared work that can be repeated.
type Work = Box<dyn Fn()>;

/// Work that is counted.
struct Counted {
    name: &'static str,
    /// Repetitions while counting.
    times: u64,
    make_ready: fn() -> Work,
}

const ALL: [Counted; 8] = [
    Counted { name: "chain match, 1000 ports", times: 1000, make_ready: || find(Case::Port) },
    Counted { name: "chain match, 1000 names, none of them", times: 1000, make_ready: || find(Case::UnknownName) },
    Counted { name: "chain match, 1000 networks, none of them", times: 100, make_ready: || find(Case::UnknownNetwork) },
    Counted { name: "client hello, X25519MLKEM768", times: 100, make_ready: || hello(First::PostQuantum) },
    Counted { name: "client hello, no TLS", times: 1000, make_ready: || hello(First::Http) },
    Counted { name: "50 services, parse", times: 1, make_ready: parse },
    Counted { name: "50 services, resolve", times: 2, make_ready: resolve },
    Counted { name: "50 services, compile one sidecar", times: 2, make_ready: compile },
];

fn find(case: Case) -> Work {
    let lookup = Lookup::new(case, 1000);
    Box::new(move || _ = black_box(black_box(&lookup).find()))
}

fn hello(first: First) -> Work {
    let bytes = first.bytes();
    Box::new(move || _ = black_box(inspect(black_box(&bytes))))
}

fn parse() -> Work {
    let text = services::manifests(50, 1);
    Box::new(move || drop(black_box(services::read(black_box(&text)))))
}

fn resolve() -> Work {
    let manifests = services::read(&services::manifests(50, 1));
    Box::new(move || drop(black_box(services::resolve_mesh(black_box(&manifests)))))
}

fn compile() -> Work {
    let mesh = services::resolve_mesh(&services::read(&services::manifests(50, 1)));
    Box::new(move || drop(black_box(services::compile_client(black_box(&mesh)).files(&[]))))
}

#[test]
#[cfg_attr(debug_assertions, ignore = "the figures are of the release build: cargo test --release")]
fn steady_work_takes_the_recorded_number_of_instructions() {
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        assert!(env::var_os("CI").is_none(), "skipped tests are failures in CI, and this one needs valgrind");
        eprintln!("skipped: needs valgrind: run scripts/setup test");
        return;
    }
    let counted = Figures(ALL.iter().map(|counted| (counted.name.to_owned(), count(counted))).collect());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.txt");
    if env::var_os(WRITE).is_some() {
        fs::write(file, counted.to_string()).unwrap();
        return;
    }
    let held = Figures::read(&fs::read_to_string(file).unwrap()).unwrap();
    let faults = held.compare_with(&counted);
    assert!(faults.is_empty(), "{}\nto record the new counts: docs/BENCHMARKING.md, \"Counted\"", faults.join("\n"));
}

/// The instructions of one repetition: those of a process with `times` + 1 repetitions minus those of a process with one, so
/// that start-up and preparation are not counted.
fn count(&Counted { name, times, .. }: &Counted) -> u64 {
    let [once, often] = [1, 1 + times].map(|times| under_valgrind(name, times));
    (instructions(often) - instructions(once)) / times
}

/// Starts this program under valgrind, to do some work.
fn under_valgrind(name: &str, times: u64) -> Child {
    Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "work", "--ignored", "--test-threads=1"])
        .env(WORK, name)
        .env(TIMES, times.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The count that valgrind prints at the end of a process: `==PID== I refs: 1,234,567`.
fn instructions(process: Child) -> u64 {
    let output = process.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{message}");
    let line = message
        .lines()
        .find(|line| line.contains(" I ") && line.contains("refs:"))
        .unwrap_or_else(|| panic!("{message}"));
    line.rsplit(' ').next().unwrap().replace(',', "").parse().unwrap()
}

#[test]
#[ignore = "run by steady_work_takes_the_recorded_number_of_instructions, under valgrind"]
fn work() {
    let (Ok(name), Ok(times)) = (env::var(WORK), env::var(TIMES)) else { return };
    let work = (ALL.iter().find(|counted| counted.name == name).unwrap().make_ready)();
    (0..times.parse::<u64>().unwrap()).for_each(|_| work());
}
