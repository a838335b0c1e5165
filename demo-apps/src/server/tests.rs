use pretty_assertions::assert_eq;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::failure::FailureKind;
use crate::report::{Body, Closed, Ended};
use crate::testing::{Pki, Running, call_with, deserted_port, parse};

mod grpc;
mod websocket;

/// Sends bytes and FIN, and returns everything that is received.
async fn exchange(port: u16, send: &[u8]) -> Vec<u8> {
    let mut tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    tcp.write_all(send).await.unwrap();
    tcp.shutdown().await.unwrap();
    let mut back = Vec::new();
    tcp.read_to_end(&mut back).await.unwrap();
    back
}

#[tokio::test]
async fn a_malformed_request_is_answered_and_not_reset() {
    let server = Running::start("--http 127.0.0.1:0");
    let port = server.addresses[0].1.port();
    for _ in 0..20 {
        let mut tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let mut hello = vec![0x16; 1500];
        hello[1..3].copy_from_slice(&[3, 1]);
        tcp.write_all(&hello).await.unwrap();
        let mut back = Vec::new();
        tcp.read_to_end(&mut back).await.expect("FIN rather than RST");
        assert!(back.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&back));
    }
}

fn bind(line: &str) -> Result<Server, StartError> {
    Server::bind(&parse(line).unwrap())
}

#[tokio::test]
async fn several_ports_with_several_protocols_are_served_at_once() {
    let server =
        Running::start("--http 0 --http 127.0.0.1:0 --tcp 0 --tls 0 --self-signed a.test --self-signed b.test");
    let spoken: Vec<Protocol> = server.addresses.iter().map(|(protocol, _)| *protocol).collect();
    assert_eq!(spoken, [Protocol::Http, Protocol::Http, Protocol::Tcp, Protocol::Tls]);
    for (protocol, address) in server.addresses.clone() {
        let scheme = match protocol {
            Protocol::Http => "http",
            Protocol::Tcp => "tcp",
            _ => "tls",
        };
        let tls = if scheme == "tls" { "-k" } else { "" };
        let report = call_with(&format!("{scheme}://127.0.0.1:{} {tls}", address.port())).await;
        assert!(report.ok, "{protocol:?}: {:?}", report.error);
    }
}

#[tokio::test]
async fn a_port_without_address_is_bound_in_both_ip_versions_and_peers_have_canonical_addresses() {
    let server = Running::start("--http 0");
    let port = server.port(Protocol::Http);
    let over_v4 = call_with(&format!("http://127.0.0.1:{port}/")).await.http.unwrap().seen().unwrap();
    assert!(over_v4.peer.is_ipv4() && over_v4.local.is_ipv4(), "{over_v4:?}");
    // A host without IPv6 has bound IPv4 only, and there is nothing more to test.
    if server.addresses[0].1.is_ipv6() {
        let report = call_with(&format!("http://[::1]:{port}/")).await;
        if report.ok {
            assert!(report.http.unwrap().seen().unwrap().peer.is_ipv6());
        }
    }
}

#[tokio::test]
async fn a_given_address_is_the_only_one_that_is_bound() {
    let server = Running::start("--tcp 127.0.0.2:0");
    let port = server.port(Protocol::Tcp);
    assert!(call_with(&format!("tcp://127.0.0.2:{port}")).await.ok);
    let report = call_with(&format!("tcp://127.0.0.1:{port}")).await;
    assert_eq!(report.error.unwrap().kind, FailureKind::ConnectionRefused);
}

#[tokio::test]
async fn the_response_says_what_the_app_saw() {
    let server = Running::start("--http 127.0.0.1:0 --name server-0");
    let port = server.port(Protocol::Http);
    let url = format!("http://127.0.0.1:{port}/a/b?c=d --data abc");
    let headers = "-H host:server.default.svc:8080 -H x-forwarded-client-cert:By=spiffe://x -H x-request-id:r1";
    let seen = call_with(&format!("{url} {headers}")).await.http.unwrap().seen().unwrap();
    assert_eq!(seen.app, "server-0");
    assert_eq!((seen.method.as_str(), seen.path.as_str(), seen.body_bytes), ("POST", "/a/b?c=d", 3));
    assert_eq!(seen.header("host"), Some("server.default.svc:8080"));
    assert_eq!(seen.header("x-forwarded-client-cert"), Some("By=spiffe://x"));
    assert_eq!(seen.header("x-request-id"), Some("r1"));
    assert_eq!(seen.tls, None);
}

