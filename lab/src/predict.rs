//! From a scenario's probe, or a command line's words, to the prediction of a call.

use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use envoy_rules::grpc::GrpcStatus;
use mesh::{
    account::{Account, AppSees},
    model::Mesh,
    predict::{Call, predict},
};

use crate::{
    manifests,
    scenario::{Probe, Speaks},
};

/// Predicts a scenario's call.
///
/// # Errors
/// When the calling pod is not there, or the host does not resolve.
pub fn probe(mesh: &Mesh, probe: &Probe) -> Result<Account> {
    let call = Call {
        from: manifests::find_pod(mesh, &probe.from, manifests::DEFAULT_NAMESPACE)?,
        host: probe.host.clone(),
        port: probe.port,
        app: probe.app,
        server_first: probe.speaks == Some(Speaks::Greeting),
        family: Some(probe.family),
        server_app: None,
        subset: None,
        webhook: probe.webhook.as_deref().map(|name| webhook(mesh, probe, name)).transpose()?,
    };
    let mut account = predict(mesh, &call)?;
    if probe.speaks == Some(Speaks::Grpc) {
        told_in_grpc(&mut account);
    }
    Ok(account)
}

/// What a sidecar answers itself, it answers a gRPC request with `200` and a status of gRPC.
fn told_in_grpc(account: &mut Account) {
    let outcome = &mut account.outcome;
    let Some(status) = outcome.status.filter(|_| !outcome.delivered) else { return };
    let name = GrpcStatus::from_http(status).name();
    (outcome.status, outcome.app_sees) = (Some(200), AppSees::failure(name));
}

/// The webhook that a probe asks, which has to be where the probe says.
fn webhook(mesh: &Mesh, probe: &Probe, name: &str) -> Result<usize> {
    let known = || mesh.webhooks.iter().map(|webhook| webhook.name.as_str()).collect::<Vec<_>>().join(", ");
    let index = mesh.webhooks.iter().position(|webhook| webhook.name == name);
    let index = index.with_context(|| format!("no webhook {name} in the manifests; there are: {}", known()))?;
    let place = &mesh.webhooks[index].place;
    if (place.host(), place.port()) != (probe.host.clone(), probe.port) {
        bail!("webhook {name} is not at {}:{}; write `to: {}:{}`", probe.host, probe.port, place.host(), place.port());
    }
    Ok(index)
}

/// Splits `HOST:PORT`; an IPv6 address stands in brackets.
///
/// # Errors
/// When there is no port, or it is none.
pub fn destination(text: &str) -> Result<(String, u16)> {
    let (host, port) = text.rsplit_once(':').with_context(|| format!("{text:?} is not HOST:PORT"))?;
    let port =
        port.parse().ok().filter(|port| *port > 0).with_context(|| format!("{port:?} is not a port (1-65535)"))?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() || (host.contains(':') && host.parse::<IpAddr>().is_err()) {
        bail!("{host:?} is neither a name nor an address (an IPv6 address stands in brackets)");
    }
    Ok((host.to_owned(), port))
}
