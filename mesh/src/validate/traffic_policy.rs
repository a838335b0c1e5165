//! Load balancing, connection pools and outlier detection, by the rules of Istio's webhook (`validateLoadBalancer`,
//! `validateConnectionPool` and `validateOutlierDetection` in `pkg/config/validation/validation.go`). A fault in one of them
//! invalidates the whole rule.

use std::collections::BTreeSet;

use super::Checked;
use crate::{
    manifests::traffic_policy::{
        ConnectionPool, ConsistentHash, H2UpgradePolicy, HttpPool, LoadBalancer, LocalityLbSetting, OutlierDetection,
        TcpPool, ZoneAwareLbSetting,
    },
    time::go_nanoseconds,
};

/// Maglev's table is smaller than this.
const MAGLEV_LIMIT: u64 = 5_000_011;

pub(super) fn load_balancer(
    checked: &mut Checked<'_>,
    field: &str,
    settings: Option<&LoadBalancer>,
    has_outlier_detection: bool,
) {
    let Some(settings) = settings else { return };
    let field = format!("{field}.loadBalancer");
    let ways = [settings.simple.is_some(), settings.consistent_hash.is_some()];
    if ways.iter().filter(|way| **way).count() > 1 {
        checked.error(&field, "has both simple and consistentHash; give one of them");
    }
    if let Some(hash) = &settings.consistent_hash {
        consistent_hash(checked, &format!("{field}.consistentHash"), hash);
    }
    if settings.locality_lb_setting.is_some() && settings.zone_aware_lb_setting.is_some() {
        checked.error(&field, "has both localityLbSetting and zoneAwareLbSetting; give one of them");
    }
    if let Some(setting) = &settings.zone_aware_lb_setting {
        let field = format!("{field}.zoneAwareLbSetting");
        checked.set_aside(&field, "is not modelled: a lab's endpoints are all in one zone");
        zone_aware(checked, &field, setting, has_outlier_detection);
    }
    if let Some(setting) = &settings.locality_lb_setting {
        not_in_one_place(checked, &format!("{field}.localityLbSetting"), setting);
        locality(checked, &format!("{field}.localityLbSetting"), setting, has_outlier_detection);
    }
    if let Some(warmup) = &settings.warmup {
        let field = format!("{field}.warmup");
        required_duration(checked, &format!("{field}.duration"), Some(&warmup.duration));
        if warmup.minimum_percent.is_some_and(|percent| percent > 100.0) {
            checked.error(format!("{field}.minimumPercent"), "is more than 100");
        }
        if warmup.aggression.is_some_and(|aggression| aggression <= 0.0) {
            checked.error(format!("{field}.aggression"), "must be greater than 0");
        }
    }
}

/// `ValidateZoneAwareLbSetting` in `pkg/config/validation/agent/validation.go`.
fn zone_aware(checked: &mut Checked<'_>, field: &str, setting: &ZoneAwareLbSetting, has_outlier_detection: bool) {
    const OF_PLACES: [&str; 3] =
        ["topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"];
    for (i, label) in setting.failover_priority.iter().enumerate() {
        if OF_PLACES.contains(&label.as_str()) {
            let message =
                format!("{label} is not for zone-aware load balancing, which looks at regions and zones anyway");
            checked.error(format!("{field}.failoverPriority[{i}]"), message);
        }
    }
    if (!setting.failover.is_empty() || !setting.failover_priority.is_empty()) && !has_outlier_detection {
        checked.warn(field, "needs outlierDetection, which tells when to fail over");
    }
    for (i, failover) in setting.failover.iter().enumerate() {
        let field = format!("{field}.failover[{i}]");
        if failover.from == failover.to {
            checked.error(field, "has the same region in from and to");
        } else if [&failover.from, &failover.to].iter().any(|region| region.contains(['/', '*'])) {
            checked.error(field, "is from a region to another: names without '/' and '*'");
        }
    }
}

