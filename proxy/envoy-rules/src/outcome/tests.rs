use pretty_assertions::assert_eq;

use super::*;

/// One outcome of each kind.
fn all() -> Vec<Outcome> {
    use ConnectError::{Closed, NotBound, Refused, Timeout, Tls};
    let words = |text: &'static str| Cow::from(text);
    let connect = [
        Refused(words("delayed_connect_error: Connection refused")),
        NotBound(words("failed to bind to 127.0.0.6:0: Cannot assign requested address")),
        Timeout,
        Tls(words("TLS_error:|268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end")),
        Closed,
    ];
    let mut all = vec![
        Outcome::Answered,
        Outcome::DirectResponse,
        Outcome::NoFilterChainMatch,
        Outcome::NoRoute,
        Outcome::NoCluster,
        Outcome::NoHealthyUpstream,
        Outcome::Overflow,
        Outcome::ResponseTimeout,
        Outcome::DownstreamProtocolError(words("http1.codec_error")),
        Outcome::DownstreamClosed,
        Outcome::DownstreamReset,
        Outcome::Rejected(words("missing_host_header")),
        Outcome::StreamIdle,
        Outcome::Denied(words("rbac_access_denied_matched_policy[none]")),
    ];
    all.extend(connect.map(Outcome::ConnectFailed));
    all.extend(UpstreamReset::ALL.map(Outcome::UpstreamReset));
    all.extend(UpstreamReset::ALL.map(Outcome::ResponseBrokeOff));
    all
}

/// Text as in access logs.
fn logged(text: &str) -> String {
    text.replace(' ', "_")
}

#[test]
fn the_log_entry_of_a_request_reads_back_as_its_outcome() {
    for outcome in all() {
        let (flags, details) = (outcome.flags().to_string(), logged(&outcome.details()));
        let read = Outcome::read(Logged { flags: &flags, details: &details, transport_failure: "-" });
        let read = read.unwrap_or_else(|| panic!("{flags} {details} reads as nothing"));
        assert_eq!((read.flags().to_string(), logged(&read.details())), (flags, details));
        assert_eq!(std::mem::discriminant(&read), std::mem::discriminant(&outcome));
    }
}

#[test]
fn the_log_entry_of_a_session_reads_back_as_its_outcome() {
    for outcome in all().into_iter().chain([Outcome::Done]) {
        let transport_failure = match &outcome {
            Outcome::ConnectFailed(error) => logged(&error.transport_failure()),
            Outcome::Done
            | Outcome::NoHealthyUpstream
            | Outcome::NoCluster
            | Outcome::UpstreamReset(UpstreamReset::RemoteReset) => String::new(),
            _ => continue,
        };
        let flags = outcome.session_flags().to_string();
        let read = Outcome::read(Logged { flags: &flags, details: "-", transport_failure: &transport_failure });
        // The entry of a session does not show a timeout.
        if outcome == Outcome::ConnectFailed(ConnectError::Timeout) {
            assert_eq!(read, Some(Outcome::ConnectFailed(ConnectError::Closed)));
            continue;
        }
        let read = read.expect("an outcome");
        assert_eq!(read.session_flags().to_string(), flags);
        assert_eq!(logged(&read.details()), logged(&outcome.details()));
    }
}

#[test]
fn an_unknown_entry_has_no_outcome() {
    let read = |flags, details| Outcome::read(Logged { flags, details, transport_failure: "-" });
    assert_eq!(read("UAEX", "ext_authz_denied"), None);
    assert_eq!((read("-", "-"), read("OM", "-")), (Some(Outcome::Done), None));
    assert_eq!(read("UO", "upstream_overflow"), None);
    assert_eq!(read("UF", "upstream_reset_before_response_started{something_new}"), None);
}

#[test]
fn a_session_without_an_upstream_connection_has_used_up_its_attempts() {
    assert_eq!(Outcome::ConnectFailed(ConnectError::Timeout).session_flags().to_string(), "UF,URX");
    assert_eq!(Outcome::ConnectFailed(ConnectError::NotBound("".into())).session_flags().to_string(), "URX");
    assert_eq!(Outcome::NoHealthyUpstream.session_flags().to_string(), "UH");
}

#[test]
fn statuses_and_bodies_are_envoys() {
    let body = "upstream connect error or disconnect/reset before headers. reset reason: ";
    let retried = "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: ";
    for (outcome, again, status, expected) in [
        (Outcome::NoRoute, false, 404, String::new()),
        (Outcome::NoCluster, false, 503, String::new()),
        (Outcome::NoHealthyUpstream, true, 503, "no healthy upstream".into()),
        (Outcome::ResponseTimeout, false, 504, "upstream request timeout".into()),
        (Outcome::StreamIdle, false, 504, "stream timeout".into()),
        (Outcome::ConnectFailed(ConnectError::Closed), false, 503, format!("{body}remote connection failure")),
        (Outcome::ConnectFailed(ConnectError::Timeout), true, 503, format!("{retried}connection timeout")),
        (
            Outcome::ConnectFailed(ConnectError::NotBound("".into())),
            false,
            503,
            format!("{body}local connection failure"),
        ),
        (Outcome::UpstreamReset(UpstreamReset::ProtocolError), true, 502, format!("{retried}protocol error")),
        (Outcome::UpstreamReset(UpstreamReset::RemoteReset), false, 503, format!("{body}remote reset")),
    ] {
        assert_eq!(outcome.answer(again, true), Some(Answer { status, body: expected.into() }), "{outcome:?}");
    }
    assert_eq!(Outcome::StreamIdle.answer(false, false).map(|answer| answer.status), Some(408));
    assert_eq!(Outcome::DownstreamClosed.answer(false, true), None);
}

#[test]
fn flags_are_formatted_in_the_order_in_which_they_were_set() {
    let flags = Flags::from(Flag::UpstreamRetryLimitExceeded).with(Flag::UpstreamConnectionFailure);
    assert_eq!(flags.to_string(), "URX,UF");
    assert_eq!(flags.union(Flag::UpstreamRetryLimitExceeded.into()).to_string(), "URX,UF");
    assert_eq!(Flags::NONE.to_string(), "-");
    assert_eq!(Flags::read("URX,UF"), flags);
    assert_eq!(Flags::read("-"), Flags::NONE);
}

#[test]
fn every_flag_is_found_by_its_short_name() {
    for flag in Flag::ALL {
        assert_eq!(Flag::parse(flag.as_str()), Some(*flag));
    }
    assert_eq!(Flag::parse("XX"), None);
}
