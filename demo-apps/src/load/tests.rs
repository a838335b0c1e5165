use pretty_assertions::assert_eq;

use super::*;
use crate::failure::FailureKind;
use crate::server::Protocol;
use crate::testing::{Behaviour, Running, deserted_port, parse, peer_that};

/// Runs a load beside the test's servers.
async fn load(line: String) -> LoadReport {
    let args: LoadArgs = parse(&line).unwrap();
    let report = tokio::task::spawn_blocking(move || run(&args, &Arc::default(), |_| {})).await.unwrap().unwrap();
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<LoadReport>(&json).unwrap(), report);
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_requested_number_of_requests_is_made() {
    let server = Running::start("--http 127.0.0.1:0 --tcp 127.0.0.1:0 --tls 127.0.0.1:0 --self-signed a.test");
    for (target, spoken) in [
        ("http://127.0.0.1:PORT/", Protocol::Http),
        ("http://127.0.0.1:PORT/ --http2", Protocol::Http),
        ("tcp://127.0.0.1:PORT", Protocol::Tcp),
        ("tls://127.0.0.1:PORT -k", Protocol::Tls),
    ] {
        let target = target.replace("PORT", &server.port(spoken).to_string());
        let report = load(format!("{target} -n 100 -c 3 --threads 2")).await;
        assert_eq!((report.requests, report.failures), (100, 0), "{target}");
        // A connection that opens late may find no request left.
        assert!((1..=3).contains(&report.connects), "{target}: {}", report.connects);
        let latencies = report.latencies;
        assert_eq!(latencies.total.as_ref().unwrap().count, 100, "{target}");
        assert_eq!(latencies.connect.unwrap().count, report.connects, "{target}");
        assert_eq!(latencies.tls.is_some(), target.starts_with("tls"), "{target}");
        assert!(latencies.first_byte.unwrap().max_us <= latencies.total.unwrap().max_us, "{target}");
    }
}

