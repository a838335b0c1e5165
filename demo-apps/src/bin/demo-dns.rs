//! A name server. See `demo-dns --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    demo_apps::programs::dns::main()
}
