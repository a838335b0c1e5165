//! When a container's program is ready: according to its probes, else once it accepts connections on its declared ports.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::Result;
use demo_apps::report::ClientReport;
use mesh::{
    model::{Check, Container, Family, Pod, Probe},
    sidecar,
};
use netns::Process;

use crate::{container, terminal::noteln, tools::Tools};

/// How long a pod may take until its probes succeed. The kubelet waits forever.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a program may take until it listens on its declared ports, which are informational in Kubernetes.
const LISTENS_WITHIN: Duration = Duration::from_secs(10);

/// The interval between checks of a port without a probe.
const PORT_PERIOD: Duration = Duration::from_millis(50);

/// The maximum interval between tries of a probe: the kubelet's default of ten seconds would make labs slow.
const LONGEST_PERIOD: Duration = Duration::from_secs(1);

/// A pod's container whose program was started.
pub(crate) struct Started<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) container: &'a Container,
    pub(crate) host: &'a netns::Pod,
    pub(crate) process: &'a Process,
    pub(crate) tools: &'a Tools,
}

impl Started<'_> {
    /// Waits until the program is ready, or has ended. A program that is not ready in time is reported: calls to it fail as they would in a cluster.
    ///
    /// # Errors
    /// If this process is interrupted.
    pub(crate) fn wait(&self) -> Result<()> {
        let Container { startup, readiness, .. } = self.container;
        let probes = [("startupProbe", startup), ("readinessProbe", readiness)];
        let probes = probes.into_iter().filter_map(|(name, probe)| Some((name, probe.as_ref()?)));
        let probes: Vec<_> = probes.filter(|(_, probe)| !is_sidecars(probe)).collect();
        for (name, probe) in &probes {
            let period = Duration::from_secs(probe.period.into()).min(LONGEST_PERIOD);
            if !self.until(PATIENCE, period, || self.succeeds(probe))? {
                noteln!(
                    "{}: {} is not ready: its {name} did not succeed within {PATIENCE:?}",
                    self.container.source,
                    self.pod.name
                );
                return Ok(());
            }
        }
        if probes.is_empty() {
            for port in self.container.ports.iter().filter(|port| port.protocol == "TCP").map(|port| port.port) {
                if !self.until(LISTENS_WITHIN, PORT_PERIOD, || Ok(self.accepts(port)))? {
                    noteln!(
                        "{}: {} does not listen on port {port}, which it declares, after {LISTENS_WITHIN:?}",
                        self.container.source,
                        self.pod.name
                    );
                }
            }
        }
        Ok(())
    }

    /// Repeats a check until it succeeds, or the program has ended. Returns false if it has not succeeded in time.
    fn until(&self, time: Duration, period: Duration, succeeds: impl Fn() -> Result<bool>) -> Result<bool> {
        let deadline = Instant::now() + time;
        loop {
            if succeeds()? || self.process.ends_within(Duration::ZERO)? {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            if self.process.ends_within(period)? {
                return Ok(true);
            }
        }
    }

    fn succeeds(&self, probe: &Probe) -> Result<bool> {
        let timeout = Duration::from_secs(probe.timeout.into());
        Ok(match &probe.check {
            // Of gRPC's health service only that it is there.
            Check::Tcp(port) | Check::Grpc(port) => self.accepts(*port),
            Check::Exec(command) => {
                let Some((file, arguments)) = command.split_first() else { return Ok(true) };
                self.run(file.into(), arguments.to_vec(), timeout)?.is_some_and(|output| output.status.success())
            }
            Check::Http { tls, port, path, headers } => {
                let scheme = if *tls { "https" } else { "http" };
                let slash = if path.starts_with('/') { "" } else { "/" };
                let url = format!("{scheme}://{}:{port}{slash}{path}", self.pod.ips.v4);
                let mut args = vec![url, "-k".into(), "--timeout".into(), format!("{}s", probe.timeout)];
                for (name, value) in headers {
                    args.extend(["-H".into(), format!("{name}:{value}")]);
                }
                let output = self.run(self.tools.own("demo-client")?, args, timeout)?;
                let report = output.and_then(|output| serde_json::from_slice::<ClientReport>(&output.stdout).ok());
                let status = report.and_then(|report| report.http).map(|http| http.status);
                status.is_some_and(|status| (200..400).contains(&status))
            }
        })
    }

    /// Runs a program in the container; `None` if it can't be started, or takes too long.
    fn run(
        &self,
        file: std::path::PathBuf,
        args: Vec<String>,
        timeout: Duration,
    ) -> Result<Option<std::process::Output>> {
        let mut program = container::program(self.pod, self.container, self.host, "probe", file, args);
        container::keep_keys_secret(&mut program);
        match self.host.run_to_end(&program, timeout + Duration::from_secs(1)) {
            Ok(output) => Ok(Some(output)),
            Err(error @ netns::Error::Interrupted { .. }) => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    /// Whether a program in the pod accepts connections on a port, at any of the pod's addresses.
    fn accepts(&self, port: u16) -> bool {
        let own = Family::BOTH.map(|family| self.pod.ips.of(family));
        let all = own.into_iter().chain([IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)]);
        let accepts = |ip| TcpStream::connect_timeout(&SocketAddr::new(ip, port), Duration::from_secs(1)).is_ok();
        self.host.enter(|| all.into_iter().any(accepts)).unwrap_or(false)
    }
}

/// Whether a probe was rewritten by the injector, and asks the sidecar.
fn is_sidecars(probe: &Probe) -> bool {
    probe.check.port().is_some_and(|port| sidecar::PORTS.contains(&port))
}
