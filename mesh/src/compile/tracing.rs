//! Tracing, as istiod writes it (`pilot/pkg/networking/core/tracing.go`).

use std::collections::BTreeMap;

use envoy_api::{
    CustomTag, Empty, EnvoyGrpc, GrpcService, HeaderAppendAction, HeaderValue, HeaderValueOption, HttpService,
    HttpTracing, HttpUri, LiteralTag, MetadataKey, MetadataKind, MetadataTag, NamedTag, OpenTelemetryConfig,
    PathSegment, Percent, RequestIdExtension, RequestIds, TracerConfig, TracingProvider, UuidRequestIdConfig,
};

use super::{Compiler, names, traffic_policy::duration};
use crate::{
    manifests::telemetry::{CustomTagSpec, Enrichment, HttpHeader, WorkloadMode},
    model::Pod,
    telemetry::{self, Tracing},
};

/// What RBAC filters note of policies that are not enforced.
const DRY_RUN: [(&str, &str); 4] = [
    ("istio.authorization.dry_run.allow_policy.name", "istio_dry_run_allow_shadow_effective_policy_id"),
    ("istio.authorization.dry_run.allow_policy.result", "istio_dry_run_allow_shadow_engine_result"),
    ("istio.authorization.dry_run.deny_policy.name", "istio_dry_run_deny_shadow_effective_policy_id"),
    ("istio.authorization.dry_run.deny_policy.result", "istio_dry_run_deny_shadow_engine_result"),
];

/// The two fields of a connection manager.
#[derive(Clone, Debug, Default)]
pub(super) struct Traced {
    pub(super) tracing: Option<HttpTracing>,
    pub(super) request_ids: Option<RequestIdExtension>,
}

