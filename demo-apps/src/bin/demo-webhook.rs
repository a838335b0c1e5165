//! An admission webhook. See `demo-webhook --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    demo_apps::programs::webhook::main()
}
