//! Pods, with their sidecars.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use k8s_openapi::api::core::v1::PodSpec;

use super::{
    addresses::{self, Addresses, Range},
    capture, containers,
    drafts::{self, Draft},
    external_hosts,
    index::Index,
    injection, peer_authentication,
    proxy_configs::ProxyConfigs,
    tls_to_app,
};
use crate::{
    fault::Faults,
    manifests::Manifests,
    model::{
        Capture, Decided, EffectivePeerAuthentication, Injection, InterceptionMode, MeshConfig, MtlsMode, ObjectName,
        Pod, PodIps, ProxyRole, Sidecar, Source, SvidKind, TLS_MODE_ISTIO, TLS_MODE_LABEL, Unmodelled,
    },
};

/// The annotation with the kind of the sidecar's certificate.
const SVID_ANNOTATION: &str = "sidelab.io/svid";

/// All pods in order of namespace and name, with sidecars where they are injected.
pub(super) fn resolve(manifests: &Manifests, config: &MeshConfig, kept: &Addresses, faults: &mut Faults) -> Vec<Pod> {
    let index = Index::new(manifests);
    let proxy_configs = ProxyConfigs::new(manifests, config);
    let mut drafts = drafts::of(manifests);
    drafts.sort_by(|a, b| (&a.name, a.head.age.order).cmp(&(&b.name, b.head.age.order)));
    for pair in drafts.windows(2).filter(|pair| pair[0].name == pair[1].name) {
        let message =
            format!("there is another pod {}, made by {} at {}", pair[1].name, pair[0].head.kind, pair[0].head.source);
        faults.error(pair[1].head, "metadata.name", message);
    }
    let mut pods: Vec<Pod> = Vec::with_capacity(drafts.len());
    let mut hosts_outside = BTreeMap::new();
    let mut free = addresses::Pods::new(kept);
    for draft in drafts {
        let external_hosts = external_hosts::of(&draft, &mut hosts_outside, faults);
        let range = if external_hosts.is_empty() { Range::Cluster } else { Range::Outside };
        let Some(ips) = free.assign(&draft.name, range) else {
            faults.error(draft.head, "", format!("there is no address left for its pods in {}", range.name()));
            break;
        };
        let injection = match external_hosts.is_empty() {
            true => injection::decide(&draft, &index, faults),
            false => external_hosts::injection(&draft),
        };
        let role = injection::role(&draft);
        let capture = (injection.injected && role == ProxyRole::Sidecar)
            .then(|| capture::of(&draft, config, &proxy_configs, faults));
        let without_redirects = capture.as_ref().is_some_and(|capture| capture.mode == InterceptionMode::None);
        let unmodelled = injection::unmodelled(&draft, &index)
            .or_else(|| without_redirects.then(|| (Unmodelled::NoRedirects, capture::mode_source(&draft))));
        if let Some((what, source)) = &unmodelled {
            faults.warn(draft.head, source.field.clone(), format!("the pod {what}"));
        }
        let service_account = draft.spec.service_account_name.clone().unwrap_or_else(|| "default".into());
        let (containers, mounts) = containers::read(&draft, ips, injection.injected, &index, faults);
        let has_sidecar = injection.injected && unmodelled.is_none();
        let sidecar = has_sidecar.then(|| Sidecar {
            role,
            capture: capture.unwrap_or(Capture { mode: InterceptionMode::None, ..Capture::default() }),
            spiffe_id: config.spiffe_id(&draft.name.namespace, &service_account),
            svid: svid_kind(&draft, faults),
            mounts,
            tls_to_app: tls_to_app::of(&draft, faults),
            metadata: capture::proxy_config::node_metadata(&draft, config, &proxy_configs),
        });
        let labels = match &sidecar {
            Some(proxy) => injected_labels(&draft, proxy.role),
            None => draft.labels.clone(),
        };
        pods.push(Pod {
            peer_authentication: peer_authentication::effective(&index, config, &draft.name.namespace, &labels),
            external_hosts,
            containers,
            source: draft.at("").clone(),
            name: draft.name,
            labels,
            annotations: draft.annotations,
            workload: draft.workload.to_owned(),
            document: format!("{} {}", draft.head.kind, draft.head.name.name),
            dns_name: draft
                .dns
                .as_ref()
                .map(|(host, domain)| format!("{host}.{domain}.{}.svc.cluster.local", draft.head.name.namespace)),
            hostname: draft.hostname,
            host_aliases: host_aliases(draft.spec),
            unmodelled,
            cluster_ips: draft.cluster_ips,
            service_account,
            ips,
            injection,
            sidecar,
        });
    }
    pods
}

