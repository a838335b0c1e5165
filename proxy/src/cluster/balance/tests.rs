use envoy_api::{Address, LbEndpoint};
use serde_json::json;

use super::*;
use crate::cluster::endpoint::Transports;

fn config(policy: &str) -> envoy_api::Cluster {
    envoy_api::read_value(json!({"name": "c", "lb_policy": policy})).unwrap()
}

/// Endpoints with these weights, and ports equal to the weights.
fn endpoints(policy: &str, weights: &[u16]) -> Eligible {
    let config = config(policy);
    let transports = Transports::new(&config, false, &Default::default()).unwrap();
    let endpoint = |weight: &u16| {
        let address = Address::tcp("10.0.0.1", *weight);
        let configured = LbEndpoint {
            endpoint: envoy_api::Endpoint { address, additional_addresses: vec![] },
            metadata: None,
            load_balancing_weight: Some(u32::from(*weight)),
        };
        Arc::new(Endpoint::new(([10, 0, 0, 1], *weight).into(), vec![], &configured, &transports))
    };
    let all: Vec<_> = weights.iter().map(endpoint).collect();
    Eligible::new(&config, &all)
}

fn turns(policy: &str, weights: &[u16], count: usize) -> Vec<u16> {
    let (balancer, endpoints) = (Balancer::new(&config(policy)), endpoints(policy, weights));
    (0..count).map(|_| balancer.choose(&endpoints, None, 0).unwrap().host.0.port()).collect()
}

#[test]
fn a_hash_leads_to_the_same_endpoint_and_without_one_to_any() {
    for policy in ["RING_HASH", "MAGLEV"] {
        let (balancer, endpoints) = (Balancer::new(&config(policy)), endpoints(policy, &[1, 2, 3]));
        let chosen = |hash| balancer.choose(&endpoints, hash, 0).unwrap().host.0.port();
        let of_hash = chosen(Some(77));
        assert!((0..50).all(|_| chosen(Some(77)) == of_hash));
        let others: std::collections::BTreeSet<_> = (0..300).map(|_| chosen(None)).collect();
        assert_eq!(others.len(), 3, "{policy}");
    }
}

#[test]
fn a_new_endpoint_gets_its_share_little_by_little() {
    let config = json!({"name": "c", "lb_policy": "ROUND_ROBIN", "round_robin_lb_config": {"slow_start_config": {
        "slow_start_window": "10s", "aggression": {"default_value": 1.0}, "min_weight_percent": {"value": 20.0}}}});
    let balancer = Balancer::new(&envoy_api::read_value(config).unwrap());
    let slow = balancer.slow_start.unwrap();
    let factors = [0, 1000, 5000, 10_000].map(|ms| slow.factor(Duration::from_millis(ms)));
    assert_eq!(factors, [0.2, 0.2, 0.5, 1.0]);
}

#[test]
fn turns_are_proportional_to_weights_and_spread_evenly() {
    let turns = turns("ROUND_ROBIN", &[1, 3], 400);
    let of_three = turns.iter().filter(|port| **port == 3).count();
    assert!((295..=305).contains(&of_three), "{of_three} of 400");
    assert!(turns.windows(5).all(|five| five.contains(&1)), "the lighter one waits at most 4 turns");
}

#[test]
fn the_less_loaded_of_two_is_chosen() {
    let endpoints = endpoints("LEAST_REQUEST", &[1, 1]);
    let [busy, idle] = &endpoints.endpoints[..] else { panic!("two endpoints") };
    let _busy: Vec<_> = (0..10).map(|_| busy.load()).collect();
    let balancer = Balancer::new(&config("LEAST_REQUEST"));
    let chosen = || balancer.choose(&endpoints, None, 0);
    let idle = (0..200).filter(|_| chosen().is_some_and(|endpoint| Arc::ptr_eq(endpoint, idle))).count();
    // The busy one is only chosen if both random choices are the same: one time in four.
    assert!((110..=185).contains(&idle), "{idle} of 200");
}

#[test]
fn without_endpoints_none_is_chosen() {
    assert!(Balancer::new(&config("RANDOM")).choose(&Eligible::default(), None, 0).is_none());
}
