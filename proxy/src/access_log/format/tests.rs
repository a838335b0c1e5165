use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderMap, Method};
use pretty_assertions::assert_eq;
use serde_json::json;

use super::*;
use crate::{
    access_log::{HttpFacts, RequestHead},
    address::{DownstreamLocal, DownstreamRemote, UpstreamHost, UpstreamLocal},
    stream_info::{ConnectionInfo, FilterState, StreamInfo, Transport, UpstreamInfo},
};
use envoy_rules::outcome::{ConnectError, Outcome};

const ISTIO: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% \
    %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \
    \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
    %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \
    \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% \
    %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

fn session() -> StreamInfo {
    let connection = ConnectionInfo {
        id: 7,
        started: Instant::now(),
        start_time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_262_359_782),
        remote: DownstreamRemote("10.244.0.2:40000".parse().unwrap()),
        local: DownstreamLocal("[fd00:96::10]:8080".parse().unwrap()),
        original_dst: None,
        transport: Transport::RawBuffer,
        server_name: String::new(),
        application_protocols: Vec::new(),
        filter_chain: "".into(),
        tls: None,
        transport_failure: "".into(),
        filter_state: FilterState::default(),
    };
    StreamInfo { duration: Some(Duration::from_millis(3)), ..StreamInfo::session(Arc::new(connection)) }
}

fn request() -> (StreamInfo, HttpFacts) {
    let mut headers = HeaderMap::new();
    headers.insert("host", "server:8080".parse().unwrap());
    headers.insert("user-agent", "demo-client".parse().unwrap());
    let mut response = HeaderMap::new();
    response.insert("x-envoy-upstream-service-time", "2".parse().unwrap());
    let http = HttpFacts {
        protocol: Some("HTTP/1.1"),
        request: Some(RequestHead { method: Method::GET, path: Some("/a?b=c".into()), headers }),
        response,
        attempts: 1,
        ..HttpFacts::default()
    };
    let stream = StreamInfo {
        bytes_sent: 5,
        response_code: Some(200),
        outcome: Outcome::Answered,
        cluster: Some("outbound|8080||server".into()),
        route: Some("default".into()),
        upstream: Some(UpstreamInfo {
            host: UpstreamHost("10.244.0.3:8080".parse().unwrap()),
            local: Some(UpstreamLocal("10.244.0.2:50000".parse().unwrap())),
            tls: None,
        }),
        ..session()
    };
    (stream, http)
}

fn line(format: &str, stream: &StreamInfo, http: Option<&HttpFacts>) -> String {
    Format::text(format).unwrap().line(&Entry { stream, http })
}

#[test]
fn a_request_in_istios_format() {
    let (stream, http) = request();
    assert_eq!(
        line(ISTIO, &stream, Some(&http)),
        "[2026-11-21T11:59:19.782Z] \"GET /a?b=c HTTP/1.1\" 200 - via_upstream - \"-\" 0 5 3 2 \"-\" \"demo-client\" \
         \"-\" \"server:8080\" \"10.244.0.3:8080\" outbound|8080||server 10.244.0.2:50000 [fd00:96::10]:8080 \
         10.244.0.2:40000 - default\n"
    );
}

#[test]
fn a_session_without_a_chain_in_istios_format() {
    let stream = StreamInfo { outcome: Outcome::NoFilterChainMatch, ..session() };
    assert_eq!(
        line(ISTIO, &stream, None),
        "[2026-11-21T11:59:19.782Z] \"- - -\" 0 NR filter_chain_not_found - \"-\" 0 0 3 - \"-\" \"-\" \"-\" \"-\" \"-\" \
         - - [fd00:96::10]:8080 10.244.0.2:40000 - -\n"
    );
}

#[test]
fn json_keeps_types_and_sorts_members() {
    let (stream, http) = request();
    let format = SubstitutionFormatString {
        text_format_source: None,
        json_format: json!({
            "z": "%RESPONSE_CODE%", "b": "%REQ(NOPE)%", "a": {"y": "code %RESPONSE_CODE% %REQ(NOPE)%", "x": true},
            "list": ["%UPSTREAM_HOST%", 5],
        })
        .as_object()
        .cloned(),
    };
    assert_eq!(
        Format::new(&format).unwrap().line(&Entry { stream: &stream, http: Some(&http) }),
        "{\"a\":{\"x\":true,\"y\":\"code 200 -\"},\"b\":null,\"list\":[\"10.244.0.3:8080\",5],\"z\":200}\n"
    );
}

#[test]
fn flags_of_sessions_and_requests_differ() {
    let stream = StreamInfo { outcome: Outcome::ConnectFailed(ConnectError::Timeout), ..session() };
    assert_eq!(line("%RESPONSE_FLAGS%", &stream, None), "UF,URX");
    assert_eq!(line("%RESPONSE_FLAGS%", &stream, Some(&HttpFacts::default())), "UF");
}

#[test]
fn arguments_limits_and_percent_signs() {
    let (stream, http) = request();
    assert_eq!(line("100%% %REQ(USER-AGENT):4% %REQ(NOPE?:METHOD)%", &stream, Some(&http)), "100% demo GET");
    assert_eq!(line("%START_TIME(%Y/%m/%d %s)%", &stream, None), "2026/11/21 1795262359");
}

#[test]
fn an_unknown_command_is_refused_by_name() {
    assert_eq!(Format::text("a %NOPE% b").unwrap_err().to_string(), "%NOPE%: not a supported command");
    assert_eq!(Format::text("%REQ(a").unwrap_err().to_string(), "%REQ(a: a command without an end");
}
