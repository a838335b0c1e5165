//! An API server that calls admission webhooks. See `demo-apiserver --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    demo_apps::programs::apiserver::main()
}
