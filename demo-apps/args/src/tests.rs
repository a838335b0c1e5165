use pretty_assertions::assert_eq;

use super::*;

fn ports(words: &[&str]) -> Vec<(Protocol, u16)> {
    let args = ServerArgs::read(words.iter().copied()).unwrap();
    args.ports().map(|(protocol, at)| (protocol, at.port)).collect()
}

#[test]
fn each_port_option_is_a_protocol() {
    let words = ["--http2", "50051", "--tcp-reset=9001", "--http", "127.0.0.1:80", "--tls-bulk", "[::1]:81"];
    let expected =
        [(Protocol::Http, 80), (Protocol::Http2, 50051), (Protocol::TcpReset, 9001), (Protocol::TlsBulk, 81)];
    assert_eq!(ports(&words), expected);
}

#[test]
fn options_that_cannot_work_are_refused_without_opening_a_file() {
    for (words, misuse) in [
        (&["--quiet"][..], Some("no port to listen on; try --http 8080")),
        (&["--https", "1"], Some("TLS ports need --cert FILE with --key FILE, or --self-signed NAME")),
        (&["--mtls", "1", "--self-signed", "a"], Some("--mtls and --mtls-http need --client-ca FILE")),
        (&["--mtls", "1", "--self-signed", "a", "--client-ca", "/nowhere"], None),
        (&["--http", "1"], None),
    ] {
        assert_eq!(ServerArgs::read(words.iter().copied()).unwrap().misuse(), misuse, "{words:?}");
    }
}

#[test]
fn invalid_arguments_are_an_error() {
    for words in [&["--http", "99999"][..], &["--gopher", "70"], &["--cert", "a", "--http", "1"], &["--help"]] {
        assert!(ServerArgs::read(words.iter().copied()).is_err(), "{words:?}");
    }
    assert!(WebhookArgs::read(["--https", "1", "--cert", "a"]).is_err());
}
