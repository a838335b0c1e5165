//! The HTTP connection manager: codec, route, and the outcome of the request.

use std::{borrow::Cow, net::IpAddr, time::Duration};

use envoy_api::{
    AlpnFilter, ClusterWeight, CodecType, HttpConnectionManager, HttpFilterConfig, Route, RouteAction,
    RouteConfiguration,
};
use envoy_rules::{
    codec,
    cors::{self, Cors},
    grpc::GrpcStatus,
    hash,
    outcome::{Flag, Outcome, UpstreamReset},
    path::{Normalization, Normalized},
    retry::RetryPolicy,
    route::{RouteIndex, RouteTable},
};

use crate::{
    account::{AppSpeaks, Decision, Reason},
    compile::Resource,
};

use self::fault::Fault;
use super::{
    CallError,
    authorization::{Asks, Rules},
    place::{Inside, Place, Shared},
    route,
    simulate::Simulation,
    trace::Log,
    upstream::{Upstream, target::Tried},
    wire::{Reply, Request, Sent, Version},
};

mod fault;
mod rejected;
mod timeout;

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
        // An upgrade that was sent on in HTTP/2.
        if codec == Version::Http2 && request.upgrade().is_some() {
            return Ok(self.extended_connect(at));
        }
        let accepts_http_10 = manager.http_protocol_options.as_ref().is_some_and(|options| options.accept_http_10);
        if request.speaks == Some(AppSpeaks::Http10) && !accepts_http_10 {
            return Ok(self.too_old(at));
        }
        self.trace.read(at.role.party());
        let normalized;
        let request = match normal_path(manager, request) {
            Normalized::Path(Cow::Borrowed(_)) => request,
            Normalized::Path(Cow::Owned(path)) => {
                normalized = Request { path, ..request.clone() };
                &normalized
            }
            Normalized::Redirected(path) if request.speaks != Some(AppSpeaks::Grpc) => {
                return Ok(self.sent_to_normal(at, codec, &path));
            }
            Normalized::Redirected(_) | Normalized::Rejected => return Ok(self.not_normal(at, codec, &request.path)),
        };
        let (request, client) = request.received(manager, at.arrival.source, at.ended_tls);
        let request = &request;
        let sidecar = self.world.sidecar(at.host)?;
        let by_file = manager.rds.as_ref().and_then(|rds| sidecar.routes(&rds.route_config_name));
        if let Some((rds, reason)) =
            manager.rds.as_ref().and_then(|rds| Some((rds, sidecar.unread(&rds.route_config_name)?)))
        {
            return Err(CallError::Unread { resource: rds.route_config_name.clone(), reason: reason.clone() });
        }
        let found = match manager.route_config.as_ref().or(by_file) {
            Some(routes) if needs_tls(routes, request)? => {
                return Ok(self.redirected_to_https(at, codec, &routes.name, request));
            }
            Some(routes) => find_route(routes, request)?.map(|found| (routes, found)),
            None => None,
        };
        let asks = Asks { tls: inside.tls, server_name: inside.server_name, request: Some((request.head(), client)) };
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
        let route = self.route_step(at, routes, found, request);
        if self.trace.is_first(at.role) {
            let virtual_host = &routes.virtual_hosts[found.virtual_host].name;
            let sent = route.route.as_ref().map(|action| request.rewritten(route, action, first_cluster(action)));
            self.trace.route = Some(route::taken(virtual_host, route, request, sent.as_ref()));
        }
        let is_allowed =
            |to: &str| manager.upgrade_configs.iter().any(|allowed| allowed.upgrade_type.eq_ignore_ascii_case(to));
        if let Some(to) = request.upgrade().filter(|to| !is_allowed(to) && route.route.is_some()) {
            return Ok(self.no_upgrade(at, codec, to));
        }
        let delayed = match self.fault(at, manager, route, request, codec) {
            Fault::Aborted(reply) => return Ok(reply),
            Fault::Passed { delayed } => delayed,
        };
        let answers_cors =
            manager.http_filters.iter().any(|filter| matches!(filter.typed_config, HttpFilterConfig::Cors(_)));
        if let Some(policy) = route.cors().filter(|_| answers_cors)
            && let Cors::Answered(_) = cors::decide(policy, request.method.as_str(), &request.headers)
        {
            let because =
                "the route's corsPolicy answers a preflight: OPTIONS with Origin and Access-Control-Request-Method";
            self.trace.step(at.role.party(), Decision::Route, "200", because, None);
            self.trace.refuse(at.role.party(), Reason::DirectResponse);
            self.log_request(at, Log::of_request(&Outcome::CorsPreflight, false), delayed);
            return Ok(Reply::Response(codec, 200));
        }
        if let Some(redirect) = &route.redirect {
            self.trace.refuse(at.role.party(), Reason::Redirect);
            self.log_request(at, Log::of_request(&Outcome::DirectResponse, false), delayed);
            return Ok(Reply::Response(codec, redirect.response_code.status()));
        }
        if let Some(direct) = &route.direct_response {
            // Istio's name of the route for hosts that no service has (`buildCatchAllVirtualHost` in `httproute.go`).
            let is_block_all = route.name == "block_all" && direct.status == 502;
            let reason = if is_block_all { Reason::BlockAll } else { Reason::DirectResponse };
            self.trace.refuse(at.role.party(), reason);
            self.log_request(at, Log::of_request(&Outcome::DirectResponse, false), delayed);
            return Ok(Reply::Response(codec, direct.status));
        }
        let Some(action) = &route.route else { return Ok(self.answered(at, codec, &Outcome::NoRoute)) };
        let policy = action.retry_policy.as_ref();
        if let Some(condition) = policy.and_then(RetryPolicy::unsupported) {
            let because = format!("condition {condition} of retry_on is unknown and ignored");
            self.trace.step(at.role.party(), Decision::Retry, "only known conditions", because, None);
        }
        let (cluster, weight) = self.choose(at, action);
        let rewritten = request.rewritten(route, action, weight);
        if self.trace.is_first(at.role) {
            let virtual_host = &routes.virtual_hosts[found.virtual_host].name;
            self.trace.route = Some(route::taken(virtual_host, route, request, Some(&rewritten)));
        }
        let hash = hash_of(action, &rewritten, client);
        let timeout = timeout::of_route(action);
        let shared = Shared { of_request: alpn_filter(manager), hash, timeout, ..shared.clone() };
        let policy = policy.map(RetryPolicy::new);
        let request = (codec, &rewritten);
        let (ended, policy) = self.tries(at, cluster, &shared, request, sent, policy.as_ref())?;
        let (outcome, status) = match ended {
            Ended::Answered(status) => (Outcome::Answered, status),
            Ended::Failed { outcome, .. } => {
                let retried = policy.is_some_and(|policy| policy.retries > 0);
                let status = outcome.answer(retried, true).map_or(503, |answer| answer.status);
                (outcome, status)
            }
        };
        self.log_request(at, Log::of_request(&outcome, policy.is_some()), delayed);
        Ok(Reply::Response(codec, status))
    }

    /// Sends a request, and again after a failure that the policy retries. Returns how the last try ended, and the policy if that is a
    /// failure that it would retry.
    fn tries<'p>(
        &mut self,
        at: Place,
        cluster: &str,
        shared: &Shared,
        request: (Version, &Request),
        sent: &[Sent],
        policy: Option<&'p RetryPolicy>,
    ) -> Result<(Ended, Option<&'p RetryPolicy>), CallError> {
        let (codec, is_grpc) = (request.0, request.1.speaks == Some(AppSpeaks::Grpc));
        let before = self.trace.clone();
        let mut tried = Tried::of(policy);
        let mut elapsed = Duration::ZERO;
        for retry in 0.. {
            let upstream = self.upstream(at, cluster, shared, Some(request), sent, &mut tried)?;
            let ended = self.ended(at, upstream, codec);
            let per_try = policy.and_then(|policy| policy.per_try_timeout);
            // All tries together have the route's time.
            let left = shared.timeout.map(|timeout| timeout.saturating_sub(elapsed));
            let limits = [(left, Outcome::ResponseTimeout), (per_try, Outcome::PerTryTimeout)];
            let ended = self.in_time(at, ended, limits);
            elapsed += per_try.map_or(self.trace.delay, |limit| limit.min(self.trace.delay));
            let policy = policy.filter(|policy| match &ended {
                // A sidecar upstream answers a gRPC request with `200` and a status of gRPC.
                Ended::Answered(status) if *status != 200 && is_grpc => {
                    policy.retries_response(200, Some(GrpcStatus::from_http(*status).code().to_string().as_bytes()))
                }
                Ended::Answered(status) => policy.retries_response(*status, None),
                Ended::Failed { outcome, sent } => policy.retries_failure(outcome, *sent),
            });
            let again = policy.filter(|policy| retry < policy.retries).zip(tried.last_of_several());
            let Some((_, host)) = again else {
                // Further tries of the only endpoint end as this one does, until the route's time is over.
                let more = policy.map_or(0, |policy| policy.retries.saturating_sub(retry));
                let is_over = per_try.zip(left).is_some_and(|(limit, left)| limit * (more + 1) >= left);
                return Ok(match &ended {
                    Ended::Failed { outcome: Outcome::PerTryTimeout, sent } if more > 0 && is_over => {
                        (Ended::Failed { outcome: Outcome::ResponseTimeout, sent: *sent }, None)
                    }
                    _ => (ended, policy),
                });
            };
            let failure = match &ended {
                Ended::Answered(status) => status.to_string(),
                Ended::Failed { outcome, .. } => outcome.details().into_owned(),
            };
            let because = match tried.are_avoided {
                true => {
                    format!("{failure} from {host} is retried, at an endpoint that was not tried, while there is one")
                }
                false => format!("{failure} from {host} is retried, at any endpoint"),
            };
            // What is seen at the end is the last try.
            self.trace = before.clone();
            self.trace.step(at.role.party(), Decision::Retry, format!("retry {}", retry + 1), because, None);
        }
        unreachable!("a policy has a last retry")
    }

    fn log_request(&mut self, at: Place, log: Log, delayed: bool) {
        self.trace.log(at.role, if delayed { log.with(Flag::DelayInjected) } else { log });
    }

    /// A virtual host answers requests without TLS with a redirect.
    fn redirected_to_https(&mut self, at: Place, codec: Version, routes: &str, request: &Request) -> Reply {
        let because = format!("{routes} requires TLS for host {} (httpsRedirect)", request.authority);
        self.trace.step(at.role.party(), Decision::Route, "301", because, None);
        self.trace.refuse(at.role.party(), Reason::Redirect);
        self.trace.log(at.role, Log::of_request(&Outcome::DirectResponse, false));
        Reply::Response(codec, 301)
    }

    /// Notes which route takes a request, and why those before it do not.
    fn route_step<'r>(
        &mut self,
        at: Place,
        routes: &'r RouteConfiguration,
        found: RouteIndex,
        request: &Request,
    ) -> &'r Route {
        let virtual_host = &routes.virtual_hosts[found.virtual_host];
        let route = &virtual_host.routes[found.route];
        let (name, host) = (routes.name.clone(), virtual_host.name.clone());
        let sidecar = self.world.sidecar(at.host).ok();
        let why = |index: usize| {
            let resource = Resource::Route { routes: name.clone(), host: host.clone(), route: index };
            sidecar.and_then(|sidecar| sidecar.why(&resource))
        };
        let of_host = || {
            let resource = Resource::VirtualHost { routes: name.clone(), host: host.clone() };
            sidecar.and_then(|sidecar| sidecar.why(&resource))
        };
        let own = why(found.route).or_else(of_host);
        let mut because = format!("host {}", request.authority);
        if let Some(own) = own {
            because += &format!("; {}", own.because);
        } else if let Some(config) = config_of(route) {
            because += &format!("; {config}");
        }
        let table = RouteTable::new(routes).ok();
        for earlier in 0..found.route {
            let index = RouteIndex { route: earlier, ..found };
            let Some(not) = table.as_ref().and_then(|table| table.why_not(index, &request.head())) else { continue };
            let named = why(earlier).map_or_else(
                || format!("route {} ({earlier})", virtual_host.routes[earlier].name),
                |why| why.source.field.trim_start_matches("spec.").to_owned(),
            );
            because += &format!("; not {named}: {not}");
        }
        let route_name = if route.name.is_empty() { "(unnamed)" } else { &route.name };
        let choice = format!("{route_name} of {} in {}", virtual_host.name, routes.name);
        let source = own.map(|why| why.source.clone());
        self.trace.step(at.role.party(), Decision::Route, choice, because, source.as_ref());
        route
    }

    /// The cluster that a request is sent to: any of several by chance.
    fn choose<'r>(&mut self, at: Place, action: &'r RouteAction) -> (&'r str, Option<&'r ClusterWeight>) {
        let Some(weighted) = &action.weighted_clusters else { return (&action.cluster, None) };
        let open: Vec<&ClusterWeight> = weighted.clusters.iter().filter(|one| one.weight > 0).collect();
        let chosen = match open.len() {
            0 => return ("", None),
            1 => open[0],
            among => open[self.picks.pick(among)],
        };
        let total: u32 = open.iter().map(|one| one.weight).sum();
        let because = format!("by chance: weight {} of {total}", chosen.weight);
        self.trace.step(at.role.party(), Decision::Route, &chosen.name, because, None);
        (&chosen.name, Some(chosen))
    }

    /// The sidecar answers a request itself.
    fn answered(&mut self, at: Place, codec: Version, outcome: &Outcome) -> Reply {
        if let Some(reason) = Reason::of(outcome) {
            self.trace.refuse(at.role.party(), reason);
        }
        self.trace.log(at.role, Log::of_request(outcome, false));
        Reply::Response(codec, outcome.answer(false, true).map_or(503, |answer| answer.status))
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
            Reply::StreamReset => Outcome::UpstreamReset(UpstreamReset::ProtocolError),
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

/// Whether a request is redirected to HTTPS.
fn needs_tls(routes: &RouteConfiguration, request: &Request) -> Result<bool, CallError> {
    Ok(request.head().scheme != "https" && route_table(routes)?.requires_tls(&request.authority))
}

fn route_table(routes: &RouteConfiguration) -> Result<RouteTable, CallError> {
    RouteTable::new(routes).map_err(|error| CallError::Unread {
        resource: format!("route configuration {}", routes.name),
        reason: error.to_string(),
    })
}

/// The route of a request.
fn find_route(routes: &RouteConfiguration, request: &Request) -> Result<Option<RouteIndex>, CallError> {
    Ok(route_table(routes)?.find(&request.head()))
}

/// The hash of a request, if its route has a policy for one, and the request has what is hashed. A cookie that a sidecar would set
/// depends on the port of the call.
fn hash_of(action: &RouteAction, request: &Request, client: IpAddr) -> Option<u64> {
    let mut is_unknown = false;
    let hash = hash::of_request(&action.hash_policy, &request.head(), client, |_| {
        is_unknown = true;
        None
    });
    hash.filter(|_| !is_unknown)
}

/// The path of a request as a manager normalizes it, for routes, rules and its upstream.
fn normal_path<'r>(manager: &HttpConnectionManager, request: &'r Request) -> Normalized<'r> {
    match request.speaks {
        Some(AppSpeaks::Connect) => Normalized::Path(Cow::from(&request.path)),
        _ => Normalization::new(manager).apply(&request.path),
    }
}

