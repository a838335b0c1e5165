//! Round trips: sets them in all labs at once, and measures the result.

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

/// The number of connections that measure a round trip whenever it changes, in each lab.
const CONNECTIONS: usize = 3;

/// A requested round trip, and its measured value.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Rtt {
    /// The requested delay, in microseconds.
    pub asked_us: u64,
    /// The median of the delay when connecting between two pods without sidecars, in microseconds.
    pub measured_us: f64,
    /// The excess over the requested delay, in microseconds.
    pub error_us: f64,
    /// Packets that were dropped instead of delayed.
    pub lost: u64,
}

impl Rtt {
    fn new(asked: Duration, seen: Seen) -> Self {
        let (asked_us, measured_us) = (asked.as_micros() as u64, median(seen.longer_us));
        Self { asked_us, measured_us, error_us: measured_us - asked_us as f64, lost: seen.lost }
    }
}

/// The round trips as text, one per line.
pub fn summary(rtts: &[Rtt]) -> String {
    let line = |rtt: &Rtt| {
        let lost = if rtt.lost > 0 { format!("; {} packets were lost", rtt.lost) } else { String::new() };
        let (asked, took) = (Duration::from_micros(rtt.asked_us), rtt.measured_us / 1e3);
        format!("round trips of {asked:?} more took {took:.2} ms more ({:+.2} ms){lost}\n", rtt.error_us / 1e3)
    };
    rtts.iter().map(line).collect()
}

/// The paths between the pods of several labs, with equal delays.
pub(super) struct Ways<'a> {
    rigs: &'a [Rig<'a>],
    rtt: Duration,
    delays: Vec<Delay>,
    seen: BTreeMap<Duration, Seen>,
}

/// The measurements of one round trip.
#[derive(Debug, Default)]
struct Seen {
    longer_us: Vec<f64>,
    lost: u64,
}

impl<'a> Ways<'a> {
    /// Paths without delay.
    pub(super) fn new(rigs: &'a [Rig<'a>]) -> Self {
        Self { rigs, rtt: Duration::ZERO, delays: Vec::new(), seen: BTreeMap::new() }
    }

    /// Adds a delay to each round trip.
    ///
    /// # Errors
    /// If the kernel can't delay packets.
    pub(super) fn set(&mut self, rtt: Duration) -> Result<()> {
        if rtt == self.rtt {
            return Ok(());
        }
        self.shorten();
        if rtt > Duration::ZERO {
            // Back to back, so that the machine's current state affects both.
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

    /// The round trips requested so far, with their measured values.
    pub(super) fn found(mut self) -> Vec<Rtt> {
        self.shorten();
        let seen = self.seen.into_iter().filter(|(_, seen)| !seen.longer_us.is_empty());
        seen.map(|(asked, seen)| Rtt::new(asked, seen)).collect()
    }

    fn shorten(&mut self) {
        for delay in self.delays.drain(..) {
            // Nothing more is measured in a lab that has ended.
            self.seen.entry(self.rtt).or_default().lost += delay.lost().unwrap_or(0);
        }
        self.rtt = Duration::ZERO;
    }
}

/// Connect times between two pods without sidecars, in microseconds.
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
