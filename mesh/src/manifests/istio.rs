//! What several of Istio's kinds have in common.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `selector` or `workloadSelector` of most kinds (`type/v1beta1/selector.proto`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadSelector {
    /// Labels that the pods must have.
    pub match_labels: BTreeMap<String, String>,
}

/// `workloadSelector` of the older kinds, which call the labels `labels` (`networking/v1alpha3/sidecar.proto`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct LabelsSelector {
    /// Labels that the pods must have.
    pub labels: BTreeMap<String, String>,
}
