//! Tracing of requests (`envoy.config.trace.v3`, `envoy.type.tracing.v3`, `envoy.extensions.request_id.uuid.v3`).

use serde::{Deserialize, Serialize};

use crate::{
    cluster_policy::Percent,
    core::{Empty, ProtoDuration},
    header_value::{HeaderValue, HeaderValueOption},
    typed::any_of,
};

/// `HttpConnectionManager.Tracing`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpTracing {
    /// How many of the requests with `x-client-trace-id` are traced; all if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_sampling: Option<Percent>,
    /// How many of the others are traced; all if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random_sampling: Option<Percent>,
    /// How many are traced at most; all if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overall_sampling: Option<Percent>,
    /// How much of a path a span has, in bytes; 256 if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_path_tag_length: Option<u32>,
    /// What spans have beside Envoy's own attributes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom_tags: Vec<CustomTag>,
    /// Who is told of spans; nobody if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<TracingProvider>,
    /// Whether each attempt has a span of its own, below that of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spawn_upstream_span: Option<bool>,
    /// Whether the upstream is not told of the span.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_context_propagation: bool,
}

/// `envoy.config.trace.v3.Tracing.Http`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracingProvider {
    /// The tracer's name, `envoy.tracers.opentelemetry`.
    pub name: String,
    /// The tracer and its configuration.
    pub typed_config: TracerConfig,
}

any_of! {
    /// The supported tracers.
    TracerConfig {
        /// Reports spans by OTLP.
        OpenTelemetry(OpenTelemetryConfig) = "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
    }
}

/// `envoy.config.trace.v3.OpenTelemetryConfig`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenTelemetryConfig {
    /// The collector, over gRPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_service: Option<GrpcService>,
    /// The collector, over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_service: Option<HttpService>,
    /// `service.name` of the spans; `unknown_service:envoy` if empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service_name: String,
}

/// `envoy.config.core.v3.GrpcService`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrpcService {
    /// The cluster that is called.
    pub envoy_grpc: EnvoyGrpc,
    /// The limit of a call; none if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<ProtoDuration>,
    /// More headers of each call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub initial_metadata: Vec<HeaderValue>,
}

/// `envoy.config.core.v3.GrpcService.EnvoyGrpc`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvoyGrpc {
    /// The cluster.
    pub cluster_name: String,
    /// The authority of each call; the cluster's name if empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub authority: String,
}

/// `envoy.config.core.v3.HttpService`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpService {
    /// What is called.
    pub http_uri: HttpUri,
    /// More headers of each call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_headers_to_add: Vec<HeaderValueOption>,
}

/// `envoy.config.core.v3.HttpUri`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpUri {
    /// The URI, or its part behind the scheme.
    pub uri: String,
    /// The cluster that is called.
    pub cluster: String,
    /// The limit of a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<ProtoDuration>,
}

/// `envoy.type.tracing.v3.CustomTag`: one of the fields beside `tag`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomTag {
    /// The attribute's name.
    pub tag: String,
    /// A constant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub literal: Option<LiteralTag>,
    /// A variable of the proxy's environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<NamedTag>,
    /// A header of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_header: Option<NamedTag>,
    /// What a filter has noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<MetadataTag>,
    /// Text with `%COMMAND%`s.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
}

/// `envoy.type.tracing.v3.CustomTag.Literal`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiteralTag {
    /// The attribute's value.
    pub value: String,
}

/// `envoy.type.tracing.v3.CustomTag.Environment` and `CustomTag.Header`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedTag {
    /// The name of the variable or header.
    pub name: String,
    /// The attribute's value where there is none; without it there is no attribute.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub default_value: String,
}

/// `envoy.type.tracing.v3.CustomTag.Metadata`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetadataTag {
    /// Whose metadata.
    pub kind: MetadataKind,
    /// Which field.
    pub metadata_key: MetadataKey,
    /// The attribute's value where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub default_value: String,
}

/// `envoy.type.metadata.v3.MetadataKind`, of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetadataKind {
    /// What filters have noted of the request.
    pub request: Empty,
}

/// `envoy.type.metadata.v3.MetadataKey`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetadataKey {
    /// The filter.
    pub key: String,
    /// The field, and those within it.
    pub path: Vec<crate::rbac::PathSegment>,
}

/// `HttpConnectionManager.RequestIDExtension`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestIdExtension {
    /// What makes ids, and its configuration.
    pub typed_config: RequestIds,
}

any_of! {
    /// The supported makers of request ids.
    #[derive(Eq)]
    RequestIds {
        /// Random UUIDs.
        Uuid(UuidRequestIdConfig) = "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
    }
}

/// `envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UuidRequestIdConfig {
    /// Whether a digit of the id says that the request is traced, and why; true if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pack_trace_reason: Option<bool>,
    /// Whether the id decides which requests are traced; true if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_request_id_for_trace_sampling: Option<bool>,
}
