//! `sidelab delay`, and the syntax of round trips on the command line.

use std::time::Duration;

use clap::Args;
use demo_apps::duration;

use super::common::LabArgs;

/// The longest round trip. TCP starts to retransmit after one second.
const LONGEST: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sidelab delay 10ms &\n  sidelab exec client -- curl -s -o /dev/null -w '%{time_total}\\n' http://server:8080/\n  sidelab delay 0                ends the running one"
)]
pub struct DelayArgs {
    /// The delay to add to each round trip between two pods, such as 10ms; 0 ends the running `delay`
    #[arg(value_name = "RTT", value_parser = round_trip)]
    pub rtt: Duration,
    /// The lab to work on.
    #[command(flatten)]
    pub lab: LabArgs,
}

/// Reads a round trip: 0, or a time with a unit.
pub(in crate::cli) fn round_trip(text: &str) -> Result<Duration, String> {
    let time = duration::parse(text)?;
    if time > LONGEST { Err(format!("a round trip is at most {LONGEST:?}")) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_is_a_time_with_its_unit_or_nothing() {
        for (text, micros) in [("0", 0), ("10ms", 10_000), ("1.5ms", 1_500), ("500us", 500), ("10s", 10_000_000)] {
            assert_eq!(round_trip(text), Ok(Duration::from_micros(micros)), "{text}");
        }
    }

    #[test]
    fn what_is_no_round_trip_is_refused() {
        assert_eq!(round_trip("10").unwrap_err(), "a time needs a unit: write 10s, 10ms or 10us");
        assert_eq!(round_trip("11s").unwrap_err(), "a round trip is at most 10s");
    }
}
