//! The HTTP connection manager: codec, route, and the outcome of the request.

use envoy_api::{AlpnFilter, CodecType, HttpConnectionManager, HttpFilterConfig, RouteConfiguration};
use envoy_rules::{
    codec,
    grpc::GrpcStatus,
    outcome::{Outcome, UpstreamReset},
    path,
    retry::RetryPolicy,
    route::{RequestHead, RouteIndex, RouteTable},
};

use crate::{
    account::{AppSpeaks, Decision, Reason},
    compile::Resource,
};

use super::{
    CallError,
    authorization::{Asks, Rules},
    place::{Inside, Place, Shared},
    simulate::Simulation,
    trace::Log,
    upstream::Upstream,
    wire::{Reply, Request, Sent, Version},
};

/// How a request ended at a sidecar.
enum Ended {
    /// The upstream answered, with this status.
    Answered(u16),
    /// It did not. `sent`: whether a part of the request had been sent upstream.
    Failed { outcome: Outcome, sent: bool },
}

impl Simulation<'_> {
    /// A connection manager handles what is inside TLS, if there was any.
    pub(super) fn http(
        &mut self,
        at: Place,
        manager: &HttpConnectionManager,
        inside: Inside<'_>,
        shared: &Shared,
        sent: &[Sent],
    ) -> Result<Reply, CallError> {
        let codec = read_as(manager.codec_type, inside.alpn(), sent);
        let request = match sent.first() {
            Some(Sent::Http(version, request)) if *version == codec => request,
            Some(Sent::Nothing) => {
                self.trace.step(at.role.party(), Decision::Codec, "waits", "the client sends nothing", None);
                self.trace.refuse(at.role.party(), Reason::Timeout);
                return Ok(Reply::Silence);
            }
            _ => return Ok(self.not_http(at, codec)),
        };
        let accepts_http_10 = manager.http_protocol_options.as_ref().is_some_and(|options| options.accept_http_10);
        if request.speaks == Some(AppSpeaks::Http10) && !accepts_http_10 {
            return Ok(self.too_old(at));
        }
        self.trace.read(at.role.party());
        let normalized;
        let request = match normal_path(manager, request) {
            Some(path) => {
                normalized = Request { path, ..request.clone() };
                &normalized
            }
            None => {
                let because = format!("the path {:?} cannot be normalized", request.path);
                self.trace.step(at.role.party(), Decision::Codec, "400", because, None);
                self.trace.refuse(at.role.party(), Reason::ProtocolError);
                let outcome = Outcome::Rejected("path_normalization_failed".into());
                self.trace.log(at.role, Log::of_request(&outcome, false));
                return Ok(Reply::Response(codec, 400));
            }
        };
        let sidecar = self.world.sidecar(at.host)?;
        let by_file = manager.rds.as_ref().and_then(|rds| sidecar.routes(&rds.route_config_name));
        if let Some((rds, reason)) =
            manager.rds.as_ref().and_then(|rds| Some((rds, sidecar.unread(&rds.route_config_name)?)))
        {
            return Err(CallError::Unread { resource: rds.route_config_name.clone(), reason: reason.clone() });
        }
        let found = match manager.route_config.as_ref().or(by_file) {
            Some(routes) => find_route(routes, request)?.map(|found| (routes, found)),
            None => None,
        };
        let asks = Asks { tls: inside.tls, server_name: inside.server_name, request: Some(head(request)) };
        if let Some(details) = self.authorized(&at, &rules(manager), &asks)? {
            return Ok(self.answered(at, codec, &Outcome::Denied(details.into())));
        }
        // Only a route with a `connect_matcher` takes it (`RouteEntryImplBase` in `source/common/router/config_impl.cc`).
        let is_connect = request.speaks == Some(AppSpeaks::Connect);
        let Some((routes, found)) = found.filter(|_| !is_connect) else {
            let because = match is_connect {
                true => "no route is for the method CONNECT".to_owned(),
                false => format!("no virtual host or route for {:?}", request.authority),
            };
            self.trace.step(at.role.party(), Decision::Route, "none", because, None);
            return Ok(self.answered(at, codec, &Outcome::NoRoute));
        };
        let virtual_host = &routes.virtual_hosts[found.virtual_host];
        let route = &virtual_host.routes[found.route];
        let why = sidecar.why(&Resource::VirtualHost { routes: routes.name.clone(), host: virtual_host.name.clone() });
        let asked = format!("host {}", request.authority);
        let because = why.map_or_else(|| asked.clone(), |why| format!("{asked}; {}", why.because));
        let name = if route.name.is_empty() { "(unnamed)" } else { &route.name };
        let choice = format!("{} of {} in {}", name, virtual_host.name, routes.name);
        self.trace.step(at.role.party(), Decision::Route, choice, because, why.map(|why| &why.source));

        if let Some(direct) = &route.direct_response {
            self.trace.refuse(at.role.party(), Reason::DirectResponse);
            self.trace.log(at.role, Log::of_request(&Outcome::DirectResponse, false));
            return Ok(Reply::Response(codec, direct.status));
        }
        let upgrades = manager.upgrade_configs.iter().any(|upgrade| upgrade.upgrade_type == "websocket");
        if request.speaks == Some(AppSpeaks::Websocket) && !upgrades {
            self.trace.step(
                at.role.party(),
                Decision::Codec,
                "403",
                "upgrades to a websocket are not allowed here",
                None,
            );
            self.trace.refuse(at.role.party(), Reason::ProtocolError);
            self.trace.log(at.role, Log::of_request(&Outcome::Rejected("upgrade_failed".into()), false));
            return Ok(Reply::Response(codec, 403));
        }
        let Some(action) = &route.route else { return Ok(self.answered(at, codec, &Outcome::NoRoute)) };
        if action.weighted_clusters.is_some() || route.fault().is_some() {
            let resource = format!("route {} of {}", route.name, routes.name);
            let reason = "weighted clusters and faults are not modelled yet".to_owned();
            return Err(CallError::Unread { resource, reason });
        }
        let policy = action.retry_policy.as_ref();
        if let Some(condition) = policy.and_then(RetryPolicy::unsupported) {
            let because = format!("condition {condition} of retry_on is not known, and passed over");
            self.trace.step(at.role.party(), Decision::Retry, "known conditions alone", because, None);
        }
        let shared = Shared { of_request: alpn_filter(manager), ..shared.clone() };
        let upstream = self.upstream(at, &action.cluster, &shared, Some((codec, request)), sent)?;
        let ended = self.ended(at, upstream, codec);
        // Each try has the same end.
        let policy = policy.map(RetryPolicy::new).filter(|policy| match &ended {
            // A sidecar upstream answers a gRPC request with `200` and a status of gRPC.
            Ended::Answered(status) if *status != 200 && request.speaks == Some(AppSpeaks::Grpc) => {
                policy.retries_response(200, Some(GrpcStatus::from_http(*status).code().to_string().as_bytes()))
            }
            Ended::Answered(status) => policy.retries_response(*status, None),
            Ended::Failed { outcome, sent } => policy.retries_failure(outcome, *sent),
        });
        let (outcome, status) = match ended {
            Ended::Answered(status) => (Outcome::Answered, status),
            Ended::Failed { outcome, .. } => {
                let retried = policy.as_ref().is_some_and(|policy| policy.retries > 0);
                let status = outcome.answer(retried, true).map_or(503, |answer| answer.status);
                (outcome, status)
            }
        };
        self.trace.log(at.role, Log::of_request(&outcome, policy.is_some()));
        Ok(Reply::Response(codec, status))
    }

    /// The sidecar answers a request itself.
    fn answered(&mut self, at: Place, codec: Version, outcome: &Outcome) -> Reply {
        if let Some(reason) = Reason::of(outcome) {
            self.trace.refuse(at.role.party(), reason);
        }
        self.trace.log(at.role, Log::of_request(outcome, false));
        Reply::Response(codec, outcome.answer(false, true).map_or(503, |answer| answer.status))
    }

    /// A request in HTTP/1.0, where that is not taken.
    fn too_old(&mut self, at: Place) -> Reply {
        self.trace.refuse(at.role.party(), Reason::ProtocolError);
        let because = "HTTP/1.0 is not taken unless accept_http_10 says so";
        self.trace.step(at.role.party(), Decision::Codec, "426", because, None);
        self.trace.log(at.role, Log::of_request(&Outcome::DownstreamProtocolError("low_version".into()), false));
        Reply::Response(Version::Http1, 426)
    }

    /// Bytes that are no request in the codec's version of HTTP.
    fn not_http(&mut self, at: Place, codec: Version) -> Reply {
        self.trace.refuse(at.role.party(), Reason::ProtocolError);
        match codec {
            Version::Http1 => {
                self.trace.step(at.role.party(), Decision::Codec, "400", "the bytes are not HTTP/1.1", None);
                let outcome = Outcome::DownstreamProtocolError("http1.codec_error".into());
                self.trace.log(at.role, Log::of_request(&outcome, false));
                Reply::Response(Version::Http1, 400)
            }
            // Without the preface there is no stream to answer, and no log line.
            Version::Http2 => {
                self.trace.step(at.role.party(), Decision::Codec, "closed", "the bytes are not HTTP/2", None);
                Reply::Closed
            }
        }
    }

    /// Converts the answer from upstream, or its absence.
    fn ended(&mut self, at: Place, upstream: Upstream, codec: Version) -> Ended {
        let (version, reply) = match upstream {
            Upstream::Failed(outcome) => return Ended::Failed { outcome, sent: false },
            Upstream::Connected(version, reply) => (version.unwrap_or(codec), reply),
        };
        // Of an alert, which is shorter than any frame of HTTP/2, only the end of the connection is seen.
        let too_short = version == Version::Http2 && matches!(reply, Reply::Alert);
        let outcome = match reply {
            Reply::Response(answered, status) if answered == version => return Ended::Answered(status),
            Reply::Silence => Outcome::ResponseTimeout,
            Reply::Response(..) | Reply::Echo | Reply::Alert if !too_short => {
                Outcome::UpstreamReset(UpstreamReset::ProtocolError)
            }
            _ => Outcome::UpstreamReset(UpstreamReset::ConnectionTermination),
        };
        if let Some(reason) = Reason::of(&outcome) {
            self.trace.refuse(self.upstream_of(at), reason);
        }
        Ended::Failed { outcome, sent: true }
    }
}

