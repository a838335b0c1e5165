//! When a container's program is ready: as its probes say, else when it accepts connections at the ports that it declares.

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

/// How long a pod may take until its probes succeed. The kubelet waits for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a program may take until it listens where it declares that it does, which binds it to nothing.
const LISTENS_WITHIN: Duration = Duration::from_secs(10);

/// The time between two looks at a port that no probe asks.
const PORT_PERIOD: Duration = Duration::from_millis(50);

/// The longest time between two tries of a probe: nobody wants to wait for the kubelet's ten seconds.
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
    /// Waits until the program is ready, or has ended. One that is not ready in time is named: calls to it fail as they would.
    ///
    /// # Errors
    /// When this process is interrupted.
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

    /// Tries until it succeeds, or the program has ended. False when it has not within the time.
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

    /// Runs a program beside the container's; nothing when it can't be, or takes too long.
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

    /// Whether somebody in the pod accepts connections at a port, at any of its addresses.
    fn accepts(&self, port: u16) -> bool {
        let own = Family::BOTH.map(|family| self.pod.ips.of(family));
        let all = own.into_iter().chain([IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)]);
        let accepts = |ip| TcpStream::connect_timeout(&SocketAddr::new(ip, port), Duration::from_secs(1)).is_ok();
        self.host.enter(|| all.into_iter().any(accepts)).unwrap_or(false)
    }
}

/// Whether a probe asks the sidecar, as the injector rewrites them.
fn is_sidecars(probe: &Probe) -> bool {
    probe.check.port().is_some_and(|port| sidecar::PORTS.contains(&port))
}
