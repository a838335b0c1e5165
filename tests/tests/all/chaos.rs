//! Both data planes under load, while their labs are disturbed: a minute of what `scripts/chaos` does for longer.

use std::time::Duration;

use tests::{
    chaos::{Options, run, table},
    has_envoy, may_make_labs,
};

fn nothing_is_lost_or_altered(data_plane: &str) {
    let options = Options {
        length: Duration::from_mins(1),
        seed: 1,
        data_plane: data_plane.to_owned(),
        largest: 1_000_000,
        progress: |_| {},
    };
    let report = run(&options).unwrap_or_else(|error| panic!("{data_plane}: {error:#}"));
    assert!(report.is_good(), "{}", table(&[report]));
}

#[test]
fn nothing_is_lost_or_altered_while_native_sidecars_are_disturbed() {
    if may_make_labs() {
        nothing_is_lost_or_altered("native");
    }
}

#[test]
fn nothing_is_lost_or_altered_while_envoys_are_disturbed() {
    if may_make_labs() && has_envoy() {
        nothing_is_lost_or_altered("envoy");
    }
}
