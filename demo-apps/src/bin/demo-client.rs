//! A client app. See `demo-client --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    demo_apps::programs::client::main()
}
