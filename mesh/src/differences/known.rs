//! The table of known differences: what a real sidecar is given, what is written here, and why that is not the same.
//!
//! docs/differences.md shows it. In a path `*` stands for one field or element, `**` for any number of them.

use super::row::{
    Key::{Address, Again, Any, Instead, Nameless, Written},
    Known, Scope, Section,
    Side::{Both, Here, Istio},
};

pub const KNOWN: &[Known] = &[
    Known {
        id: "alpn",
        section: Section::StockEnvoy,
        istio: "The filter `istio.alpn`: the ALPN offered for an HTTP request depends on the version that its *upstream* connection speaks",
        here: "The cluster of a port with a declared protocol offers it (`istio-http/1.1,istio,http/1.1` or `istio-h2,istio,h2`). The listener of a port without one has separate chains for HTTP/1.1 and HTTP/2, where Istio has one for both, each with `set_filter_state` on `envoy.network.application_protocols`. A gateway's clusters of such ports offer `istio-http/1.1,istio,http/1.1`, since it speaks HTTP/1.1 to them, and its chains for bytes set what they offer",
        why: "Nothing on the wire: the offers are the same. In the config: one more chain on such ports",
        scope: &[
            Scope(
                Istio,
                "listeners / ** / envoy.filters.network.http_connection_manager / typed_config / http_filters / istio.alpn",
                Any,
            ),
            Scope(Here, "listeners / * / filter_chains / * / filters / (offers what istio.alpn offers)", Any),
            Scope(
                Both,
                "clusters / ** / alpn_protocols",
                Instead(r#"["istio-peer-exchange","istio"]"#, r#""(offers what istio.alpn offers for HTTP/1.1)""#),
            ),
            Scope(
                Both,
                "clusters / ** / alpn_protocols",
                Instead(r#"["istio-peer-exchange","istio"]"#, r#"["istio-http/1.1","istio","http/1.1"]"#),
            ),
            Scope(
                Both,
                "clusters / ** / alpn_protocols",
                Instead(r#"["istio-peer-exchange","istio","h2"]"#, r#""(offers what istio.alpn offers for HTTP/2)""#),
            ),
        ],
    },
    Known {
        id: "metadata-exchange-tcp",
        section: Section::StockEnvoy,
        istio: "The filter `istio.metadata_exchange`: on TCP, after both sides have negotiated ALPN `istio-peer-exchange`, each first writes a frame (magic 0x3D230467) with its workload's metadata",
        here: "No frame. The ALPN is still offered and chosen",
        why: "The first bytes inside mTLS are the app's. **These sidecars cannot interoperate with a real Istio sidecar on TCP ports**",
        scope: &[
            Scope(Istio, "listeners / ** / filters / istio.metadata_exchange", Any),
            Scope(Istio, "clusters / * / filters", Any),
        ],
    },
    Known {
        id: "metadata-exchange-http",
        section: Section::StockEnvoy,
        istio: "The same for HTTP: the headers `x-envoy-peer-metadata` and `-id`",
        here: "No such headers",
        why: "An app that echoes headers echoes fewer",
        scope: &[Scope(
            Istio,
            "listeners / ** / envoy.filters.network.http_connection_manager / typed_config / http_filters / istio.metadata_exchange",
            Any,
        )],
    },
    Known {
        id: "stats",
        section: Section::StockEnvoy,
        istio: "The filter `istio.stats`",
        here: "Not written: the filter exists only in Istio's build of Envoy",
        why: "Stock Envoy has no `istio_*` metrics. The native proxy counts requests, their durations, and TCP connections and bytes, with Istio's labels; of the peer it knows only the principal and its namespace",
        scope: &[
            Scope(Istio, "listeners / ** / filters / istio.stats", Any),
            Scope(
                Istio,
                "listeners / ** / envoy.filters.network.http_connection_manager / typed_config / http_filters / istio.stats",
                Any,
            ),
            Scope(Istio, "endpoints / ** / filter_metadata / istio", Any),
            Scope(Istio, "clusters / * / load_assignment / ** / filter_metadata / istio", Any),
        ],
    },
    Known {
        id: "chain-notes",
        section: Section::StockEnvoy,
        istio: "Filter chains note which VirtualService or Sidecar made them, in their metadata",
        here: "`explain` names it; the chains have no metadata",
        why: "Only Istio's filters read it",
        scope: &[
            Scope(Istio, "listeners / * / filter_chains / * / metadata / filter_metadata / istio", Any),
            Scope(Istio, "listeners / * / default_filter_chain / metadata / filter_metadata / istio", Any),
        ],
    },
    Known {
        id: "http-filters",
        section: Section::StockEnvoy,
        istio: "`grpc_stats`, `fault`, `cors` in every HTTP filter chain",
        here: "The router; `fault` and `cors` in the chains whose routes VirtualServices make",
        why: "No gRPC counters. In the chains of inbound calls both filters do nothing",
        scope: &[
            Scope(
                Istio,
                "listeners / ** / envoy.filters.network.http_connection_manager / typed_config / http_filters / envoy.filters.http.grpc_stats",
                Any,
            ),
            Scope(
                Istio,
                "listeners / ** / envoy.filters.network.http_connection_manager / typed_config / http_filters / envoy.filters.http.fault",
                Any,
            ),
            Scope(
                Istio,
                "listeners / ** / envoy.filters.network.http_connection_manager / typed_config / http_filters / envoy.filters.http.cors",
                Any,
            ),
        ],
    },
    Known {
        id: "protocol-filters",
        section: Section::StockEnvoy,
        istio: "`mongo_proxy` in front of `tcp_proxy` on Mongo ports, and `grpc_web` in the HTTP chains of gRPC-Web ports",
        here: "Neither",
        why: "No Mongo counters. A gRPC-Web call reaches the app as it was sent, not as gRPC",
        scope: &[
            Scope(Istio, "listeners / ** / filters / envoy.filters.network.mongo_proxy", Any),
            Scope(
                Istio,
                "listeners / ** / envoy.filters.network.http_connection_manager / typed_config / http_filters / envoy.filters.http.grpc_web",
                Any,
            ),
        ],
    },
    Known {
        id: "access-log",
        section: Section::Lab,
        istio: "Logs only if `accessLogFile` or a Telemetry resource says so, and not on the chains for connections to 15001 and 15006 themselves",
        here: "Always logs, on every chain, to a file of the lab, in Istio's default format (`accessLogEncoding` applies)",
        why: "Verdicts are read from it",
        scope: &[
            Scope(
                Here,
                "listeners / ** / envoy.filters.network.http_connection_manager / typed_config / access_log",
                Any,
            ),
            Scope(Here, "listeners / ** / envoy.filters.network.tcp_proxy / typed_config / access_log", Any),
            Scope(Here, "listeners / * / access_log", Any),
            Scope(
                Both,
                "listeners / ** / envoy.filters.network.http_connection_manager / typed_config / access_log / **",
                Any,
            ),
            Scope(Both, "listeners / ** / envoy.filters.network.tcp_proxy / typed_config / access_log / **", Any),
            Scope(Both, "listeners / * / access_log / **", Any),
        ],
    },
    Known {
        id: "resumption",
        section: Section::Lab,
        istio: "Resumes TLS sessions (Envoy's default)",
        here: "`max_session_keys: 0`, no tickets, no session ids",
        why: "A resumed handshake shows no certificates, so they could not be read from the wire",
        scope: &[
            Scope(Here, "clusters / ** / typed_config / max_session_keys", Any),
            Scope(Here, "listeners / ** / typed_config / disable_stateless_session_resumption", Any),
            Scope(Here, "listeners / ** / typed_config / disable_stateful_session_resumption", Any),
        ],
    },
    Known {
        id: "groups",
        section: Section::Lab,
        istio: "Does not set key exchange groups; at gateways no versions of TLS either",
        here: "Sets Envoy's defaults explicitly: X25519MLKEM768, X25519, P-256; TLS 1.2 and 1.3",
        why: "So the native proxy does the same",
        scope: &[
            Scope(Here, "clusters / ** / tls_params / ecdh_curves", Any),
            Scope(Here, "listeners / ** / tls_params / ecdh_curves", Any),
            Scope(
                Here,
                "listeners / ** / common_tls_context / tls_params",
                Written(
                    r#"{"tls_minimum_protocol_version":"TLSv1_2","tls_maximum_protocol_version":"TLSv1_3","ecdh_curves":["X25519MLKEM768","X25519","P-256"]}"#,
                ),
            ),
            Scope(Here, "listeners / ** / tls_params / tls_minimum_protocol_version", Written(r#""TLSv1_2""#)),
            Scope(Here, "listeners / ** / tls_params / tls_maximum_protocol_version", Written(r#""TLSv1_3""#)),
        ],
    },
    Known {
        id: "timeouts",
        section: Section::Lab,
        istio: "Does not set idle, drain and inspection timeouts and the number of connection attempts",
        here: "Sets Envoy's defaults explicitly",
        why: "The same",
        scope: &[
            Scope(
                Here,
                "listeners / ** / envoy.filters.network.http_connection_manager / typed_config / common_http_protocol_options",
                Any,
            ),
            Scope(
                Here,
                "listeners / ** / envoy.filters.network.http_connection_manager / typed_config / common_http_protocol_options / idle_timeout",
                Any,
            ),
            Scope(
                Here,
                "listeners / ** / envoy.filters.network.http_connection_manager / typed_config / drain_timeout",
                Any,
            ),
            Scope(Here, "listeners / ** / envoy.filters.network.tcp_proxy / typed_config / idle_timeout", Any),
            Scope(Here, "listeners / ** / envoy.filters.network.tcp_proxy / typed_config / max_connect_attempts", Any),
            Scope(Here, "listeners / * / listener_filters_timeout", Any),
        ],
    },
    Known {
        id: "written-out",
        section: Section::Lab,
        istio: "Does not set what is Envoy's default: request ids, HTTP/1.1 to the next hop",
        here: "Sets it explicitly",
        why: "So the native proxy does the same",
        scope: &[
            Scope(
                Here,
                "listeners / ** / envoy.filters.network.http_connection_manager / typed_config / generate_request_id",
                Written("true"),
            ),
            Scope(
                Here,
                "clusters / * / typed_extension_protocol_options",
                Written(
                    r#"{"envoy.extensions.upstreams.http.v3.HttpProtocolOptions":{"@type":"type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions","explicit_http_config":{"http_protocol_options":{}}}}"#,
                ),
            ),
        ],
    },
    Known {
        id: "names-of-statistics",
        section: Section::Lab,
        istio: "Names counters by `alt_stat_name` (`stat_prefix` ends with `;`) and `stats_tags` of the bootstrap, and drops most with a matcher",
        here: "Envoy's own names, all of them",
        why: "A lab has nothing to filter",
        scope: &[
            Scope(Istio, "clusters / * / alt_stat_name", Any),
            Scope(
                Both,
                "listeners / ** / envoy.filters.network.http_connection_manager / typed_config / stat_prefix",
                Any,
            ),
        ],
    },
    Known {
        id: "tracing",
        section: Section::Lab,
        istio: "Samples one request in a hundred where MeshConfig and Telemetry name no provider",
        here: "Not written without a provider",
        why: "No span is reported in either case. Istio's sidecars mark a sampled request in a digit of `x-request-id`, and name its route in `x-envoy-decorator-operation`",
        scope: &[Scope(
            Istio,
            "listeners / ** / envoy.filters.network.http_connection_manager / typed_config / (tracing without a tracer)",
            Any,
        )],
    },
    Known {
        id: "resource-detectors",
        section: Section::Lab,
        istio: "A tracer whose provider asks for it, or uses OpenTelemetry's conventions, adds what `OTEL_RESOURCE_ATTRIBUTES` says to spans",
        here: "Not written",
        why: "A lab's sidecars have no such variable",
        scope: &[Scope(
            Istio,
            "listeners / ** / envoy.filters.network.http_connection_manager / typed_config / tracing / provider / typed_config / resource_detectors",
            Any,
        )],
    },
    Known {
        id: "defaults-of-http",
        section: Section::Lab,
        istio: "Sets some of Envoy's defaults explicitly, and forwards an app's `Expect: 100-continue`",
        here: "Not written",
        why: "The next sidecar answers with `100 Continue`",
        scope: &[
            Scope(
                Istio,
                "listeners / ** / envoy.filters.network.http_connection_manager / typed_config / proxy_100_continue",
                Any,
            ),
            Scope(
                Istio,
                "listeners / ** / envoy.filters.network.http_connection_manager / typed_config / http2_protocol_options",
                Any,
            ),
        ],
    },
    Known {
        id: "dns",
        section: Section::Lab,
        istio: "Resolves a ServiceEntry's names in both families (`dns_lookup_family: ALL`), and Envoy alternates; refreshes every 60 s, or when the TTL expires",
        here: "`V4_PREFERRED`, refreshed every 5 s (Envoy's default)",
        why: "A call takes the same path every time",
        scope: &[
            Scope(Both, "clusters / * / dns_lookup_family", Any),
            Scope(Istio, "clusters / * / dns_refresh_rate", Any),
            Scope(Istio, "clusters / * / dns_jitter", Any),
            Scope(Istio, "clusters / * / respect_dns_ttl", Any),
            Scope(Istio, "clusters / * / typed_dns_resolver_config", Any),
        ],
    },
    Known {
        id: "weights",
        section: Section::Lab,
        istio: "`locality`, weights and health status on endpoints",
        here: "Addresses and `tlsMode`",
        why: "One zone, and every pod is ready",
        scope: &[
            Scope(Istio, "endpoints / * / endpoints / * / load_balancing_weight", Any),
            Scope(Istio, "endpoints / * / endpoints / * / lb_endpoints / * / load_balancing_weight", Any),
            Scope(Istio, "endpoints / * / endpoints / * / lb_endpoints / * / health_status", Any),
            Scope(Istio, "clusters / * / load_assignment / endpoints / * / load_balancing_weight", Any),
            Scope(
                Istio,
                "clusters / * / load_assignment / endpoints / * / lb_endpoints / * / load_balancing_weight",
                Any,
            ),
            Scope(Istio, "clusters / * / load_assignment / endpoints / * / lb_endpoints / * / health_status", Any),
            Scope(Istio, "clusters / * / common_lb_config", Any),
        ],
    },
    Known {
        id: "second-family",
        section: Section::Lab,
        istio: "Lists a dual-stack pod with both addresses, and Envoy tries them in that order",
        here: "Only its address in the service's first family",
        why: "A call to a service's second address has leg 1 in one family and leg 2 in the other",
        scope: &[
            Scope(Istio, "endpoints / ** / endpoint / additional_addresses", Any),
            Scope(Istio, "clusters / * / load_assignment / ** / endpoint / additional_addresses", Any),
        ],
    },
    Known {
        id: "accepting",
        section: Section::Lab,
        istio: "`max_connections_to_accept_per_socket_event: 1`, a first read of 512 bytes in the TLS inspector, a handshake timeout of 15 s on chains without a handshake, and other performance settings",
        here: "Not written",
        why: "They do not change a call's outcome",
        scope: &[
            Scope(Istio, "listeners / * / max_connections_to_accept_per_socket_event", Any),
            Scope(Istio, "listeners / ** / typed_config / initial_read_buffer_size", Any),
            Scope(Istio, "listeners / * / filter_chains / * / transport_socket_connect_timeout", Any),
            Scope(Istio, "listeners / * / default_filter_chain / transport_socket_connect_timeout", Any),
            Scope(Istio, "clusters / * / cleanup_interval", Any),
            Scope(Istio, "routes / * / max_direct_response_body_size_bytes", Any),
        ],
    },
    Known {
        id: "stream-duration",
        section: Section::Lab,
        istio: "`max_stream_duration: 0s`, `max_grpc_timeout: 0s`: no limit, whatever `grpc-timeout` says",
        here: "Not written",
        why: "Envoy has no limit either if `timeout` is 0",
        scope: &[
            Scope(Istio, "listeners / ** / route / max_stream_duration", Any),
            Scope(Istio, "routes / ** / route / max_grpc_timeout", Any),
        ],
    },
    Known {
        id: "several-addresses",
        section: Section::Lab,
        istio: "Has a service for each address of a ServiceEntry: its endpoints once per address, and in a virtual host one of the \
                addresses at random",
        here: "One service, with all addresses",
        why: "The choice of endpoints is the same. A request that addresses the entry by IP reaches it",
        scope: &[
            Scope(Here, "routes / * / virtual_hosts / * / domains / *", Address),
            Scope(Istio, "routes / * / virtual_hosts / * / domains / *", Address),
            Scope(Istio, "clusters / * / load_assignment / endpoints / * / lb_endpoints / *", Again),
            Scope(Istio, "endpoints / * / endpoints / * / lb_endpoints / *", Again),
        ],
    },
    Known {
        id: "passed-on-by-name",
        section: Section::Lab,
        istio: "At a gateway with AUTO_PASSTHROUGH, a cluster without endpoints for each port of a ServiceEntry of the mesh that is resolved by name",
        here: "No such cluster: mTLS for it is refused with `NC`",
        why: "Envoy refuses a cluster of type `LOGICAL_DNS` without an endpoint, and nothing could be reached by the other type",
        scope: &[Scope(Istio, "clusters / *", Nameless)],
    },
];
