//! Ages, as kubectl prints them.

/// An age in seconds as kubectl's AGE column has it (`k8s.io/apimachinery/pkg/util/duration`, `HumanDuration`): two units at most, the
/// smaller one while it matters.
pub(crate) fn age(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: i64, unit: char, small: i64, of: char| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit}{small}{of}"),
    };
    match seconds {
        ..0 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, 'm', seconds % 60, 's'),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, 'h', minutes % 60, 'm'),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, 'd', hours % 24, 'h'),
        691_200..63_072_000 => format!("{days}d"),
        _ => two(days / 365, 'y', days % 365, 'd'),
    }
}

/// A time, in seconds since the Unix epoch, as in `metadata.creationTimestamp`: RFC 3339 in UTC.
pub(crate) fn timestamp(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
}

/// A time, in seconds since the Unix epoch, as `kubectl describe` prints it: RFC 1123 in UTC.
pub(crate) fn date(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_the_units_that_kubectl_shows() {
        let shown = [0, 119, 120, 121, 599, 600, 10_799, 10_800, 10_860, 28_800, 172_799, 172_800, 180_000, 691_200];
        let expected =
            ["0s", "119s", "2m", "2m1s", "9m59s", "10m", "179m", "3h", "3h1m", "8h", "47h", "2d", "2d2h", "8d"];
        assert_eq!(shown.map(age), expected);
        assert_eq!(age(-3), "0s", "clocks that differ");
    }

    #[test]
    fn a_time_is_printed_as_objects_and_descriptions_have_it() {
        assert_eq!(timestamp(1_796_026_485), "2026-11-30T08:14:45Z");
        assert_eq!(date(1_796_026_485), "Mon, 30 Nov 2026 08:14:45 +0000");
    }
}