#[tokio::test]
async fn paths_select_sizes_statuses_and_delays() {
    let server = Running::start("--http 127.0.0.1:0");
    let url = format!("http://127.0.0.1:{}", server.port(Protocol::Http));
    for (path, status, bytes) in [
        ("/bytes/0", 200, Some(0)),
        ("/bytes/70000", 200, Some(70_000)),
        ("/bytes/-1", 400, None),
        ("/status/418", 418, None),
        ("/status/99", 400, None),
        ("/slow/1", 200, None),
        ("/slow/1ms", 200, None),
        ("/slow/x", 400, None),
        ("/echo/more", 200, None),
    ] {
        let http = call_with(&format!("{url}{path}")).await.http.unwrap();
        assert_eq!(http.status, status, "{path}");
        if let Some(bytes) = bytes {
            assert_eq!(http.body_bytes, bytes, "{path}");
        }
    }
}

#[tokio::test]
async fn a_request_followed_by_fin_is_answered() {
    let server = Running::start("--http 127.0.0.1:0");
    let answer = exchange(server.port(Protocol::Http), b"GET /bytes/3 HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nabc"), "{answer}");
}

#[tokio::test]
async fn tls_on_an_http_port_is_answered_in_plaintext() {
    let server = Running::start("--http 127.0.0.1:0");
    let answer = exchange(server.port(Protocol::Http), b"\x16\x03\x01\x00\x05hello\r\n\r\n").await;
    assert!(answer.starts_with(b"HTTP/1.1 400 Bad Request\r\n"), "{}", answer.escape_ascii());
}

#[tokio::test]
async fn echo_returns_every_byte_and_then_fin() {
    let server = Running::start("--tcp 127.0.0.1:0");
    let sent: Vec<u8> = (0..300_000_u32).map(|i| (i % 251) as u8).collect();
    // More than the kernel buffers, sent and received concurrently.
    let tcp = TcpStream::connect(("127.0.0.1", server.port(Protocol::Tcp))).await.unwrap();
    let (mut reader, mut writer) = tcp.into_split();
    let mut back = Vec::new();
    let (written, read) = tokio::join!(
        async {
            writer.write_all(&sent).await?;
            writer.shutdown().await
        },
        reader.read_to_end(&mut back)
    );
    written.unwrap();
    read.unwrap();
    assert!(back == sent);
}

#[tokio::test]
async fn bulk_transfers_as_each_line_says() {
    let server = Running::start("--tcp-bulk 127.0.0.1:0");
    let port = server.port(Protocol::TcpBulk);
    assert_eq!(exchange(port, b"0 3\n5 2\nhello0 0\n").await, b"abcab");
    assert_eq!(exchange(port, b"0 200000\n").await.len(), 200_000);
    let refused = exchange(port, b"GET / HTTP/1.1\r\n").await;
    assert!(refused.starts_with(b"expected a line"), "{}", refused.escape_ascii());
    // Cut short within the announced bytes, and a line without an end.
    assert_eq!(exchange(port, b"10 3\nhello").await, b"");
    assert!(exchange(port, &[b'1'; 1000]).await.starts_with(b"expected a line"));
}

#[tokio::test]
async fn the_log_contains_each_request_and_each_connection() {
    let server = Running::start("--http 127.0.0.1:0 --tls 127.0.0.1:0 --self-signed a.test --name srv");
    let (http, tls) = (server.port(Protocol::Http), server.port(Protocol::Tls));
    let called = call_with(&format!("http://127.0.0.1:{http}/x --marker p9")).await;
    call_with(&format!("tls://127.0.0.1:{tls} -k --sni a.test --half-close")).await;
    call_with(&format!("http://127.0.0.1:{tls}/")).await;
    let log = server.stop().await;

    let json = serde_json::to_string(&log).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Event>>(&json).unwrap(), log);
    let request = log.iter().find_map(|event| match event {
        Event::Request { status, seen } => Some((*status, seen.clone())),
        _ => None,
    });
    let (status, seen) = request.unwrap();
    assert_eq!((status, seen.header("x-sidelab-probe")), (200, Some("p9")));
    assert_eq!(Some(seen.peer), called.local);
    let closed: Vec<&Closed> = log
        .iter()
        .filter_map(|event| match event {
            Event::Closed(closed) => Some(&**closed),
            _ => None,
        })
        .collect();
    assert_eq!((closed[0].protocol, closed[0].ended), (Protocol::Http, Some(Ended::Fin)));
    assert_eq!((closed[1].protocol, closed[1].ended), (Protocol::Tls, Some(Ended::CloseNotify)));
    assert_eq!(closed[1].tls.as_ref().unwrap().sni.as_deref(), Some("a.test"));
    assert!(log.iter().any(|event| match event {
        Event::TlsFailed { failure, .. } =>
            matches!(&failure.kind, FailureKind::NotTls { first_bytes } if first_bytes.starts_with("GET / ")),
        _ => false,
    }));
    assert_eq!(log.last(), Some(&Event::Stopping));
}

