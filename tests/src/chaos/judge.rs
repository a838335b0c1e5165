//! Which failures a disturbance explains.

use std::ops::RangeInclusive;

use demo_apps::{failure::FailureKind, report::RequestReport};

use super::plan::{Disturbance, Sidecar};

/// A disturbance, and its time in nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) disturbance: Disturbance,
    pub(super) began_ns: u64,
    pub(super) ended_ns: u64,
}

/// What a load's connections go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// Through the sidecars of the client and of a server that goes on.
    Steady,
    /// Through the sidecars of the client and of a server whose chains change, and which is replaced.
    Changing,
    /// From outside the mesh, in plaintext.
    Outside,
}

/// How a load uses connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Raw bytes, on connections that stay.
    Kept,
    /// Raw bytes, on a connection for each request.
    New,
    /// HTTP: the sidecars open connections as they need them.
    Http,
}

/// The verdict on a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Bytes came back that were not sent.
    Altered,
    /// It was refused or cut, as it has to be under this disturbance.
    Explained(Disturbance),
    /// Nothing explains it.
    Lost,
    /// All bytes came back on a half-closed connection, and no end of it.
    Endless,
}

/// How long connections of a filter chain that is gone can go on: Envoy's `--drain-time-s` in a lab, and in Istio
/// (`drainDuration` in pilot's `mesh.DefaultProxyConfig`).
const DRAIN_NS: u64 = 45_000_000_000;

/// How long after a disturbance its effects can reach an app: sidecars try again, and detect what is gone.
const AFTER_NS: u64 = 2_000_000_000;

/// How long a slow reader has to read, at most, before it uses its connection again and sees that it has ended.
const SLOW_NS: u64 = 6_000_000_000;

/// Judges a request that failed.
pub(super) fn judge(request: &RequestReport, path: Path, used: Use, windows: &[Window]) -> Verdict {
    if request.error.as_ref().is_some_and(|failure| failure.kind == FailureKind::EchoMismatch) {
        return Verdict::Altered;
    }
    let explains = |(index, window): &(usize, &Window)| {
        let effect = effect(*index, window, path, used, windows);
        effect.is_some_and(|time| request.ended_ns >= *time.start() && request.began_ns <= *time.end())
    };
    let found = windows.iter().enumerate().find(explains);
    match found {
        Some((_, window)) => Verdict::Explained(window.disturbance),
        None if used == Use::New && is_endless(request) => Verdict::Endless,
        None => Verdict::Lost,
    }
}

fn is_endless(request: &RequestReport) -> bool {
    let timed_out = request.error.as_ref().is_some_and(|failure| failure.kind == FailureKind::Timeout);
    timed_out && request.sent > 0 && request.received == request.sent
}

