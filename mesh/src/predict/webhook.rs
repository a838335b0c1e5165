//! Webhook calls: the API server's trust, and its conclusion from the answer.

use crate::{
    account::Admission,
    model::{FailurePolicy, Pod, Webhook},
};

use super::{
    app::{self, Speaks},
    certificate::{self, Check},
};

/// The API server's validation of the webhook: only `caBundle`, and the name that it calls.
pub(super) fn check(webhook: &Webhook, pod: &Pod) -> Check {
    let host = webhook.place.host();
    let check = match &webhook.ca_bundle {
        Some(bundle) => Check { roots: Some(certificate::subjects(bundle)), host: Some(host), ..Check::default() },
        None => app::trust(pod, &host),
    };
    Check { names_first: true, ..check }
}

/// The API server's decision; `None` if the webhook's answer is unknown.
pub(super) fn admission(webhook: &Webhook, delivered: bool, server: Speaks) -> Option<Admission> {
    let failed = match webhook.failure_policy {
        FailurePolicy::Fail => Admission::Rejected,
        FailurePolicy::Ignore => Admission::LetThrough,
    };
    Some(match (server, webhook.place.path()) {
        _ if !delivered => failed,
        (Speaks::Anything, _) => return None,
        (Speaks::Webhook, "/validate") => Admission::Allowed,
        (Speaks::Webhook, "/deny") => Admission::Denied,
        (Speaks::Webhook, "/mutate") if webhook.mutating => Admission::Patched,
        // Other apps do not answer with an AdmissionReview of the request; and only mutating webhooks can patch.
        _ => failed,
    })
}
