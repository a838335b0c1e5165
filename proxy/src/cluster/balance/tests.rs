use envoy_api::{Address, LbEndpoint};

use super::*;
use crate::cluster::endpoint::Transports;

/// Endpoints with these weights, and ports equal to the weights.
fn endpoints(weights: &[u16]) -> Vec<Arc<Endpoint>> {
    let config: envoy_api::Cluster = envoy_api::read_value(serde_json::json!({"name": "c"})).unwrap();
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
    weights.iter().map(endpoint).collect()
}

fn turns(policy: LbPolicy, endpoints: &[Arc<Endpoint>], count: usize) -> Vec<u16> {
    let balancer = Balancer::new(policy);
    (0..count).map(|_| balancer.choose(endpoints).unwrap().host.0.port()).collect()
}

#[test]
fn turns_are_proportional_to_weights_and_spread_evenly() {
    let turns = turns(LbPolicy::RoundRobin, &endpoints(&[1, 3]), 400);
    let of_three = turns.iter().filter(|port| **port == 3).count();
    assert!((295..=305).contains(&of_three), "{of_three} of 400");
    assert!(turns.windows(5).all(|five| five.contains(&1)), "the lighter one waits at most 4 turns");
}

#[test]
fn the_less_loaded_of_two_is_chosen() {
    let endpoints = endpoints(&[1, 1]);
    let _busy: Vec<_> = (0..10).map(|_| endpoints[0].load()).collect();
    let balancer = Balancer::new(LbPolicy::LeastRequest);
    let idle = (0..200).filter(|_| balancer.choose(&endpoints).is_some_and(|e| Arc::ptr_eq(e, &endpoints[1]))).count();
    // The busy one is only chosen if both random choices are the same: one time in four.
    assert!((110..=185).contains(&idle), "{idle} of 200");
}

#[test]
fn without_endpoints_none_is_chosen() {
    assert!(Balancer::new(LbPolicy::Random).choose(&[]).is_none());
}
