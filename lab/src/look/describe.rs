//! A pod as `kubectl describe pod` prints it, with what its sidecar enforces.

use std::fmt::Write;

use mesh::{
    model::{Container, Pod},
    policy::{Policy, PolicyTracing},
};
use serde_json::Value;

use super::{
    age::date,
    columns::columns,
    dump::{Dump, text},
    pods::NODE,
    proxy_config::{chain_match, chains, destination},
    secrets::{SecretItem, left},
    status::{ContainerStatus, PodStatus, State},
};

#[cfg(test)]
mod tests;

/// Where the values of the first level begin, in columns.
const VALUES: usize = 18;

/// A pod, and everything known of it.
pub(crate) struct Described<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) status: &'a PodStatus,
    pub(crate) policy: &'a Policy,
    /// What its sidecar answers, or why it does not; `None` without a sidecar.
    pub(crate) sidecar: Option<Result<SidecarFacts, String>>,
}

/// What a sidecar says of itself.
pub(crate) struct SidecarFacts {
    pub(crate) secrets: Vec<SecretItem>,
    pub(crate) dump: Dump,
}

impl Described<'_> {
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        self.head(&mut text);
        text.push_str("Containers:\n");
        let sidecar = self.status.containers.get(self.pod.containers.len());
        for (container, status) in self.pod.containers.iter().zip(&self.status.containers) {
            write_container(&mut text, status, Some(container));
        }
        if let Some(status) = sidecar {
            write_container(&mut text, status, None);
        }
        let ready = if self.status.containers.iter().all(|one| one.is_ready) { "True" } else { "False" };
        let _ = write!(
            text,
            "Conditions:\n  Type              Status\n  Ready             {ready}\n  ContainersReady   {ready}\n"
        );
        self.policies(&mut text);
        match &self.sidecar {
            None => text.push_str("Sidecar:\n  <none>\n"),
            Some(Err(why)) => drop(writeln!(text, "Sidecar:\n  {why}")),
            Some(Ok(facts)) => facts.write(&mut text),
        }
        text
    }

    fn head(&self, text: &mut String) {
        let Self { pod, status, .. } = self;
        let mut field = |name: &str, value: &str| {
            let _ = writeln!(text, "{:VALUES$}{value}", format!("{name}:"));
        };
        field("Name", &pod.name.name);
        field("Namespace", &pod.name.namespace);
        field("Service Account", &pod.service_account);
        field("Node", NODE);
        field("Start Time", &status.started().map_or_else(|| "<unknown>".to_owned(), date));
        field("Labels", &pairs(&pod.labels, "="));
        field("Annotations", &pairs(&pod.annotations, ": "));
        field("Status", status.phase());
        field("IP", &pod.ips.v4.to_string());
        field("IPs", "");
        text.truncate(text.trim_end().len());
        text.push('\n');
        for ip in pod.ips.both() {
            let _ = writeln!(text, "  IP:           {ip}");
        }
        if let Some((kind, name)) = pod.document.split_once(' ').filter(|(kind, _)| *kind != "Pod") {
            let _ = writeln!(text, "{:VALUES$}{kind}/{name}", "Controlled By:");
        }
    }

    fn policies(&self, text: &mut String) {
        let Policy { workload, ports, authorization, sidecar, .. } = self.policy;
        let enforced = match (*sidecar, self.pod.is_gateway()) {
            (true, true) => " (not enforced: the pod is a gateway)",
            (true, false) => "",
            (false, _) => " (not enforced: the pod has no sidecar)",
        };
        let _ = writeln!(text, "Peer Authentication:{enforced}");
        let mut rows = vec![
            ["  Port".into(), "Mode".into(), "Decided By".into(), "Source".into()],
            ["  *".into(), workload.mode.to_string(), workload.decided_by.clone(), workload.source.clone()],
        ];
        rows.extend(ports.iter().map(|(port, mode)| {
            [format!("  {port}"), mode.mode.to_string(), mode.decided_by.clone(), mode.source.clone()]
        }));
        text.push_str(&columns(&rows, 2));
        text.push_str("Authorization Policies:\n");
        if authorization.is_empty() {
            text.push_str("  <none>: everything is allowed\n");
        } else {
            self.authorization(text);
        }
        self.tracing(text);
    }

    fn authorization(&self, text: &mut String) {
        let Policy { authorization, .. } = self.policy;
        let mut rows = vec![["  Policy".into(), "Action".into(), "Scope".into(), "Source".into()]];
        rows.extend(authorization.iter().map(|of| {
            let dry_run = if of.dry_run { " (dry run)" } else { "" };
            [format!("  {}", of.policy), format!("{}{dry_run}", of.action), of.scope.to_string(), of.source.clone()]
        }));
        text.push_str(&columns(&rows, 2));
    }
}

impl Described<'_> {
    /// Which requests its sidecar traces, if it reports spans.
    fn tracing(&self, text: &mut String) {
        let Policy { tracing, .. } = self.policy;
        if tracing.is_empty() {
            return;
        }
        text.push_str("Tracing:\n");
        let mut rows =
            vec![["  Calls".into(), "Sampled".into(), "Provider".into(), "Collector".into(), "Source".into()]];
        rows.extend(tracing.iter().map(|of| {
            let PolicyTracing { calls, percent, provider, collector, source } = of;
            [format!("  {calls}"), format!("{percent} %"), provider.clone(), collector.clone(), source.clone()]
        }));
        text.push_str(&columns(&rows, 2));
    }
}

