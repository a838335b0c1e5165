//! Predicts the call of a scenario's probe, or of a command line.

use std::{net::IpAddr, path::PathBuf, sync::Arc};

use anyhow::{Context, Result, bail};
use mesh::{
    SourceFile,
    account::{Account, Note, NoteKind},
    model::{Mesh, Resolved},
    predict::{Call, predict, predict_each},
};

use crate::{manifests, outside, scenario::Probe};

/// Manifests that are asked about one call, with a pod for each host outside that the call and their entries lead to.
pub struct Manifests {
    /// The files as they were read, and one more with the hosts outside.
    pub files: Vec<SourceFile>,
    /// What they say.
    pub resolved: Arc<Resolved>,
    /// The calling pod, `POD` or `POD.NAMESPACE`, and its namespace if its name has none.
    caller: (String, String),
    /// What had to be assumed of the called host.
    assumed: Option<Note>,
}

impl Manifests {
    /// Reads the manifests at `paths`, and prints their warnings.
    ///
    /// # Errors
    /// If they can't be read, are invalid, or don't have the calling pod.
    pub fn read(paths: &[PathBuf], from: &str, namespace: &str, (host, port): (&str, u16)) -> Result<Self> {
        let mut files = manifests::read(paths)?;
        let (mut resolved, warnings) = manifests::resolve(&files)?;
        manifests::print_warnings(&warnings);
        let caller = manifests::find_pod(&resolved, from, namespace).context("--from")?;
        let name = outside::alias(&resolved, host, &resolved.pods[caller].name.namespace);
        let assumed = outside::is_unknown(&resolved, &name, caller).then(|| {
            let text = "assuming a host outside the cluster that DNS resolves and that answers";
            Note::new(NoteKind::Assumed, format!("no manifest has {name}: {text}"))
        });
        if let Some(hosts) = outside::hosts(&resolved, &[(caller, host, port)]) {
            files.push(hosts);
            (resolved, _) = manifests::resolve(&files)?;
        }
        Ok(Self { files, resolved, caller: (from.to_owned(), namespace.to_owned()), assumed })
    }

    /// Predicts the call in a mesh of these manifests, whoever its caller is said to be.
    ///
    /// # Errors
    /// If something that is not modelled takes part.
    pub fn predict(&self, mesh: &Mesh, call: &Call) -> Result<Account> {
        let from = manifests::find_pod(mesh, &self.caller.0, &self.caller.1).context("--from")?;
        let mut account = predict(mesh, &Call { from, ..call.clone() })?;
        account.notes.splice(..0, self.assumed.clone());
        Ok(account)
    }
}

/// Predicts every way that a scenario's call may go.
///
/// # Errors
/// If there is no such calling pod, or something that is not modelled takes part.
pub fn probe(mesh: &Mesh, probe: &Probe) -> Result<Vec<Account>> {
    let from = manifests::find_pod(mesh, &probe.from, manifests::DEFAULT_NAMESPACE)?;
    let call = Call {
        speaks: probe.speaks,
        authority: probe.asked.authority.clone(),
        method: probe.asked.method.clone(),
        path: Some(probe.path("probe")),
        headers: probe.asked.headers.clone(),
        sni: probe.sni.clone(),
        verify: probe.verify,
        certificate: probe.certificate.as_ref().map(|files| files.cert.clone()),
        family: Some(probe.family),
        webhook: probe.webhook.as_deref().map(|name| webhook(mesh, probe, name)).transpose()?,
        ..Call::new(from, probe.host.as_str(), probe.port, probe.app)
    };
    Ok(predict_each(mesh, &call)?)
}

/// The webhook that a probe calls, which must be at the probe's address.
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

/// Splits `HOST:PORT`; an IPv6 address is in brackets.
///
/// # Errors
/// If the port is missing or invalid.
pub fn destination(text: &str) -> Result<(String, u16)> {
    if let Some((scheme, rest)) = text.split_once("://") {
        let (place, path) = rest.split_once('/').map_or((rest, String::new()), |(place, path)| {
            (place, if path.is_empty() { String::new() } else { format!(" --path /{path}") })
        });
        let port = if scheme == "https" { 443 } else { 80 };
        let place = if place.contains(':') { place.to_owned() } else { format!("{place}:{port}") };
        let app = if scheme == "http" { String::new() } else { format!(" --app {scheme}") };
        bail!("{text:?} is a URL; write --to {place}{path}{app}");
    }
    // As istioctl and kubectl name a Service.
    let text = ["svc/", "service/"].iter().find_map(|kind| text.strip_prefix(kind)).unwrap_or(text);
    let (host, port) = text.rsplit_once(':').with_context(|| format!("{text:?} is not HOST:PORT"))?;
    let port =
        port.parse().ok().filter(|port| *port > 0).with_context(|| format!("{port:?} is not a port (1-65535)"))?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() || (host.contains(':') && host.parse::<IpAddr>().is_err()) {
        bail!("{host:?} is neither a name nor an address (an IPv6 address is written in brackets)");
    }
    Ok((host.to_owned(), port))
}
