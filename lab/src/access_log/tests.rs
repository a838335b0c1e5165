use envoy_rules::outcome::ConnectError;
use pretty_assertions::assert_eq;

use super::*;

const HTTP: &str = r#"[2026-11-21T10:00:00.000Z] "GET /p1 HTTP/1.1" 503 UF,URX upstream_reset_before_response_started{remote_connection_failure} - "delayed_connect_error:_Connection_refused" 0 91 3 - "-" "demo-client/0.1" "6a" "server:8080" "10.244.0.3:8080" outbound|8080||server.default.svc.cluster.local 10.244.0.2:40000 10.96.0.10:8080 10.244.0.2:39000 - default"#;
const REFUSED: &str = r#"[2026-11-21T10:00:00.000Z] "- - -" 0 NR filter_chain_not_found - "-" 0 0 0 - "-" "-" "-" "-" "-" - - [fd00:244::4]:8080 [fd00:244::3]:41000 - -"#;

#[test]
fn a_text_line_gives_flags_details_and_addresses() {
    let [line] = &read(HTTP)[..] else { panic!("one line expected") };
    assert_eq!(line.start_time, Some("2026-11-21T10:00:00.000Z".parse().unwrap()));
    assert_eq!((line.method.as_deref(), line.path.as_deref()), (Some("GET"), Some("/p1")));
    assert_eq!((line.duration, line.request_id.as_deref()), (3, Some("6a")));
    assert_eq!(line.response_code, 503);
    let refused = ConnectError::Refused("delayed_connect_error:_Connection_refused".into());
    assert_eq!(line.outcome(), Some(Outcome::ConnectFailed(refused)));
    assert_eq!(
        line.response_code_details.as_deref(),
        Some("upstream_reset_before_response_started{remote_connection_failure}")
    );
    assert_eq!(line.upstream_transport_failure_reason.as_deref(), Some("delayed_connect_error:_Connection_refused"));
    assert_eq!(line.upstream_local_address, Some("10.244.0.2:40000".parse().unwrap()));
    assert_eq!(line.downstream_remote_address, Some("10.244.0.2:39000".parse().unwrap()));
    assert_eq!(line.upstream_cluster.as_deref(), Some("outbound|8080||server.default.svc.cluster.local"));
}

#[test]
fn dashes_read_as_nothing() {
    let [line] = &read(REFUSED)[..] else { panic!("one line expected") };
    assert_eq!((line.path.as_deref(), line.response_code), (None, 0));
    assert_eq!(line.response_flags.as_deref(), Some("NR"));
    assert_eq!(line.upstream_host, None);
    assert_eq!(line.downstream_remote_address, Some("[fd00:244::3]:41000".parse().unwrap()));
}

#[test]
fn a_json_line_gives_the_same() {
    let json = r#"{"start_time":"2026-11-21T10:00:00.000Z","response_code":0,"response_flags":"NR","response_code_details":"filter_chain_not_found","path":null,"downstream_remote_address":"[fd00:244::3]:41000","upstream_host":"-","bytes_sent":0}"#;
    let [line] = &read(json)[..] else { panic!("one line expected") };
    assert_eq!(line.start_time, Some("2026-11-21T10:00:00.000Z".parse().unwrap()));
    assert_eq!(line.response_flags.as_deref(), Some("NR"));
    assert_eq!(line.downstream_remote_address, Some("[fd00:244::3]:41000".parse().unwrap()));
    assert_eq!(line.upstream_host, None);
}

#[test]
fn other_lines_are_left_out() {
    assert_eq!(read("[warning] something else\n\n{}garbage\n"), []);
}
