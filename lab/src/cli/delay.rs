//! `sidelab delay`, and round trips as they are written on the command line.

use std::time::Duration;

use clap::Args;

use super::LabArgs;

/// The longest round trip. TCP gives an answer up after a second already.
const LONGEST: Duration = Duration::from_secs(10);

/// `delay`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  sidelab delay 10ms &\n  sidelab exec client -- curl -s -o /dev/null -w '%{time_total}\\n' http://server:8080/"
)]
pub struct DelayArgs {
    /// How much longer a round trip between two pods takes, such as 10ms
    #[arg(value_name = "RTT", value_parser = round_trip)]
    pub rtt: Duration,
    /// Of which lab.
    #[command(flatten)]
    pub lab: LabArgs,
}

/// Reads a round trip: 0, or a time with a unit.
pub(in crate::cli) fn round_trip(text: &str) -> Result<Duration, String> {
    let time = if text == "0" { Some(Duration::ZERO) } else { time(text) };
    time.filter(|time| *time <= LONGEST)
        .ok_or_else(|| format!("a round trip is 0 or a time of at most {LONGEST:?}, such as 10ms or 500us"))
}

fn time(text: &str) -> Option<Duration> {
    text.parse::<jiff::SignedDuration>().ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_is_a_time_with_its_unit_or_nothing() {
        let read = |text| round_trip(text).unwrap();
        assert_eq!(read("0"), Duration::ZERO);
        assert_eq!(read("10ms"), Duration::from_millis(10));
        assert_eq!(read("1.5ms"), Duration::from_micros(1500));
        assert_eq!(read("500us"), Duration::from_micros(500));
        assert_eq!(read("10s"), LONGEST);
    }

    #[test]
    fn what_is_no_round_trip_is_refused() {
        for text in ["", "10", "-1ms", "ms", "11s", "1 year", "9999999999999999999999h", "10ms,"] {
            let refusal = round_trip(text).unwrap_err();
            assert_eq!(refusal, "a round trip is 0 or a time of at most 10s, such as 10ms or 500us", "{text}");
        }
    }
}
