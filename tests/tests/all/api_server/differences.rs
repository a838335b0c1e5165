//! The known differences between `validate` and the API server, as docs/api-server.md lists them.

/// Who refuses an object that the other accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Difference {
    OnlyTheServerRefuses,
    OnlyValidateRefuses,
}

/// Objects on which they differ, with the reason.
pub(super) struct Known {
    pub(super) difference: Difference,
    /// The names of mutations; `*` stands for any text.
    pub(super) what: &'static str,
    pub(super) reason: &'static str,
}

impl Known {
    pub(super) fn covers(&self, difference: Difference, name: &str) -> bool {
        self.difference == difference && fits(self.what, name)
    }
}

/// Whether a text fits a pattern in which `*` stands for any text.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| fits(after, &rest[at..]))
        }),
    }
}

/// The table in the documentation.
pub(super) fn table() -> String {
    let mut table = "| Refused by | Objects | Why |\n|---|---|---|\n".to_owned();
    for Known { difference, what, reason } in KNOWN {
        let by = match difference {
            Difference::OnlyTheServerRefuses => "the API server alone",
            Difference::OnlyValidateRefuses => "`validate` alone",
        };
        table.push_str(&format!("| {by} | `{what}` | {reason} |\n"));
    }
    table
}

const fn server(what: &'static str, reason: &'static str) -> Known {
    Known { difference: Difference::OnlyTheServerRefuses, what, reason }
}

const fn validate(what: &'static str, reason: &'static str) -> Known {
    Known { difference: Difference::OnlyValidateRefuses, what, reason }
}

const LAB: &str = "cannot be done in a lab, or has no meaning";
const ISTIO: &str = "Istio's webhook refuses it, after the API server's schema has not: that is compared with istiod";
const KUBECTL: &str = "kubectl refuses it before it asks";
const OTHERS: &str = "depends on other objects of the cluster";
const POINTER: &str = "an empty text is not unset in this field; elsewhere it is";

pub(super) const KNOWN: &[Known] = &[
    validate("* metadata.namespace = *", KUBECTL),
    validate("*mountPath = *", LAB),
    validate("* spec.replicas = 70000", LAB),
    validate("Job/* spec.parallelism = 70000", LAB),
    validate("*WebhookConfiguration/*clientConfig.service.*", LAB),
    validate(
        "Pod/server *.envFrom*Ref.name = *-\"",
        "the API server takes a name that ends in `-` here; no object has one",
    ),
    validate("Service/server spec.ports[0].nodePort = *", "a dry run allocates no port; a real one refuses it"),
    validate("AuthorizationPolicy/* *", ISTIO),
    validate("DestinationRule/* *", ISTIO),
    validate("VirtualService/* *", ISTIO),
    validate("ServiceEntry/* *", ISTIO),
    validate("WorkloadEntry/* *", ISTIO),
    validate("Sidecar/* *", ISTIO),
    validate("Gateway/* *", ISTIO),
    server(
        "Pod/server spec.serviceAccountName *",
        "a cluster fills in `default`; the plugin that does is off here, as it needs a controller",
    ),
    server("Pod/server spec.priority = *", OTHERS),
    server("Pod/server *.resourceFieldRef.divisor = 7", "not checked: the amount of the divisor"),
    server("Pod/server *downwardAPI.items[0] twice", "not checked: two files of one path in a projected volume"),
    server("*rotocol = \"\"", POINTER),
    server("Pod/server *mountPropagation = \"\"", POINTER),
    server("Service/server spec.internalTrafficPolicy = \"\"", POINTER),
    server("Gateway/edge *minProtocolVersion = \"\"", POINTER),
    server("Job/* spec.completionMode = \"\"", POINTER),
    server(
        "Deployment/server spec.*eadySeconds = *",
        "not checked: `progressDeadlineSeconds` against `minReadySeconds`",
    ),
    server(
        "Deployment/server spec.progressDeadlineSeconds = *",
        "not checked: `progressDeadlineSeconds` against `minReadySeconds`",
    ),
    server("StatefulSet/server *requests = with unknownField", "not checked: amounts of resources that do not exist"),
    server("CronJob/* spec.timeZone = *", "not checked: names of time zones"),
    server("* spec*abels.app = \"xxx*", "not checked: the length of labels in Istio's selectors"),
    server(
        "DestinationRule/server spec.trafficPolicy.connectionPool.*s = 99999999999",
        "not checked: numbers above 2147483647",
    ),
    server("ServiceEntry/api spec.ports[0].targetPort = 0", "not checked: 0, which Istio's webhook takes for unset"),
];
