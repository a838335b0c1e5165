//! Documents of known kinds as they were read: one list per kind, in the order of documents.

pub mod authorization_policy;
pub mod destination_rule;
pub mod envoy_filter;
pub mod gateway;
pub mod istio;
mod metadata;
mod object;
pub mod others;
pub mod peer_authentication;
pub mod proxy_config;
mod readers;
mod selector;
pub mod service_entry;
pub mod sidecar;
pub mod telemetry;
pub mod traffic_policy;
pub(crate) mod typed;
pub mod virtual_service;
pub mod webhook;
pub mod workload;

use k8s_openapi::{
    api::{
        admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration},
        apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
        batch::v1::{CronJob, Job},
        core::v1::{ConfigMap, Endpoints, Namespace, Pod, ReplicationController, Secret, Service, ServiceAccount},
        discovery::v1::EndpointSlice,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde_json::{Map, Value};

use self::{
    authorization_policy::AuthorizationPolicySpec,
    destination_rule::DestinationRuleSpec,
    envoy_filter::EnvoyFilterSpec,
    gateway::GatewaySpec,
    peer_authentication::PeerAuthenticationSpec,
    proxy_config::ProxyConfigSpec,
    service_entry::{ServiceEntrySpec, WorkloadEntrySpec},
    sidecar::SidecarSpec,
    telemetry::TelemetrySpec,
    virtual_service::VirtualServiceSpec,
    webhook::WebhookConfiguration,
    workload::Workload,
};
pub(crate) use self::{
    metadata::{amount, is_dns_label, is_dns_subdomain, is_istio_label, is_key, is_port_name, label_fault},
    object::{Named, Scope},
    selector::matches,
    typed::read,
};
pub use self::{
    object::{Head, Object, SetAside},
    typed::nearest,
};
use crate::{fault::Faults, model::Source};

/// Makes [`Manifests`] and the table of kinds from one list. A kind has its name, the accepted API versions, its scope, and
/// the function that reads its documents.
macro_rules! kinds {
    ($($(#[$doc:meta])* $field:ident: $body:ty = { $($kind:literal [$($version:literal),+] $scope:ident $read:expr),+ $(,)? };)+) => {
        /// All documents of all files, by kind.
        #[derive(Clone, Debug, Default)]
        pub struct Manifests {
            $($(#[$doc])* pub $field: Vec<Object<$body>>,)+
            /// Objects of other kinds.
            pub set_aside: Vec<SetAside>,
        }

        impl Manifests {
            /// The heads of all documents.
            pub fn heads(&self) -> impl Iterator<Item = &Head> {
                std::iter::empty()$(.chain(self.$field.iter().map(|object| &object.head)))+
            }

            /// Keeps only the objects for which `keep` is true.
            pub(crate) fn retain(&mut self, keep: impl Fn(&Head) -> bool) {
                $(self.$field.retain(|object| keep(&object.head));)+
            }
        }

        /// Every kind that is read.
        pub(crate) static KINDS: &[Kind] = &[$($(Kind {
            name: $kind,
            versions: &[$($version),+],
            scope: Scope::$scope,
            keep: |manifests, head, value, faults| {
                if let Some(body) = $read(&head, value, faults) {
                    manifests.$field.push(Object { head, body });
                }
            },
        },)+)+];
    };
}

kinds! {
    /// `v1` Namespace.
    namespaces: Namespace = { "Namespace" ["v1"] Cluster readers::whole };
    /// `v1` ServiceAccount.
    service_accounts: ServiceAccount = { "ServiceAccount" ["v1"] Namespaced readers::whole };
    /// `v1` Pod.
    pods: Pod = { "Pod" ["v1"] Namespaced readers::whole };
    /// Workloads: Deployments and other kinds that make pods.
    workloads: Workload = {
        "Deployment" ["apps/v1"] Namespaced readers::workload::<Deployment>,
        "StatefulSet" ["apps/v1"] Namespaced readers::workload::<StatefulSet>,
        "DaemonSet" ["apps/v1"] Namespaced readers::workload::<DaemonSet>,
        "ReplicaSet" ["apps/v1"] Namespaced readers::workload::<ReplicaSet>,
        "ReplicationController" ["v1"] Namespaced readers::workload::<ReplicationController>,
        "Job" ["batch/v1"] Namespaced readers::workload::<Job>,
        "CronJob" ["batch/v1"] Namespaced readers::workload::<CronJob>,
    };
    /// `v1` Service.
    services: Service = { "Service" ["v1"] Namespaced readers::whole };
    /// `discovery.k8s.io` EndpointSlice: where a Service without a selector leads.
    endpoint_slices: EndpointSlice = { "EndpointSlice" ["discovery.k8s.io/v1"] Namespaced readers::whole };
    /// `v1` Endpoints, the older form of EndpointSlices.
    endpoints: Endpoints = { "Endpoints" ["v1"] Namespaced readers::whole };
    /// `v1` Secret.
    secrets: Secret = { "Secret" ["v1"] Namespaced readers::secret };
    /// `v1` ConfigMap.
    config_maps: ConfigMap = { "ConfigMap" ["v1"] Namespaced readers::config_map };
    /// `security.istio.io` PeerAuthentication.
    peer_authentications: PeerAuthenticationSpec = {
        "PeerAuthentication" ["security.istio.io/v1", "security.istio.io/v1beta1"] Namespaced readers::spec,
    };
    /// `security.istio.io` AuthorizationPolicy.
    authorization_policies: AuthorizationPolicySpec = {
        "AuthorizationPolicy" ["security.istio.io/v1", "security.istio.io/v1beta1"] Namespaced readers::spec,
    };
    /// `telemetry.istio.io` Telemetry.
    telemetries: TelemetrySpec = {
        "Telemetry" ["telemetry.istio.io/v1", "telemetry.istio.io/v1alpha1"] Namespaced readers::spec,
    };
    /// `networking.istio.io` DestinationRule.
    destination_rules: DestinationRuleSpec = {
        "DestinationRule" ["networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3"] Namespaced readers::spec,
    };
    /// `networking.istio.io` EnvoyFilter.
    envoy_filters: EnvoyFilterSpec = { "EnvoyFilter" ["networking.istio.io/v1alpha3"] Namespaced readers::spec };
    /// `networking.istio.io` ProxyConfig.
    proxy_configs: ProxyConfigSpec = { "ProxyConfig" ["networking.istio.io/v1beta1"] Namespaced readers::spec };
    /// `networking.istio.io` Gateway.
    gateways: GatewaySpec = {
        "Gateway" ["networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3"] Namespaced readers::spec,
    };
    /// `networking.istio.io` ServiceEntry.
    service_entries: ServiceEntrySpec = {
        "ServiceEntry" ["networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3"] Namespaced readers::spec,
    };
    /// `networking.istio.io` Sidecar.
    sidecars: SidecarSpec = {
        "Sidecar" ["networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3"] Namespaced readers::spec,
    };
    /// `networking.istio.io` VirtualService.
    virtual_services: VirtualServiceSpec = {
        "VirtualService" ["networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3"] Namespaced readers::spec,
    };
    /// `networking.istio.io` WorkloadEntry.
    workload_entries: WorkloadEntrySpec = {
        "WorkloadEntry" ["networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3"] Namespaced readers::spec,
    };
    /// `install.istio.io` IstioOperator: the mesh's settings and its charts' values.
    istio_operators: Map<String, Value> = { "IstioOperator" ["install.istio.io/v1alpha1"] Namespaced readers::spec };
    /// `admissionregistration.k8s.io` ValidatingWebhookConfiguration and MutatingWebhookConfiguration.
    webhook_configurations: WebhookConfiguration = {
        "ValidatingWebhookConfiguration" ["admissionregistration.k8s.io/v1"] Cluster readers::webhooks::<ValidatingWebhookConfiguration>,
        "MutatingWebhookConfiguration" ["admissionregistration.k8s.io/v1"] Cluster readers::webhooks::<MutatingWebhookConfiguration>,
    };
}

/// A kind of object that is read.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Such as `apps/v1`; the recommended one first.
    pub(crate) versions: &'static [&'static str],
    pub(crate) scope: Scope,
    /// Reads a document of the kind, and stores it if that succeeds.
    pub(crate) keep: fn(&mut Manifests, Head, Value, &mut Faults),
}

impl Kind {
    /// The API groups that have it; the core group is empty.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &'static str> {
        self.versions.iter().map(|version| version.split_once('/').map_or("", |(group, _)| group))
    }

    /// The head of a document of this kind. Adds faults in its metadata; `None` if the metadata cannot be read.
    pub(crate) fn head(&self, value: &Value, source: Source, order: usize, faults: &mut Faults) -> Option<Head> {
        let meta = value.get("metadata").cloned().unwrap_or_else(|| Value::Object(Map::new()));
        let meta: ObjectMeta = match read(meta) {
            Ok((meta, _)) => meta, // its unknown fields are found with the whole document's
            Err(e) => {
                faults.error(&Named(source, self.name.to_owned()), format!("metadata.{}", e.path), e.message);
                return None;
            }
        };
        let head = Head::new(self.name, self.scope, meta, source, order);
        for (field, message) in metadata::faults(&head) {
            faults.error(&head, field, message);
        }
        Some(head)
    }
}
