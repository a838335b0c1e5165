//! Telemetry (`telemetry/v1alpha1/telemetry.proto` in istio/api).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{authorization_policy::TargetRef, istio::WorkloadSelector};

/// `spec` of a Telemetry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TelemetrySpec {
    /// Which pods; all of the namespace (of the mesh, in the root namespace) if unset or without labels.
    pub selector: Option<WorkloadSelector>,
    /// What it is attached to in place of pods; the older field.
    pub target_ref: Option<TargetRef>,
    /// What it is attached to in place of pods: waypoints and gateways.
    pub target_refs: Vec<TargetRef>,
    /// Which requests are traced, and who is told.
    pub tracing: Vec<Option<TracingSpec>>,
    /// What is counted.
    pub metrics: Vec<Option<MetricsSpec>>,
    /// What is logged.
    pub access_logging: Vec<Option<AccessLoggingSpec>>,
}

impl TelemetrySpec {
    /// What it is attached to.
    pub fn targets(&self) -> impl Iterator<Item = &TargetRef> {
        let older = self.target_ref.iter().filter(|_| self.target_refs.is_empty());
        self.target_refs.iter().chain(older)
    }

    /// The names of all providers that it refers to, each with its field.
    pub fn providers(&self) -> Vec<(String, &str)> {
        let tracing = self.tracing.iter().map(|one| one.as_ref().map(|one| &one.providers[..]));
        let metrics = self.metrics.iter().map(|one| one.as_ref().map(|one| &one.providers[..]));
        let logs = self.access_logging.iter().map(|one| one.as_ref().map(|one| &one.providers[..]));
        [named("tracing", tracing), named("metrics", metrics), named("accessLogging", logs)].concat()
    }
}

/// The names of the providers of a field's items.
fn named<'a>(field: &str, items: impl Iterator<Item = Option<&'a [Option<ProviderRef>]>>) -> Vec<(String, &'a str)> {
    let mut all = vec![];
    for (i, providers) in items.enumerate() {
        for (j, provider) in providers.into_iter().flatten().enumerate() {
            let name = provider.as_ref().map_or("", |provider| provider.name.as_str());
            all.push((format!("spec.{field}[{i}].providers[{j}].name"), name));
        }
    }
    all
}

/// `ProviderRef`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ProviderRef {
    /// Its name in `extensionProviders` of MeshConfig.
    pub name: String,
}

/// `WorkloadMode`: for which calls something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WorkloadMode {
    #[default]
    ClientAndServer,
    /// Calls that the workload makes.
    Client,
    /// Calls that it answers.
    Server,
}

impl WorkloadMode {
    /// Whether calls of one kind are among it.
    pub fn includes(self, mode: Self) -> bool {
        self == Self::ClientAndServer || self == mode
    }
}

/// `Tracing.TracingSelector`, `AccessLogging.LogSelector`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ModeMatch {
    /// For which calls.
    pub mode: WorkloadMode,
}

/// `Tracing`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TracingSpec {
    /// For which calls; all if unset.
    pub r#match: Option<ModeMatch>,
    /// Who is told; the first one counts.
    pub providers: Vec<Option<ProviderRef>>,
    /// Of 100 requests, how many are traced.
    pub random_sampling_percentage: Option<f64>,
    /// Whether nothing is traced.
    pub disable_span_reporting: Option<bool>,
    /// What spans say in addition.
    pub custom_tags: Option<BTreeMap<String, Option<CustomTagSpec>>>,
    /// Whether the request id decides what is traced.
    pub use_request_id_for_trace_sampling: Option<bool>,
    /// Whether spans name the workload.
    pub enable_istio_tags: Option<bool>,
    /// Whether called workloads are not told of the trace.
    pub disable_context_propagation: Option<bool>,
}

/// `Tracing.CustomTag`, and the one of ProxyConfig: one of its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CustomTagSpec {
    /// A constant.
    pub literal: Option<LiteralSpec>,
    /// A variable of the sidecar's environment.
    pub environment: Option<NamedSpec>,
    /// A header of the request.
    pub header: Option<NamedSpec>,
    /// Text with `%COMMAND%`s.
    pub formatter: Option<LiteralSpec>,
}

/// `Tracing.Literal`, `Tracing.Formatter`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LiteralSpec {
    pub value: String,
}

