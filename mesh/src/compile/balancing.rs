//! What a DestinationRule says of choosing endpoints: load balancing, hashes and outlier detection
//! (`pilot/pkg/networking/core/cluster_traffic_policy.go`, `pilot/pkg/networking/core/route/route.go`,
//! `pilot/pkg/networking/core/networkfilter.go`).

use envoy_api::{
    Cluster, CommonLbConfig, Empty, HashConnectionProperties, HashCookie, HashCookieAttribute, HashHeader, HashPolicy,
    HashQueryParameter, LbPolicy, MaglevLbConfig, OutlierDetection, Percent, RingHashLbConfig, RuntimeDouble,
    SlowStartConfig, SlowStartLbConfig, TcpHashPolicy,
};

use super::{Compiler, traffic_policy::duration};
use crate::model::{
    self, ConsistentHash, Destination, DestinationRule, LoadBalancer, Service, ServicePort, SimpleLoadBalancer,
};

/// The size of a ring if nothing says so, which Istio sets.
const RING_SIZE: u64 = 1024;

/// Whether connections go to the address that was called, whatever endpoints there are.
pub(super) fn passes_through(settings: Option<&LoadBalancer>) -> bool {
    settings.is_some_and(|settings| settings.simple == Some(SimpleLoadBalancer::Passthrough))
}

/// How a cluster chooses endpoints (`applyLoadBalancer`, `ApplyRingHashLoadBalancer`).
pub(super) fn balance(cluster: &mut Cluster, settings: Option<&LoadBalancer>) {
    if cluster.lb_policy == LbPolicy::ClusterProvided {
        return;
    }
    let Some(settings) = settings else { return };
    weigh_localities(cluster, settings);
    match settings.simple {
        Some(SimpleLoadBalancer::Random) => cluster.lb_policy = LbPolicy::Random,
        Some(SimpleLoadBalancer::RoundRobin) => {
            cluster.lb_policy = LbPolicy::RoundRobin;
            cluster.round_robin_lb_config = warmup(settings);
        }
        _ => cluster.least_request_lb_config = warmup(settings),
    }
    let Some(hash) = &settings.consistent_hash else { return };
    // What was said of the other policy is replaced.
    let ring = |size| Some(RingHashLbConfig { minimum_ring_size: Some(size) });
    let set = |size: Option<u64>| size.filter(|size| *size > 0);
    if let Some(maglev) = &hash.maglev {
        cluster.lb_policy = LbPolicy::Maglev;
        cluster.maglev_lb_config = set(maglev.table_size).map(|size| MaglevLbConfig { table_size: Some(size) });
    } else {
        cluster.lb_policy = LbPolicy::RingHash;
        cluster.ring_hash_lb_config = match &hash.ring_hash {
            Some(asked) => set(asked.minimum_ring_size).and_then(ring),
            None => ring(set(hash.minimum_ring_size).unwrap_or(RING_SIZE)),
        };
    }
    let has_other = cluster.ring_hash_lb_config.is_some() || cluster.maglev_lb_config.is_some();
    if has_other {
        cluster.least_request_lb_config = None;
        cluster.round_robin_lb_config = None;
    }
}

/// Everything of a lab is in one place; Istio says that weights of places count nevertheless (`LocalityLBSettings.ApplyToCluster`).
fn weigh_localities(cluster: &mut Cluster, settings: &LoadBalancer) {
    let Some(setting) = settings.locality_lb_setting.as_ref().filter(|setting| setting.enabled != Some(false)) else {
        return;
    };
    let fails_over = !setting.failover.is_empty() || !setting.failover_priority.is_empty();
    if !setting.distribute.is_empty() || fails_over && cluster.outlier_detection.is_some() {
        common(cluster).locality_weighted_lb_config = Some(Empty {});
    }
}

/// How new endpoints get their share (`setWarmup`).
fn warmup(settings: &LoadBalancer) -> Option<SlowStartLbConfig> {
    let config = match (&settings.warmup, &settings.warmup_duration_secs) {
        (Some(warmup), _) => SlowStartConfig {
            slow_start_window: duration(Some(&warmup.duration)),
            aggression: Some(RuntimeDouble {
                default_value: warmup.aggression.unwrap_or(1.0),
                runtime_key: "(".into(),
            }),
            min_weight_percent: Some(Percent { value: warmup.minimum_percent.unwrap_or(10.0) }),
        },
        (None, Some(window)) => {
            SlowStartConfig { slow_start_window: duration(Some(window)), ..SlowStartConfig::default() }
        }
        (None, None) => return None,
    };
    Some(SlowStartLbConfig { slow_start_config: Some(config) })
}

/// Which endpoints are left out for a while (`applyOutlierDetection`).
pub(super) fn detect_outliers(cluster: &mut Cluster, settings: Option<&model::OutlierDetection>) {
    let Some(asked) = settings else { return };
    let enforced = |count: Option<u32>| count.map(|count| if count > 0 { 100 } else { 0 });
    let splits = asked.split_external_local_origin_errors;
    let local = asked.consecutive_local_origin_failures.filter(|count| splits && *count > 0);
    cluster.outlier_detection = Some(OutlierDetection {
        consecutive_5xx: asked.consecutive_5xx_errors,
        enforcing_consecutive_5xx: enforced(asked.consecutive_5xx_errors),
        consecutive_gateway_failure: asked.consecutive_gateway_errors,
        enforcing_consecutive_gateway_failure: enforced(asked.consecutive_gateway_errors),
        interval: duration(asked.interval.as_deref()),
        base_ejection_time: duration(asked.base_ejection_time.as_deref()),
        max_ejection_percent: u32::try_from(asked.max_ejection_percent).ok().filter(|percent| *percent > 0),
        enforcing_success_rate: Some(0),
        split_external_local_origin_errors: splits,
        consecutive_local_origin_failure: local,
        enforcing_consecutive_local_origin_failure: enforced(local),
        enforcing_local_origin_success_rate: splits.then_some(0),
    });
    // 0 where nothing is said: never all of them, where Envoy's default is below a half.
    let least = u32::try_from(asked.min_health_percent).unwrap_or_default();
    common(cluster).healthy_panic_threshold = Some(Percent { value: f64::from(least) });
}

