//! The rules, by kind and field (`pkg/apis/{core,apps,batch,discovery}/validation/validation.go`).

use std::net::IpAddr;

use crate::manifests::{amount, is_dns_label, is_dns_subdomain, is_key, label_fault};

/// What a field must be.
pub(super) enum Rule {
    /// Not missing, and not empty, where the mapping that it is in is given.
    Given,
    /// The same, and so are the mappings that it is in.
    Needed,
    /// A mapping with at least one of these lists, not empty.
    Some(&'static [&'static str]),
    /// A mapping with at most one of these fields.
    AtMostOne(&'static [&'static str]),
    /// One of these words, if it is set.
    Words(&'static [&'static str]),
    /// This or more, if it is set.
    From(i64),
    /// In this range, if it is set.
    Within(i64, i64),
    /// A text of this form, if it is not empty.
    Text(fn(&str) -> bool, &'static str),
    /// A text of this form, if it is set, even if it is empty.
    SetText(fn(&str) -> bool, &'static str),
    /// A number from 0, or a percentage.
    Share,
    /// A mapping with exactly one of these fields.
    AnyOf(&'static [&'static str]),
}

use Rule::{AnyOf, AtMostOne, From, Given, Needed, SetText, Share, Text, Within, Words};

/// What fields must be, by path. Of the rules for a field, the first that is broken is reported.
pub(super) type Rules = &'static [(&'static str, &'static [Rule])];

const ADDRESS: Rule = SetText(is_address, "an address that can be called: no loopback or link-local one");
const AMOUNT: Rule = SetText(is_amount, "an amount; expected a number with a suffix such as m, k, Mi or Gi");
const REFERENCE: Rule = Text(is_dns_subdomain, "a name: lower-case letters, digits, '-' and '.', at most 253");
const LABEL_VALUE: Rule = Text(is_label_value, "a label value: letters, digits, '-', '_' and '.', at most 63");
const LABEL: Rule = Text(is_dns_label, "a label of DNS: lower-case letters, digits and '-', at most 63");
const SET_LABEL: Rule = SetText(is_dns_label, "a label of DNS: lower-case letters, digits and '-', at most 63");
const SET_SUBDOMAIN: Rule = SetText(is_dns_subdomain, "a name: lower-case letters, digits, '-' and '.', at most 253");
const QUALIFIED: Rule = SetText(is_qualified, "a name such as [PREFIX/]NAME: letters, digits, '-', '_' and '.'");
const PROTOCOL: Rule = Words(&["TCP", "UDP", "SCTP"]);
const ID: Rule = Within(0, 2_147_483_647);
const RESOURCE: Rule = Text(is_resource, "a resource; expected limits.cpu, requests.memory and the like");
const FIELDS_IN_VOLUMES: Rule = SetText(
    is_field_in_volumes,
    "a field that a volume can hold; expected metadata.name, namespace, uid, labels or annotations",
);

/// The path of the pod's spec in a kind that has one.
pub(super) fn pod_at(kind: &str) -> Option<&'static str> {
    match kind {
        "Pod" => Some("spec"),
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "ReplicationController" | "Job" => {
            Some("spec.template.spec")
        }
        "CronJob" => Some("spec.jobTemplate.spec.template.spec"),
        _ => None,
    }
}

/// The rules for a kind, besides those for its pods.
pub(super) fn of_kind(kind: &str) -> Rules {
    match kind {
        "Deployment" => DEPLOYMENT,
        "ReplicaSet" | "ReplicationController" => REPLICAS,
        "StatefulSet" => STATEFUL_SET,
        "DaemonSet" => DAEMON_SET,
        "Job" => JOB,
        "CronJob" => CRON_JOB,
        "Service" => SERVICE,
        "Endpoints" => ENDPOINTS,
        "EndpointSlice" => ENDPOINT_SLICE,
        "ServiceEntry" => &[("spec.endpoints[].weight", &[WEIGHT])],
        "WorkloadEntry" => {
            &[("spec.weight", &[WEIGHT]), ("spec.serviceAccount", &[Text(is_short, "at most 253 characters long")])]
        }
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => WEBHOOKS,
        _ => &[],
    }
}

