//! Calls of admission webhooks: whom the API server trusts, and what it makes of the answer.

use crate::{
    account::Admission,
    model::{FailurePolicy, Pod, Webhook},
};

use super::{
    app::{self, Speaks},
    certificate::{self, Check},
};

/// How the API server checks who answers: `caBundle` alone counts, and the name that it calls.
pub(super) fn check(webhook: &Webhook, pod: &Pod) -> Check {
    let host = webhook.place.host();
    match &webhook.ca_bundle {
        Some(bundle) => Check { roots: Some(certificate::subjects(bundle)), host: Some(host), ..Check::default() },
        None => app::trust(pod, &host),
    }
}

/// What the API server decides. Nothing where the webhook is called and nothing is known of what it says.
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
        // Whatever else answers, answers with no AdmissionReview of the request; and only mutating webhooks may patch.
        _ => failed,
    })
}
