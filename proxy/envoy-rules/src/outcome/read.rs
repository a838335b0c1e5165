//! From a line of an access log back to the outcome.

use std::borrow::Cow;

use super::{ConnectError, Flag, Flags, Outcome, UpstreamReset};

/// What a line says of how a connection or request ended. `-` and the empty text both say nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Logged<'a> {
    /// `RESPONSE_FLAGS`, such as `UF,URX`.
    pub flags: &'a str,
    /// `RESPONSE_CODE_DETAILS`, such as `via_upstream`.
    pub details: &'a str,
    /// `UPSTREAM_TRANSPORT_FAILURE_REASON`.
    pub transport_failure: &'a str,
}

impl Outcome {
    /// The outcome that a line tells of. `None` if it has flags or details that are not known here. Words of connections are as they
    /// are logged, with underscores for blanks.
    pub fn read(logged: Logged<'_>) -> Option<Self> {
        let flags = Flags::read(logged.flags);
        let details = present(logged.details);
        Some(match details {
            "" if present(logged.flags).is_empty() => Self::Done,
            "" => return of_session(flags, present(logged.transport_failure)),
            "via_upstream" => Self::Answered,
            "direct_response" => Self::DirectResponse,
            "filter_chain_not_found" => Self::NoFilterChainMatch,
            "route_not_found" => Self::NoRoute,
            "cluster_not_found" => Self::NoCluster,
            "no_healthy_upstream" => Self::NoHealthyUpstream,
            "response_timeout" | "upstream_per_try_timeout" => Self::ResponseTimeout,
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
                if !present(logged.flags).is_empty() {
                    return None;
                }
                Self::Rejected(owned(details))
            }
        })
    }
}

/// What the flags of a session without details say; the first of these that is set decides.
fn of_session(flags: Flags, transport_failure: &str) -> Option<Outcome> {
    const DECISIVE: [Flag; 12] = [
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
    ];
    let connect = |reason| Outcome::ConnectFailed(ConnectError::read(reason, transport_failure));
    Some(match DECISIVE.into_iter().find(|flag| flags.contains(*flag))? {
        Flag::NoHealthyUpstream => Outcome::NoHealthyUpstream,
        Flag::NoClusterFound => Outcome::NoCluster,
        Flag::NoRouteFound => Outcome::NoRoute,
        Flag::UpstreamConnectionFailure => connect("remote_connection_failure"),
        // Alone, it is that of a source that could not be bound.
        Flag::UpstreamRetryLimitExceeded => connect("local_connection_failure"),
        Flag::UpstreamRemoteReset => Outcome::UpstreamReset(UpstreamReset::RemoteReset),
        Flag::UpstreamConnectionTermination => Outcome::UpstreamReset(UpstreamReset::ConnectionTermination),
        Flag::UpstreamProtocolError => Outcome::UpstreamReset(UpstreamReset::ProtocolError),
        Flag::UpstreamRequestTimeout => Outcome::ResponseTimeout,
        Flag::DownstreamProtocolError => Outcome::DownstreamProtocolError("".into()),
        Flag::DownstreamConnectionTermination => Outcome::DownstreamClosed,
        Flag::StreamIdleTimeout => Outcome::StreamIdle,
        _ => return None,
    })
}

/// `words`: the reason of a transport failure where `why` does not end with it.
fn before_response(why: &str, words: &str) -> Option<Outcome> {
    if let Some(reset) = UpstreamReset::read(why) {
        return Some(Outcome::UpstreamReset(reset));
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

/// What stands in the braces behind a name.
fn inside<'a>(details: &'a str, name: &str) -> Option<&'a str> {
    details.strip_prefix(name)?.strip_prefix('{')?.strip_suffix('}')
}

fn present(field: &str) -> &str {
    if field == "-" { "" } else { field }
}

fn owned(text: &str) -> Cow<'static, str> {
    text.to_owned().into()
}
