//! One call of a webhook, over one-way HTTPS that trusts only its `caBundle`.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::WebhookClientConfig;
use k8s_openapi::api::authentication::v1::UserInfo;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::answer::{self, Conclusion, Verdict};
use super::configuration::Webhook;
use super::object::{OPERATION, Object};
use super::{ApiserverArgs, wording};
use crate::admission::{AdmissionRequest, AdmissionReview};
use crate::client::{CallArgs, ConnectArgs};
use crate::{Target, UsageError, client};

/// Default of `timeoutSeconds`.
const TIMEOUT_SECONDS: u64 = 10;

/// Calls a webhook, and interprets its response. `object` is the original, `converted` is in the version of the webhook's rules.
pub(super) async fn call(
    webhook: &Webhook,
    object: &Object,
    converted: &Object,
    args: &ApiserverArgs,
) -> Result<Verdict, UsageError> {
    let timeout = webhook.hook.timeout_seconds.and_then(|seconds| seconds.try_into().ok()).unwrap_or(TIMEOUT_SECONDS);
    let prepared = url(&webhook.hook.client_config, timeout)
        .and_then(|url| Ok((url, roots(webhook.hook.client_config.ca_bundle.as_ref().map(|pem| pem.0.as_slice()))?)));
    let (url, roots) = match prepared {
        Ok(prepared) => prepared,
        Err(why) => return Ok(Verdict { conclusion: Conclusion::Failed(why), call: None }),
    };
    let target: Target = match url.parse() {
        Ok(target) => target,
        Err(UsageError(why)) => return Ok(Verdict { conclusion: Conclusion::Failed(why), call: None }),
    };
    let request = request(object, converted, &args.user);
    let uid = request.uid.clone();
    // Maps with string keys can always be serialized.
    let body = serde_json::to_string(&AdmissionReview::with_request(request)).unwrap_or_default();
    let headers =
        ["content-type: application/json", "accept: application/json", "user-agent: kube-apiserver-admission"];
    let call = CallArgs {
        connect: ConnectArgs {
            ipv4: args.ipv4,
            ipv6: args.ipv6,
            connect_to: args.connect_to,
            roots: Some(Arc::new(roots)),
            names_first: true,
            ..ConnectArgs::default()
        },
        headers: headers.map(str::to_owned).into(),
        method: Some("POST".into()),
        data: Some(body),
        ..CallArgs::new(target, Duration::from_secs(timeout))
    };
    let report = client::call(&call).await?;
    let conclusion = match &report.error {
        Some(failure) => Conclusion::Failed(wording::failed_to_call(&url, failure, &report)),
        None => answer::judge(&report, webhook, &uid),
    };
    Ok(Verdict { conclusion, call: Some(report) })
}

/// URL of a webhook. A service's name is also the name that its certificate must have.
fn url(config: &WebhookClientConfig, timeout: u64) -> Result<String, String> {
    let url = match (&config.service, &config.url) {
        (Some(service), None) => {
            let (port, path) = (service.port.unwrap_or(443), service.path.as_deref().unwrap_or("/"));
            let slash = if path.starts_with('/') { "" } else { "/" };
            format!("https://{}.{}.svc:{port}{slash}{path}", service.name, service.namespace)
        }
        (None, Some(url)) => url.clone(),
        _ => return Err("webhook configuration must have either service or URL".to_owned()),
    };
    if !url.starts_with("https://") {
        return Err(format!("{url:?} is not HTTPS"));
    }
    Ok(format!("{url}?timeout={timeout}s"))
}

/// The trusted roots: exactly `caBundle`, or the host's CAs without one.
fn roots(bundle: Option<&[u8]>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let Some(bundle) = bundle.filter(|bundle| !bundle.is_empty()) else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bundle).collect();
    let certificates = certificates.ok().filter(|certificates| !certificates.is_empty());
    for certificate in certificates.ok_or_else(|| wording::no_rest_client("unable to parse bytes as PEM block"))? {
        roots.add(certificate).map_err(|error| wording::no_rest_client(&error.to_string()))?;
    }
    Ok(roots)
}

fn request(object: &Object, converted: &Object, user: &str) -> AdmissionRequest {
    AdmissionRequest {
        uid: uuid::Uuid::new_v4().to_string(),
        kind: converted.version.kind(),
        resource: converted.version.resource(),
        request_kind: Some(object.version.kind()),
        request_resource: Some(object.version.resource()),
        name: object.name(),
        namespace: object.namespace(),
        operation: OPERATION.to_owned(),
        user_info: UserInfo {
            username: Some(user.to_owned()),
            groups: Some(vec!["system:masters".into(), "system:authenticated".into()]),
            ..UserInfo::default()
        },
        object: converted.value.clone(),
        old_object: Value::Null,
        dry_run: false,
        options: json!({"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}),
    }
}