/// The rules for a pod's spec.
pub(super) const POD: Rules = &[
    ("securityContext.runAsUser", &[ID]),
    ("securityContext.runAsGroup", &[ID]),
    ("securityContext.fsGroup", &[ID]),
    ("securityContext.supplementalGroups[]", &[ID]),
    ("activeDeadlineSeconds", &[Within(1, 2_147_483_647)]),
    ("readinessGates[].conditionType", &[Given, QUALIFIED]),
    ("tolerations[].key", &[Text(is_qualified, "a label key")]),
    ("tolerations[].value", &[LABEL_VALUE]),
    ("volumes[].emptyDir.sizeLimit", &[AMOUNT]),
    ("volumes[].downwardAPI.items[].path", &[Given]),
    ("volumes[].downwardAPI.items[]", &[AnyOf(&["fieldRef", "resourceFieldRef"])]),
    ("volumes[].downwardAPI.items[].fieldRef.fieldPath", &[Given, FIELDS_IN_VOLUMES]),
    ("volumes[].projected.sources[]", &[AtMostOne(PROJECTED)]),
    ("volumes[].projected.sources[].configMap.name", &[Given]),
    ("volumes[].projected.sources[].secret.name", &[Given]),
    ("volumes[].projected.sources[].serviceAccountToken.path", &[Given]),
    ("volumes[].projected.sources[].serviceAccountToken.expirationSeconds", &[Within(600, 1 << 32)]),
    ("volumes[].projected.sources[].downwardAPI.items[].path", &[Given]),
    ("volumes[].projected.sources[].downwardAPI.items[]", &[AnyOf(&["fieldRef", "resourceFieldRef"])]),
    ("volumes[].projected.sources[].downwardAPI.items[].fieldRef.fieldPath", &[Given, FIELDS_IN_VOLUMES]),
];

/// The rules for each container, init containers too.
pub(super) const CONTAINER: Rules = &[
    ("securityContext.runAsUser", &[ID]),
    ("securityContext.runAsGroup", &[ID]),
    ("env[].valueFrom.configMapKeyRef.name", &[REFERENCE]),
    ("env[].valueFrom.secretKeyRef.name", &[REFERENCE]),
    ("envFrom[].configMapRef.name", &[REFERENCE]),
    ("envFrom[].secretRef.name", &[REFERENCE]),
    ("env[].valueFrom.fieldRef.apiVersion", &[Words(&["v1"])]),
    ("env[].valueFrom.resourceFieldRef.resource", &[Given, RESOURCE]),
    ("env[].valueFrom.resourceFieldRef.divisor", &[AMOUNT]),
    ("env[].valueFrom.configMapKeyRef.key", &[Text(is_key, "a key: letters, digits, '-', '_' and '.'")]),
    ("env[].valueFrom.secretKeyRef.key", &[Text(is_key, "a key: letters, digits, '-', '_' and '.'")]),
    ("lifecycle.preStop", &[AnyOf(HANDLERS)]),
    ("lifecycle.postStart", &[AnyOf(HANDLERS)]),
    ("lifecycle.preStop.exec.command", &[Given]),
    ("lifecycle.postStart.exec.command", &[Given]),
    ("livenessProbe.httpGet.httpHeaders[].name", &[Given, HEADER]),
    ("readinessProbe.httpGet.httpHeaders[].name", &[Given, HEADER]),
    ("startupProbe.httpGet.httpHeaders[].name", &[Given, HEADER]),
];

const WEIGHT: Rule = Within(0, 4_294_967_295);
const HANDLERS: &[&str] = &["exec", "httpGet", "tcpSocket", "sleep"];
const PROJECTED: &[&str] =
    &["secret", "downwardAPI", "configMap", "serviceAccountToken", "clusterTrustBundle", "podCertificate"];
const HEADER: Rule = Text(is_header, "a name of a header");

const REPLICAS: Rules = &[("spec.minReadySeconds", &[From(0)])];

const DEPLOYMENT: Rules = &[
    ("spec.minReadySeconds", &[From(0)]),
    ("spec.revisionHistoryLimit", &[From(0)]),
    ("spec.progressDeadlineSeconds", &[From(0)]),
    ("spec.strategy.type", &[Words(&["Recreate", "RollingUpdate"])]),
    ("spec.strategy.rollingUpdate.maxSurge", &[Share]),
    ("spec.strategy.rollingUpdate.maxUnavailable", &[Share]),
];

const STATEFUL_SET: Rules = &[
    ("spec.minReadySeconds", &[From(0)]),
    ("spec.revisionHistoryLimit", &[From(0)]),
    ("spec.ordinals.start", &[From(0)]),
    ("spec.podManagementPolicy", &[Words(&["OrderedReady", "Parallel"])]),
    ("spec.updateStrategy.type", &[Words(&["OnDelete", "RollingUpdate"])]),
    ("spec.serviceName", &[LABEL]),
    ("spec.volumeClaimTemplates[].spec.accessModes", &[Needed]),
    ("spec.volumeClaimTemplates[].spec.accessModes[]", &[Given, Words(ACCESS_MODES)]),
    ("spec.volumeClaimTemplates[].spec.resources.requests.storage", &[Needed, AMOUNT]),
];

const ACCESS_MODES: &[&str] = &["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"];

const DAEMON_SET: Rules = &[
    ("spec.minReadySeconds", &[From(0)]),
    ("spec.revisionHistoryLimit", &[From(0)]),
    ("spec.updateStrategy.type", &[Words(&["OnDelete", "RollingUpdate"])]),
    ("spec.updateStrategy.rollingUpdate.maxSurge", &[Share]),
    ("spec.updateStrategy.rollingUpdate.maxUnavailable", &[Share]),
];

