//! Texts of public reports, each with the cause that was found out.

/// The text, the cause's signature or short name, and the report.
pub(super) const REPORTS: &[(&str, &str, &str)] = &[
    (
        r#"{"bytes_sent":"0","upstream_cluster":"outbound|7600||keycloak-headless.our_ns.svc.cluster.local","downstream_remote_address":"10.1.2.3:42353","authority":"-","path":"-","protocol":"-","upstream_service_time":"-","upstream_local_address":"-","duration":"10004","downstream_local_address":"10.1.2.4:7600","upstream_transport_failure_reason":"-","route_name":"-","response_code":"0","user_agent":"-","response_flags":"UF,URX","start_time":"2019-09-17T08:39:56.699Z","method":"-","request_id":"-","upstream_host":"10.1.2.4:7600","x_forwarded_for":"-","requested_server_name":"-","bytes_received":"0","istio_policy_status":"-"}"#,
        "connect-timeout",
        "istio#17139",
    ),
    (
        r#"{  "start_time": "2021-05-29T13:37:34.624Z",  "method": "-",  "upstream_host": "-",  "bytes_sent": "0",  "upstream_cluster": "-",  "downstream_remote_address": "10.11.3.87:35640",  "path": "-",  "authority": "-",  "protocol": "HTTP/2",  "duration": "0",  "downstream_local_address": "10.11.4.231:8080",  "upstream_transport_failure_reason": "-",  "response_code": "0",  "response_flags": "DPE",  "requested_server_name": "-" }"#,
        "not-http",
        "istio#33186",
    ),
    (
        r#"[2023-08-18T07:50:26.000Z] "- - -" 0 NR filter_chain_not_found - "-" 0 0 0 - "-" "-" "-" "-" "-" - - 10.42.0.15:443 10.42.1.20:55412 example.com -"#,
        "no-chain-for-the-sni",
        "istio gateway sni mismatch (istio.io common problems)",
    ),
    (
        r#"read tcp 10.244.4.89:36666->10.244.3.10:9102: read: connection reset by peer Scrape failed https"#,
        "F9",
        "prometheus#9068",
    ),
    (
        r#"Get "https://100.117.155.31:8080/metrics": http: server gave HTTP response to HTTPS client"#,
        "F26",
        "istio#21402",
    ),
    (
        r#"NSS error -12224 (SSL_ERROR_CERTIFICATE_UNKNOWN_ALERT)
curl: (35) SSL peer had some unspecified issue with the certificate it received."#,
        "F18",
        "istio#26790",
    ),
    (
        r#"2022-05-10T18:05:20.163197Z warning envoy filter Incorrect istio-peer-exchange ALPN magic. Peer missing TCP MetadataExchange filter."#,
        "metadata-exchange-missing",
        "istio#38840",
    ),
    (r#"recv(): message len 1347703880 is invalid. Min 16 Max: 48000000"#, "not-http", "istio#19828"),
    (
        r#"Internal error occurred: failed calling webhook "validation.gatekeeper.sh": failed to call webhook: Post "https://gatekeeper-webhook-service.gatekeeper-system.svc:443/v1/admit?timeout=3s": tls: failed to verify certificate: x509: certificate signed by unknown authority"#,
        "wrong-ca-bundle",
        "gatekeeper",
    ),
    (
        r#"Internal error occurred: failed calling webhook "x": Post "https://svc.ns.svc:443/?timeout=10s": no endpoints available for service "svc""#,
        "no-endpoint",
        "kubernetes",
    ),
    (
        r#"Internal error occurred: failed calling webhook "x": failed to call webhook: Post "https://svc.ns.svc:443/?timeout=10s": service "svc" not found"#,
        "no-endpoint",
        "kubernetes",
    ),
    (
        r#"tls: failed to verify certificate: x509: certificate is valid for ingress.local, not app.example.com"#,
        "wrong-name",
        "nginx",
    ),
    (
        r#"psql: error: connection to server at "postgres" (10.96.0.12), port 5432 failed: server closed the connection unexpectedly
	This probably means the server terminated abnormally
	before or while processing the request."#,
        "F1",
        "common",
    ),
    (
        r#"FATAL: no pg_hba.conf entry for host "127.0.0.6", user "app", database "app", no encryption"#,
        "source-address-hidden",
        "common; istio 1.10+",
    ),
    (r#"org.postgresql.util.PSQLException: The server does not support SSL."#, "F26", "xtdb#4002"),
    (r#"javax.net.ssl.SSLHandshakeException: Remote host terminated the handshake"#, "F9", "common"),
    (
        r#"javax.net.ssl.SSLHandshakeException: PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: unable to find valid certification path to requested target"#,
        "wrong-ca-bundle",
        "common",
    ),
    (
        r#"javax.net.ssl.SSLHandshakeException: No subject alternative DNS name matching server.default.svc found."#,
        "F7",
        "common",
    ),
    (r#"java.net.SocketException: Connection reset"#, "F1", "common"),
    (
        r#"pymongo.errors.ServerSelectionTimeoutError: db-0.db:27017: connection closed, Timeout: 30s, Topology Description: <TopologyDescription>"#,
        "F1",
        "mongo",
    ),
    (
        r#"System.Net.Http.HttpRequestException: The SSL connection could not be established, see inner exception.
 ---> System.Security.Authentication.AuthenticationException: Cannot determine the frame size or a corrupted frame was received."#,
        "F26",
        ".NET",
    ),
    (
        r#"2023/05/01 10:00:00 [error] 31#31: *1 peer closed connection in SSL handshake (104: Connection reset by peer) while SSL handshaking to upstream, client: 10.0.0.1, server: _, request: "GET / HTTP/1.1", upstream: "https://10.0.0.2:8443/""#,
        "F9",
        "nginx",
    ),
    (
        r#"2023/05/01 10:00:00 [error] 31#31: *1 upstream prematurely closed connection while reading response header from upstream"#,
        "F1",
        "nginx",
    ),
    (r#"ssl.SSLEOFError: EOF occurred in violation of protocol (_ssl.c:1129)"#, "F9", "python"),
    (
        r#"requests.exceptions.ConnectionError: ('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))"#,
        "F1",
        "python",
    ),
    (r#"Error: Client network socket disconnected before secure TLS connection was established"#, "F9", "node"),
    (
        r#"Hostname/IP does not match certificate's altnames: Host: server. is not in the cert's altnames: URI:spiffe://cluster.local/ns/default/sa/server"#,
        "F7",
        "node",
    ),
    (
        r#"CONNECTED(00000003)
write:errno=104
---
no peer certificate available
---
No client certificate CA names sent"#,
        "no-chain-for-the-sni",
        "openssl s_client istio ingress",
    ),
    (
        r#"CONNECTED(00000003)
139:error:1408F10B:SSL routines:ssl3_get_record:wrong version number:../ssl/record/ssl3_record.c:331:
no peer certificate available"#,
        "F26",
        "openssl",
    ),
    (
        r#"TLS_error:|268436498:SSL routines:OPENSSL_internal:SSLV3_ALERT_HANDSHAKE_FAILURE:TLS_error_end"#,
        "server-refuses-the-handshake",
        "istio egress",
    ),
    (
        r#"TLS error: 268436528:SSL routines:OPENSSL_internal:TLSV1_ALERT_INTERNAL_ERROR"#,
        "server-refuses-the-handshake",
        "istio#50997?",
    ),
    (
        r#"[2024-05-01T10:00:00.000Z] "GET / HTTP/1.1" 503 URX,UF upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused} - "delayed_connect_error:_Connection_refused" 0 152 0 - "-" "curl" "1" "server:8080" "10.244.0.4:8080" outbound|8080||server.default.svc.cluster.local - 10.96.0.10:8080 10.244.0.3:1 - default"#,
        "nothing-listens",
        "envoy 1.3x",
    ),
    (
        r#"[2024-05-01T10:00:00.000Z] "- - -" 0 UF,URX - - "TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end" 0 0 3 - "-" "-" "-" "-" "10.1.1.1:5432" outbound|5432||pg.default.svc.cluster.local - 10.96.0.1:5432 10.1.1.2:2 - -"#,
        "F6",
        "common",
    ),
    (r#"[2024-05-01T10:00:00.000Z] "GET / HTTP/1.1" 431 - http1.headers_too_large - "-" 0 0 0"#, "too-large", "common"),
    (
        r#"[2024-05-01T10:00:00.000Z] "POST /upload HTTP/1.1" 413 - request_payload_too_large - "-" 0 17 0"#,
        "too-large",
        "common",
    ),
    (
        r#"[2024-05-01T10:00:00.000Z] "GET /ws HTTP/1.1" 403 - upgrade_failed - "-" 0 0 0 - "-" "Go-http-client/1.1""#,
        "upgrade-not-allowed",
        "istio#50980",
    ),
    (r#"[2024-05-01T10:00:00.000Z] "GET / HTTP/1.1" 429 - local_rate_limited - "-" 0 18 0"#, "rate-limited", "istio"),
    (
        r#"rpc error: code = Unimplemented desc = unexpected HTTP status code received from server: 404 (Not Found); transport: received unexpected content-type "text/plain; charset=utf-8""#,
        "no-route",
        "grpc",
    ),
    (
        r#"rpc error: code = Unavailable desc = connection error: desc = "error reading server preface: read tcp 10.1.1.1:1->10.1.1.2:443: read: connection reset by peer""#,
        "F1",
        "grpc",
    ),
    (r#"rpc error: code = DeadlineExceeded desc = context deadline exceeded"#, "timeout", "grpc"),
    (
        r#"Liveness probe failed: Get "http://10.1.2.3:15020/app-health/app/livez": dial tcp 10.1.2.3:15020: connect: connection refused"#,
        "F25",
        "k8s",
    ),
    (
        r#"warning envoy config StreamAggregatedResources gRPC config stream closed: 14, no healthy upstream"#,
        "istiod-unreachable",
        "bitnami#4945",
    ),
    (
        r#"error cache resource:default failed to sign: create certificate: rpc error: code = Unavailable desc = connection error: desc = "transport: authentication handshake failed: x509: certificate signed by unknown authority (possibly because of \"crypto/rsa: verification error\" while trying to verify candidate authority certificate \"cluster.local\")""#,
        "roots-differ",
        "istio",
    ),
    (r#"curl: (16) Error in the HTTP2 framing layer"#, "F24", "curl"),
    (r#"curl: (92) HTTP/2 stream 0 was not closed cleanly: PROTOCOL_ERROR (err 1)"#, "F24", "curl"),
    (
        r#"{"authority":"10.0.0.2:8082","response_code":503,"response_code_details":"upstream_reset_before_response_started{connection_termination}","response_flags":"UC","route_name":"allow_any","upstream_cluster":"PassthroughCluster","upstream_host":"10.0.0.2:8082"}"#,
        "past-the-registry",
        "istio#37431",
    ),
    (
        r#"503 UC upstream_reset_before_response_started{connection_termination} - "-" 0 95 1 - "-" "nginx" "x" "istio-test.example.com" "10.1.1.1:8080" PassthroughCluster 10.1.1.2:3 10.1.1.1:8080 10.1.1.2:4 - allow_any"#,
        "past-the-registry",
        "ingress-nginx#3171",
    ),
    (r#"Failed to load incomplete certificate from file or secret: invalid PEM"#, "no-secret", "istio gateway"),
    (
        r#"warn sds failed to warm certificate: failed to generate workload certificate: create certificate: rpc error: code = Unavailable"#,
        "istiod-unreachable",
        "istio",
    ),
    (
        r#"error adsc / gRPC config for type.googleapis.com/envoy.config.listener.v3.Listener rejected: Error adding/updating listener(s) 0.0.0.0_443: error adding listener '0.0.0.0_443': multiple filter chains with the same matching rules are defined"#,
        "duplicate-filter-chain",
        "istio#29197",
    ),
    (
        r#"upstream connect error or disconnect/reset before headers. reset reason: connection failure"#,
        "nothing-listens",
        "SO",
    ),
    (
        r#"upstream connect error or disconnect/reset before headers. reset reason: remote reset"#,
        "stream-reset",
        "istio#37739",
    ),
    (
        r#"TLS_error:|268436648:SSL routines:OPENSSL_internal:TLSV1_UNRECOGNIZED_NAME:TLS_error_end"#,
        "server-refuses-the-handshake",
        "istio",
    ),
    (
        r#"[2023-01-01T00:00:00.000Z] "GET / HTTP/1.1" 403 - via_upstream - "-" 0 5 2 1 "-" "curl" "x" "server:8080" "10.1.1.1:8080" inbound|8080|| 127.0.0.6:3 10.1.1.1:8080 10.1.1.2:4 outbound_.8080_._.server.default.svc.cluster.local default"#,
        "answered-by-the-app",
        "common",
    ),
    (
        r#"[2023-01-01T00:00:00.000Z] "GET / HTTP/1.1" 408 SI stream_idle_timeout - "-" 0 0 300000"#,
        "idle-timeout",
        "envoy",
    ),
    (r#"[2023-01-01T00:00:00.000Z] "POST / HTTP/1.1" 400 DPE http1.invalid_transfer_encoding"#, "not-http", "envoy"),
    (r#"[2023-01-01T00:00:00.000Z] "- - HTTP/2" 0 DPE http2.violation.of.messaging.rule"#, "not-http", "envoy"),
    (r#"upstream_reset_after_response_started{connection_termination}"#, "app-closes", "envoy"),
    (
        r#"The connection to the server 10.14.0.1:443 was refused - did you specify the right host or port?"#,
        "F25",
        "istio#27382",
    ),
    (
        r#"org.springframework.web.client.HttpServerErrorException$ServiceUnavailable: 503 Service Unavailable: [upstream connect error or disconnect/reset before headers. reset reason: connection termination]"#,
        "F2",
        "java",
    ),
    (
        r#"psql: error: connection to server at "pg", port 5432 failed: received invalid response to SSL negotiation: H"#,
        "not-http",
        "psql",
    ),
    (r#"[ERROR] Communications link failure: Connection reset by peer mysql"#, "F1", "mysql"),
    (
        r#"%3|1649919256.355|FAIL|rdkafka#producer-1| [thrd:ssl://kafka:9093/bootstrap]: ssl://kafka:9093/bootstrap: SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker listener? (after 3ms in state SSL_HANDSHAKE)"#,
        "F26",
        "librdkafka",
    ),
    (r#"Invalid receive (size = 1347375956 larger than 104857600)"#, "not-http", "kafka"),
    (r#"Invalid receive (size = 369295616 larger than 104857600)"#, "F6", "kafka"),
    (
        r#"WARN  Unexpected exception causing shutdown while sock still open java.io.IOException: Packet len352518400 is out of range!"#,
        "F6",
        "zookeeper",
    ),
    (
        r#"http2: server: error reading preface from client 127.0.0.6:41234: bogus greeting "GET / HTTP/1.1\r\nHost: s""#,
        "F24",
        "go grpc server",
    ),
    (
        r#"http: TLS handshake error from 127.0.0.6:52113: tls: first record does not look like a TLS handshake"#,
        "F13",
        "go server",
    ),
    (
        r#"http: TLS handshake error from 10.0.0.3:443: remote error: tls: bad certificate"#,
        "wrong-ca-bundle",
        "go server",
    ),
    (
        r#"2023/05/01 [info] client sent plain HTTP request to HTTPS port while reading client request headers"#,
        "F13",
        "nginx",
    ),
    (r#"HTTP/1.1 404 Not Found server: istio-envoy content-length: 0"#, "no-route", "curl -v"),
    (
        r#"info Envoy proxy is NOT ready: config not received from XDS server (is Istiod running?): cds updates: 0 successful, 0 rejected; lds updates: 0 successful, 0 rejected"#,
        "istiod-unreachable",
        "istio",
    ),
    (
        r#"warn ads proxy istio-ingressgateway attempted to access unauthorized certificates example-com: cross namespace secret reference requires ReferenceGrant"#,
        "no-secret",
        "istio",
    ),
    (
        r#"503 Service Unavailable: upstream connect error or disconnect/reset before headers. reset reason: connection termination"#,
        "F2",
        "",
    ),
    (
        r#"error trying to reach service: read tcp 10.0.0.1:1->10.0.0.2:8443: read: connection reset by peer v1beta1.metrics.k8s.io FailedDiscoveryCheck"#,
        "F9",
        "metrics-server",
    ),
    (
        r#"failed calling webhook: Post "https://wh.ns.svc:443/": x509: certificate relies on legacy Common Name field, use SANs instead"#,
        "wrong-name",
        "k8s",
    ),
    (
        r#"failed calling webhook "x": Post "https://wh.ns.svc:443/": remote error: tls: handshake failure"#,
        "server-refuses-the-handshake",
        "k8s",
    ),
    (
        r#"[2024-05-01T10:00:00.000Z] "- - -" 0 NR filter_chain_not_found - "-" 0 0 0 - "-" "-" "-" "-" "-" - - 10.244.0.4:8080 10.244.0.3:40112 outbound_.8080_._.server.default.svc.cluster.local -"#,
        "no-chain-for-the-sni",
        "istio",
    ),
    (
        r#"[2024-05-01T10:00:00.000Z] "- - -" 0 UF,URX - - "delayed_connect_error:_111" 0 0 3 - "-" "-" "-" "-" "10.1.1.1:5432" outbound|5432||pg.default.svc.cluster.local - 10.96.0.1:5432 10.1.1.2:2 - -"#,
        "nothing-listens",
        "common",
    ),
    (
        r#"[2024-05-01T10:00:00.000Z] "GET / HTTP/1.1" 503 UF upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused} - "delayed_connect_error:_Connection_refused" 0 167 1 - "-" "curl" "1" "1.2.3.4:80" "1.2.3.4:80" PassthroughCluster - 1.2.3.4:80 10.244.0.3:1 - allow_any"#,
        "nothing-listens",
        "common",
    ),
    (r#"response_flags_long UpstreamConnectionFailure,UpstreamRetryLimitExceeded"#, "nothing-listens", "envoy"),
    (r#"envoy_listener_no_filter_chain_match 12"#, "F1", "prom"),
    (r#"cluster.outbound|8080||server.default.svc.cluster.local.ssl.fail_verify_san: 3"#, "F17", "stats"),
];