/// `Tracing.Environment`, `Tracing.RequestHeader`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NamedSpec {
    pub name: String,
    /// The value where there is none.
    pub default_value: String,
}

/// `Metrics`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetricsSpec {
    /// Who counts.
    pub providers: Vec<Option<ProviderRef>>,
    /// What is counted differently, the last one first.
    pub overrides: Vec<Option<MetricsOverride>>,
    /// How often TCP connections are reported while they last.
    pub reporting_interval: Option<String>,
}

/// `MetricsOverrides`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetricsOverride {
    /// Which metrics; all if unset.
    pub r#match: Option<MetricMatch>,
    /// Whether they are not counted.
    pub disabled: Option<bool>,
    /// Labels that are added or removed.
    pub tag_overrides: BTreeMap<String, Option<TagOverride>>,
}

/// `MetricSelector`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetricMatch {
    /// One of Istio's, or all.
    pub metric: Option<Metric>,
    /// Another one.
    pub custom_metric: Option<String>,
    /// For which calls.
    pub mode: WorkloadMode,
}

/// `MetricSelector.IstioMetric`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Metric {
    AllMetrics,
    GrpcRequestMessages,
    GrpcResponseMessages,
    RequestCount,
    RequestDuration,
    RequestSize,
    ResponseSize,
    TcpClosedConnections,
    TcpOpenedConnections,
    TcpReceivedBytes,
    TcpSentBytes,
}

/// `MetricsOverrides.TagOverride`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TagOverride {
    pub operation: TagOperation,
    /// An expression in CEL.
    pub value: String,
}

/// `MetricsOverrides.TagOverride.Operation`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TagOperation {
    #[default]
    Upsert,
    Remove,
}

/// `AccessLogging`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AccessLoggingSpec {
    /// For which calls; all if unset.
    pub r#match: Option<ModeMatch>,
    /// Where to.
    pub providers: Vec<Option<ProviderRef>>,
    /// Whether nothing is logged.
    pub disabled: Option<bool>,
    /// Which calls.
    pub filter: Option<LogFilter>,
}

/// `AccessLogging.Filter`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LogFilter {
    /// An expression in CEL.
    pub expression: String,
}

/// `MeshConfig.ExtensionProvider`: a name, and one of its kinds.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExtensionProvider {
    pub name: String,
    /// A collector of traces, by OTLP.
    pub opentelemetry: Option<OpenTelemetryProvider>,
    /// All other kinds, by their names.
    #[serde(flatten)]
    pub others: BTreeMap<String, serde_json::Value>,
}

/// `MeshConfig.ExtensionProvider.OpenTelemetryTracingProvider`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OpenTelemetryProvider {
    /// A host that the mesh knows, with its namespace before a slash if several have it.
    pub service: String,
    pub port: u32,
    /// How much of a path a span has, in bytes.
    pub max_tag_length: u32,
    /// Over HTTP.
    pub http: Option<OtlpHttp>,
    /// Over gRPC, also if unset.
    pub grpc: Option<OtlpGrpc>,
    /// What adds attributes of the sender.
    pub resource_detectors: Option<ResourceDetectors>,
    /// How the sender is named.
    pub service_attribute_enrichment: Enrichment,
    /// A sampler of a vendor.
    pub dynatrace_sampler: Option<serde_json::Value>,
}

/// `MeshConfig.ExtensionProvider.HttpService`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OtlpHttp {
    pub path: String,
    pub timeout: Option<String>,
    pub headers: Vec<HttpHeader>,
}

/// `MeshConfig.ExtensionProvider.GrpcService`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OtlpGrpc {
    pub timeout: Option<String>,
    pub initial_metadata: Vec<HttpHeader>,
}

/// `MeshConfig.ExtensionProvider.HttpHeader`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpHeader {
    pub name: String,
    pub value: String,
    /// A variable of istiod's environment.
    pub env_name: Option<String>,
}

/// `MeshConfig.ExtensionProvider.ResourceDetectors`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ResourceDetectors {
    pub environment: Option<serde_json::Value>,
    pub dynatrace: Option<serde_json::Value>,
}

/// `MeshConfig.ExtensionProvider.OpenTelemetryTracingProvider.ServiceAttributeEnrichment`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Enrichment {
    /// By the label `app` and the namespace.
    #[default]
    IstioCanonical,
    /// By OpenTelemetry's conventions for Kubernetes.
    OtelSemanticConventions,
}
