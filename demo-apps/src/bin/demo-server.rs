//! A server app. See `demo-server --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    demo_apps::programs::server::main()
}
