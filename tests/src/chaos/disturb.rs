//! Carries disturbances out.

use std::{fs, thread, time::Duration};

use anyhow::{Context, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    lab::{ChaosLab, MANIFESTS},
    plan::{Disturbance, Sidecar},
};

pub(super) struct Disturber<'a> {
    lab: &'a ChaosLab,
    /// How often clusters were swapped.
    clusters: u32,
    has_listener: bool,
    has_chains: bool,
}

impl<'a> Disturber<'a> {
    pub(super) fn new(lab: &'a ChaosLab) -> Self {
        Self { lab, clusters: 0, has_listener: false, has_chains: false }
    }

    /// Carries a disturbance out, and waits until it is over.
    ///
    /// # Errors
    /// If it can't be carried out.
    pub(super) fn carry_out(&mut self, disturbance: Disturbance) -> Result<()> {
        match disturbance {
            Disturbance::Rotate => self.lab.done(&["rotate"]).map(drop),
            Disturbance::Strict => self.apply(&mode("STRICT")),
            Disturbance::Permissive => self.apply(&mode("PERMISSIVE")),
            Disturbance::Clusters => {
                self.clusters += 1;
                self.apply(&destination_rules(1000 + self.clusters))
            }
            Disturbance::Listeners => {
                self.has_listener = !self.has_listener;
                self.exists(self.has_listener, EXTRA_SERVICE)
            }
            Disturbance::Chains => {
                self.has_chains = !self.has_chains;
                self.exists(self.has_chains, EXTRA_POLICY)
            }
            Disturbance::Disk(time) => {
                let filler = self.lab.fill()?;
                hold(time);
                Ok(fs::remove_file(filler)?)
            }
            Disturbance::Descriptors(sidecar, time) => self.without_descriptors(sidecar, time),
            Disturbance::Stop(sidecar, time) => {
                let pid = self.pid(sidecar.pod())?;
                kill(pid, Signal::SIGSTOP)?;
                hold(time);
                Ok(kill(pid, Signal::SIGCONT)?)
            }
            Disturbance::Cut(time) => {
                self.lab.done(&["fault", "partition", "client", "server"])?;
                hold(time);
                self.lab.done(&["fault", "clear", "--all"]).map(drop)
            }
            Disturbance::Kill => self.kill_and_replace("changing"),
        }
    }

    /// Ends what goes on beyond its disturbance.
    pub(super) fn calm(&mut self) -> Result<()> {
        self.apply(&mode("PERMISSIVE"))
    }

    fn pid(&self, pod: &str) -> Result<Pid> {
        Ok(Pid::from_raw(self.lab.sidecar(pod)?.pid.try_into()?))
    }

    fn apply(&self, manifests: &str) -> Result<()> {
        let file = self.lab.file("change.yaml", manifests)?;
        self.lab.done(&["apply", "--wait", "-f", &file]).map(drop)
    }

    fn exists(&self, exists: bool, manifests: &str) -> Result<()> {
        if exists {
            return self.apply(manifests);
        }
        let file = self.lab.file("change.yaml", manifests)?;
        self.lab.done(&["delete", "--wait", "-f", &file]).map(drop)
    }

    /// Lowers a sidecar's limit to the descriptors that it has.
    fn without_descriptors(&self, sidecar: Sidecar, time: Duration) -> Result<()> {
        let pid = self.pid(sidecar.pod())?;
        let limits = fs::read_to_string(format!("/proc/{pid}/limits"))?;
        let limit = limits.lines().find(|line| line.starts_with("Max open files")).context("a limit of open files")?;
        let soft = limit.split_whitespace().nth(3).context("a soft limit")?.to_owned();
        let open = fs::read_dir(format!("/proc/{pid}/fd"))?.count();
        self.set_limit(sidecar, pid, &open.to_string())?;
        hold(time);
        self.set_limit(sidecar, pid, &soft)
    }

    /// Sets a soft limit as the sidecar's user, who may do so without a capability.
    fn set_limit(&self, sidecar: Sidecar, pid: Pid, soft: &str) -> Result<()> {
        let (pid, limit) = (format!("--pid={pid}"), format!("--nofile={soft}:"));
        self.lab.done(&["exec", sidecar.pod(), "-c", "istio-proxy", "--", "prlimit", &pid, &limit]).map(drop)
    }

    fn kill_and_replace(&self, pod: &str) -> Result<()> {
        kill(self.pid(pod)?, Signal::SIGKILL)?;
        self.lab.done(&["delete", "--wait", &format!("pod/{pod}")])?;
        self.apply(MANIFESTS)
    }
}

fn hold(time: Duration) {
    #[allow(clippy::disallowed_methods, reason = "the disturbance lasts this long")]
    thread::sleep(time);
}

fn mode(mode: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: default}}\nspec: {{mtls: {{mode: {mode}}}}}\n"
    )
}

fn destination_rules(connections: u32) -> String {
    let rule = |host: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {host}}}\nspec:\n  host: {host}\n  \
             trafficPolicy: {{connectionPool: {{tcp: {{maxConnections: {connections}}}}}}}\n"
        )
    };
    format!("{}---\n{}", rule("server"), rule("changing"))
}

const EXTRA_SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata: {name: extra}
spec: {selector: {app: server}, ports: [{name: http, port: 7070, targetPort: 8080}, {name: tcp, port: 7071, targetPort: 9000}]}
";

const EXTRA_POLICY: &str = "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: extra}
spec: {selector: {matchLabels: {app: changing}}, rules: [{}]}
";