fn consistent_hash(checked: &mut Checked<'_>, field: &str, hash: &ConsistentHash) {
    let keys = [
        hash.http_header_name.is_some(),
        hash.http_cookie.is_some(),
        hash.use_source_ip.is_some(),
        hash.http_query_parameter_name.is_some(),
    ];
    if keys.iter().filter(|key| **key).count() > 1 {
        checked.error(
            field,
            "has several keys; give one of httpHeaderName, httpCookie, useSourceIp, httpQueryParameterName",
        );
    }
    if let Some(cookie) = &hash.http_cookie {
        let field = format!("{field}.httpCookie");
        if cookie.name.is_empty() {
            checked.error(format!("{field}.name"), "is missing; a cookie needs a name");
        }
        let mut seen = BTreeSet::new();
        for (i, attribute) in cookie.attributes.iter().enumerate() {
            let field = format!("{field}.attributes[{i}].name");
            if attribute.name.is_empty() {
                checked.error(field, "is missing; an attribute needs a name");
            } else if !seen.insert(&attribute.name) {
                checked.error(field, format!("{:?} is duplicated; names must differ", attribute.name));
            }
        }
    }
    let old_ring = hash.minimum_ring_size.is_some_and(|size| size != 0);
    if old_ring {
        checked.warn(format!("{field}.minimumRingSize"), "is deprecated; write ringHash.minimumRingSize");
    }
    if old_ring && (hash.ring_hash.is_some() || hash.maglev.is_some()) {
        checked.error(format!("{field}.minimumRingSize"), "cannot be combined with ringHash or maglev; remove it");
    }
    if hash.ring_hash.is_some() && hash.maglev.is_some() {
        checked.error(field, "has both ringHash and maglev; give one of them");
    }
    if let Some(maglev) = &hash.maglev {
        let field = format!("{field}.maglev.tableSize");
        match maglev.table_size.unwrap_or(0) {
            0 => checked.error(field, "is missing; a prime number such as 65537"),
            size if size >= MAGLEV_LIMIT => checked.error(field, format!("{size} is not less than {MAGLEV_LIMIT}")),
            size if !is_prime(size) => checked.error(field, format!("{size} is not a prime number")),
            _ => {}
        }
    }
}

/// As Envoy decides it (`source/common/common/utility.cc`).
fn is_prime(number: u64) -> bool {
    matches!(number, 1..=3)
        || (number % 2 == 1 && (3..).step_by(2).take_while(|f| f * f <= number).all(|f| !number.is_multiple_of(f)))
}

/// A lab's endpoints are all in one place, so only labels of pods could tell them apart.
fn not_in_one_place(checked: &mut Checked<'_>, field: &str, setting: &LocalityLbSetting) {
    let by_labels = setting.failover_priority.iter().find(|label| {
        !label.starts_with("topology.kubernetes.io/")
            && !label.starts_with("topology.istio.io/")
            && *label != "kubernetes.io/hostname"
    });
    if let Some(label) = by_labels.filter(|_| setting.enabled != Some(false)) {
        let message = format!("is not modelled: endpoints may be preferred by label {label}, and here none is");
        checked.set_aside(&format!("{field}.failoverPriority"), message);
    } else {
        checked.note(field, "does not affect any answer: a lab's endpoints are all in one place");
    }
}

/// `ValidateLocalityLbSetting` in `pkg/config/validation/agent/validation.go`.
fn locality(checked: &mut Checked<'_>, field: &str, setting: &LocalityLbSetting, has_outlier_detection: bool) {
    if !setting.distribute.is_empty() && !setting.failover.is_empty() {
        return checked.error(field, "has both distribute and failover; give one of them");
    }
    let topology = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"];
    if let Some(label) = setting.failover_priority.iter().find(|label| topology.contains(&label.as_str()))
        && !setting.failover.is_empty()
    {
        return checked
            .error(format!("{field}.failoverPriority"), format!("cannot have {label} together with failover"));
    }
    for (i, distribute) in setting.distribute.iter().enumerate() {
        let field = format!("{field}.distribute[{i}].to");
        if distribute.to.values().any(|weight| !(1..=100).contains(weight)) {
            checked.error(field, "has a weight that is not in 1 to 100");
        } else if distribute.to.values().sum::<i64>() != 100 {
            checked.error(field, "has weights that do not add up to 100");
        }
    }
    let fails_over = !setting.failover.is_empty() || !setting.failover_priority.is_empty();
    if fails_over && !has_outlier_detection {
        checked.warn(field, "has no effect without outlierDetection: nothing would find out that an endpoint fails");
    }
    for (i, failover) in setting.failover.iter().enumerate() {
        let field = format!("{field}.failover[{i}]");
        if failover.from == failover.to {
            checked.error(&field, "names the same region twice");
        }
        if [&failover.from, &failover.to].iter().any(|region| region.contains(['/', '*'])) {
            checked.error(&field, "names a region: no zone after a '/', and no '*'");
        }
    }
}

pub(super) fn connection_pool(checked: &mut Checked<'_>, field: &str, settings: Option<&ConnectionPool>) {
    let Some(settings) = settings else { return };
    let field = format!("{field}.connectionPool");
    if settings.http.is_none() && settings.tcp.is_none() {
        checked.error(&field, "is empty; set tcp or http, or remove it");
    }
    if let Some(http) = &settings.http {
        http_pool(checked, &format!("{field}.http"), http);
    }
    if let Some(tcp) = &settings.tcp {
        tcp_pool(checked, &format!("{field}.tcp"), tcp);
    }
}