/// The HTTP version that a connection manager reads.
fn read_as(configured: CodecType, alpn: Option<&str>, sent: &[Sent]) -> Version {
    codec::codec(configured, alpn).unwrap_or_else(|| match sent.first() {
        Some(Sent::Http(version, _)) => *version,
        _ => Version::Http1,
    })
}

/// The route of a request.
fn find_route(routes: &RouteConfiguration, request: &Request) -> Result<Option<RouteIndex>, CallError> {
    let table = RouteTable::new(routes).map_err(|error| CallError::Unread {
        resource: format!("route configuration {}", routes.name),
        reason: error.to_string(),
    })?;
    Ok(table.find(&head(request)))
}

/// The path of a request as a manager normalizes it, for routes, rules and its upstream; none if it is refused.
fn normal_path(manager: &HttpConnectionManager, request: &Request) -> Option<String> {
    match manager.normalize_path {
        Some(true) if request.speaks != Some(AppSpeaks::Connect) => path::normalized(&request.path),
        _ => Some(request.path.clone()),
    }
}

/// What routes and rules match of a request.
fn head(request: &Request) -> RequestHead<'_> {
    let Request { authority, path, method, headers, .. } = request;
    RequestHead { authority, path, method: method.as_str(), scheme: "http", headers }
}

/// The rules of a manager's filters, in their order.
fn rules(manager: &HttpConnectionManager) -> Vec<Rules<'_>> {
    let filters = manager.http_filters.iter().filter_map(|filter| match &filter.typed_config {
        HttpFilterConfig::Rbac(rbac) => Some([&rbac.rules, &rbac.shadow_rules]),
        HttpFilterConfig::Alpn(_) | HttpFilterConfig::Router(_) => None,
    });
    filters.collect()
}

/// What decides the ALPN that a manager's requests offer upstream.
fn alpn_filter(manager: &HttpConnectionManager) -> Option<AlpnFilter> {
    manager.http_filters.iter().find_map(|filter| match &filter.typed_config {
        HttpFilterConfig::Alpn(filter) => Some(filter.clone()),
        HttpFilterConfig::Rbac(_) | HttpFilterConfig::Router(_) => None,
    })
}

#[cfg(test)]
mod tests;