/// Runs a load with `--each`, and returns its requests.
async fn each(line: String) -> Vec<RequestReport> {
    static ENDED: Mutex<Vec<RequestReport>> = Mutex::new(Vec::new());
    static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _turn = ONE_AT_A_TIME.lock().await;
    let args: LoadArgs = parse(&format!("{line} --each")).unwrap();
    let keep = |request: &RequestReport| ENDED.lock().unwrap().push(request.clone());
    tokio::task::spawn_blocking(move || run(&args, &Arc::default(), keep)).await.unwrap().unwrap();
    std::mem::take(&mut *ENDED.lock().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_can_be_reported_with_its_mark_on_the_wire() {
    let server = Running::start("--http 127.0.0.1:0 --tcp 127.0.0.1:0");
    let (http, tcp) = (server.port(Protocol::Http), server.port(Protocol::Tcp));
    let requests = each(format!("tcp://127.0.0.1:{tcp} -n 3 --marker m1")).await;
    let length = ("sidelab-probe m1\n".len() + 64) as u64;
    assert_eq!(
        requests.iter().map(|one| (one.sent, one.received, one.failed())).collect::<Vec<_>>(),
        [(length, length, false); 3]
    );
    assert!(requests.windows(2).all(|pair| pair[0].ended_ns <= pair[1].began_ns), "{requests:?}");
    let requests = each(format!("http://127.0.0.1:{http}/ -n 2 --upload 1000 --marker m1")).await;
    assert_eq!(requests.iter().map(|one| (one.status, one.failed())).collect::<Vec<_>>(), [(Some(200), false); 2]);
    let requests = each(format!("http://127.0.0.1:{http}/status/503 -n 1")).await;
    assert!(requests[0].failed() && requests[0].error.is_none(), "{requests:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_or_cut_answer_fails_if_each_is_checked() {
    let altered = peer_that(Behaviour::Answers(&[b'x'; 64])).await;
    let kind = |requests: Vec<RequestReport>| requests[0].error.clone().map(|failure| failure.kind);
    assert_eq!(kind(each(format!("tcp://127.0.0.1:{altered} -n 1")).await), Some(FailureKind::EchoMismatch));
    assert_eq!(load(format!("tcp://127.0.0.1:{altered} -n 1")).await.failures, 0, "a bench does not compare");
    let other = peer_that(Behaviour::Answers(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")).await;
    assert_eq!(kind(each(format!("http://127.0.0.1:{other}/ -n 1")).await), Some(FailureKind::EchoMismatch));
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_of_random_sizes_are_echoed() {
    let server = Running::start("--http 127.0.0.1:0 --tcp 127.0.0.1:0 --tls 127.0.0.1:0 --self-signed a.test");
    for (target, spoken) in [
        ("http://127.0.0.1:PORT/echo", Protocol::Http),
        ("http://127.0.0.1:PORT/echo --http2", Protocol::Http),
        ("tcp://127.0.0.1:PORT", Protocol::Tcp),
        ("tcp://127.0.0.1:PORT --half-close", Protocol::Tcp),
        ("tls://127.0.0.1:PORT -k --half-close", Protocol::Tls),
        ("tcp://127.0.0.1:PORT --read-rate 100000000", Protocol::Tcp),
    ] {
        let target = target.replace("PORT", &server.port(spoken).to_string());
        let requests = each(format!("{target} -n 30 -c 2 --random 1-2000000 --seed 3")).await;
        assert!(requests.iter().all(|one| !one.failed()), "{target}: {requests:?}");
        assert!(requests.iter().any(|one| one.sent > 500_000) && requests.iter().any(|one| one.sent < 500), "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_that_come_back_altered_or_cut_are_a_mismatch() {
    let kind = |requests: Vec<RequestReport>| requests[0].error.clone().map(|failure| failure.kind);
    for body in ["200 OK\r\ncontent-length: 3\r\n\r\nabc", "200 OK\r\ncontent-length: 0\r\n\r\n"] {
        let other = peer_that(Behaviour::Answers(format!("HTTP/1.1 {body}").leak().as_bytes())).await;
        let requests = each(format!("http://127.0.0.1:{other}/echo -n 1 --random 500-500")).await;
        assert_eq!(kind(requests), Some(FailureKind::EchoMismatch), "{body}");
    }
    let altered = peer_that(Behaviour::Answers(&[b'x'; 64])).await;
    assert_eq!(
        kind(each(format!("tcp://127.0.0.1:{altered} -n 1 --random 64-64")).await),
        Some(FailureKind::EchoMismatch)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_can_have_a_new_connection() {
    let server = Running::start("--tcp 127.0.0.1:0");
    let port = server.port(Protocol::Tcp);
    let report = load(format!("tcp://127.0.0.1:{port} -n 20 --new-connection-per-request")).await;
    assert_eq!((report.requests, report.connects), (20, 20));
    assert_eq!(report.latencies.connect.unwrap().count, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_closes_after_a_response_costs_a_connection_and_no_request() {
    let closing =
        peer_that(Behaviour::Answers(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")).await;
    let report = load(format!("http://127.0.0.1:{closing} -n 3")).await;
    assert_eq!((report.requests, report.failures, report.connects), (3, 0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_per_connection_are_limited() {
    let server = Running::start("--tcp 127.0.0.1:0");
    let port = server.port(Protocol::Tcp);
    let report = load(format!("tcp://127.0.0.1:{port} -n 20 --requests-per-connection 5")).await;
    assert_eq!((report.requests, report.connects, report.requests_per_connection), (20, 4, Some(5)));
    let latencies = report.latencies;
    assert_eq!((latencies.first_byte.unwrap().count, latencies.first_byte_of_new.unwrap().count), (20, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_counted_in_both_directions() {
    let server = Running::start("--tcp 127.0.0.1:0 --tcp-bulk 127.0.0.1:0 --http 127.0.0.1:0");
    let (echo, bulk) = (server.port(Protocol::Tcp), server.port(Protocol::TcpBulk));
    let report = load(format!("tcp://127.0.0.1:{echo} -n 3 --upload 500000")).await;
    assert_eq!((report.bytes_sent, report.bytes_received), (1_500_000, 1_500_000));
    let report = load(format!("tcp://127.0.0.1:{bulk} -n 3 --upload 10 --download 500000")).await;
    assert_eq!((report.bytes_sent, report.bytes_received), (3 * (10 + "10 500000\n".len() as u64), 1_500_000));
    let http = server.port(Protocol::Http);
    let report = load(format!("http://127.0.0.1:{http} -n 3 --download 500000")).await;
    assert!((1_500_000..1_502_000).contains(&report.bytes_received), "{report:?}");
}

/// Five requests are due almost at once, and the only connection takes 40 ms for each. In an open loop the last one has waited
/// for all others; a closed loop would report 40 ms for each.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_loop_charges_a_stall_to_every_request_that_it_delayed() {
    let server = Running::start("--http 127.0.0.1:0");
    let url = format!("http://127.0.0.1:{}/slow/40", server.port(Protocol::Http));
    let open = load(format!("{url} -n 5 --rate 1000")).await;
    assert_eq!((open.requests, open.not_started), (5, 0));
    let last = open.latencies.total.unwrap().max_us;
    assert!(last >= 5 * 40_000 - 4_000);
    let closed = load(format!("{url} -n 5")).await;
    assert!(closed.latencies.total.unwrap().p50_us < last);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_an_open_loop_could_not_start_in_time_are_reported() {
    let server = Running::start("--http 127.0.0.1:0");
    let url = format!("http://127.0.0.1:{}/slow/60", server.port(Protocol::Http));
    let report = load(format!("{url} --duration 0.2 --rate 100")).await;
    assert!(report.requests <= 4, "{report:?}");
    assert_eq!(report.requests + report.not_started, 20, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_loop_keeps_its_rate_and_excludes_its_warm_up() {
    let server = Running::start("--tcp 127.0.0.1:0");
    let port = server.port(Protocol::Tcp);
    let report = load(format!("tcp://127.0.0.1:{port} --rate 500 --duration 0.4 --warm-up 0.2 -c 2")).await;
    assert_eq!(report.requests + report.not_started, 200);
    assert_eq!(report.failures, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_counted_by_kind() {
    let refusing = deserted_port().await;
    let report = load(format!("http://127.0.0.1:{refusing} -n 4 -c 2")).await;
    assert_eq!((report.requests, report.failures, report.connects), (0, 4, 0));
    assert_eq!(report.latencies.total, None);
    assert_eq!(report.errors.len(), 1);
    assert_eq!((report.errors[0].count, &report.errors[0].failure.kind), (4, &FailureKind::ConnectionRefused));

    let resetting = peer_that(Behaviour::Resets).await;
    for scheme in ["http", "tcp"] {
        let report = load(format!("{scheme}://127.0.0.1:{resetting} -n 3")).await;
        assert_eq!((report.failures, report.connects), (3, 3));
        assert_eq!(report.errors[0].failure.kind, FailureKind::ConnectionReset);
    }

    let silent = peer_that(Behaviour::Hangs).await;
    let report = load(format!("tcp://127.0.0.1:{silent} -n 1 --timeout 0.05")).await;
    assert_eq!(report.errors[0].failure.kind, FailureKind::Timeout);

    let report = load("http://name.invalid/ -n 1".to_owned()).await;
    assert_eq!(report.errors[0].failure.kind, FailureKind::Resolution);
}

#[tokio::test(flavor = "multi_thread")]
async fn error_statuses_are_complete_responses_and_counted_separately() {
    let server = Running::start("--http 127.0.0.1:0");
    let report = load(format!("http://127.0.0.1:{}/status/503 -n 3", server.port(Protocol::Http))).await;
    assert_eq!((report.requests, report.failures, report.http_errors), (3, 0, 3));
}

#[test]
fn load_without_an_end_or_without_an_answer_is_refused() {
    for line in ["http://x", "http://x -n 0", "http://x -n 1 --rate 0", "http://x -n 1 -c 0", "http://x -d nan"] {
        assert!(parse::<LoadArgs>(line).is_err(), "{line}");
    }
    for (line, expected) in [
        ("http://127.0.0.1/path -n 1 --download 1", "path"),
        ("tcp://127.0.0.1:1 -n 1 --upload 0", "--upload 0"),
        ("tcp://127.0.0.1:1 -n 1 --download 0", "--download 0"),
        ("tls://127.0.0.1:1 -n 1", "--ca"),
        ("grpc://127.0.0.1:1 -n 1", "repeatedly"),
        ("ws://127.0.0.1:1 -n 1", "repeatedly"),
    ] {
        let error = run(&parse(line).unwrap(), &Arc::default(), |_| {}).unwrap_err();
        assert!(error.to_string().contains(expected), "{line}: {error}");
    }
}

#[test]
fn connections_are_distributed_over_threads_completely() {
    assert_eq!(shares(7, 3).collect::<Vec<_>>(), [3, 2, 2]);
    assert_eq!(shares(2, 2).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn reported_latencies_are_those_of_the_requests() {
    let mut tally = Tally::default();
    for total_us in 1..=1000 {
        tally.record(&Sample { total_us, ..Sample::default() }, None);
    }
    let mut both = Tally::default();
    both.add(&tally);
    let total = both.latencies().total.unwrap();
    assert_eq!((total.count, total.min_us, total.p50_us, total.p90_us, total.max_us), (1000, 1, 500, 900, 1000));
}