const JOB: Rules = &[
    ("spec.completions", &[From(0)]),
    ("spec.backoffLimit", &[From(0)]),
    ("spec.activeDeadlineSeconds", &[From(0)]),
    ("spec.ttlSecondsAfterFinished", &[From(0)]),
    ("spec.completionMode", &[Words(&["NonIndexed", "Indexed"])]),
];

const CRON_JOB: Rules = &[
    ("spec.schedule", &[Given, Text(is_schedule, "a schedule; expected five fields, such as */5 * * * *, or @hourly")]),
    ("spec.concurrencyPolicy", &[Words(&["Allow", "Forbid", "Replace"])]),
    ("spec.startingDeadlineSeconds", &[From(0)]),
    ("spec.successfulJobsHistoryLimit", &[From(0)]),
    ("spec.failedJobsHistoryLimit", &[From(0)]),
];

const SERVICE: Rules = &[("spec.loadBalancerClass", &[QUALIFIED]), ("spec.healthCheckNodePort", &[Within(0, 65535)])];

const ENDPOINTS: Rules = &[
    ("subsets[]", &[Rule::Some(&["addresses", "notReadyAddresses"])]),
    ("subsets[].addresses[].ip", &[Given, ADDRESS]),
    ("subsets[].addresses[].hostname", &[LABEL]),
    ("subsets[].addresses[].nodeName", &[SET_SUBDOMAIN]),
    ("subsets[].notReadyAddresses[].ip", &[Given, ADDRESS]),
    ("subsets[].ports[].name", &[LABEL]),
    ("subsets[].ports[].port", &[Given, Within(1, 65535)]),
    ("subsets[].ports[].protocol", &[PROTOCOL]),
    ("subsets[].ports[].appProtocol", &[QUALIFIED]),
];

const ENDPOINT_SLICE: Rules = &[
    ("addressType", &[Given, Words(&["IPv4", "IPv6", "FQDN"])]),
    ("endpoints[].addresses", &[Given]),
    ("endpoints[].hostname", &[SET_LABEL]),
    ("endpoints[].nodeName", &[SET_SUBDOMAIN]),
    ("ports[].name", &[LABEL]),
    ("ports[].protocol", &[PROTOCOL]),
    ("ports[].appProtocol", &[QUALIFIED]),
];

const WEBHOOKS: Rules = &[
    ("webhooks[].rules[].apiVersions[]", &[Given]),
    ("webhooks[].rules[].resources[]", &[Given]),
    ("webhooks[].namespaceSelector.matchExpressions[].key", &[Given, Text(is_qualified, "a label key")]),
    ("webhooks[].namespaceSelector.matchExpressions[].values[]", &[LABEL_VALUE]),
    ("webhooks[].objectSelector.matchExpressions[].values[]", &[LABEL_VALUE]),
    ("webhooks[].objectSelector.matchExpressions[].key", &[Given, Text(is_qualified, "a label key")]),
];

/// `ValidateEndpointIP`.
fn is_address(text: &str) -> bool {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => {
            !(ip.is_unspecified() || ip.is_loopback() || ip.is_link_local() || ip.octets()[..3] == [224, 0, 0])
        }
        Ok(IpAddr::V6(ip)) => {
            !(ip.is_unspecified() || ip.is_loopback() || ip.is_unicast_link_local() || ip.segments()[0] == 0xff02)
        }
        Err(_) => false,
    }
}

fn is_short(text: &str) -> bool {
    text.chars().count() <= 253
}

fn is_amount(text: &str) -> bool {
    amount(text).is_some()
}

fn is_qualified(text: &str) -> bool {
    label_fault(text, "").is_none()
}

fn is_label_value(text: &str) -> bool {
    label_fault("key", text).is_none()
}

/// `IsHTTPHeaderName`.
fn is_header(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

fn is_resource(text: &str) -> bool {
    let Some((of, resource)) = text.split_once('.') else { return false };
    let known = matches!(resource, "cpu" | "memory" | "ephemeral-storage") || resource.starts_with("hugepages-");
    matches!(of, "limits" | "requests") && known
}

fn is_field_in_volumes(text: &str) -> bool {
    let plain = ["metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations"];
    let subscript = |of: &str| text.strip_prefix(of).is_some_and(|rest| rest.starts_with("['") && rest.ends_with("']"));
    plain.contains(&text) || subscript("metadata.labels") || subscript("metadata.annotations")
}

/// Whether it looks like a schedule (`robfig/cron`): a macro, or five fields.
fn is_schedule(text: &str) -> bool {
    let macros = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '*' | '/' | ',' | '-' | '?');
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let is_field = |field: &&str| field.chars().all(allowed);
    macros.contains(&text) || text.starts_with("@every ") || (fields.len() == 5 && fields.iter().all(is_field))
}
