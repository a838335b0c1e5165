//! The kinds that make pods, reduced to what decides the pods.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
        batch::v1::{CronJob, Job, JobSpec},
        core::v1::{PodTemplateSpec, ReplicationController},
    },
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};

/// An object that makes pods.
#[derive(Clone, Debug, Default)]
pub struct Workload {
    /// The number of pods.
    pub replicas: i32,
    pub template: PodTemplateSpec,
    /// The path of the template in the document: `spec.template.`.
    pub template_field: &'static str,
    /// Its selector, if it has one.
    pub selector: Option<LabelSelector>,
    /// The number of the first pod.
    pub first_ordinal: i32,
    /// The headless service that gives its pods their names in DNS (`serviceName` of a StatefulSet).
    pub service_name: Option<String>,
    /// Volumes that exist once per pod (`volumeClaimTemplates`).
    pub claims: Vec<String>,
    /// Whether its pods can complete: those of a Job.
    pub ends: bool,
}

/// The path of the template in nearly every kind.
const TEMPLATE: &str = "spec.template.";

/// A kind that makes pods. Returns `None` without a spec, or a template in it.
pub(crate) trait MakesPods {
    fn workload(self) -> Option<Workload>;
}

impl MakesPods for Deployment {
    fn workload(self) -> Option<Workload> {
        let spec = self.spec?;
        Some(Workload {
            replicas: spec.replicas.unwrap_or(1),
            selector: Some(spec.selector),
            ..of_template(spec.template)
        })
    }
}

impl MakesPods for StatefulSet {
    fn workload(self) -> Option<Workload> {
        let spec = self.spec?;
        let claims = spec.volume_claim_templates.into_iter().flatten();
        Some(Workload {
            replicas: spec.replicas.unwrap_or(1),
            selector: Some(spec.selector),
            first_ordinal: spec.ordinals.and_then(|ordinals| ordinals.start).unwrap_or(0),
            service_name: spec.service_name.filter(|name| !name.is_empty()),
            claims: claims.filter_map(|claim| claim.metadata.name).collect(),
            ..of_template(spec.template)
        })
    }
}

impl MakesPods for DaemonSet {
    /// A lab is one node.
    fn workload(self) -> Option<Workload> {
        let spec = self.spec?;
        Some(Workload { selector: Some(spec.selector), ..of_template(spec.template) })
    }
}

impl MakesPods for ReplicaSet {
    fn workload(self) -> Option<Workload> {
        let spec = self.spec?;
        Some(Workload {
            replicas: spec.replicas.unwrap_or(1),
            selector: Some(spec.selector),
            ..of_template(spec.template.unwrap_or_default())
        })
    }
}

impl MakesPods for ReplicationController {
    fn workload(self) -> Option<Workload> {
        let spec = self.spec?;
        let selector = spec.selector.filter(|labels: &BTreeMap<_, _>| !labels.is_empty());
        Some(Workload {
            replicas: spec.replicas.unwrap_or(1),
            selector: selector.map(|labels| LabelSelector { match_labels: Some(labels), ..LabelSelector::default() }),
            ..of_template(spec.template?)
        })
    }
}

impl MakesPods for Job {
    fn workload(self) -> Option<Workload> {
        Some(of_job(self.spec?, TEMPLATE))
    }
}

impl MakesPods for CronJob {
    /// One of its runs.
    fn workload(self) -> Option<Workload> {
        Some(of_job(self.spec?.job_template.spec?, "spec.jobTemplate.spec.template."))
    }
}

fn of_job(spec: JobSpec, template_field: &'static str) -> Workload {
    let replicas = if spec.suspend == Some(true) { 0 } else { spec.parallelism.unwrap_or(1) };
    Workload { replicas, template_field, ends: true, ..of_template(spec.template) }
}

fn of_template(template: PodTemplateSpec) -> Workload {
    Workload { replicas: 1, template, template_field: TEMPLATE, ..Workload::default() }
}
