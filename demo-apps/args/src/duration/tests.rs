use super::*;

#[test]
fn a_duration_is_a_number_with_a_unit_or_0() {
    for (text, micros) in [
        ("30s", 30_000_000),
        ("1m30s", 90_000_000),
        ("1h", 3_600_000_000),
        ("1.5ms", 1_500),
        ("500us", 500),
        ("500µs", 500),
        ("0", 0),
        ("0s", 0),
        (" 2s ", 2_000_000),
    ] {
        assert_eq!(parse(text), Ok(Duration::from_micros(micros)), "{text}");
    }
}

#[test]
fn anything_else_is_refused_with_an_example() {
    for (text, why) in [
        ("10", "a time needs a unit: write 10s, 10ms or 10us"),
        ("0.5", "a time needs a unit: write 0.5s, 0.5ms or 0.5us"),
        ("-1ms", "a time is not negative"),
        ("-10", "expected a time, such as 30s, 1m30s or 200ms"),
        ("", "expected a time, such as 30s, 1m30s or 200ms"),
        ("ms", "expected a time, such as 30s, 1m30s or 200ms"),
        ("10ms,", "expected a time, such as 30s, 1m30s or 200ms"),
        ("1 year", "expected a time, such as 30s, 1m30s or 200ms"),
        ("9000h", "a time is at most a year (8760h)"),
    ] {
        assert_eq!(parse(text), Err(why.to_owned()), "{text}");
    }
}

#[test]
fn a_bare_number_of_seconds_is_accepted_for_compatibility() {
    assert_eq!(parse_or_seconds("5"), Ok(Duration::from_secs(5)));
    assert_eq!(parse_or_seconds("0.05"), Ok(Duration::from_millis(50)));
    assert_eq!(parse_or_seconds("50ms"), Ok(Duration::from_millis(50)));
    for text in ["-1", "nan", "inf", "1e300", "five"] {
        assert!(parse_or_seconds(text).is_err(), "{text}");
    }
}

#[test]
fn a_limit_is_more_than_0() {
    assert_eq!(parse_limit("1ms"), Ok(Duration::from_millis(1)));
    for text in ["0", "0s", "0.0"] {
        assert_eq!(parse_limit(text), Err("expected a time of more than 0, such as 30s or 200ms".to_owned()), "{text}");
    }
}
