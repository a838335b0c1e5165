//! The HTTP connection manager: codec, route, and what becomes of the request.

use envoy_api::{CodecType, HttpConnectionManager, RetryPolicy, Route, RouteConfiguration, RouteMatch, VirtualHost};

use crate::{account::Reason, compile::Resource};

use super::{
    CallError,
    inbound::{Place, Shared},
    simulate::Simulation,
    tls,
    trace::Log,
    upstream::{Failure, Upstream},
    wire::{Reply, Request, Sent, Version},
};

/// How a request ended at a sidecar.
struct Ended {
    status: u16,
    flags: &'static str,
    details: String,
    /// The condition of `retry_on` under which it is tried again, and what happens then.
    retried_on: &'static [&'static str],
}

impl Simulation<'_> {
    /// A connection manager gets what stands inside of TLS, if there was any.
    pub(super) fn http(
        &mut self,
        at: Place,
        manager: &HttpConnectionManager,
        alpn: Option<&str>,
        shared: &Shared,
        sent: &[Sent],
    ) -> Result<Reply, CallError> {
        let codec = codec(manager.codec_type, alpn, sent);
        let request = match sent.first() {
            Some(Sent::Http(version, request)) if *version == codec => request,
            Some(Sent::Nothing) => {
                self.trace.step(at.role.party(), "codec", "waits", "the client sends nothing", None);
                self.trace.refuse(at.role.party(), Reason::Timeout);
                return Ok(Reply::Silence);
            }
            _ => return Ok(self.not_http(at, codec)),
        };
        self.trace.read(at.role.party());
        let sidecar = self.world.sidecar(at.host)?;
        let by_file = manager.rds.as_ref().and_then(|rds| sidecar.routes(&rds.route_config_name));
        if let Some((rds, reason)) =
            manager.rds.as_ref().and_then(|rds| Some((rds, sidecar.unread(&rds.route_config_name)?)))
        {
            return Err(CallError::Unread { resource: rds.route_config_name.clone(), reason: reason.clone() });
        }
        let found = manager.route_config.as_ref().or(by_file).and_then(|routes| find_route(routes, request));
        let Some((routes, virtual_host, route)) = found else {
            let because = format!("no virtual host or route for {:?}", request.authority);
            self.trace.step(at.role.party(), "route", "none", because, None);
            self.trace.refuse(at.role.party(), Reason::NoRoute);
            self.trace.log(at.role, Log::new("NR", "route_not_found"));
            return Ok(Reply::Response(codec, 404));
        };
        let why = sidecar.why(&Resource::VirtualHost { routes: routes.name.clone(), host: virtual_host.name.clone() });
        let asked = format!("host {}", request.authority);
        let because = why.map_or_else(|| asked.clone(), |why| format!("{asked}; {}", why.because));
        let name = if route.name.is_empty() { "(unnamed)" } else { &route.name };
        let choice = format!("{} of {} in {}", name, virtual_host.name, routes.name);
        self.trace.step(at.role.party(), "route", choice, because, why.map(|why| &why.source));

        if let Some(direct) = &route.direct_response {
            self.trace.refuse(at.role.party(), Reason::DirectResponse);
            self.trace.log(at.role, Log::new("-", "direct_response"));
            return Ok(Reply::Response(codec, direct.status));
        }
        let Some(action) = &route.route else { return Ok(Reply::Response(codec, 404)) };
        let upstream = self.upstream(at, &action.cluster, shared, Some((codec, request)), sent)?;
        let ended = self.ended(at, upstream, codec);
        let exhausted = action.retry_policy.as_ref().is_some_and(|policy| retries(policy, &ended));
        let flags = match (exhausted, ended.flags) {
            (false, flags) => flags.to_owned(),
            (true, "-") => "URX".into(),
            (true, flags) => format!("URX,{flags}"),
        };
        self.trace.log(at.role, Log::new(flags, ended.details));
        Ok(Reply::Response(codec, ended.status))
    }

    /// Bytes that are no request in the codec's version of HTTP.
    fn not_http(&mut self, at: Place, codec: Version) -> Reply {
        self.trace.refuse(at.role.party(), Reason::ProtocolError);
        match codec {
            Version::Http1 => {
                self.trace.step(at.role.party(), "codec", "400", "the bytes are not HTTP/1.1", None);
                self.trace.log(at.role, Log::new("DPE", "http1.codec_error"));
                Reply::Response(Version::Http1, 400)
            }
            // Without the preface there is no stream to answer, and no line.
            Version::Http2 => {
                self.trace.step(at.role.party(), "codec", "closed", "the bytes are not HTTP/2", None);
                Reply::Closed
            }
        }
    }

    /// What the answer from upstream, or its absence, becomes.
    fn ended(&mut self, at: Place, upstream: Upstream, codec: Version) -> Ended {
        const CONNECT: &[&str] = &["connect-failure", "reset", "reset-before-request", "5xx", "gateway-error"];
        const RESET: &[&str] = &["reset", "5xx", "gateway-error"];
        let reset = |status, flags, why: String, retried_on| Ended {
            status,
            flags,
            details: format!("upstream_reset_before_response_started{{{why}}}"),
            retried_on,
        };
        let local = |flags, details: &str| Ended { status: 503, flags, details: details.into(), retried_on: &[] };
        let (version, reply) = match upstream {
            Upstream::Failed(Failure::NoCluster) => return local("NC", "cluster_not_found"),
            Upstream::Failed(Failure::NoEndpoint) => return local("UH", "no_healthy_upstream"),
            Upstream::Failed(Failure::Timeout) => return reset(503, "UF", "connection_timeout".into(), CONNECT),
            Upstream::Failed(Failure::Connect(why)) => {
                return reset(503, "UF", format!("remote_connection_failure|{why}"), CONNECT);
            }
            Upstream::Connected(version, reply) => (version.unwrap_or(codec), reply),
        };
        // Of an alert, which is shorter than any frame of HTTP/2, only the end of the connection is seen.
        let too_short = version == Version::Http2 && matches!(reply, Reply::Alert);
        match reply {
            Reply::Response(answered, status) if answered == version => {
                let retried_on: &[&str] = match status {
                    502..=504 => &["5xx", "gateway-error", "retriable-status-codes"],
                    500..=599 => &["5xx", "retriable-status-codes"],
                    _ => &["retriable-status-codes"],
                };
                Ended { status, flags: "-", details: "via_upstream".into(), retried_on }
            }
            Reply::Silence => {
                self.trace.refuse(self.upstream_of(at), Reason::Timeout);
                Ended {
                    status: 504,
                    flags: "UT",
                    details: "response_timeout".into(),
                    retried_on: &["5xx", "gateway-error"],
                }
            }
            Reply::Response(..) | Reply::Echo | Reply::Alert if !too_short => {
                self.trace.refuse(self.upstream_of(at), Reason::ProtocolError);
                reset(502, "UPE", "protocol_error".into(), &["5xx", "gateway-error"])
            }
            _ => {
                self.trace.refuse(self.upstream_of(at), Reason::ConnectionTerminated);
                reset(503, "UC", "connection_termination".into(), RESET)
            }
        }
    }
}