/// The rules of a manager's filters, in their order.
fn rules(manager: &HttpConnectionManager) -> Vec<Rules<'_>> {
    let filters = manager.http_filters.iter().filter_map(|filter| match &filter.typed_config {
        HttpFilterConfig::Rbac(rbac) => Some([&rbac.rules, &rbac.shadow_rules]),
        HttpFilterConfig::Alpn(_)
        | HttpFilterConfig::Router(_)
        | HttpFilterConfig::Fault(_)
        | HttpFilterConfig::PeerMetadata(_)
        | HttpFilterConfig::Cors(_) => None,
    });
    filters.collect()
}

/// The first of several clusters that may be chosen.
fn first_cluster(action: &RouteAction) -> Option<&ClusterWeight> {
    action.weighted_clusters.as_ref()?.clusters.iter().find(|one| one.weight > 0)
}

/// The VirtualService that a control plane notes on a route: `VirtualService NAMESPACE/NAME`.
fn config_of(route: &Route) -> Option<String> {
    let noted = route.metadata.as_ref()?.filter_metadata.get("istio")?.get("config")?.as_str()?;
    let (namespace, rest) = noted.split_once("/namespaces/")?.1.split_once('/')?;
    let name = rest.strip_prefix("virtual-service/")?;
    Some(format!("VirtualService {namespace}/{name}"))
}

/// What decides the ALPN that a manager's requests offer upstream.
fn alpn_filter(manager: &HttpConnectionManager) -> Option<AlpnFilter> {
    manager.http_filters.iter().find_map(|filter| match &filter.typed_config {
        HttpFilterConfig::Alpn(filter) => Some(filter.clone()),
        HttpFilterConfig::Rbac(_)
        | HttpFilterConfig::Router(_)
        | HttpFilterConfig::Fault(_)
        | HttpFilterConfig::PeerMetadata(_)
        | HttpFilterConfig::Cors(_) => None,
    })
}

#[cfg(test)]
mod tests;