fn http_pool(checked: &mut Checked<'_>, field: &str, http: &HttpPool) {
    for (name, number) in [
        ("http1MaxPendingRequests", http.http1_max_pending_requests),
        ("http2MaxRequests", http.http2_max_requests),
        ("maxRequestsPerConnection", http.max_requests_per_connection),
        ("maxRetries", http.max_retries),
        ("maxConcurrentStreams", http.max_concurrent_streams),
    ] {
        not_negative(checked, &format!("{field}.{name}"), number);
    }
    if http.max_concurrent_streams > 0 {
        checked.warn(format!("{field}.maxConcurrentStreams"), "is not supported yet and has no effect here");
    }
    if http.use_client_protocol {
        let message = "is not modelled: the ALPN that is offered upstream stays that of the port's protocol";
        checked.set_aside(&format!("{field}.useClientProtocol"), message);
    }
    duration(checked, &format!("{field}.idleTimeout"), http.idle_timeout.as_deref());
    if http.h2_upgrade_policy == H2UpgradePolicy::Upgrade && http.use_client_protocol {
        checked.error(
            format!("{field}.useClientProtocol"),
            "cannot be true together with h2UpgradePolicy UPGRADE; remove one",
        );
    }
    if let Some(keep_alive) = &http.http2_keep_alive {
        let field = format!("{field}.http2KeepAlive");
        required_duration(checked, &format!("{field}.interval"), keep_alive.interval.as_deref());
        required_duration(checked, &format!("{field}.timeout"), keep_alive.timeout.as_deref());
    }
}

fn tcp_pool(checked: &mut Checked<'_>, field: &str, tcp: &TcpPool) {
    not_negative(checked, &format!("{field}.maxConnections"), tcp.max_connections);
    duration(checked, &format!("{field}.connectTimeout"), tcp.connect_timeout.as_deref());
    duration(checked, &format!("{field}.maxConnectionDuration"), tcp.max_connection_duration.as_deref());
    // Nothing at all switches the timeout off.
    let idle = tcp.idle_timeout.as_deref().filter(|text| go_nanoseconds(text).is_none_or(|idle| idle >= 1_000_000));
    duration(checked, &format!("{field}.idleTimeout"), idle);
    if let Some(keepalive) = &tcp.tcp_keepalive {
        duration(checked, &format!("{field}.tcpKeepalive.time"), keepalive.time.as_deref());
        duration(checked, &format!("{field}.tcpKeepalive.interval"), keepalive.interval.as_deref());
    }
}

pub(super) fn outlier_detection(checked: &mut Checked<'_>, field: &str, settings: Option<&OutlierDetection>) {
    let Some(settings) = settings else { return };
    let field = format!("{field}.outlierDetection");
    duration(checked, &format!("{field}.baseEjectionTime"), settings.base_ejection_time.as_deref());
    duration(checked, &format!("{field}.interval"), settings.interval.as_deref());
    if settings.consecutive_errors != 0 {
        let message = "is deprecated; write consecutiveGatewayErrors or consecutive5xxErrors";
        checked.warn(format!("{field}.consecutiveErrors"), message);
    }
    let local = settings.consecutive_local_origin_failures.is_some_and(|count| count > 0);
    if local && !settings.split_external_local_origin_errors {
        let message = "needs splitExternalLocalOriginErrors: true as well";
        checked.error(format!("{field}.consecutiveLocalOriginFailures"), message);
    }
    for (name, percent) in
        [("maxEjectionPercent", settings.max_ejection_percent), ("minHealthPercent", settings.min_health_percent)]
    {
        if !(0..=100).contains(&percent) {
            checked.error(format!("{field}.{name}"), format!("{percent} is not a percentage; a number from 0 to 100"));
        }
    }
}

fn not_negative(checked: &mut Checked<'_>, field: &str, number: i64) {
    if number < 0 {
        checked.error(field, format!("{number} is negative"));
    }
}

pub(super) fn required_duration(checked: &mut Checked<'_>, field: &str, text: Option<&str>) {
    match text {
        None | Some("") => checked.error(field, "is missing; a duration such as 10s"),
        text => duration(checked, field, text),
    }
}

/// At least a millisecond, and in whole ones (`ValidateDuration` in `pkg/config/validation/agent/validation.go`).
pub(super) fn duration(checked: &mut Checked<'_>, field: &str, text: Option<&str>) {
    let Some(text) = text else { return };
    match go_nanoseconds(text) {
        None => checked.error(field, format!("{text:?} is not a duration; expected such as 10s, 100ms or 1h30m")),
        Some(ns) if ns < 1_000_000 => checked.error(field, format!("{text} is less than 1ms")),
        Some(ns) if ns % 1_000_000 != 0 => checked.error(field, format!("{text} is not in whole milliseconds")),
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests;
