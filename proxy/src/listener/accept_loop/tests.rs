use std::cell::Cell;

use super::*;
use crate::stats::Stats;

#[tokio::test]
async fn an_accept_loop_that_panics_is_restarted() {
    let (stats, runs) = (Stats::default(), Cell::new(0));
    let accept_stats = AcceptStats::new(&stats);
    let run = || {
        runs.set(runs.get() + 1);
        let run = runs.get();
        async move { assert!(run == 3, "this panic is part of a test") }
    };
    supervise(run, "inbound", &accept_stats).await;
    assert_eq!((runs.get(), stats.get("sidelab.accept_restarts")), (3, Some(2)));
    assert_eq!(accept_stats.stalled(), 0, "it accepts connections again");
}

#[test]
fn an_aborted_connection_does_not_stop_accepting_but_a_lack_of_descriptors_does() {
    use nix::libc::{ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTO};
    let of_connection = |code| is_of_connection(&io::Error::from_raw_os_error(code));
    assert!([ECONNABORTED, EPROTO].into_iter().all(of_connection));
    assert!(![EMFILE, ENFILE, ENOBUFS, ENOMEM].into_iter().any(of_connection));
}
