//! `sidelab capture`.

use std::{
    collections::VecDeque,
    io::{self, IsTerminal, Write},
    net::IpAddr,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use mesh::{
    account::{Interface, LegNumber},
    model::{CLUSTER_DNS, Mesh},
};
use netns::{Capture, Captured, CapturedPacket, PcapngWriter};
use observe::Ends;

use super::{OK, opened::Opened};
use crate::{
    cli::CaptureArgs,
    interrupt,
    look::legs::Legs,
    name_server, output,
    report::words::counted,
    tail::{Tails, key_logs},
    terminal::noteln,
};

/// How often packets are written.
const EVERY: Duration = Duration::from_millis(50);

/// How long packets are held back for their keys: Envoy writes its key log every 50 ms, and on a busy machine later.
const HOLD: Duration = Duration::from_secs(1);

pub(super) fn capture(args: &CaptureArgs) -> Result<u8> {
    let opened = Opened::new(&args.lab)?;
    let (host, pod) = opened.pod(&args.pod, &args.namespace)?;
    let to_stdout = args.file.as_deref().is_none_or(|file| file == Path::new("-"));
    if args.file.is_none() && io::stdout().is_terminal() {
        bail!("a capture is not for a terminal: write it to a file with -w, or pipe it, such as `| wireshark -k -i -`");
    }
    interrupt::interruptible()?;
    let capture = Capture::start([&host])?;
    let mut running = Running {
        legs: Legs::new(pod),
        keys: {
            let lab = opened.lab.dir().to_owned();
            Tails::new(move || key_logs(&lab))
        },
        capture,
        held: VecDeque::new(),
        leg: args.leg,
        left: args.count.unwrap_or(u64::MAX),
        written: 0,
        dropped: vec![0; 2],
        end: args.time.map(|time| Instant::now() + time),
        is_there: Box::new(move || host.dir().is_dir()),
    };
    noteln!("capturing on lo and eth0 of {}", pod.name);
    let names = names(&opened.mesh);
    let mut write = |out: &mut dyn Write| running.write(out, &names);
    match args.file.as_deref().filter(|_| !to_stdout) {
        Some(path) => output::write_secret(path, write)?,
        None => match write(&mut io::stdout().lock()) {
            // The reader has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            written => written.context("can't write to standard output")?,
        },
    }
    let lost: u64 = running.dropped.iter().sum();
    let lost =
        if lost > 0 { format!(", and {} lost", counted(usize::try_from(lost)?, "packet")) } else { String::new() };
    noteln!("{} captured{lost}", counted(usize::try_from(running.written)?, "packet"));
    Ok(OK)
}

/// A capture that runs.
struct Running {
    legs: Legs,
    keys: Tails,
    capture: Capture,
    /// Packets that wait for their keys, with the time at which they were taken.
    held: VecDeque<(Instant, Vec<CapturedPacket>)>,
    leg: Option<LegNumber>,
    /// How many packets may still be written.
    left: u64,
    written: u64,
    dropped: Vec<u64>,
    end: Option<Instant>,
    /// Whether the pod still exists.
    is_there: Box<dyn Fn() -> bool>,
}

impl Running {
    fn write(&mut self, out: &mut dyn Write, names: &[(IpAddr, String)]) -> io::Result<()> {
        let first = self.capture.take();
        let interfaces: Vec<Interface> =
            first.interfaces.iter().map(|one| if one.name == "lo" { Interface::Lo } else { Interface::Eth0 }).collect();
        let mut writer = PcapngWriter::new(out, &first.interfaces, names)?;
        self.hold(first);
        writer.flush()?;
        loop {
            interrupt::pause(EVERY);
            let is_over = self.is_over();
            if is_over {
                // The keys of the last packets.
                let _ = nix::poll::poll(&mut [], u16::try_from(HOLD.as_millis()).unwrap_or(u16::MAX));
            }
            let captured = self.capture.take();
            self.hold(captured);
            for (_, keys) in self.keys.read() {
                writer.secrets(&keys)?;
            }
            let before = Instant::now().checked_sub(if is_over { Duration::ZERO } else { HOLD });
            while self.held.front().is_some_and(|(taken, _)| before.is_some_and(|before| *taken <= before)) {
                for packet in self.held.pop_front().into_iter().flat_map(|(_, packets)| packets) {
                    self.write_packet(&mut writer, &packet, interfaces[packet.interface.0])?;
                }
            }
            writer.flush()?;
            if is_over || self.left == 0 {
                return writer.end(&self.dropped);
            }
        }
    }

    fn is_over(&self) -> bool {
        interrupt::is_asked() || self.end.is_some_and(|end| Instant::now() >= end) || !(self.is_there)()
    }

    fn hold(&mut self, captured: Captured) {
        for (sum, dropped) in self.dropped.iter_mut().zip(&captured.dropped) {
            *sum += dropped;
        }
        if !captured.packets.is_empty() {
            self.held.push_back((Instant::now(), captured.packets));
        }
    }

    fn write_packet(
        &mut self,
        writer: &mut PcapngWriter<&mut dyn Write>,
        packet: &CapturedPacket,
        interface: Interface,
    ) -> io::Result<()> {
        let leg = Ends::of(&packet.data).and_then(|ends| self.legs.leg(interface, ends));
        if self.left == 0 || self.leg.is_some_and(|wanted| leg != Some(wanted)) {
            return Ok(());
        }
        let comment = leg.map(|leg| format!("leg {leg}"));
        writer.packet(packet, comment.as_deref())?;
        self.left -= 1;
        self.written += 1;
        Ok(())
    }
}

/// The names of the addresses of a mesh.
fn names(mesh: &Mesh) -> Vec<(IpAddr, String)> {
    let pods = mesh.pods.iter().flat_map(|pod| pod.ips.both().map(|ip| (ip, pod.name.to_string())));
    let services = mesh.services.iter().flat_map(|one| one.vips.iter().map(|vip| (*vip, one.host.clone())));
    let dns = CLUSTER_DNS.both().map(|ip| (ip, name_server::POD.to_owned()));
    pods.chain(services).chain(dns).collect()
}