#[tokio::test]
async fn resets_are_sent_on_request_and_noticed_by_the_other_end() {
    let server = Running::start("--tcp 127.0.0.1:0 --tcp-reset 127.0.0.1:0");
    let (echo, resetting) = (server.port(Protocol::Tcp), server.port(Protocol::TcpReset));
    let reset = call_with(&format!("tcp://127.0.0.1:{resetting}")).await;
    assert_eq!(reset.error.unwrap().kind, FailureKind::ConnectionReset);
    assert!(call_with(&format!("tcp://127.0.0.1:{echo} --reset")).await.ok);
    let log = server.stop().await;
    let ended = log.iter().find_map(|event| match event {
        Event::Closed(closed) if closed.protocol == Protocol::Tcp => closed.ended,
        _ => None,
    });
    assert_eq!(ended, Some(Ended::Reset));
}

#[tokio::test]
async fn a_request_in_flight_is_answered_when_the_server_stops() {
    let server = Running::start("--http 127.0.0.1:0 --grace 5");
    let port = server.port(Protocol::Http);
    let mut tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    // The first response shows that the connection is being served; the second request is in flight when the server stops.
    tcp.write_all(b"GET /bytes/1 HTTP/1.1\r\nhost: x\r\n\r\nGET /slow/200 HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut first = [0; 1024];
    assert!(tcp.read(&mut first).await.unwrap() > 0);
    let (log, rest) = tokio::join!(server.stop(), async {
        let mut rest = String::new();
        tcp.read_to_string(&mut rest).await.unwrap();
        rest
    });
    assert!(rest.contains("/slow/200"), "{rest}");
    assert_eq!(log.iter().filter(|event| matches!(event, Event::Request { .. })).count(), 2);
    assert!(call_with(&format!("tcp://127.0.0.1:{port}")).await.error.is_some(), "the port is closed");
}

#[tokio::test]
async fn a_connection_that_stays_open_is_aborted_after_the_grace_period() {
    let server = Running::start("--tcp 127.0.0.1:0 --grace 0.05");
    let mut tcp = TcpStream::connect(("127.0.0.1", server.port(Protocol::Tcp))).await.unwrap();
    tcp.write_all(b"x").await.unwrap();
    tcp.read_exact(&mut [0]).await.unwrap();
    server.stop().await;
    assert!(matches!(tcp.read(&mut [0]).await, Ok(0) | Err(_)));
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let server = Running::start("--http 127.0.0.1:0");
    let port = server.port(Protocol::Http);
    let error = bind(&format!("--tcp 127.0.0.1:{port}")).err().unwrap();
    assert!(matches!(&error, StartError::Bind { protocol: Protocol::Tcp, .. }), "{error}");
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
}

#[tokio::test]
async fn options_that_cannot_work_are_refused_with_a_fix() {
    let pki = Pki::new();
    let (one, other) = (pki.issue("one", &["a.test"]), pki.issue("other", &["b.test"]));
    let mixed = format!("{} --key {}", one.split(" --key").next().unwrap(), pki.file("other.key"));
    assert!(other.contains("other.key"));
    for (line, expected) in [
        ("", "no port"),
        ("--https 0", "--cert FILE"),
        ("--mtls 0 --self-signed a.test", "--client-ca"),
        ("--https 0 --cert /nowhere --key /nowhere", "/nowhere"),
        (&format!("--https 0 {mixed}"), "do not go together"),
        (&format!("--mtls-http 0 {one} --client-ca {}", pki.file("one.key")), "one.key"),
    ] {
        let error = bind(line).err().unwrap();
        assert!(matches!(error, StartError::Usage(_)), "{line}: {error}");
        assert!(error.to_string().contains(expected), "{line}: {error}");
    }
    for line in ["--http 70000", "--http here", "--http 1.2.3.4", "--cert x", "--write-cert x --http 0"] {
        assert!(parse::<ServerArgs>(line).is_err(), "{line}");
    }
}

#[tokio::test]
async fn a_self_signed_certificate_can_be_trusted() {
    let pki = Pki::new();
    let file = pki.file("self.pem");
    let server = Running::start(&format!("--https 127.0.0.1:0 --self-signed a.test --write-cert {file}"));
    let port = server.port(Protocol::Https);
    let report = call_with(&format!("https://127.0.0.1:{port}/bytes/3 --ca {file} --sni a.test")).await;
    assert_eq!(report.http.unwrap().body, Body::Text("abc".into()));
    assert!(report.tls.unwrap().verified);
}

#[tokio::test]
async fn a_deserted_port_is_free_to_bind() {
    let port = deserted_port().await;
    assert!(bind(&format!("--tcp 127.0.0.1:{port}")).is_ok());
}
