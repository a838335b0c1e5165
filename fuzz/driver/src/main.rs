//! `FUZZ_TARGET=NAME fuzz-driver CORPUS [LIBFUZZER OPTIONS]`: see `scripts/fuzz`. With `FUZZ_SEEDS=FOLDER` it writes the target's
//! seeds there first.
#![no_main]

use std::{env, fs, path::PathBuf, sync::OnceLock};

use fuzz::Target;
use libfuzzer_sys::fuzz_target;

fn target() -> &'static Target {
    static TARGET: OnceLock<&Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        let name = env::var("FUZZ_TARGET").unwrap_or_default();
        let target = fuzz::target(&name).unwrap_or_else(|| {
            let names: Vec<&str> = fuzz::TARGETS.iter().map(|target| target.name).collect();
            panic!("no target {name:?}; there are {}", names.join(", "))
        });
        if let Some(folder) = env::var_os("FUZZ_SEEDS").map(PathBuf::from) {
            for (number, seed) in (target.seeds)().iter().enumerate() {
                fs::write(folder.join(format!("seed-{number}")), seed).expect("seeds are written");
            }
        }
        target
    })
}

fuzz_target!(init: { target(); }, |bytes: &[u8]| (target().check)(bytes));