/// What a rule says of outliers, in words.
pub(super) fn outliers_in_words(settings: &model::OutlierDetection) -> String {
    let counts = [
        ("consecutive5xxErrors", settings.consecutive_5xx_errors),
        ("consecutiveGatewayErrors", settings.consecutive_gateway_errors),
        ("consecutiveLocalOriginFailures", settings.consecutive_local_origin_failures),
    ];
    let set = counts.iter().filter_map(|(name, count)| Some(format!("{name} {}", (*count)?)));
    let words: Vec<_> = set.collect();
    if words.is_empty() { "consecutive5xxErrors 5, the default".into() } else { words.join(", ") }
}

fn common(cluster: &mut Cluster) -> &mut CommonLbConfig {
    cluster.common_lb_config.get_or_insert_default()
}

impl Compiler<'_> {
    /// What a request to a service is hashed by, where no VirtualService is for it (`hashForService`).
    pub(super) fn hash_of_service(&self, service: &Service, port: &ServicePort) -> Option<&ConsistentHash> {
        let rule = self.mesh.destination_rules.find(self.pod, &service.host, &service.name.namespace)?;
        let policy = rule.traffic_policy.as_ref()?;
        let of_port = policy.ports.get(&port.port).and_then(|settings| hash_in(settings.load_balancer.as_ref()));
        of_port.or_else(|| hash_in(policy.whole.load_balancer.as_ref()))
    }

    /// What a request to a destination of a VirtualService is hashed by (`HashForHTTPDestination`).
    pub(super) fn hash_of_destination(&self, destination: &Destination) -> Option<&ConsistentHash> {
        let (service, _) = self.cluster_ports().find(|(service, _)| service.host == destination.host)?;
        let rule = self.mesh.destination_rules.find(self.pod, &service.host, &service.name.namespace)?;
        let asked = destination.port.as_ref().and_then(|port| u16::try_from(port.number).ok());
        let subset = rule.subset(&destination.subset).and_then(|subset| subset.traffic_policy.as_ref());
        hash_of_port(subset, asked)
            .or_else(|| hash_of_whole(subset))
            .or_else(|| hash_of_port(rule.traffic_policy.as_ref(), asked))
            .or_else(|| hash_of_whole(rule.traffic_policy.as_ref()))
    }
}

fn hash_of_port(policy: Option<&model::TrafficPolicy>, port: Option<u16>) -> Option<&ConsistentHash> {
    hash_in(policy?.ports.get(&port?)?.load_balancer.as_ref())
}

fn hash_of_whole(policy: Option<&model::TrafficPolicy>) -> Option<&ConsistentHash> {
    hash_in(policy?.whole.load_balancer.as_ref())
}

fn hash_in(settings: Option<&LoadBalancer>) -> Option<&ConsistentHash> {
    settings?.consistent_hash.as_ref()
}

/// What of a request is hashed; nothing if the rule has no key (`ConsistentHashToHashPolicy`).
pub(super) fn hash_policy(hash: &ConsistentHash) -> Option<HashPolicy> {
    if let Some(name) = &hash.http_header_name {
        return Some(HashPolicy::Header(HashHeader { header_name: name.clone() }));
    }
    if let Some(cookie) = &hash.http_cookie {
        let attribute = |one: &crate::manifests::traffic_policy::CookieAttribute| HashCookieAttribute {
            name: one.name.clone(),
            value: one.value.clone().unwrap_or_default(),
        };
        return Some(HashPolicy::Cookie(HashCookie {
            name: cookie.name.clone(),
            ttl: duration(cookie.ttl.as_deref()),
            path: cookie.path.clone().unwrap_or_default(),
            attributes: cookie.attributes.iter().map(attribute).collect(),
        }));
    }
    if let Some(source_ip) = hash.use_source_ip {
        return Some(HashPolicy::ConnectionProperties(HashConnectionProperties { source_ip }));
    }
    let name = hash.http_query_parameter_name.clone()?;
    Some(HashPolicy::QueryParameter(HashQueryParameter { name }))
}

/// What of a connection is hashed (`maybeSetHashPolicy`): only the caller's address can be.
pub(super) fn connection_hash(rule: Option<&DestinationRule>, subset: &str) -> Vec<TcpHashPolicy> {
    let by_source =
        |settings: Option<&LoadBalancer>| hash_in(settings).is_some_and(|hash| hash.use_source_ip == Some(true));
    let of_rule = |rule: &DestinationRule| {
        let own = rule.subset(subset).and_then(|subset| subset.traffic_policy.as_ref()?.whole.load_balancer.as_ref());
        let whole = rule.traffic_policy.as_ref().and_then(|policy| policy.whole.load_balancer.as_ref());
        by_source(own.or(whole))
    };
    if rule.is_some_and(of_rule) { vec![TcpHashPolicy::SourceIp(Empty {})] } else { vec![] }
}