impl Compiler<'_> {
    /// The tracing of calls of one kind; nothing where no spans are reported.
    pub(super) fn traced(&self, mode: WorkloadMode) -> &Traced {
        let [client, server] =
            self.traced.get_or_init(|| [self.trace(WorkloadMode::Client), self.trace(WorkloadMode::Server)]);
        if mode == WorkloadMode::Server { server } else { client }
    }

    fn trace(&self, mode: WorkloadMode) -> Traced {
        let Some(tracing) = telemetry::tracing(self.mesh, self.pod, mode) else { return Traced::default() };
        let uuid = UuidRequestIdConfig {
            use_request_id_for_trace_sampling: Some(tracing.uses_request_id),
            ..UuidRequestIdConfig::default()
        };
        Traced {
            tracing: Some(HttpTracing {
                client_sampling: Some(Percent { value: 100.0 }),
                random_sampling: Some(Percent { value: tracing.sampling }),
                overall_sampling: Some(Percent { value: 100.0 }),
                max_path_tag_length: tracing.longest_path,
                custom_tags: self.tags(&tracing),
                provider: Some(TracingProvider {
                    name: "envoy.tracers.opentelemetry".into(),
                    typed_config: TracerConfig::OpenTelemetry(self.collector(&tracing)),
                }),
                spawn_upstream_span: self.pod.is_gateway().then_some(true),
                no_context_propagation: !tracing.propagates,
            }),
            request_ids: Some(RequestIdExtension { typed_config: RequestIds::Uuid(uuid) }),
        }
    }

    fn collector(&self, tracing: &Tracing<'_>) -> OpenTelemetryConfig {
        let Tracing { provider, host, .. } = tracing;
        let cluster = format!("outbound|{}||{host}", provider.port);
        let service_name = match provider.service_attribute_enrichment {
            Enrichment::IstioCanonical => names::service_cluster(self.pod),
            Enrichment::OtelSemanticConventions => conventional_name(self.pod),
        };
        let (mut grpc_service, mut http_service) = (None, None);
        match &provider.http {
            Some(http) => {
                let path = http.path.trim_start_matches('/');
                http_service = Some(HttpService {
                    http_uri: HttpUri {
                        uri: format!("{host}/{path}"),
                        cluster,
                        timeout: duration(http.timeout.as_deref()),
                    },
                    request_headers_to_add: headers(&http.headers)
                        .map(|header| HeaderValueOption {
                            header,
                            append_action: HeaderAppendAction::OverwriteIfExistsOrAdd,
                        })
                        .collect(),
                });
            }
            None => {
                let grpc = provider.grpc.as_ref();
                grpc_service = Some(GrpcService {
                    envoy_grpc: EnvoyGrpc { cluster_name: cluster, authority: (*host).to_owned() },
                    timeout: grpc.and_then(|grpc| duration(grpc.timeout.as_deref())),
                    initial_metadata: grpc.map(|grpc| headers(&grpc.initial_metadata).collect()).unwrap_or_default(),
                });
            }
        }
        OpenTelemetryConfig { grpc_service, http_service, service_name }
    }

    /// What spans say beside Envoy's own attributes, by name.
    fn tags(&self, tracing: &Tracing<'_>) -> Vec<CustomTag> {
        let mut tags: BTreeMap<String, Vec<CustomTag>> = BTreeMap::new();
        let mut add = |tag: CustomTag| tags.entry(tag.tag.clone()).or_default().push(tag);
        if tracing.names_workload {
            let label = |name: &str, otherwise: &str| {
                self.pod.labels.get(name).filter(|value| !value.is_empty()).cloned().unwrap_or_else(|| otherwise.into())
            };
            for (tag, value) in [
                ("istio.canonical_revision", label("service.istio.io/canonical-revision", "latest")),
                ("istio.canonical_service", label("service.istio.io/canonical-name", "unknown")),
                ("istio.cluster_id", names::CLUSTER_ID.into()),
                ("istio.mesh_id", self.mesh.config.trust_domain.clone()),
                ("istio.namespace", self.pod.name.namespace.clone()),
            ] {
                add(CustomTag { tag: tag.into(), literal: Some(LiteralTag { value }), ..CustomTag::default() });
            }
            for (tag, key) in DRY_RUN {
                let metadata_key =
                    MetadataKey { key: "envoy.filters.http.rbac".into(), path: vec![PathSegment { key: key.into() }] };
                let metadata =
                    MetadataTag { kind: MetadataKind { request: Empty {} }, metadata_key, ..Default::default() };
                add(CustomTag { tag: tag.into(), metadata: Some(metadata), ..CustomTag::default() });
            }
        }
        for (name, tag) in &tracing.tags {
            add(custom(name, tag));
        }
        tags.into_values().flatten().collect()
    }
}

fn custom(name: &str, tag: &CustomTagSpec) -> CustomTag {
    let named = |of: &Option<crate::manifests::telemetry::NamedSpec>| {
        of.as_ref().map(|of| NamedTag { name: of.name.clone(), default_value: of.default_value.clone() })
    };
    CustomTag {
        tag: name.to_owned(),
        literal: tag.literal.as_ref().map(|literal| LiteralTag { value: literal.value.clone() }),
        environment: named(&tag.environment),
        request_header: named(&tag.header),
        metadata: None,
        value: tag.formatter.as_ref().map(|formatter| formatter.value.clone()).unwrap_or_default(),
    }
}

/// A variable of istiod's environment has no value here.
fn headers(written: &[HttpHeader]) -> impl Iterator<Item = HeaderValue> {
    written.iter().map(|header| HeaderValue { key: header.name.clone(), value: header.value.clone() })
}

/// The name of a pod's service by OpenTelemetry's conventions (`otelServiceName`).
fn conventional_name(pod: &Pod) -> String {
    let annotation = pod.annotations.get("resource.opentelemetry.io/service.name");
    let label = |name: &str| pod.labels.get(name);
    let given = [annotation, label("app.kubernetes.io/instance"), label("app.kubernetes.io/name"), Some(&pod.workload)];
    given.into_iter().flatten().find(|name| !name.is_empty()).cloned().unwrap_or_else(|| pod.name.name.clone())
}
