//! A workload, as its sidecar describes it to others: in node metadata, and to peers in the same fields, encoded
//! (istio/proxy: `extensions/common/metadata_object.cc`).

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use envoy_api::Node;
use http::HeaderValue;
use prost::Message as _;
use prost_types::{Struct, Value, value::Kind};

#[cfg(test)]
mod tests;

const NAME: &str = "NAME";
const NAMESPACE: &str = "NAMESPACE";
const WORKLOAD: &str = "WORKLOAD_NAME";
const CLUSTER: &str = "CLUSTER_ID";
const LABELS: &str = "LABELS";
const APP: &str = "app";
const VERSION: &str = "version";
const CANONICAL_SERVICE: &str = "service.istio.io/canonical-name";
const CANONICAL_REVISION: &str = "service.istio.io/canonical-revision";

/// Base64 with or without padding, as Envoy reads it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What metrics say of a workload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Workload {
    /// The pod.
    pub instance: Option<String>,
    pub name: Option<String>,
    pub namespace: Option<String>,
    pub app: Option<String>,
    pub version: Option<String>,
    pub canonical_service: Option<String>,
    pub canonical_revision: Option<String>,
    pub cluster: Option<String>,
}

/// How a sidecar introduces itself to peers, in headers.
#[derive(Clone, Debug)]
pub(crate) struct Introduction {
    /// The node's ID.
    pub(crate) id: HeaderValue,
    /// The workload, encoded.
    pub(crate) metadata: HeaderValue,
}

impl Introduction {
    pub(crate) fn new(node: &Node, own: &Workload) -> Option<Self> {
        Some(Self { id: HeaderValue::from_str(&node.id).ok()?, metadata: HeaderValue::from_str(&own.encode()).ok()? })
    }
}

impl Workload {
    /// The workload of a node, with the canonical names that Istio's injector derives from labels; `None` if the node
    /// is no sidecar.
    pub(crate) fn of_node(node: &Node) -> Option<Self> {
        let text = |value: Option<&serde_json::Value>| value.and_then(serde_json::Value::as_str).map(str::to_owned);
        let label = |name: &str| text(node.metadata.get(LABELS).and_then(|labels| labels.get(name)));
        let workload = Self::of_fields(|name| text(node.metadata.get(name)), label);
        let Self { name: Some(name), app, version, .. } = &workload else { return None };
        let of_app = app.clone().or_else(|| Some(name.clone()));
        let of_version = version.clone().or_else(|| Some("latest".into()));
        Some(Self {
            canonical_service: workload.canonical_service.clone().or(of_app),
            canonical_revision: workload.canonical_revision.clone().or(of_version),
            ..workload
        })
    }

    fn of_fields(field: impl Fn(&str) -> Option<String>, label: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            instance: field(NAME),
            name: field(WORKLOAD),
            namespace: field(NAMESPACE),
            app: label(APP),
            version: label(VERSION),
            canonical_service: label(CANONICAL_SERVICE),
            canonical_revision: label(CANONICAL_REVISION),
            cluster: field(CLUSTER),
        }
    }

    /// The workload of all its pods, by which metrics count.
    pub(crate) fn without_pod(self) -> Self {
        Self { instance: None, ..self }
    }

    /// Reads what a peer has encoded; `None` if it is something else.
    pub(crate) fn decode(text: &[u8]) -> Option<Self> {
        let metadata = Struct::decode(&BASE64.decode(text).ok()?[..]).ok()?;
        let text = |fields: &Struct, name: &str| match fields.fields.get(name)?.kind.as_ref()? {
            Kind::StringValue(text) => Some(text.clone()),
            _ => None,
        };
        let labels = match metadata.fields.get(LABELS).and_then(|labels| labels.kind.as_ref()) {
            Some(Kind::StructValue(labels)) => Some(labels),
            _ => None,
        };
        Some(Self::of_fields(|name| text(&metadata, name), |name| text(labels?, name)))
    }

    /// A `google.protobuf.Struct` in base64, its fields in order.
    pub(crate) fn encode(&self) -> String {
        let text = |value: &Option<String>| value.clone().map(|text| Value { kind: Some(Kind::StringValue(text)) });
        let fields = |all: &[(&str, &Option<String>)]| Struct {
            fields: all.iter().filter_map(|(name, value)| Some(((*name).to_owned(), text(value)?))).collect(),
        };
        let labels = fields(&[
            (APP, &self.app),
            (VERSION, &self.version),
            (CANONICAL_SERVICE, &self.canonical_service),
            (CANONICAL_REVISION, &self.canonical_revision),
        ]);
        let mut metadata = fields(&[
            (NAME, &self.instance),
            (NAMESPACE, &self.namespace),
            (WORKLOAD, &self.name),
            (CLUSTER, &self.cluster),
        ]);
        metadata.fields.insert(LABELS.into(), Value { kind: Some(Kind::StructValue(labels)) });
        BASE64.encode(metadata.encode_to_vec())
    }
}
