//! Interpreting an access log entry.

use std::borrow::Cow;

use super::{ConnectError, Flag, Flags, Logged, Outcome, UpstreamReset};

impl Outcome {
    /// The outcome that a log entry describes. `None` if it has unknown flags or details. Details in the outcome are as logged, with
    /// underscores instead of spaces.
    pub fn read(logged: Logged<'_>) -> Option<Self> {
        let flags = Flags::read(logged.flags);
        let details = present(logged.details);
        Some(match details {
            "" if present(logged.flags).is_empty() => Self::Done,
            "" => return session_outcome(flags, present(logged.transport_failure)),
            "via_upstream" => Self::Answered,
            "direct_response" => Self::DirectResponse,
            "filter_chain_not_found" => Self::NoFilterChainMatch,
            "route_not_found" => Self::NoRoute,
            "cluster_not_found" => Self::NoCluster,
            "no_healthy_upstream" => Self::NoHealthyUpstream,
            "cors_response" => Self::CorsPreflight,
            "fault_filter_abort" => Self::FaultAbort,
            "response_timeout" => Self::ResponseTimeout,
            "upstream_per_try_timeout" => Self::PerTryTimeout,
            "downstream_remote_disconnect" => Self::DownstreamClosed,
            "http2.remote_reset" => Self::DownstreamReset,
            "stream_idle_timeout" => Self::StreamIdle,
            _ if details.starts_with("rbac_access_denied") => Self::Denied(owned(details)),
            _ if flags.contains(Flag::DownstreamProtocolError) => Self::DownstreamProtocolError(owned(details)),
            _ => {
                if let Some(why) = inside(details, "upstream_reset_before_response_started") {
                    return before_response(why, present(logged.transport_failure));
                }
                if let Some(why) = inside(details, "upstream_reset_after_response_started") {
                    return UpstreamReset::read(why).map(Self::ResponseBrokeOff);
                }
                if !present(logged.flags).is_empty() && logged.flags != "DI" {
                    return None;
                }
                Self::Rejected(owned(details))
            }
        })
    }
}

/// The outcome of a session without details: the first of these flags that is set decides.
fn session_outcome(flags: Flags, transport_failure: &str) -> Option<Outcome> {
    const DECISIVE: [Flag; 14] = [
        Flag::UpstreamOverflow,
        Flag::NoHealthyUpstream,
        Flag::NoClusterFound,
        Flag::NoRouteFound,
        Flag::UpstreamConnectionFailure,
        Flag::UpstreamRetryLimitExceeded,
        Flag::UpstreamRemoteReset,
        Flag::UpstreamConnectionTermination,
        Flag::UpstreamProtocolError,
        Flag::UpstreamRequestTimeout,
        Flag::DownstreamProtocolError,
        Flag::DownstreamConnectionTermination,
        Flag::StreamIdleTimeout,
        Flag::DurationTimeout,
    ];
    let connect = |reason| Outcome::ConnectFailed(ConnectError::read(reason, transport_failure));
    Some(match DECISIVE.into_iter().find(|flag| flags.contains(*flag))? {
        Flag::UpstreamOverflow => Outcome::Overflow,
        Flag::NoHealthyUpstream => Outcome::NoHealthyUpstream,
        Flag::NoClusterFound => Outcome::NoCluster,
        Flag::NoRouteFound => Outcome::NoRoute,
        Flag::UpstreamConnectionFailure => connect("remote_connection_failure"),
        // This flag alone means that the source address could not be bound.
        Flag::UpstreamRetryLimitExceeded => connect("local_connection_failure"),
        Flag::UpstreamRemoteReset => Outcome::UpstreamReset(UpstreamReset::RemoteReset),
        Flag::UpstreamConnectionTermination => Outcome::UpstreamReset(UpstreamReset::ConnectionTermination),
        Flag::UpstreamProtocolError => Outcome::UpstreamReset(UpstreamReset::ProtocolError),
        Flag::UpstreamRequestTimeout => Outcome::ResponseTimeout,
        Flag::DownstreamProtocolError => Outcome::DownstreamProtocolError("".into()),
        Flag::DownstreamConnectionTermination => Outcome::DownstreamClosed,
        Flag::StreamIdleTimeout => Outcome::StreamIdle,
        Flag::DurationTimeout => Outcome::SessionTooLong,
        _ => return None,
    })
}

/// `words` is the transport failure, if `why` does not end with it.
fn before_response(why: &str, words: &str) -> Option<Outcome> {
    if let Some(reset) = UpstreamReset::read(why) {
        return Some(Outcome::UpstreamReset(reset));
    }
    if why == "overflow" {
        return Some(Outcome::Overflow);
    }
    let (reason, transport_failure) = why.split_once('|').unwrap_or((why, words));
    matches!(reason, "connection_timeout" | "local_connection_failure" | "remote_connection_failure")
        .then(|| Outcome::ConnectFailed(ConnectError::read(reason, transport_failure)))
}

impl ConnectError {
    fn read(reason: &str, transport_failure: &str) -> Self {
        match (reason, transport_failure) {
            ("connection_timeout", _) => Self::Timeout,
            ("local_connection_failure", words) => Self::NotBound(owned(words)),
            (_, "") => Self::Closed,
            (_, words) if words.starts_with("TLS_error") => Self::Tls(owned(words)),
            (_, words) => Self::Refused(owned(words)),
        }
    }
}

impl UpstreamReset {
    fn read(reason: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reset| reset.reason().replace(' ', "_") == reason)
    }
}

/// The text in the braces after a name.
fn inside<'a>(details: &'a str, name: &str) -> Option<&'a str> {
    details.strip_prefix(name)?.strip_prefix('{')?.strip_suffix('}')
}

fn present(field: &str) -> &str {
    if field == "-" { "" } else { field }
}

fn owned(text: &str) -> Cow<'static, str> {
    text.to_owned().into()
}
