use pretty_assertions::assert_eq;
use tokio::sync::oneshot;

use super::*;
use crate::failure::FailureKind;
use crate::server::Protocol;
use crate::testing::{Behaviour, Running, deserted_port, parse, peer_that};

/// Holds until `meanwhile` completes, which starts when all connections were tried. Returns both reports.
async fn hold_while(line: &str, meanwhile: impl Future<Output = ()>) -> (HoldReport, HoldReport) {
    let args: HoldArgs = parse(line).unwrap();
    let (sender, opened) = oneshot::channel();
    let mut first = None;
    let stop = async {
        // Never sent if holding ends before.
        if opened.await.is_err() {
            std::future::pending::<()>().await;
        }
        meanwhile.await;
    };
    let standing = |report: &HoldReport| {
        first = Some(report.clone());
        sender.send(()).unwrap();
    };
    let ended = run(&args, stop, standing).await.unwrap();
    let json = serde_json::to_string(&ended).unwrap();
    assert_eq!(serde_json::from_str::<HoldReport>(&json).unwrap(), ended);
    (first.unwrap(), ended)
}

#[tokio::test]
async fn connections_are_held_until_stopped() {
    let server = Running::start(
        "--http 127.0.0.1:0 --tcp 127.0.0.1:0 --tls 127.0.0.1:0 --https 127.0.0.1:0 --self-signed a.test",
    );
    for (target, protocol) in [
        ("http://127.0.0.1:PORT/bytes/3", Protocol::Http),
        ("http://127.0.0.1:PORT --http2", Protocol::Http),
        ("https://127.0.0.1:PORT -k", Protocol::Https),
        ("tcp://127.0.0.1:PORT", Protocol::Tcp),
        ("tls://127.0.0.1:PORT -k", Protocol::Tls),
    ] {
        let target = target.replace("PORT", &server.port(protocol).to_string());
        let (standing, ended) = hold_while(&format!("{target} -c 70"), async {}).await;
        assert_eq!(
            (standing.phase, standing.connections, standing.standing),
            (HoldPhase::Standing, 70, 70),
            "{target}"
        );
        assert_eq!((ended.phase, ended.standing, ended.lost), (HoldPhase::Ended, 70, 0), "{target}");
        assert!(ended.errors.is_empty(), "{target}");
    }
}

#[tokio::test]
async fn the_duration_counts_from_when_all_are_open() {
    let server = Running::start("--tcp 127.0.0.1:0");
    let line = format!("tcp://127.0.0.1:{} -c 3 --duration 0.5", server.port(Protocol::Tcp));
    let (standing, ended) = hold_while(&line, std::future::pending()).await;
    assert!(standing.held_seconds < 0.5 && ended.held_seconds >= 0.5, "{standing:?} {ended:?}");
    assert_eq!(ended.opening_seconds, standing.opening_seconds);
}

#[tokio::test]
async fn connections_that_the_server_ends_are_lost_and_holding_ends_with_the_last() {
    for (options, protocol, target) in [
        ("--http 127.0.0.1:0", Protocol::Http, "http://127.0.0.1:PORT"),
        ("--http 127.0.0.1:0", Protocol::Http, "http://127.0.0.1:PORT --http2"),
        ("--tcp 127.0.0.1:0 --grace 0.01", Protocol::Tcp, "tcp://127.0.0.1:PORT"),
    ] {
        let server = Running::start(options);
        let line = format!("{target} -c 5").replace("PORT", &server.port(protocol).to_string());
        let (standing, ended) = hold_while(&line, async {
            server.stop().await;
            std::future::pending::<()>().await;
        })
        .await;
        assert_eq!((standing.standing, standing.lost), (5, 0), "{line}");
        assert_eq!((ended.standing, ended.lost), (0, 5), "{line}");
    }
}

#[tokio::test]
async fn connections_that_failed_are_counted_by_kind() {
    let port = deserted_port().await;
    let (standing, ended) = hold_while(&format!("tcp://127.0.0.1:{port} -c 3"), async {}).await;
    for report in [standing, ended] {
        assert_eq!((report.standing, report.lost, report.errors.len()), (0, 0, 1));
        assert_eq!((report.errors[0].count, &report.errors[0].failure.kind), (3, &FailureKind::ConnectionRefused));
    }
    let port = peer_that(Behaviour::Closes).await;
    let (_, ended) = hold_while(&format!("http://127.0.0.1:{port} -c 2"), async {}).await;
    assert_eq!(ended.errors[0].failure.kind, FailureKind::Eof);
}

#[tokio::test]
async fn stopping_while_opening_takes_effect_at_once() {
    let port = peer_that(Behaviour::Hangs).await;
    let args: HoldArgs = parse(&format!("tcp://127.0.0.1:{port} -c 200 --timeout 60")).unwrap();
    let ended = run(&args, async {}, |_| panic!("none stands")).await.unwrap();
    assert_eq!((ended.phase, ended.standing, ended.errors.len()), (HoldPhase::Ended, 0, 0));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_one_failure() {
    let args: HoldArgs = parse("tcp://name.invalid:1 -c 5").unwrap();
    let ended = run(&args, std::future::pending(), |_| panic!("none stands")).await.unwrap();
    assert_eq!((ended.errors[0].count, &ended.errors[0].failure.kind), (1, &FailureKind::Resolution));
}

#[tokio::test]
async fn targets_that_cannot_be_held_are_refused() {
    for (line, expected) in
        [("grpc://127.0.0.1:1", "http(s)://"), ("ws://127.0.0.1:1", "http(s)://"), ("tls://x:1", "--ca")]
    {
        let error = run(&parse(line).unwrap(), std::future::pending(), |_| ()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{line}: {error}");
    }
    assert!(parse::<HoldArgs>("http://x -c 0").is_err());
}
