//! Round trips: one that is asked for is held by all labs at once, and what it really takes is measured.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use netns::Delay;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{rig::Rig, stats::median};

/// How many connections are made to see what a round trip takes, each time that another one is asked for, in each lab.
const CONNECTIONS: usize = 3;

/// A round trip that was asked for, and what came of it.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Rtt {
    /// By how much longer a round trip was to take, in microseconds.
    pub asked_us: u64,
    /// By how much longer connecting between two pods without sidecars took: the median, in microseconds.
    pub measured_us: f64,
    /// How much that is more than what was asked for, in microseconds.
    pub error_us: f64,
    /// Packets that were dropped in place of being delayed.
    pub lost: u64,
}

impl Rtt {
    fn new(asked: Duration, seen: Seen) -> Self {
        let (asked_us, measured_us) = (asked.as_micros() as u64, median(seen.longer_us));
        Self { asked_us, measured_us, error_us: measured_us - asked_us as f64, lost: seen.lost }
    }
}

/// For people: `asked for a round trip of 10ms, it took 10.23 ms`, in a line each.
pub fn summary(rtts: &[Rtt]) -> String {
    let line = |rtt: &Rtt| {
        let lost = if rtt.lost > 0 { format!("; {} packets were lost", rtt.lost) } else { String::new() };
        let (asked, took) = (Duration::from_micros(rtt.asked_us), rtt.measured_us / 1e3);
        format!("round trips of {asked:?} more took {took:.2} ms more ({:+.2} ms){lost}\n", rtt.error_us / 1e3)
    };
    rtts.iter().map(line).collect()
}

/// The ways between the pods of some labs, equally long in all of them.
pub(super) struct Ways<'a> {
    rigs: &'a [Rig<'a>],
    rtt: Duration,
    delays: Vec<Delay>,
    seen: BTreeMap<Duration, Seen>,
}

/// What was seen of a round trip.
#[derive(Debug, Default)]
struct Seen {
    longer_us: Vec<f64>,
    lost: u64,
}

impl<'a> Ways<'a> {
    /// As short as they are.
    pub(super) fn new(rigs: &'a [Rig<'a>]) -> Self {
        Self { rigs, rtt: Duration::ZERO, delays: Vec::new(), seen: BTreeMap::new() }
    }

    /// Makes each round trip take so much longer than it does by itself.
    ///
    /// # Errors
    /// If the kernel can't hold packets back.
    pub(super) fn set(&mut self, rtt: Duration) -> Result<()> {
        if rtt == self.rtt {
            return Ok(());
        }
        self.shorten();
        if rtt > Duration::ZERO {
            // Beside each other: what the machine does at the moment is in both.
            let short = self.rigs.iter().map(connect_times).collect::<Result<Vec<_>>>()?;
            self.delays = self.rigs.iter().map(|rig| rig.lab().delay(rtt / 2)).collect::<Result<_, _>>()?;
            self.rtt = rtt;
            for (rig, short) in self.rigs.iter().zip(short) {
                let short = median(short);
                let longer = connect_times(rig)?.into_iter().map(|long| long - short);
                self.seen.entry(rtt).or_default().longer_us.extend(longer);
            }
        }
        Ok(())
    }

    /// What was asked for so far, and what came of it.
    pub(super) fn found(mut self) -> Vec<Rtt> {
        self.shorten();
        let seen = self.seen.into_iter().filter(|(_, seen)| !seen.longer_us.is_empty());
        seen.map(|(asked, seen)| Rtt::new(asked, seen)).collect()
    }

    fn shorten(&mut self) {
        for delay in self.delays.drain(..) {
            // Of a lab that is gone nothing is measured any more.
            self.seen.entry(self.rtt).or_default().lost += delay.lost().unwrap_or(0);
        }
        self.rtt = Duration::ZERO;
    }
}

/// How long connections from a pod without a sidecar to another one took to be made, in microseconds.
fn connect_times(rig: &Rig<'_>) -> Result<Vec<f64>> {
    let (from, to) = rig.without_sidecars().context("fewer than two pods without a sidecar")?;
    let spec = to.spec();
    let address = spec.v4.map(IpAddr::from).or(spec.v6.map(IpAddr::from)).context("a pod without an address")?;
    let doing = || format!("can't connect from {} to {}", from.name(), to.name());
    let listener = to.enter(|| TcpListener::bind((address, 0)))?.with_context(doing)?;
    let connect = |to: SocketAddr| {
        let begun = Instant::now();
        TcpStream::connect(to).map(|_| begun.elapsed().as_secs_f64() * 1e6)
    };
    from.enter(|| {
        let to = listener.local_addr()?;
        (0..CONNECTIONS).map(|_| connect(to)).collect::<io::Result<Vec<f64>>>()
    })?
    .with_context(doing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(longer_us: &[f64], lost: u64) -> Seen {
        Seen { longer_us: longer_us.into(), lost }
    }

    #[test]
    fn what_a_round_trip_took_is_the_median_and_the_error_what_it_is_more() {
        let rtt = Rtt::new(Duration::from_millis(10), seen(&[10_200.0, 10_100.0, 25_000.0], 0));
        assert_eq!(rtt, Rtt { asked_us: 10_000, measured_us: 10_200.0, error_us: 200.0, lost: 0 });
        assert_eq!(summary(&[rtt]), "round trips of 10ms more took 10.20 ms more (+0.20 ms)\n");
    }

    #[test]
    fn packets_that_were_lost_are_reported() {
        let rtt = Rtt::new(Duration::from_micros(500), seen(&[510.0], 3));
        assert_eq!(summary(&[rtt]), "round trips of 500µs more took 0.51 ms more (+0.01 ms); 3 packets were lost\n");
    }
}