fn host_aliases(spec: &PodSpec) -> Vec<(IpAddr, Vec<String>)> {
    let aliases = spec.host_aliases.iter().flatten();
    aliases.filter_map(|alias| Some((alias.ip.parse().ok()?, alias.hostnames.clone().unwrap_or_default()))).collect()
}

/// A pod that stands in for an address outside the cluster about which nothing is known.
pub(super) fn host_outside(address: IpAddr, nth: usize, kept: &Addresses) -> Pod {
    let name = ObjectName { namespace: "outside".into(), name: address.to_string() };
    let at = |number: u16| match address {
        IpAddr::V4(v4) => PodIps { v4, v6: Ipv6Addr::new(0x2001, 0xdb8, 0xcafe, 1, 0, 0, 0, number) },
        IpAddr::V6(v6) => PodIps { v4: Ipv4Addr::new(198, 18, number.to_be_bytes()[0], number.to_be_bytes()[1]), v6 },
    };
    let first = u16::try_from(nth).unwrap_or(u16::MAX);
    let free = || (first..=u16::MAX).map(at).find(|ips| !kept.is_pods(*ips));
    let ips = kept.of_host_outside(&name).or_else(free).unwrap_or_else(|| at(first));
    let source = Source::default_of("an address outside the cluster");
    let mode = Decided { mode: MtlsMode::Permissive, by: "default".into(), source: source.clone() };
    Pod {
        name,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        workload: address.to_string(),
        document: format!("host {address}"),
        hostname: address.to_string(),
        host_aliases: vec![],
        dns_name: None,
        service_account: String::new(),
        ips,
        cluster_ips: vec![address],
        external_hosts: vec![address.to_string()],
        containers: vec![],
        injection: Injection { injected: false, because: "it is outside the cluster".into(), source: source.clone() },
        sidecar: None,
        unmodelled: None,
        peer_authentication: EffectivePeerAuthentication {
            workload: mode.clone(),
            ports: BTreeMap::new(),
            namespace_level: mode,
        },
        source,
    }
}

/// The kind of certificate of a pod's sidecar.
fn svid_kind(pod: &Draft<'_>, faults: &mut Faults) -> SvidKind {
    let read = pod.annotations.get(SVID_ANNOTATION).map(|text| text.parse()).transpose();
    read.map(Option::unwrap_or_default).unwrap_or_else(|e: String| {
        faults.error(pod.head, pod.at(&format!("metadata.annotations[{SVID_ANNOTATION}]")).field, e);
        SvidKind::Proper
    })
}

/// A pod's labels after injection (`files/injection-template.yaml`): `security.istio.io/tlsMode` is what automatic mTLS
/// trusts, and gateways do not have it (`files/gateway-injection-template.yaml`); the canonical name and revision are what
/// telemetry calls the workload.
fn injected_labels(pod: &Draft<'_>, role: ProxyRole) -> BTreeMap<String, String> {
    let first = |keys: [&str; 2], otherwise: &str| {
        keys.iter().find_map(|key| pod.labels.get(*key)).cloned().unwrap_or_else(|| otherwise.to_owned())
    };
    let of_sidecar = (role == ProxyRole::Sidecar).then(|| (TLS_MODE_LABEL, TLS_MODE_ISTIO.to_owned()));
    let added = [
        ("service.istio.io/canonical-name", first(["app.kubernetes.io/name", "app"], pod.workload)),
        ("service.istio.io/canonical-revision", first(["app.kubernetes.io/version", "version"], "latest")),
    ];
    let mut labels = pod.labels.clone();
    for (key, value) in of_sidecar.into_iter().chain(added) {
        labels.entry(key.to_owned()).or_insert(value);
    }
    labels
}
