//! What a pod's sidecar tells others of requests: what the Telemetries that are for it say together (`Tracing` in
//! `pilot/pkg/model/telemetry.go`, `configureTracingFromTelemetry` in `pilot/pkg/networking/core/tracing.go`).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    manifests::telemetry::{CustomTagSpec, OpenTelemetryProvider, TracingSpec, WorkloadMode},
    model::{NoHost, Pod, Provider, ProviderKind, Resolved, Source, Telemetry},
};

#[cfg(test)]
mod tests;

/// How many requests of 100 are traced where nothing else is said (`PILOT_TRACE_SAMPLING`).
const SAMPLING: f64 = 1.0;

/// The tracing of a pod's calls, of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracing<'m> {
    /// Who is told of spans.
    pub provider: &'m OpenTelemetryProvider,
    /// Its name.
    pub name: &'m str,
    /// The host of the collector.
    pub host: &'m str,
    /// How many requests of 100 are traced, of those without a trace.
    pub sampling: f64,
    /// What spans say in addition, by name.
    pub tags: BTreeMap<String, CustomTagSpec>,
    /// Whether spans name the workload.
    pub names_workload: bool,
    /// Whether the request id decides what is traced.
    pub uses_request_id: bool,
    /// Whether called workloads are told of the trace.
    pub propagates: bool,
    /// How much of a path a span has, in bytes; Envoy's default if unset.
    pub longest_path: Option<u32>,
    /// What decided that there is tracing.
    pub source: Source,
}

/// Why a provider cannot be told of spans.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCollector {
    #[error("is of kind {0}, to which no spans are sent here")]
    Kind(String),
    #[error("{0}: no sidecar reports spans")]
    Host(#[from] NoHost),
    #[error("has a sampler of Dynatrace, which is not supported: no spans are sent here")]
    Sampler,
}

/// `Tracing` of ProxyConfig.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ProxyTracing {
    sampling: f64,
    custom_tags: BTreeMap<String, Option<CustomTagSpec>>,
    max_path_tag_length: u32,
}

/// The tracing of a pod's calls: those that it makes (`Client`), or those that it answers (`Server`). `None` if none is reported.
pub fn tracing<'m>(mesh: &'m Resolved, pod: &Pod, mode: WorkloadMode) -> Option<Tracing<'m>> {
    let default = mesh.config.default_providers.tracing.first();
    let telemetries = mesh.telemetries_of(pod);
    let specs = telemetries.iter().flat_map(|one| one.spec.tracing.iter().flatten().map(move |spec| (*one, spec)));
    let specs: Vec<_> = specs.filter(|(_, spec)| spec.r#match.unwrap_or_default().mode.includes(mode)).collect();
    if last(&specs, |spec| spec.disable_span_reporting).unwrap_or(false) {
        return None;
    }
    let first = |spec: &'m TracingSpec| spec.providers.iter().flatten().next().map(|provider| provider.name.as_str());
    let named = specs.iter().rev().find_map(|(one, spec)| Some((first(spec)?, one.source.at("spec.tracing"))));
    let (name, source) =
        named.or_else(|| Some((default?.as_str(), mesh.config.source.at("defaultProviders.tracing"))))?;
    let provider = mesh.provider(name)?;
    let (collector, host) = collector(mesh, provider).ok()?;
    let of_proxy = proxy_tracing(mesh, pod);
    let tags = last(&specs, |spec| spec.custom_tags.as_ref()).filter(|tags| !tags.is_empty());
    let tags = tags.unwrap_or(&of_proxy.custom_tags);
    Some(Tracing {
        provider: collector,
        name: &provider.name,
        host,
        sampling: last(&specs, |spec| spec.random_sampling_percentage).unwrap_or(match of_proxy.sampling {
            0.0 => SAMPLING,
            more if more > 100.0 => 1.0,
            sampling => sampling,
        }),
        tags: tags.iter().filter_map(|(name, tag)| Some((name.clone(), tag.clone()?))).collect(),
        names_workload: last(&specs, |spec| spec.enable_istio_tags).unwrap_or(true),
        uses_request_id: last(&specs, |spec| spec.use_request_id_for_trace_sampling).unwrap_or(true),
        propagates: !last(&specs, |spec| spec.disable_context_propagation).unwrap_or(false),
        longest_path: [collector.max_tag_length, of_proxy.max_path_tag_length].into_iter().find(|length| *length > 0),
        source,
    })
}

/// What the last one that says something says.
fn last<'a, T>(specs: &[(&Telemetry, &'a TracingSpec)], said: impl Fn(&'a TracingSpec) -> Option<T>) -> Option<T> {
    specs.iter().rev().find_map(|(_, spec)| said(spec))
}

/// A provider as a collector of traces, with its host.
///
/// # Errors
/// Why it is none.
pub fn collector<'m>(
    mesh: &'m Resolved,
    provider: &'m Provider,
) -> Result<(&'m OpenTelemetryProvider, &'m str), NoCollector> {
    let collector = match &provider.kind {
        ProviderKind::OpenTelemetry(collector) => collector,
        ProviderKind::Authorizer { .. } => return Err(NoCollector::Kind("external authorization".into())),
        ProviderKind::Other(kind) => return Err(NoCollector::Kind(kind.clone())),
    };
    if collector.dynatrace_sampler.is_some() {
        return Err(NoCollector::Sampler);
    }
    let host = mesh.known_hosts().find(&collector.service)?;
    Ok((collector, host))
}

/// What a pod's ProxyConfig says of tracing.
fn proxy_tracing(mesh: &Resolved, pod: &Pod) -> ProxyTracing {
    pod.proxy_config(&mesh.config, "tracing")
}