/// Whether a request that ended so is tried again (each time with the same end).
fn retries(policy: &RetryPolicy, ended: &Ended) -> bool {
    policy.num_retries != Some(0)
        && policy.retry_on.split(',').map(str::trim).any(|condition| {
            ended.retried_on.contains(&condition)
                && (condition != "retriable-status-codes" || policy.retriable_status_codes.contains(&ended.status))
        })
}

/// Which version a connection manager reads.
fn codec(configured: CodecType, alpn: Option<&str>, sent: &[Sent]) -> Version {
    match (configured, alpn) {
        (CodecType::Http2, _) | (CodecType::Auto, Some("h2")) => Version::Http2,
        (CodecType::Http1, _) | (CodecType::Auto, Some(_)) => Version::Http1,
        // Without ALPN, the preface decides.
        (CodecType::Auto, None) => match sent.first() {
            Some(Sent::Http(version, _)) => *version,
            _ => Version::Http1,
        },
    }
}

type Found<'a> = (&'a RouteConfiguration, &'a VirtualHost, &'a Route);

/// The virtual host for a request's host, and the first of its routes that matches.
fn find_route<'a>(routes: &'a RouteConfiguration, request: &Request) -> Option<Found<'a>> {
    let authority = request.authority.to_ascii_lowercase();
    let host = if routes.ignore_port_in_host_matching { without_port(&authority) } else { &authority };
    let virtual_host = find_virtual_host(&routes.virtual_hosts, host)?;
    let route = virtual_host.routes.iter().find(|route| fits(&route.matcher, request))?;
    Some((routes, virtual_host, route))
}

/// Exact, else the longest `*.suffix`, else the longest `prefix.*`, else `*`.
fn find_virtual_host<'a>(hosts: &'a [VirtualHost], host: &str) -> Option<&'a VirtualHost> {
    let domains =
        || hosts.iter().flat_map(|host| host.domains.iter().map(move |domain| (domain.to_ascii_lowercase(), host)));
    let longest = |fits: &dyn Fn(&str) -> bool| {
        domains().filter(|(domain, _)| fits(domain)).max_by_key(|(domain, _)| domain.len()).map(|(_, host)| host)
    };
    longest(&|domain| domain == host)
        .or_else(|| {
            longest(&|domain| {
                domain.len() > 1
                    && domain.strip_prefix('*').is_some_and(|rest| host.len() > rest.len() && host.ends_with(rest))
            })
        })
        .or_else(|| {
            longest(&|domain| {
                domain.len() > 1
                    && domain.strip_suffix('*').is_some_and(|rest| host.len() > rest.len() && host.starts_with(rest))
            })
        })
        .or_else(|| longest(&|domain| domain == "*"))
}

fn fits(matcher: &RouteMatch, request: &Request) -> bool {
    let path = request.path.split('?').next().unwrap_or_default();
    matcher.prefix.as_ref().is_none_or(|prefix| request.path.starts_with(prefix.as_str()))
        && matcher.path.as_ref().is_none_or(|whole| path == whole)
        // A probe has no headers but these.
        && matcher.headers.iter().all(|header| match header.name.as_str() {
            ":authority" => tls::matches(&header.string_match, &request.authority),
            ":path" => tls::matches(&header.string_match, &request.path),
            ":method" => tls::matches(&header.string_match, "GET"),
            _ => false,
        })
}

/// `host` of `host:port`; an IPv6 address keeps its brackets.
pub(super) fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.is_empty() => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests;