/// When a disturbance can make requests fail; `None` if it never may.
fn effect(index: usize, window: &Window, path: Path, used: Use, windows: &[Window]) -> Option<RangeInclusive<u64>> {
    let soon = window.began_ns..=window.ended_ns + AFTER_NS;
    // HTTP moves to new connections meanwhile, but for the request that is under way then. Raw bytes have no such way.
    let noticed = if used == Use::Kept { SLOW_NS } else { 0 };
    let end_of_drain = *soon.start() + DRAIN_NS..=*soon.end() + DRAIN_NS + noticed;
    match window.disturbance {
        Disturbance::Rotate
        | Disturbance::Clusters
        | Disturbance::Listeners
        | Disturbance::Disk(_)
        | Disturbance::Stop(..)
        | Disturbance::Cut(_) => None,
        // As long as it is in force; connections of plaintext that were open drain.
        Disturbance::Strict if path == Path::Outside => {
            let ends = windows[index..].iter().find(|next| next.disturbance == Disturbance::Permissive);
            Some(*soon.start()..=ends.map_or(u64::MAX, |next| next.ended_ns + AFTER_NS))
        }
        // Mutual TLS has other filter chains under each mode: with and without a match of ALPN.
        Disturbance::Strict | Disturbance::Permissive => {
            (path != Path::Outside && used != Use::New).then_some(end_of_drain)
        }
        Disturbance::Chains => (path == Path::Changing).then_some(end_of_drain),
        Disturbance::Descriptors(Sidecar::Client, _) => (path != Path::Outside && used != Use::Kept).then_some(soon),
        Disturbance::Descriptors(Sidecar::Server, _) => (path != Path::Changing && used != Use::Kept).then_some(soon),
        Disturbance::Kill => (path == Path::Changing).then_some(soon),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use demo_apps::failure::{Failure, Stage};

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn failed(began: u64, ended: u64, kind: FailureKind) -> RequestReport {
        RequestReport {
            began_ns: began * SECOND,
            ended_ns: ended * SECOND,
            sent: 1,
            received: 0,
            status: None,
            error: Some(Failure { stage: Stage::Receive, kind, message: String::new() }),
        }
    }

    fn window(disturbance: Disturbance, began: u64, ended: u64) -> Window {
        Window { disturbance, began_ns: began * SECOND, ended_ns: ended * SECOND }
    }

    #[test]
    fn altered_bytes_are_never_explained() {
        let all = [window(Disturbance::Kill, 0, 100)];
        let request = failed(10, 11, FailureKind::EchoMismatch);
        assert_eq!(judge(&request, Path::Changing, Use::Kept, &all), Verdict::Altered);
    }

    #[test]
    fn a_killed_sidecar_explains_failures_of_its_own_clients_only() {
        let all = [window(Disturbance::Kill, 10, 12)];
        let request = failed(11, 11, FailureKind::ConnectionReset);
        assert_eq!(judge(&request, Path::Changing, Use::Kept, &all), Verdict::Explained(Disturbance::Kill));
        assert_eq!(judge(&request, Path::Steady, Use::Kept, &all), Verdict::Lost);
        let later = failed(15, 16, FailureKind::ConnectionReset);
        assert_eq!(judge(&later, Path::Changing, Use::Kept, &all), Verdict::Lost);
    }

    #[test]
    fn strict_explains_refused_plaintext_until_it_is_lifted() {
        let all = [window(Disturbance::Strict, 10, 11), window(Disturbance::Permissive, 20, 21)];
        let at = |time| failed(time, time, FailureKind::ConnectionReset);
        assert_eq!(judge(&at(15), Path::Outside, Use::Http, &all), Verdict::Explained(Disturbance::Strict));
        for (time, path) in [(5, Path::Outside), (30, Path::Outside), (15, Path::Steady)] {
            assert_eq!(judge(&at(time), path, Use::Http, &all), Verdict::Lost, "{time} {path:?}");
        }
    }

    #[test]
    fn a_kept_connection_needs_no_descriptor() {
        let disturbance = Disturbance::Descriptors(Sidecar::Server, Duration::from_secs(1));
        let all = [window(disturbance, 10, 12)];
        let request = failed(11, 11, FailureKind::ConnectionReset);
        assert_eq!(judge(&request, Path::Steady, Use::Kept, &all), Verdict::Lost);
        assert_eq!(judge(&request, Path::Steady, Use::New, &all), Verdict::Explained(disturbance));
    }

    #[test]
    fn a_missing_end_is_not_a_loss_of_bytes() {
        let cut = failed(10, 70, FailureKind::Timeout);
        assert_eq!(judge(&cut, Path::Steady, Use::New, &[]), Verdict::Lost);
        let whole = RequestReport { received: 1, ..cut };
        assert_eq!(judge(&whole, Path::Steady, Use::New, &[]), Verdict::Endless);
        assert_eq!(judge(&whole, Path::Steady, Use::Kept, &[]), Verdict::Lost);
    }

    #[test]
    fn a_mode_that_changes_ends_kept_connections_when_the_drain_does() {
        let at = |time| failed(time, time, FailureKind::ConnectionReset);
        for disturbance in [Disturbance::Strict, Disturbance::Permissive] {
            let all = [window(disturbance, 10, 11)];
            for (time, used) in [(56, Use::Kept), (63, Use::Kept), (56, Use::Http)] {
                assert_eq!(judge(&at(time), Path::Steady, used, &all), Verdict::Explained(disturbance));
            }
            for (time, used) in [(12, Use::Kept), (40, Use::Kept), (65, Use::Kept), (56, Use::New), (63, Use::Http)] {
                assert_eq!(judge(&at(time), Path::Steady, used, &all), Verdict::Lost, "{time} {used:?}");
            }
        }
    }

    #[test]
    fn rotation_and_swaps_and_a_full_disk_and_a_stop_and_a_cut_link_explain_nothing() {
        let request = failed(11, 11, FailureKind::ConnectionReset);
        for disturbance in [
            Disturbance::Rotate,
            Disturbance::Clusters,
            Disturbance::Listeners,
            Disturbance::Disk(Duration::from_secs(1)),
            Disturbance::Stop(Sidecar::Server, Duration::from_secs(1)),
            Disturbance::Cut(Duration::from_secs(1)),
        ] {
            for used in [Use::Kept, Use::New, Use::Http] {
                let all = [window(disturbance, 10, 12)];
                assert_eq!(judge(&request, Path::Changing, used, &all), Verdict::Lost, "{disturbance}");
            }
        }
    }
}
