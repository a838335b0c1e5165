//! `sidelab watch`.

use std::{
    collections::HashMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Result;
use mesh::model::Mesh;
use netns::{Capture, CapturedPacket, Lab};
use observe::{KeyLog, Packet};

use super::{OK, opened::Opened};
use crate::{
    access_log,
    cli::{Output, WatchArgs},
    interrupt,
    look::calls::{Call, Calls},
    manifests,
    sidecar::Folders,
    tail::{Tails, access_logs, key_logs},
    terminal::{noteln, print_bytes},
};

/// How often logs and packets are read.
const EVERY: Duration = Duration::from_millis(100);

/// How much of the packets is kept, in bytes. What a connection carries is remembered beyond that.
const KEPT: usize = 16 << 20;

pub(super) fn watch(args: &WatchArgs) -> Result<u8> {
    let opened = Opened::new(&args.lab)?;
    let find = |name: &String| manifests::find_pod(&opened.mesh, name, &args.namespace);
    let only = args.pod.as_ref().map(find).transpose()?.map(|index| opened.mesh.pods[index].name.to_string());
    interrupt::interruptible()?;
    let mut watch = Watch::start(opened)?;
    noteln!("watching {} pods, until Ctrl-C", watch.opened.mesh.pods.len());
    let end = args.time.map(|time| Instant::now() + time);
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0
        && !interrupt::is_asked()
        && end.is_none_or(|end| Instant::now() < end)
        && watch.opened.lab.dir().is_dir()
    {
        interrupt::pause(EVERY);
        for call in watch.turn()? {
            let is_of_pod = |pod: &String| call.from == *pod || call.server.as_ref() == Some(pod);
            if left == 0 || !only.as_ref().is_none_or(is_of_pod) {
                continue;
            }
            if !print(&call, args.output.output)? {
                return Ok(OK);
            }
            left -= 1;
        }
    }
    Ok(OK)
}

/// Prints a call. Returns whether there is still a reader.
fn print(call: &Call, output: Output) -> Result<bool> {
    let line = match output {
        Output::Table => call.line(),
        Output::Json => serde_json::to_string(call)?,
    };
    Ok(print_bytes(format!("{line}\n").as_bytes())?)
}

struct Watch {
    opened: Opened,
    capture: Capture,
    /// The pods that are captured.
    pods: Vec<String>,
    logs: Tails,
    /// The index of each access log's pod.
    pod_of_log: HashMap<PathBuf, usize>,
    keys: Tails,
    key_log: KeyLog,
    packets: Vec<(String, String, CapturedPacket)>,
    calls: Calls,
}

impl Watch {
    fn start(opened: Opened) -> Result<Self> {
        let hosts = opened.lab.pods();
        let capture = Capture::start(&hosts)?;
        let (for_logs, for_keys) = (opened.lab.dir().to_owned(), opened.lab.dir().to_owned());
        Ok(Self {
            pod_of_log: pods_of_logs(&opened.lab, &opened.mesh),
            pods: hosts.iter().map(|host| host.name().to_owned()).collect(),
            logs: Tails::new(move || access_logs(&for_logs)),
            keys: Tails::new(move || key_logs(&for_keys)),
            key_log: KeyLog::default(),
            packets: Vec::new(),
            calls: Calls::default(),
            opened,
            capture,
        })
    }

    /// Reads what is new, and returns the calls that are complete.
    fn turn(&mut self) -> Result<Vec<Call>> {
        self.follow_changes()?;
        let logs = self.logs.read();
        // After the logs: the packets of what they report have been captured.
        self.keep_packets();
        for (_, keys) in self.keys.read() {
            self.key_log.add(&keys);
        }
        for (log, text) in logs {
            let Some(pod) = self.pod_of_log.get(&log) else { continue };
            for line in access_log::read(&text) {
                self.calls.add_line(*pod, line);
            }
        }
        if self.calls.needs_flows() {
            self.calls.add_flows(&observe::observe(&self.to_observe(), &self.key_log));
        }
        Ok(self.calls.take(&self.opened.mesh))
    }

    /// Reads the lab's manifests again if another process has changed them, and captures the pods that are new.
    fn follow_changes(&mut self) -> Result<()> {
        if !self.opened.read_again()? {
            return Ok(());
        }
        self.pod_of_log = pods_of_logs(&self.opened.lab, &self.opened.mesh);
        let hosts = self.opened.lab.pods();
        let pods: Vec<String> = hosts.iter().map(|host| host.name().to_owned()).collect();
        if pods != self.pods {
            self.keep_packets();
            self.capture = Capture::start(&hosts)?;
            self.pods = pods;
        }
        Ok(())
    }

    fn keep_packets(&mut self) {
        let captured = self.capture.take();
        let place = |packet: &CapturedPacket| {
            let interface = &captured.interfaces[packet.interface.0];
            (interface.pod.clone(), interface.name.clone())
        };
        self.packets.extend(captured.packets.into_iter().map(|packet| {
            let (pod, name) = place(&packet);
            (pod, name, packet)
        }));
        let mut size: usize = self.packets.iter().map(|(.., packet)| packet.data.len()).sum();
        let surplus = self.packets.iter().take_while(|(.., packet)| {
            let is_surplus = size > KEPT;
            size -= packet.data.len();
            is_surplus
        });
        let surplus = surplus.count();
        self.packets.drain(..surplus);
    }

    fn to_observe(&self) -> observe::Capture {
        let mut interfaces: Vec<observe::Interface> = Vec::new();
        let packets = self.packets.iter().map(|(pod, name, packet)| {
            let known = interfaces.iter().position(|one| one.host == *pod && one.name == *name);
            let interface = known.unwrap_or_else(|| {
                interfaces.push(observe::Interface { host: pod.clone(), name: name.clone() });
                interfaces.len() - 1
            });
            let timestamp_ns = packet.timestamp.as_nanos().try_into().unwrap_or(u64::MAX);
            Packet { interface, timestamp_ns, data: packet.data.clone() }
        });
        let packets = packets.collect();
        observe::Capture { interfaces, packets, secrets: String::new() }
    }
}

fn pods_of_logs(lab: &Lab, mesh: &Mesh) -> HashMap<PathBuf, usize> {
    let log = |(index, pod): (usize, &mesh::model::Pod)| {
        let host = lab.pod(&pod.name.to_string()).ok()?;
        Some((Folders::new(&host).access_log(), index))
    };
    mesh.pods.iter().enumerate().filter_map(log).collect()
}