impl SidecarFacts {
    fn write(&self, text: &mut String) {
        text.push_str("Certificates:\n");
        let mut rows = vec![[
            "  Secret".into(),
            "Type".into(),
            "Names".into(),
            "Serial Number".into(),
            "Not After".into(),
            "Left".into(),
        ]];
        for secret in &self.secrets {
            let name = || format!("  {}", secret.name);
            if secret.certificates.is_empty() {
                let none = "<none>".to_owned();
                rows.push([name(), none, String::new(), String::new(), String::new(), secret.state.to_owned()]);
            }
            rows.extend(secret.certificates.iter().map(|one| {
                let names = if one.names.is_empty() { "<none>".to_owned() } else { one.names.join(",") };
                [name(), one.kind.to_owned(), names, one.serial_number.clone(), one.not_after.clone(), left(one)]
            }));
        }
        text.push_str(&if rows.len() == 1 { "  <none>\n".to_owned() } else { columns(&rows, 2) });
        text.push_str("Inbound Filter Chains:\n");
        let inbound = self.dump.listeners().into_iter().find(|listener| text_of(listener) == "virtualInbound");
        let mut rows = vec![["  Name".into(), "Match".into(), "TLS".into(), "Destination".into()]];
        rows.extend(inbound.into_iter().flat_map(chains).map(chain_row));
        text.push_str(&if rows.len() == 1 { "  <none>\n".to_owned() } else { columns(&rows, 2) });
    }
}

fn text_of(listener: &Value) -> &str {
    text(listener, "/name")
}

/// A filter chain: its name, what it is chosen by, what it does about TLS, and where it sends.
fn chain_row(chain: &Value) -> [String; 4] {
    let socket = chain.pointer("/transport_socket/typed_config");
    let required = || socket.and_then(|socket| socket.pointer("/require_client_certificate")).and_then(Value::as_bool);
    let tls = match socket {
        Some(socket) if text(socket, "/@type").ends_with("DownstreamTlsContext") => {
            if required() == Some(true) {
                "mTLS"
            } else {
                "TLS"
            }
        }
        _ => "-",
    };
    [format!("  {}", text(chain, "/name")), chain_match(chain), tls.to_owned(), destination(chain)]
}

fn write_container(text: &mut String, status: &ContainerStatus, container: Option<&Container>) {
    let _ = writeln!(text, "  {}:", status.name);
    let mut field = |name: &str, value: &str| {
        let _ = writeln!(text, "    {:16}{value}", format!("{name}:"));
    };
    field("Image", &status.image);
    if let Some(stand_in) = container.and_then(|container| container.stand_in.as_ref()) {
        field("Stand-in For", &stand_in.image);
    }
    let ports = container.map(|container| &container.ports[..]).unwrap_or_default();
    let ports: Vec<String> = ports.iter().map(|port| format!("{}/{}", port.port, port.protocol)).collect();
    if !ports.is_empty() {
        field(if ports.len() == 1 { "Port" } else { "Ports" }, &ports.join(", "));
    }
    for (name, words) in container.into_iter().flat_map(|one| [("Command", &one.command), ("Args", &one.args)]) {
        if !words.is_empty() {
            field(name, &words.join(" "));
        }
    }
    if let Some(pid) = status.pid {
        field("Process", &pid.to_string());
    }
    match status.state {
        State::Running { started } => {
            field("State", "Running");
            field("  Started", &date(started));
        }
        State::Ended { started, finished, code } => {
            field("State", "Terminated");
            field("  Reason", status.state.reason().unwrap_or_default());
            field("  Exit Code", &code.map_or_else(|| "<unknown>".to_owned(), |code| code.to_string()));
            field("  Started", &date(started));
            field("  Finished", &finished.map_or_else(|| "<unknown>".to_owned(), date));
        }
        State::Missing => {
            field("State", "Waiting");
            field("  Reason", status.state.reason().unwrap_or_default());
        }
    }
    field("Ready", if status.is_ready { "True" } else { "False" });
    field("Restart Count", &status.restarts.to_string());
    let environment = container.map(|one| &one.env[..]).unwrap_or_default();
    for (index, (name, value)) in environment.iter().enumerate() {
        let title = if index == 0 { "Environment:" } else { "" };
        let _ = writeln!(text, "    {title:16}{name}={value}");
    }
    let mounts = container.map(|one| &one.mounts[..]).unwrap_or_default();
    for (index, mount) in mounts.iter().enumerate() {
        let title = if index == 0 { "Mounts:" } else { "" };
        let _ = writeln!(text, "    {title:16}{}", mount.path);
    }
}

/// Labels or annotations, one a line.
fn pairs(map: &std::collections::BTreeMap<String, String>, between: &str) -> String {
    if map.is_empty() {
        return "<none>".to_owned();
    }
    let lines: Vec<String> = map.iter().map(|(name, value)| format!("{name}{between}{value}")).collect();
    lines.join(&format!("\n{:VALUES$}", ""))
}
